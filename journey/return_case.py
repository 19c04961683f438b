"""One return from the asking to the end: what is known of it, and how that changes. Pure."""

from datetime import datetime
from typing import Any

from pydantic import Field, ValidationError

from journey.facts import CarrierStatus, LineQuantity, Model, Order, ReturnOutcome, problems
from journey.refunds import RefundReceipt
from journey.return_contract import (
    CancelRequest,
    Condition,
    CureRequest,
    DecisionRequest,
    DifferencePaid,
    ReceivedLine,
    ReturnDecision,
    ReturnFact,
    ReturnInspected,
    ReturnMoved,
    ReturnReceived,
    ReturnRequest,
    Stage,
    Verdict,
)
from journey.return_policy import ReturnPolicy, Settlement
from journey.state import REMEMBERED, Happening, Result
from journey.times import DAY, Instant

SEEN = 200

_USED = frozenset(CarrierStatus) - {CarrierStatus.LABEL_MADE, CarrierStatus.UNKNOWN}
"""What a carrier only says of a parcel that it has."""

FACTS: dict[str, type[ReturnFact]] = {
    "return_moved": ReturnMoved,
    "return_received": ReturnReceived,
    "return_inspected": ReturnInspected,
    "difference_paid": DifferencePaid,
}


class CaseLetter(Model):
    """A letter about a return: due, or how it ended."""

    name: str
    due: Instant
    result: Result | None = None
    reason: str = ""


class Label(Model):
    """What the customer sends it back with. The paper itself lies in the ledger under `key`."""

    key: str
    carrier: str | None = None
    tracking_number: str | None = None


class ReturnCase(Model):
    """Everything about one return; carried whole from run to run. New fields have a default."""

    request: ReturnRequest
    decision: ReturnDecision
    opened_at: Instant
    stage: Stage = Stage.ASKED
    approved: bool | None = None
    decided_by: str | None = None
    decided_why: str = ""
    label: Label | None = None
    instructed_at: Instant | None = None
    scanned_at: Instant | None = None
    last_seen: CarrierStatus | None = None
    received: tuple[ReceivedLine, ...] = ()
    received_at: Instant | None = None
    inspected: tuple[LineQuantity, ...] | None = None
    cancelled: CancelRequest | None = None
    difference_paid: bool = False
    reminded: bool = False
    settled_as: Settlement | None = Field(default=None, description="An exchange may become a refund.")
    money_key: str | None = Field(default=None, description="Set when money begins to move.")
    money_cures: str | None = Field(default=None, description="The failed refund in whose place it is.")
    money: RefundReceipt | None = None
    cures: int = 0
    cure: CureRequest | None = Field(default=None, description="A person's latest word on a failed refund.")
    attention: str | None = None
    letters: dict[str, CaseLetter] = Field(default_factory=dict)
    outcome: ReturnOutcome | None = None
    accepted: tuple[LineQuantity, ...] = ()
    closed_at: Instant | None = None
    story: tuple[Happening, ...] = ()
    seen: tuple[str, ...] = ()

    @property
    def quantities(self) -> dict[str, int]:
        return {line.line_id: line.quantity for line in self.decision.lines}

    @property
    def all_received(self) -> bool:
        return all(_arrived(self, line_id) >= wanted for line_id, wanted in self.quantities.items())

    @property
    def cancellable(self) -> bool:
        open_ = self.outcome is None and self.cancelled is None
        return open_ and self.received_at is None and self.money_key is None

    @property
    def next_letter(self) -> CaseLetter | None:
        """The one to write next, if any is left."""
        left = [letter for letter in self.letters.values() if letter.result is None]
        return min(left, key=lambda letter: letter.due, default=None)


def _arrived(case: ReturnCase, line_id: str) -> int:
    return sum(part.quantity for part in case.received if part.line_id == line_id)


class ReturnStart(Model):
    """Starts a return; on continue-as-new, carries it on."""

    return_id: str
    order: Order
    placed_at: Instant
    policy: ReturnPolicy
    day_seconds: float = DAY
    request: ReturnRequest
    decision: ReturnDecision
    opened_at: Instant
    case: ReturnCase | None = Field(default=None, description="Set when a return goes on in a new run.")


class ReturnEnd(Model):
    """How a return ended."""

    order_id: str
    return_id: str
    outcome: ReturnOutcome
    amount: int = Field(default=0, description="Given back as money or credit, in minor units.")


class ReturnStatus(Model):
    """How far a return is."""

    order_id: str
    return_id: str
    currency: str
    case: ReturnCase
    waits_for: str = ""
    next_look: Instant | None = Field(default=None, description="When it goes on by itself.")


def opened(start: ReturnStart) -> ReturnCase:
    case = ReturnCase(request=start.request, decision=start.decision, opened_at=start.opened_at)
    approved = True if start.decision.verdict is Verdict.APPROVED else None
    case = case.model_copy(update={"approved": approved, "decided_by": "policy" if approved else None})
    return told(case, start.opened_at, f"{start.return_id}:asked", "asked", start.decision.kind)


def told(case: ReturnCase, at: datetime, fact_id: str, kind: str, note: str | None = None) -> ReturnCase:
    """The case with one more line in its story."""
    happening = Happening(at=at, fact_id=fact_id, kind=kind, note=note)
    return case.model_copy(update={"story": (*case.story, happening)[-REMEMBERED:]})


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
        if _arrived(case, line.line_id) == 0
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


def decided(case: ReturnCase, request: DecisionRequest, now: datetime) -> ReturnCase:
    changes = {"approved": request.approve, "decided_by": request.by, "decided_why": request.reason}
    word = "approved" if request.approve else "refused"
    case = case.model_copy(update={**changes, "attention": None})
    return told(case, now, f"decision-{len(case.story)}", word, request.reason)


def decision_problem(case: ReturnCase, request: DecisionRequest) -> str | None:
    """Why this person may not decide now."""
    if case.approved is not None or case.cancelled:
        return "approve: this return does not wait for a decision"
    second = case.decision.verdict is Verdict.NEEDS_SECOND_PERSON
    if second and request.by == case.decision.asked_by:
        return "by: a second person should decide, not the one who asked"
    return None


def with_letter(case: ReturnCase, letter: CaseLetter) -> ReturnCase:
    return case.model_copy(update={"letters": {**case.letters, letter.name: letter}})


def update(case: ReturnCase, **changes: Any) -> ReturnCase:
    return case.model_copy(update=changes)
