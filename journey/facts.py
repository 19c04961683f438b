"""Facts: what happened to an order, as somebody outside reported it.

A fact has an identifier that makes it count once (`fact_id`, the reporter's own event id where there is
one), the time at which it happened and its source. Facts carry nothing personal: a customer is an opaque
id, and what a customer wrote stays in the ledger.
"""

import re
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from journey.names import Code, Label, OpaqueId
from journey.times import Instant, When
from journey.wording import is_short_of_good_ones, located, what_would_be_right


class Model(BaseModel):
    """A value: immutable, and refusing fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("should be an IANA time zone such as Europe/Berlin") from None
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]


def _impersonal(text: str) -> str:
    if "@" in text or "%40" in text:
        raise ValueError("should hold nothing personal, such as an e-mail address")
    return text


Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_impersonal)]
Url = Annotated[str, AfterValidator(lambda text: _impersonal(str(HttpUrl(text))))]


LARGEST_SUM = 2**53
"""Minor units, or units of goods: what every reader of JSON takes for a whole number, and products of it can
be written down everywhere."""


class Line(Model):
    """One line of an order: so many of one thing."""

    line_id: OpaqueId = Field(description="Your id of the line; unlike any other of the order.")
    sku: Label = Field(description="Your article number. Who buys it again is not reminded to.")
    title: Text = Field(description="As the customer knows it; letters show it.")
    quantity: int = Field(ge=1, le=100_000)
    unit_price: int = Field(
        ge=0, le=LARGEST_SUM, description="In minor units of the order's currency (ISO 4217)."
    )
    discount: int = Field(default=0, ge=0, le=LARGEST_SUM, description="Off the whole line, in minor units.")
    tax: int = Field(
        default=0, ge=0, le=LARGEST_SUM, description="On top of the whole line; 0 where prices include it."
    )
    category: Label | None = Field(
        default=None,
        description="A word of yours for its kind, by which `returns:` of the playbook has exceptions.",
    )
    lifespan_days: int | None = Field(
        default=None,
        ge=1,
        le=3650,
        description="Days that one unit lasts, for what is used up: the reminder to buy more counts from "
        "the delivery.",
    )
    guide_url: Url | None = Field(
        default=None,
        description="https. How to use and care for it; the letter after the delivery links to it.",
    )
    image_url: Url | None = Field(default=None, description="https. Letters show it.")


def _distinct(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    ids = [line.line_id for line in lines]
    if len(ids) != len(set(ids)):
        raise ValueError("each line_id should appear once")
    return lines


Lines = Annotated[tuple[Line, ...], Field(min_length=1, max_length=500), AfterValidator(_distinct)]


class Order(Model):
    """What was bought, by whom (a pointer), and what was promised."""

    order_id: OpaqueId = Field(description="Your id of the order.")
    customer_id: OpaqueId
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217.")
    country: str = Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1, where it is sent.")
    zone: Zone = Field(description="The customer's IANA time zone.")
    lines: Lines
    first_order: bool | None = Field(
        default=None,
        description="Whether the customer had bought nothing before. Not told: the ledger looks for an "
        "earlier order of the same customer when the journey begins.",
    )
    shipping: int = Field(
        default=0, ge=0, le=LARGEST_SUM, description="Paid for shipping, tax included, in minor units."
    )
    discount: int = Field(default=0, ge=0, le=LARGEST_SUM, description="Off the whole order, in minor units.")
    ship_by: When | None = Field(
        default=None, description="The promised ship date: a customer hears of it when it passes unshipped."
    )
    deliver_by: When | None = Field(
        default=None,
        description="The promised delivery date: a customer hears of it when it passes or moves.",
    )

    @model_validator(mode="after")
    def _paid_is_not_negative(self) -> Self:
        goods = 0
        for number, line in enumerate(self.lines):
            paid = line.quantity * line.unit_price + line.tax - line.discount
            if paid < 0:
                raise ValueError(f"lines.{number}.discount: should be at most what the line costs")
            goods += paid
        if self.discount > goods:
            raise ValueError("discount: should be at most what the goods cost")
        return self


class LineQuantity(Model):
    """Some of the units of one line."""

    line_id: OpaqueId
    quantity: int = Field(ge=1, le=LARGEST_SUM)


class CarrierStatus(StrEnum):
    """The closed set to which every carrier's words are mapped."""

    LABEL_MADE = "label_made"
    HANDED_OVER = "handed_over"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    READY_FOR_PICKUP = "ready_for_pickup"
    ATTEMPT_FAILED = "attempt_failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RETURNING = "returning"
    LOST = "lost"
    CANCELLED = "cancelled"
    """The shop called the parcel off: it is not coming. A worker from before this knows it as unknown,
    and so does a run that it decided for (`journey/older_runs.py`)."""
    UNKNOWN = "unknown"


