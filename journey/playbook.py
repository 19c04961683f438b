"""The playbook: what is said, when, to whom, and what stops it. Data with a closed vocabulary."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from journey.facts import Model
from journey.names import Code
from journey.return_policy import ReturnPolicy
from journey.times import DAY, Duration, Length, Window, reverse, span, windows_meet


class MessageClass(StrEnum):
    """What a message is to the law and to the customer's choices."""

    TRANSACTIONAL = "transactional"
    CARE = "care"
    MARKETING = "marketing"


class Per(StrEnum):
    """What a step is done once for."""

    ORDER = "order"
    PARCEL = "parcel"
    LINE = "line"


class Anchor(StrEnum):
    """The moments from which a step counts its wait."""

    PLACED = "placed"
    SHIP_PROMISE = "ship_promise"
    CANCELLED = "cancelled"
    SHIPPED = "shipped"
    HANDED_OVER = "handed_over"
    OUT_FOR_DELIVERY = "out_for_delivery"
    READY_FOR_PICKUP = "ready_for_pickup"
    ATTEMPT_FAILED = "attempt_failed"
    EXPECTED = "expected"
    EXPECTED_MOVED = "expected_moved"
    LAST_MOVED = "last_moved"
    DELIVERY_REPORTED = "delivery_reported"
    DELIVERY_ASSUMED = "delivery_assumed"
    DELIVERED = "delivered"
    RUNS_OUT = "runs_out"
    FEEDBACK = "feedback"
    DELIVERED_AND_FEEDBACK = "delivered_and_feedback"
    RETURN_OPENED = "return_opened"
    RETURN_CLOSED = "return_closed"
    COMPLAINT_CLOSED = "complaint_closed"


_PARCEL_ANCHORS = {
    Anchor.SHIPPED,
    Anchor.HANDED_OVER,
    Anchor.OUT_FOR_DELIVERY,
    Anchor.READY_FOR_PICKUP,
    Anchor.ATTEMPT_FAILED,
    Anchor.EXPECTED,
    Anchor.EXPECTED_MOVED,
    Anchor.LAST_MOVED,
    Anchor.DELIVERY_REPORTED,
    Anchor.DELIVERY_ASSUMED,
    Anchor.DELIVERED,
}
_LINE_ANCHORS = {Anchor.DELIVERED, Anchor.RUNS_OUT}
_ONLY_PER_PARCEL = _PARCEL_ANCHORS - {
    Anchor.SHIPPED,
    Anchor.EXPECTED_MOVED,
    Anchor.DELIVERY_REPORTED,
    Anchor.DELIVERED,
}


class Condition(StrEnum):
    """Named questions about the order (or the parcel, or the line) that a step may ask."""

    FIRST_ORDER = "first_order"
    CANCELLED = "cancelled"
    SHIPPED = "shipped"
    OUT_FOR_DELIVERY = "out_for_delivery"
    READY_FOR_PICKUP = "ready_for_pickup"
    DELIVERED = "delivered"
    LOST = "lost"
    RETURNING = "returning"
    RETURNED = "returned"
    OPEN_RETURN = "open_return"
    OPEN_COMPLAINT = "open_complaint"
    REORDERED = "reordered"
    FEEDBACK_GIVEN = "feedback_given"
    LOW_RATING = "low_rating"


_HOLDS = {Condition.OPEN_RETURN, Condition.OPEN_COMPLAINT}


def _closed_words(text: str) -> str:
    if text in set(Anchor):
        return text
    if text.startswith("sent ") and text.removeprefix("sent ").isidentifier():
        return text
    words = ", ".join(sorted(Anchor))
    raise ValueError(f"should be `sent STEP` or one of: {words}")


After = Annotated[
    str,
    AfterValidator(_closed_words),
    Field(json_schema_extra={"anyOf": [{"enum": sorted(Anchor)}, {"pattern": "^sent [a-z][a-z0-9_]*$"}]}),
]


