"""`fold`: what is known of an order once one more fact is known.

Every field is a least or a greatest of what was reported, by (time it happened, fact id), so the same set
of facts gives the same state in whatever order and with whatever repetition they arrive.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeVar

from journey.facts import (
    ComplaintClosed,
    ComplaintOpened,
    ExpectedDateChanged,
    Fact,
    FeedbackGiven,
    LineQuantity,
    NotUnderstood,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    ParcelMoved,
    ParcelShipped,
    Reordered,
    ReturnClosed,
    ReturnOpened,
)
from journey.state import (
    MOST,
    REMEMBERED,
    Checkpoint,
    Closing,
    Complaint,
    Content,
    Happening,
    OrderState,
    Parcel,
    Place,
    Promise,
    Rating,
    Return,
    Shipment,
    Stamped,
)

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
            changes["opened_lines"] = _most(case.opened_lines, fact.lines)
        return case.model_copy(update=changes)
    closing = Closing(at=fact.at, fact_id=fact.fact_id, outcome=fact.outcome, lines=_most((), fact.lines))
    return case.model_copy(update={"closed": _closed(case, closing)})


def _closed(case: Return, new: Closing) -> Closing:
    """Of several ends, the one that counts. Each refund of one return tells the lines that it is for."""
    old = case.closed
    if old is not None and case.latest_end_counts:
        return max(old, new, key=lambda end: (end.at, end.fact_id))
    counts = _later(old, new)
    if old is None or not (old.pays_back and new.pays_back):
        return counts
    # No lines means all of them.
    lines = _most(old.lines, new.lines) if old.lines and new.lines else ()
    return counts.model_copy(update={"lines": lines})


def _most(one: tuple[LineQuantity, ...], other: tuple[LineQuantity, ...]) -> tuple[LineQuantity, ...]:
    """Every line that one of them names, with the greater quantity."""
    merged = {line.line_id: line.quantity for line in one}
    for line in other:
        merged[line.line_id] = max(merged.get(line.line_id, 0), line.quantity)
    return tuple(LineQuantity(line_id=key, quantity=merged[key]) for key in sorted(merged))


def _fold_complaint(complaint: Complaint, fact: ComplaintOpened | ComplaintClosed) -> Complaint:
    if isinstance(fact, ComplaintOpened):
        return complaint.model_copy(update={"opened_at": _last(complaint.opened_at, fact.at)})
    return complaint.model_copy(update={"closed_at": _last(complaint.closed_at, fact.at)})
