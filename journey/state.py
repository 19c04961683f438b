"""What is known of an order, and of its journey. `journey/fold.py` adds facts to it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from journey.facts import (
    CarrierStatus,
    Line,
    LineQuantity,
    Model,
    Order,
    OrderPlaced,
    ReturnOutcome,
)
from journey.return_contract import BY_OPERATOR, ReturnDecision, ReturnRequest
from journey.times import Instant, When

MOST = {"parcels": 50, "returns": 20, "complaints": 50, "reordered": 500}
"""How many of each an order keeps: those with the least ids, so that it does not depend on the order of
arrival. A real order has a few; a broken reporter could name thousands, and a state has to fit a message."""

REMEMBERED = 100
"""How many happenings a state lists; what they changed is kept whatever their number."""


class Stamped(Model):
    """When something happened, and by which fact; the later one wins, the id breaks a tie."""

    at: Instant
    fact_id: str

    @property
    def rank(self) -> tuple[Any, ...]:
        return (self.at, self.fact_id)


class Promise(Stamped):
    """A date that was promised."""

    expected: When


class Rating(Stamped):
    """What the customer thinks, from 1 to 5."""

    stars: int


class Content(Stamped):
    """The lines of an order as they are now."""

    lines: tuple[Line, ...]


class Place(Stamped):
    """A country or a zone."""

    value: str


_ON_THE_WAY = {CarrierStatus.LABEL_MADE: 0, CarrierStatus.UNKNOWN: 0, CarrierStatus.HANDED_OVER: 1}
# Scans that follow do not bring back what was called off, but what is delivered is there all the same.
_ARRIVED = {CarrierStatus.CANCELLED: 3, CarrierStatus.DELIVERED: 4, CarrierStatus.RETURNING: 4}
_PROGRESS = {status: {**_ON_THE_WAY, **_ARRIVED}.get(status, 2) for status in CarrierStatus}


class Checkpoint(Stamped):
    """Where the carrier saw a parcel. The later checkpoint wins, but a parcel never moves backwards:
    what is delivered is not in transit again because somebody scanned it late."""

    status: CarrierStatus
    raw: str | None = None

    @property
    def rank(self) -> tuple[Any, ...]:
        return (_PROGRESS[self.status], self.at, self.fact_id, self.status)


class Shipment(Stamped):
    """What the shop said when it shipped a parcel."""

    tracking_number: str | None = None
    tracking_url: str | None = None
    carrier: str | None = None
    lines: tuple[LineQuantity, ...] = ()


class Parcel(Model):
    """One parcel: what is in it, where it is, when each thing first happened to it."""

    parcel_id: str
    shipment: Shipment | None = None
    shipped_at: Instant | None = None
    checkpoint: Checkpoint | None = None
    reached: dict[CarrierStatus, Instant] = Field(default_factory=dict, description="First times.")
    last_moved_at: Instant | None = None
    first_promise: Promise | None = None
    promise: Promise | None = None

    @property
    def delivered_at(self) -> datetime | None:
        return self.reached.get(CarrierStatus.DELIVERED)

    @property
    def called_off(self) -> bool:
        """Whether it is not coming, and so was never sent."""
        return self.checkpoint is not None and self.checkpoint.status is CarrierStatus.CANCELLED


class Closing(Stamped):
    """How a return ended. What was paid back was paid back, whatever else is said of the same return before
    or after: a shop's platform may say no more than that it is over."""

    outcome: ReturnOutcome
    lines: tuple[LineQuantity, ...] = ()

    @property
    def pays_back(self) -> bool:
        return self.outcome in (ReturnOutcome.REFUNDED, ReturnOutcome.CREDITED)

    @property
    def rank(self) -> tuple[Any, ...]:
        # Not asked where the latest end counts: see `Return.latest_end_counts`.
        return (self.pays_back, self.at, self.fact_id)


class Return(Model):
    """One return, open until it is closed."""

    return_id: str
    opened_at: Instant | None = None
    opened_lines: tuple[LineQuantity, ...] = ()
    closed: Closing | None = None
    latest_end_counts: bool = Field(
        default=False,
        description="Of several ends, whatever they pay back: in a run that was told several before ends "
        "were ranked. Older states: not known, so a further end is ranked with the one they took.",
    )

    @property
    def open(self) -> bool:
        return self.closed is None

    @property
    def kept_nothing(self) -> bool:
        """Whether the customer ended without the goods."""
        return self.closed is not None and self.closed.pays_back

    def concerns(self, line_id: str) -> bool:
        lines = (self.closed and self.closed.lines) or self.opened_lines
        return not lines or any(line.line_id == line_id for line in lines)