CARRIER_STATUSES: frozenset[str] = frozenset(CarrierStatus)


class ReturnOutcome(StrEnum):
    """How a return ended."""

    REFUNDED = "refunded"
    EXCHANGED = "exchanged"
    CREDITED = "credited"
    REPLACED = "replaced"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class FactBase(Model):
    """What every fact carries."""

    fact_id: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\s@]+$",
        description="Yours, such as the event's own id: said again, it counts once.",
    )
    at: Instant = Field(description="When it happened; any offset, kept in UTC.")
    source: OpaqueId = Field(default="unstated", description="Who reports it.")


class OrderPlaced(FactBase):
    """The order is paid. It starts the journey."""

    kind: Literal["order_placed"] = "order_placed"
    order: Order


class OrderChanged(FactBase):
    """Some of the order is different now; what is absent stays as it was."""

    kind: Literal["order_changed"] = "order_changed"
    lines: Lines | None = None
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    zone: Zone | None = None
    ship_by: When | None = None
    deliver_by: When | None = None


class OrderCancelled(FactBase):
    """The whole order is called off."""

    kind: Literal["order_cancelled"] = "order_cancelled"
    reason: Code | None = Field(default=None, description="A word of yours such as `customer_asked`.")


class ParcelShipped(FactBase):
    """A parcel is on its way, with all of the order or some of its lines."""

    kind: Literal["parcel_shipped"] = "parcel_shipped"
    parcel_id: OpaqueId = Field(description="Your id of the parcel, unlike any other of the order.")
    tracking_number: Label | None = None
    tracking_url: Url | None = None
    carrier: Label | None = None
    lines: tuple[LineQuantity, ...] = Field(
        default=(), max_length=500, description="Empty: everything that was ordered."
    )
    expected: When | None = Field(default=None, description="When the carrier expects to deliver.")


def _word_only(text: str) -> str:
    """Carriers write "left with" and a name here. A word of theirs is short, and no address."""
    return text[:80] if "@" not in text and not re.search(r"\d{6}", text) else "(left out)"


