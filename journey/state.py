"""What is known of an order, and `fold`, which adds a fact to it.

Every field is a least or a greatest of what was reported, by (time it happened, fact id), so the same set
of facts gives the same state in whatever order and with whatever repetition they arrive.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import Field

from journey.facts import (
    CarrierStatus,
    ComplaintClosed,
    ComplaintOpened,
    ExpectedDateChanged,
    Fact,
    FeedbackGiven,
    Line,
    LineQuantity,
    Model,
    NotUnderstood,
    Order,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    ParcelMoved,
    ParcelShipped,
    Reordered,
    ReturnClosed,
    ReturnOpened,
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
_ARRIVED = {CarrierStatus.DELIVERED: 3, CarrierStatus.RETURNING: 3}
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


class Closing(Stamped):
    """How a return ended."""

    outcome: ReturnOutcome
    lines: tuple[LineQuantity, ...] = ()


class Return(Model):
    """One return, open until it is closed."""

    return_id: str
    opened_at: Instant | None = None
    opened_lines: tuple[LineQuantity, ...] = ()
    closed: Closing | None = None

    @property
    def open(self) -> bool:
        return self.closed is None

    @property
    def kept_nothing(self) -> bool:
        """Whether the customer ended without the goods."""
        return self.closed is not None and self.closed.outcome in (
            ReturnOutcome.REFUNDED,
            ReturnOutcome.CREDITED,
        )

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


S = TypeVar("S", bound=Stamped)


def _later(old: S | None, new: S) -> S:
    return new if old is None or new.rank > old.rank else old


def _earlier(old: S | None, new: S) -> S:
    return new if old is None or new.rank < old.rank else old


def _first(old: datetime | None, new: datetime) -> datetime:
    return new if old is None else min(old, new)


def _last(old: datetime | None, new: datetime) -> datetime:
    return new if old is None else max(old, new)


def fold(state: OrderState, fact: Fact) -> OrderState:
    """The state that also knows this fact. Order-independent and idempotent."""
    changes = {name: _at_most(name, value) for name, value in _changes(state, fact)}
    return state.model_copy(update={**changes, "story": _told(state.story, fact)})


def _at_most(name: str, value: Any) -> Any:
    most = MOST.get(name)
    if most is None or len(value) <= most:
        return value
    return {key: value[key] for key in sorted(value)[:most]}


def _told(story: tuple[Happening, ...], fact: Fact) -> tuple[Happening, ...]:
    happening = Happening(
        at=fact.at, fact_id=fact.fact_id, kind=fact.kind, about=_subject(fact), note=_note(fact)
    )
    if happening in story:
        return story
    return tuple(sorted((*story, happening), key=lambda each: each.rank)[-REMEMBERED:])


def _subject(fact: Fact) -> str | None:
    for name in ("parcel_id", "return_id", "complaint_id"):
        if subject := getattr(fact, name, None):
            return str(subject)
    return None


def _note(fact: Fact) -> str | None:
    match fact:
        case ParcelMoved():
            return f"{fact.status} ({fact.raw})" if fact.raw else str(fact.status)
        case ReturnClosed():
            return str(fact.outcome)
        case FeedbackGiven():
            return f"{fact.rating} of 5"
        case NotUnderstood():
            return fact.problem
        case _:
            return None


def _changes(state: OrderState, fact: Fact) -> Iterator[tuple[str, Any]]:
    match fact:
        case OrderPlaced():
            old = state.placed
            if old is None or (fact.at, fact.fact_id) < (old.at, old.fact_id):
                yield "placed", fact
        case OrderChanged():
            yield from _order_changes(state, fact)
        case OrderCancelled():
            yield "cancelled_at", _first(state.cancelled_at, fact.at)
        case ParcelShipped() | ParcelMoved():
            yield "parcels", _with(state.parcels, _parcel(state, fact.parcel_id), fact.parcel_id, fact)
        case ExpectedDateChanged(parcel_id=None):
            yield "deliver_by", _later(state.deliver_by, _promise(fact, fact.expected))
        case ExpectedDateChanged(parcel_id=str(parcel_id)):
            yield "parcels", _with(state.parcels, _parcel(state, parcel_id), parcel_id, fact)
        case FeedbackGiven():
            yield "rating", _later(state.rating, Rating(at=fact.at, fact_id=fact.fact_id, stars=fact.rating))
        case ReturnOpened() | ReturnClosed():
            case_ = state.returns.get(fact.return_id) or Return(return_id=fact.return_id)
            yield "returns", {**state.returns, fact.return_id: _fold_return(case_, fact)}
        case ComplaintOpened() | ComplaintClosed():
            complaint = state.complaints.get(fact.complaint_id) or Complaint(complaint_id=fact.complaint_id)
            yield "complaints", {**state.complaints, fact.complaint_id: _fold_complaint(complaint, fact)}
        case Reordered():
            bought = {sku: _last(state.reordered.get(sku), fact.at) for sku in fact.skus}
            yield "reordered", {**state.reordered, **bought}
        case NotUnderstood():
            return


def _order_changes(state: OrderState, fact: OrderChanged) -> Iterator[tuple[str, Any]]:
    stamp = {"at": fact.at, "fact_id": fact.fact_id}
    if fact.lines is not None:
        yield "content", _later(state.content, Content(**stamp, lines=fact.lines))
    if fact.country is not None:
        yield "country", _later(state.country, Place(**stamp, value=fact.country))
    if fact.zone is not None:
        yield "zone", _later(state.zone, Place(**stamp, value=fact.zone))
    if fact.ship_by is not None:
        yield "ship_by", _later(state.ship_by, _promise(fact, fact.ship_by))
    if fact.deliver_by is not None:
        yield "deliver_by", _later(state.deliver_by, _promise(fact, fact.deliver_by))


def _promise(fact: Fact, expected: Any) -> Promise:
    return Promise(at=fact.at, fact_id=fact.fact_id, expected=expected)


def _parcel(state: OrderState, parcel_id: str) -> Parcel:
    return state.parcels.get(parcel_id) or Parcel(parcel_id=parcel_id)


def _with(
    parcels: dict[str, Parcel],
    parcel: Parcel,
    parcel_id: str,
    fact: ParcelShipped | ParcelMoved | ExpectedDateChanged,
) -> dict[str, Parcel]:
    changes = dict(_parcel_changes(parcel, fact))
    return {**parcels, parcel_id: parcel.model_copy(update=changes)}


def _parcel_changes(
    parcel: Parcel, fact: ParcelShipped | ParcelMoved | ExpectedDateChanged
) -> Iterator[tuple[str, Any]]:
    stamp = {"at": fact.at, "fact_id": fact.fact_id}
    if isinstance(fact, ParcelMoved):
        seen = Checkpoint(**stamp, status=fact.status, raw=fact.raw)
        yield "checkpoint", _later(parcel.checkpoint, seen)
        yield "reached", {**parcel.reached, fact.status: _first(parcel.reached.get(fact.status), fact.at)}
        yield "last_moved_at", _last(parcel.last_moved_at, fact.at)
        return
    if fact.expected is not None:
        yield "promise", _later(parcel.promise, _promise(fact, fact.expected))
        yield "first_promise", _earlier(parcel.first_promise, _promise(fact, fact.expected))
    if isinstance(fact, ParcelShipped):
        said = fact.model_dump(include={"tracking_number", "tracking_url", "carrier"})
        yield "shipment", _later(parcel.shipment, Shipment(**stamp, **said, lines=fact.lines))
        yield "shipped_at", _first(parcel.shipped_at, fact.at)
        yield "last_moved_at", _last(parcel.last_moved_at, fact.at)


def _fold_return(case: Return, fact: ReturnOpened | ReturnClosed) -> Return:
    if isinstance(fact, ReturnOpened):
        changes: dict[str, Any] = {"opened_at": _first(case.opened_at, fact.at)}
        if fact.lines:
            merged = {line.line_id: line.quantity for line in case.opened_lines}
            for line in fact.lines:
                merged[line.line_id] = max(merged.get(line.line_id, 0), line.quantity)
            changes["opened_lines"] = tuple(
                LineQuantity(line_id=key, quantity=merged[key]) for key in sorted(merged)
            )
        return case.model_copy(update=changes)
    closing = Closing(at=fact.at, fact_id=fact.fact_id, outcome=fact.outcome, lines=fact.lines)
    return case.model_copy(update={"closed": _later(case.closed, closing)})


def _fold_complaint(complaint: Complaint, fact: ComplaintOpened | ComplaintClosed) -> Complaint:
    if isinstance(fact, ComplaintOpened):
        return complaint.model_copy(update={"opened_at": _last(complaint.opened_at, fact.at)})
    return complaint.model_copy(update={"closed_at": _last(complaint.closed_at, fact.at)})


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