class Complaint(Model):
    """A question to the service, open until its latest opening is answered."""

    complaint_id: str
    opened_at: Instant | None = None
    closed_at: Instant | None = None

    @property
    def open(self) -> bool:
        return self.opened_at is not None and (self.closed_at is None or self.closed_at < self.opened_at)


class Happening(Stamped):
    """A line of the order's story, for people to read."""

    kind: str
    about: str | None = None
    note: str | None = None

    @property
    def rank(self) -> tuple[Any, ...]:
        return (self.at, self.fact_id, self.kind, self.about or "", self.note or "")


class OrderState(Model):
    """Everything that facts have told about one order."""

    placed: OrderPlaced | None = None
    content: Content | None = None
    country: Place | None = None
    zone: Place | None = None
    ship_by: Promise | None = None
    deliver_by: Promise | None = None
    cancelled_at: Instant | None = None
    parcels: dict[str, Parcel] = Field(default_factory=dict)
    returns: dict[str, Return] = Field(default_factory=dict)
    complaints: dict[str, Complaint] = Field(default_factory=dict)
    rating: Rating | None = None
    reordered: dict[str, Instant] = Field(default_factory=dict, description="By sku: the latest time.")
    story: tuple[Happening, ...] = Field(default=(), description="The latest happenings, oldest first.")

    @property
    def sent(self) -> tuple[Parcel, ...]:
        """The parcels that were not called off."""
        return tuple(parcel for parcel in self.parcels.values() if not parcel.called_off)

    @property
    def order(self) -> Order:
        """The order as it is now. Raises `ValueError` while it is not known that it was placed."""
        if self.placed is None:
            raise ValueError("no order_placed fact has been recorded")
        changes: dict[str, Any] = {}
        for name, change, field in (
            ("lines", self.content, "lines"),
            ("country", self.country, "value"),
            ("zone", self.zone, "value"),
            ("ship_by", self.ship_by, "expected"),
            ("deliver_by", self.deliver_by, "expected"),
        ):
            if change is not None:
                changes[name] = getattr(change, field)
        return self.placed.order.model_copy(update=changes)


class Result(StrEnum):
    """How a step ended."""

    SENT = "sent"
    SUPPRESSED = "suppressed"
    STOPPED = "stopped"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    PARKED = "parked"


class Outcome(Model):
    """What became of a step, and why."""

    key: str
    step: str
    result: Result
    at: Instant
    reason: str
    due: Instant | None = None
    expires_at: Instant | None = Field(default=None, description="When a parked step is given up.")


class Deferral(Model):
    """A step that was due and has to wait."""

    until: Instant
    reason: str
    in_hours: bool = Field(default=False, description="Older runs: not known, so the window is asked again.")


class OpenedCase(Model):
    """A return, a claim or a refund that was asked for here; its own journey goes its own way."""

    request: ReturnRequest
    decision: ReturnDecision
    opened_at: Instant
    started: bool = False


class JourneyState(Model):
    """All that a journey carries, whole, from run to run. New fields have a default, and say what an
    older run sees."""

    facts: OrderState = Field(default_factory=OrderState)
    outcomes: dict[str, Outcome] = Field(default_factory=dict)
    deferred: dict[str, Deferral] = Field(default_factory=dict)
    retried: dict[str, Instant] = Field(
        default_factory=dict, description="Parked steps that an operator had tried again, and when."
    )
    paused_since: Instant | None = None
    resumed_at: Instant | None = None
    quiet_since: Instant | None = Field(default=None, description="When something was last recorded.")
    facts_recorded: int = 0
    seen: tuple[str, ...] = Field(default=(), description="The latest fact ids, to count each once.")
    # A run from before there were returns sees none: it goes on as it did.
    cases: dict[str, OpenedCase] = Field(default_factory=dict, description="By return id.")

    @property
    def waits_for_a_case(self) -> bool:
        """Whether a return of ours has still to tell how it ended. An operator's refund tells nothing."""
        return any(
            not case.started or (case.decision.kind not in BY_OPERATOR and self.facts.returns[return_id].open)
            for return_id, case in self.cases.items()
        )