class ParcelMoved(FactBase):
    """The carrier reported a checkpoint. A carrier's status that we do not know counts as `unknown`; its word
    is kept."""

    kind: Literal["parcel_moved"] = "parcel_moved"
    parcel_id: OpaqueId
    status: CarrierStatus
    raw: Annotated[str, AfterValidator(_word_only)] | None = Field(
        default=None, description="The carrier's own word; what could be personal in it is left out."
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_unknown_word(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("status"), str):
            return data
        if data["status"] in CARRIER_STATUSES:
            return data
        return {**data, "status": CarrierStatus.UNKNOWN, "raw": data.get("raw") or data["status"]}


class ExpectedDateChanged(FactBase):
    """A parcel (or, without `parcel_id`, the whole order) is expected on another date."""

    kind: Literal["expected_date_changed"] = "expected_date_changed"
    parcel_id: OpaqueId | None = None
    expected: When


class FeedbackGiven(FactBase):
    """The customer rated the order. Words stay in the ledger; `feedback_id` points to them."""

    kind: Literal["feedback_given"] = "feedback_given"
    rating: int = Field(ge=1, le=5, description="Stars.")
    feedback_id: OpaqueId | None = Field(default=None, description="Points to the words in the ledger.")


class ReturnOpened(FactBase):
    """The customer sends something back."""

    kind: Literal["return_opened"] = "return_opened"
    return_id: OpaqueId
    lines: tuple[LineQuantity, ...] = Field(default=(), max_length=500, description="Empty: everything.")


class ReturnClosed(FactBase):
    """A return has ended."""

    kind: Literal["return_closed"] = "return_closed"
    return_id: OpaqueId
    outcome: ReturnOutcome
    lines: tuple[LineQuantity, ...] = Field(
        default=(), max_length=500, description="Empty: those that were opened."
    )


class Reordered(FactBase):
    """The customer bought some of the same things again."""

    kind: Literal["reordered"] = "reordered"
    skus: tuple[Label, ...] = Field(min_length=1, max_length=500)
    order_id: OpaqueId | None = Field(default=None, description="The new order.")


class ComplaintOpened(FactBase):
    """The customer is waiting for an answer of the service."""

    kind: Literal["complaint_opened"] = "complaint_opened"
    complaint_id: OpaqueId


class ComplaintClosed(FactBase):
    """The service has answered."""

    kind: Literal["complaint_closed"] = "complaint_closed"
    complaint_id: OpaqueId


def _short_word(value: Any) -> str:
    word = "".join(c for c in str(value) if c.isalnum() or c in "_.-")
    return word[:64] or "nameless"


class NotUnderstood(FactBase):
    """Something was reported that this version cannot read. It is kept and shown, never acted on."""

    kind: Annotated[str, BeforeValidator(_short_word)]
    problem: str = Field(max_length=500)


KnownFact = Annotated[
    OrderPlaced
    | OrderChanged
    | OrderCancelled
    | ParcelShipped
    | ParcelMoved
    | ExpectedDateChanged
    | FeedbackGiven
    | ReturnOpened
    | ReturnClosed
    | Reordered
    | ComplaintOpened
    | ComplaintClosed,
    Field(discriminator="kind"),
]
Fact = KnownFact | NotUnderstood

_ADAPTER: TypeAdapter[KnownFact] = TypeAdapter(KnownFact)
KINDS: frozenset[str] = frozenset(_ADAPTER.core_schema["choices"])


def read_fact(data: Any) -> KnownFact:
    """Validate a fact; `pydantic.ValidationError` names each field that is wrong."""
    return (
        _ADAPTER.validate_python(data) if not isinstance(data, (str, bytes)) else _ADAPTER.validate_json(data)
    )


TOLD = 10
"""How many mistakes of a fact are told."""


def _plain(part: int | str) -> str:
    """A key as it may be shown: one that is no plain word could be personal."""
    return str(part) if re.fullmatch(r"\w{1,40}", str(part)) else "(a key that is no word)"


def problems(error: ValidationError) -> str:
    """A validation error in one line that names each field and what would be right, but no value:
    a value that does not belong may be personal."""
    lines = []
    wrong = [item for item in error.errors(include_url=False) if not is_short_of_good_ones(item)]
    for item in wrong[:TOLD]:
        loc, said = located(item)
        place = [_plain(part) for part in loc if str(part) not in KINDS]
        lines.append(f"{'.'.join(place) or 'fact'}: {what_would_be_right(item, loc, said)}")
    return "; ".join(lines)


def understand(kind: str, data: Any, now: datetime) -> Fact:
    """Read what a signal brought, whatever it brought."""
    if kind not in KINDS:
        return not_understood(kind, data, now, "this kind of fact is not known")
    try:
        if not isinstance(data, dict):
            raise ValueError("a fact should be a JSON object")
        return read_fact({**data, "kind": kind})
    except ValidationError as error:
        return not_understood(kind, data, now, problems(error))
    except (ValueError, TypeError) as error:
        return not_understood(kind, data, now, str(error))


def not_understood(kind: str, data: Any, now: datetime, problem: str) -> NotUnderstood:
    """What is kept of it: its kind, its id if it has one, and what is wrong with it."""
    fact_id = data.get("fact_id") if isinstance(data, dict) else None
    try:
        FactBase(fact_id=fact_id, at=now)
    except ValidationError:
        fact_id = f"unreadable-{sha256(repr(data).encode()).hexdigest()[:16]}"
    return NotUnderstood(kind=kind, fact_id=fact_id, at=now, problem=problem[:500])


def believable(fact: Fact, placed_at: datetime, now: datetime) -> Fact:
    """The fact with a time that can be true.

    Reporters' clocks are wrong by hours, and their years by one. What is said to have happened before the
    order, or more than a day from now, did happen, but is taken to have happened when it arrived.
    """
    if placed_at - timedelta(days=1) <= fact.at <= now + timedelta(days=1):
        return fact
    return fact.model_copy(update={"at": now})
