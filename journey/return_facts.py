"""How what is reported enters a return. Pure."""

from datetime import datetime
from typing import Any

from pydantic import ValidationError

from journey.facts import CarrierStatus, LineQuantity, problems
from journey.return_case import ReturnCase, arrived, told
from journey.return_contract import (
    Condition,
    DifferencePaid,
    ReceivedLine,
    ReturnFact,
    ReturnInspected,
    ReturnMoved,
    ReturnReceived,
)

SEEN = 200

_USED = frozenset(CarrierStatus) - {CarrierStatus.LABEL_MADE, CarrierStatus.CANCELLED, CarrierStatus.UNKNOWN}
"""What a carrier only says of a parcel that it has."""

FACTS: dict[str, type[ReturnFact]] = {
    "return_moved": ReturnMoved,
    "return_received": ReturnReceived,
    "return_inspected": ReturnInspected,
    "difference_paid": DifferencePaid,
}


def with_signal(case: ReturnCase, kind: str, data: Any, now: datetime) -> ReturnCase:
    """The case after a signal, whatever it brought: what cannot be read is in the story, and no more."""
    model = FACTS.get(kind)
    try:
        if model is None or not isinstance(data, dict):
            raise ValueError("this kind of fact is not known" if model is None else "should be an object")
        fact = model.model_validate({key: value for key, value in data.items() if key != "return_id"})
    except ValidationError as error:
        return told(case, now, f"unreadable-{len(case.story)}", "not_understood", problems(error)[:300])
    except ValueError as error:
        return told(case, now, f"unreadable-{len(case.story)}", "not_understood", str(error))
    if fact.fact_id in case.seen:
        return case
    case = case.model_copy(update={"seen": (*case.seen[1 - SEEN :], fact.fact_id)})
    if case.outcome is not None:
        return told(case, fact.at, fact.fact_id, kind, "too late")
    return _recorded(case, fact, kind, now)


def _recorded(case: ReturnCase, fact: ReturnFact, kind: str, now: datetime) -> ReturnCase:
    changes, note = _changes(case, fact, now)
    return told(case.model_copy(update=changes), fact.at, fact.fact_id, kind, note)


def _changes(case: ReturnCase, fact: ReturnFact, now: datetime) -> tuple[dict[str, Any], str | None]:
    match fact:
        case ReturnMoved():
            used = case.scanned_at or (now if fact.status in _USED else None)
            return {"scanned_at": used, "last_seen": fact.status}, fact.raw or str(fact.status)
        case ReturnReceived():
            lines = fact.lines or _everything(case)
            received = (*case.received, *(line for line in lines if line.line_id in case.quantities))
            wrong = [line.line_id for line in lines if line.line_id not in case.quantities]
            note = f"not of this return: {', '.join(wrong)}" if wrong else None
            return {"received": received, "received_at": case.received_at or now}, note
        case ReturnInspected():
            accepted = _at_most(case, fact.accepted if fact.accepted is not None else _good(case))
            return {"inspected": accepted, "received_at": case.received_at or now}, None
        case _:
            return {"difference_paid": True}, None


def _everything(case: ReturnCase) -> tuple[ReceivedLine, ...]:
    return tuple(
        ReceivedLine(line_id=line.line_id, quantity=line.quantity)
        for line in case.decision.lines
        if arrived(case, line.line_id) == 0
    )


def _good(case: ReturnCase) -> tuple[LineQuantity, ...]:
    """What arrived in good condition; damage that was the reason is no obstacle."""
    fine = {Condition.GOOD, Condition.DAMAGED} if case.request.evidence else {Condition.GOOD}
    kept = tuple(part for part in case.received if part.condition in fine)
    return tuple(LineQuantity(line_id=part.line_id, quantity=part.quantity) for part in kept)


def _at_most(case: ReturnCase, parts: tuple[LineQuantity, ...]) -> tuple[LineQuantity, ...]:
    """In the order of the request, each line once, never more than it holds."""
    accepted = []
    for line in case.decision.lines:
        quantity = sum(part.quantity for part in parts if part.line_id == line.line_id)
        if quantity:
            accepted.append(LineQuantity(line_id=line.line_id, quantity=min(quantity, line.quantity)))
    return tuple(accepted)


def acceptable(case: ReturnCase) -> tuple[LineQuantity, ...]:
    """What would be accepted without an inspection."""
    return _at_most(case, _good(case))