class Step(Model):
    """One step of the story."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: Code
    message: Code | None = Field(default=None, description="The letter; by default the step's name.")
    message_class: MessageClass = Field(alias="class")
    after: After = Field(description="The moment that the wait is counted from, or `sent STEP`.")
    wait: Duration = "0 days"
    per: Per = Per.ORDER
    only_if: tuple[Condition, ...] = Field(default=(), description="All must hold when it is due.")
    unless: tuple[Condition, ...] = Field(default=(), description="Any of these stops it for good.")
    unless_sent: tuple[Code, ...] = Field(
        default=(), description="Earlier steps; one of them sent (for the same parcel or line) stops it."
    )
    hold_while: tuple[Condition, ...] = Field(default=(), description="Any of these makes it wait.")
    expires: Duration | None = Field(default=None, description="After this it is recorded, not sent.")
    window: Window | None = Field(default=None, description="Hours of the customer's day.")

    @property
    def letter(self) -> str:
        return self.message or self.name

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.after in set(Anchor):
            self._check_anchor(Anchor(self.after))
        odd = [str(c) for c in self.hold_while if c not in _HOLDS]
        if odd:
            can = ", ".join(sorted(_HOLDS))
            raise ValueError(f"hold_while: {odd[0]} cannot end by itself; it should be one of: {can}")
        if self.expires is not None and span(self.expires) <= (0, 0):
            raise ValueError("expires: should be longer than nothing")
        return self

    def _check_anchor(self, anchor: Anchor) -> None:
        if self.per is Per.ORDER and anchor in _ONLY_PER_PARCEL:
            raise ValueError(f"after: {anchor} is a moment of a parcel; the step should say `per: parcel`")
        if self.per is Per.ORDER and anchor is Anchor.RUNS_OUT:
            raise ValueError("after: runs_out is a moment of a line; the step should say `per: line`")
        if self.per is Per.PARCEL and anchor not in _PARCEL_ANCHORS:
            raise ValueError(f"after: {anchor} is not a moment of a parcel")
        if self.per is Per.LINE and anchor not in _LINE_ANCHORS:
            raise ValueError(f"after: {anchor} is not a moment of a line; delivered and runs_out are")


class Cap(Model):
    """At most so many letters of these classes within a time, over all journeys of a customer."""

    classes: tuple[MessageClass, ...] = Field(min_length=1)
    most: int = Field(ge=1, le=1_000)
    within: Length


NOT_TRANSACTIONAL = (MessageClass.CARE, MessageClass.MARKETING)


class Limits(Model):
    """Who may be written to, how often and when; asked in the transaction that claims a send.

    A paced playbook has no hours and no holidays: its days are too short for them.
    """

    need_consent: tuple[MessageClass, ...] = Field(
        default=NOT_TRANSACTIONAL,
        description="Classes that need the customer's yes. The others need only that there is no no.",
    )
    caps: tuple[Cap, ...] = Field(
        default=(
            Cap(classes=(MessageClass.MARKETING,), most=2, within="7 days"),
            Cap(classes=NOT_TRANSACTIONAL, most=1, within="1 day"),
        ),
        max_length=20,
        description="What exceeds one is held until it no longer does.",
    )
    quiet: Window | None = Field(
        default="21:00-08:00", description="Hours of the customer's day in which nothing is sent."
    )
    quiet_for: tuple[MessageClass, ...] = Field(
        default=NOT_TRANSACTIONAL, description="Classes that respect the quiet hours."
    )
    holidays_for: tuple[MessageClass, ...] = Field(
        default=(), description="Classes that are not sent on public holidays of the customer's country."
    )
    spread: Length = Field(
        default="0 minutes",
        description="Letters that a window would let out at its opening are spread over this time after it.",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if MessageClass.TRANSACTIONAL in self.need_consent:
            raise ValueError("need_consent: transactional letters are part of the order and need none")
        return self

    def hours(self, message_class: MessageClass) -> Window | None:
        """The hours in which a class may be sent, or `None` for all of them."""
        if self.quiet is None or message_class not in self.quiet_for:
            return None
        return reverse(self.quiet)


class Playbook(Model):
    """The steps, and the few assumptions that the whole journey rests on."""

    name: Code
    steps: tuple[Step, ...] = Field(min_length=1, max_length=200)
    usual_delivery: Length = Field(
        default="10 days", description="Expected that long after shipping when nobody names a date."
    )
    assume_delivered: Length = Field(
        default="7 days",
        description="A silent parcel counts as delivered that long after its expected date or last movement.",
    )
    low_rating: int = Field(default=3, ge=1, le=5, description="Stars, up to which a rating is low.")
    close_after: Length = Field(
        default="30 days",
        description="With nothing ahead that has a date, the journey listens that long and ends.",
    )
    give_up_after: Length = Field(
        default="180 days",
        description="The same for an order that is neither delivered nor cancelled: it may still be shipped.",
    )
    returns: ReturnPolicy = Field(
        default=ReturnPolicy(), description="What may come back, how, and for what money."
    )
    horizon: Length = Field(
        default="1095 days",
        description="Nothing is planned further ahead than that after the order: goods that last for ten "
        "years do not keep a journey open so long.",
    )
    limits: Limits = Field(
        # A journey that began before there were limits lives under these from now on.
        default_factory=Limits,
        description="Consent, frequency caps, quiet hours and holidays.",
    )
    day_seconds: float = Field(
        default=DAY, gt=0, le=DAY, description="How long a day lasts: less than 86,400 paces a demo."
    )

    @model_validator(mode="after")
    def _steps_fit_together(self) -> Self:
        earlier: dict[str, Step] = {}
        for number, step in enumerate(self.steps):
            if step.name in earlier:
                raise ValueError(f"steps.{number}.name: {step.name} is taken by an earlier step")
            if step.after.startswith("sent "):
                self._check_sent(f"steps.{number}.after", step, earlier.get(step.after.removeprefix("sent ")))
            for name in step.unless_sent:
                self._check_sent(f"steps.{number}.unless_sent", step, earlier.get(name))
            self._check_hours(f"steps.{number}.window", step)
            earlier[step.name] = step
        return self

    def _check_hours(self, field: str, step: Step) -> None:
        hours = self.limits.hours(step.message_class)
        if step.window and hours and not windows_meet(step.window, hours):
            raise ValueError(f"{field}: lies wholly in the quiet hours, {self.limits.quiet}")

    @staticmethod
    def _check_sent(field: str, step: Step, other: Step | None) -> None:
        if other is None:
            raise ValueError(f"{field}: should name an earlier step")
        if other.per not in (Per.ORDER, step.per):
            raise ValueError(
                f"{field}: {other.name} is per {other.per}; this step should say `per: {other.per}`"
            )

    def step(self, name: str) -> Step | None:
        return next((step for step in self.steps if step.name == name), None)
