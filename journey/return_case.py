"""One return from the asking to the end: what is known of it, and how that changes. Pure."""

from datetime import datetime
from typing import Any

from pydantic import Field

from journey.facts import CarrierStatus, LineQuantity, Model, Order, ReturnOutcome
from journey.refunds import RefundReceipt
from journey.return_contract import (
    BY_OPERATOR,
    CancelRequest,
    CureRequest,
    DecisionRequest,
    ReceivedLine,
    ReturnDecision,
    ReturnRequest,
    Stage,
    Verdict,
)
from journey.return_policy import ReturnPolicy, Settlement
from journey.state import REMEMBERED, Happening, Result
from journey.times import DAY, Instant


class CaseLetter(Model):
    """A letter about a return: due, or how it ended."""

    name: str
    due: Instant
    result: Result | None = None
    reason: str = ""
    retried_at: Instant | None = Field(default=None, description="When an operator had it tried again.")


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
    decided_key: str | None = Field(default=None, description="The API key of the decision, if it had one.")
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
    difference_until: Instant | None = Field(default=None, description="An older run counts anew.")
    reminded: bool = False
    settled_as: Settlement | None = Field(default=None, description="An exchange may become a refund.")
    money_key: str | None = Field(default=None, description="Set when money begins to move.")
    money_cures: str | None = Field(default=None, description="The failed refund in whose place it is.")
    money: RefundReceipt | None = None
    cures: int = 0
    cure: CureRequest | None = Field(
        default=None, description="A person's word on a failed refund, until it is acted on."
    )
    cured: tuple[CureRequest, ...] = Field(default=(), description="All such words; an older run kept none.")
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
        return all(arrived(self, line_id) >= wanted for line_id, wanted in self.quantities.items())

    @property
    def cancellable(self) -> bool:
        open_ = self.outcome is None and self.cancelled is None
        return open_ and self.received_at is None and self.money_key is None

    @property
    def off(self) -> bool:
        return self.cancelled is not None

    @property
    def moving(self) -> bool:
        """Whether something comes back, or nothing has to any more."""
        return self.off or self.scanned_at is not None or self.received_at is not None

    @property
    def by_operator(self) -> bool:
        """Money that an operator gives back is no return: the order is not told of it."""
        return self.decision.kind in BY_OPERATOR

    @property
    def next_letter(self) -> CaseLetter | None:
        """The one to write next, if any is left."""
        left = [letter for letter in self.letters.values() if letter.result is None]
        return min(left, key=lambda letter: letter.due, default=None)

    @property
    def parked(self) -> list[CaseLetter]:
        """Letters that wait for an operator."""
        return [letter for letter in self.letters.values() if letter.result is Result.PARKED]

    @property
    def needs(self) -> str | None:
        """Why a person should look, in one word for a filter."""
        return self.attention or ("parked" if self.parked else None)


def arrived(case: ReturnCase, line_id: str) -> int:
    """How many units came back."""
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


def decided(case: ReturnCase, request: DecisionRequest, now: datetime) -> ReturnCase:
    changes: dict[str, Any] = {
        "approved": request.approve,
        "decided_by": request.by,
        "decided_key": request.key_id,
        "decided_why": request.reason,
    }
    word = "approved" if request.approve else "refused"
    if request.approve:
        changes["stage"] = Stage.ASKED
    case = case.model_copy(update={**changes, "attention": None})
    return told(case, now, f"decision-{len(case.story)}", word, request.reason)


def decision_problem(case: ReturnCase, request: DecisionRequest) -> str | None:
    """Why this person may not decide now."""
    if case.approved is not None or case.cancelled:
        return "approve: this return does not wait for a decision"
    if case.decision.verdict is not Verdict.NEEDS_SECOND_PERSON:
        return None
    if request.by == case.decision.asked_by:
        return "by: a second person should decide, not the one who asked"
    # A caller may name anybody; what the second person has of their own is the key.
    if request.key_id is not None and request.key_id == case.decision.asked_key:
        return "by: a second person should decide with an API key of their own, not with the one that asked"
    return None


def called_off(case: ReturnCase, request: CancelRequest, now: datetime) -> ReturnCase:
    return told(update(case, cancelled=request), now, "cancelled", "cancelled", request.reason)


def cured(case: ReturnCase, request: CureRequest) -> ReturnCase:
    return update(case, cures=case.cures + 1, cure=request, cured=(*case.cured[1 - REMEMBERED :], request))


def cure_problem(case: ReturnCase, request: CureRequest) -> str | None:
    """Why no cure is wanted now, or not this one."""
    if request.request_id is not None and request.request_id in {kept.request_id for kept in case.cured}:
        return "this cure was ordered before"
    if case.attention != "refund_failed":
        return "no refund of this return waits for a cure"
    if case.cure is not None:
        return f"{case.cure.by} has cured it already: {case.cure.how}"
    return None


def ended(case: ReturnCase, outcome: ReturnOutcome, now: datetime) -> ReturnCase:
    """The case with its outcome; the last letters are still to be written."""
    case = told(case, now, f"ended-{outcome}", "ended", str(outcome))
    return update(case, outcome=outcome, stage=Stage.CLOSED, closed_at=now, attention=None)


def update(case: ReturnCase, **changes: Any) -> ReturnCase:
    return case.model_copy(update=changes)
