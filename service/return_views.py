"""What goes in and out at the doors of returns and refunds."""

from typing import Annotated, Literal

from pydantic import Field

from journey.facts import LARGEST_SUM, Line, LineQuantity, Model, ReturnOutcome
from journey.names import Code, OpaqueId
from journey.refunds import Purpose, RefundState
from journey.return_case import Label, ReturnCase, ReturnStatus
from journey.return_contract import (
    CaseKind,
    Cure,
    CureRequest,
    Deadlines,
    DecisionRequest,
    DifferencePaid,
    ReturnDecision,
    ReturnInspected,
    ReturnMoved,
    ReturnReceived,
    ReturnRequest,
    Stage,
    Sums,
    Verdict,
)
from journey.return_policy import Settlement, Way
from journey.state import Happening
from journey.times import Instant
from ledger.payments import Balance, Refund
from ledger.returns import ReturnRow

ReturnKey = Annotated[
    str, Field(description="The order's id, a colon and the return's.", examples=["1001:r1"])
]


class NewReturn(Model):
    """What somebody wants to send back, or claims."""

    kind: Literal["return", "lost", "stolen", "damaged", "never_arrived"] = "return"
    lines: tuple[LineQuantity, ...] = Field(
        default=(), max_length=500, description="Empty: all that is left."
    )
    reason: Code | None = Field(
        default=None,
        description="One of the reasons in `returns:` of the playbook, such as `changed_mind`; it decides "
        "who pays the way back.",
    )
    words: str | None = Field(
        default=None, max_length=2_000, description="The customer's own. Personal: they stay in the ledger."
    )
    evidence: OpaqueId | None = Field(default=None, description="Your own pointer to a photo.")
    way: Way | None = Field(default=None, description="Absent: the usual one.")
    settlement: Settlement = Settlement.REFUND
    exchange_for: tuple[Line, ...] = Field(
        default=(),
        max_length=100,
        description="With their prices: only for a key that opens `returns:write`.",
    )

    def request(self, request_id: str | None, key_id: str) -> ReturnRequest:
        fields = self.model_dump(exclude={"words"}, exclude_unset=True)
        return ReturnRequest.model_validate({**fields, "request_id": request_id, "key_id": key_id})


class NewRefund(Model):
    """Money for a customer, by a person's decision."""

    amount: int = Field(gt=0, le=LARGEST_SUM, description="In minor units of the order's currency.")
    kind: Literal["goodwill", "refund"] = Field(
        default="goodwill", description="`goodwill`: nothing was wrong with the goods."
    )
    settlement: Literal["refund", "credit"] = "refund"
    by: OpaqueId = Field(description="The person who decides, by an id of yours.", examples=["op_mia"])
    words: str | None = Field(default=None, max_length=2_000, description="Why. It stays in the ledger.")

    def request(self, request_id: str, key_id: str) -> ReturnRequest:
        fields = self.model_dump(exclude={"words"})
        return ReturnRequest.model_validate({**fields, "request_id": request_id, "key_id": key_id})


class Moved(ReturnMoved):
    kind: Literal["return_moved"] = "return_moved"


class Received(ReturnReceived):
    kind: Literal["return_received"] = "return_received"


class Inspected(ReturnInspected):
    kind: Literal["return_inspected"] = "return_inspected"


class Paid(DifferencePaid):
    kind: Literal["difference_paid"] = "difference_paid"


ReturnNews = Annotated[Moved | Received | Inspected | Paid, Field(discriminator="kind")]
"""What happened to a return."""


class NewDecision(Model):
    """A person's word on a return that waits for one."""

    approve: bool
    by: OpaqueId
    reason: Code = "decided_by_person"

    def request(self, key_id: str) -> DecisionRequest:
        return DecisionRequest(**self.model_dump(), key_id=key_id)


class NewCure(Model):
    """What a person does about a refund that failed."""

    how: Cure
    by: OpaqueId

    def request(self, request_id: str, key_id: str) -> CureRequest:
        return CureRequest(**self.model_dump(), request_id=request_id, key_id=key_id)


class Granted(Model):
    """The answer to a request: what may come back, how, until when, and for how much."""

    id: ReturnKey
    order_id: str
    verdict: Verdict
    why: str = ""
    lines: tuple[LineQuantity, ...] = ()
    way: Way
    ways: tuple[Way, ...] = Field(default=(), description="All that are offered.")
    settlement: Settlement
    deadlines: Deadlines
    sums: Sums
    in_withdrawal: bool = Field(default=False, description="Within the legal right of withdrawal.")

    @classmethod
    def of(cls, order_id: str, decision: ReturnDecision) -> "Granted":
        fields = decision.model_dump(exclude={"return_id", "kind", "held", "asked_by", "asked_key"})
        return cls(id=f"{order_id}:{decision.return_id}", order_id=order_id, **fields)


class RefundView(Model):
    """A refund as the ledger has it. Amounts are minor units."""

    key: str = Field(description="Frozen with its amount; it never changes.")
    reference: str = Field(description="Travels in the provider's metadata.")
    state: RefundState
    reason: str = ""
    amount: int
    currency: str
    purpose: Purpose
    why: str
    provider: str
    provider_id: str | None = None
    created_at: Instant
    ended_at: Instant | None = None

    @classmethod
    def of(cls, refund: Refund) -> "RefundView":
        return cls(**refund.model_dump(include=set(cls.model_fields)))


class RefundAnswer(Model):
    """What became of a wish to give money."""

    id: ReturnKey
    order_id: str
    verdict: Verdict
    why: str = ""
    amount: int
    refund: RefundView | None = Field(default=None, description="Absent until it has been claimed.")


class Money(Model):
    """An order's refunds, the oldest first, and what is left of what was captured."""

    order_id: str
    currency: str | None
    captured: int
    refunded: int
    elsewhere: int = Field(description="Made without us, in the provider's dashboard for example.")
    left: int
    refunds: tuple[RefundView, ...]

    @classmethod
    def of(cls, order_id: str, currency: str | None, balance: Balance, refunds: list[Refund]) -> "Money":
        views = tuple(map(RefundView.of, refunds))
        sums = {**balance.model_dump(), "left": balance.left}
        return cls(order_id=order_id, currency=currency, **sums, refunds=views)


class ReturnView(Model):
    """How far a return is, what comes next, when, and why. `words` only for a key that reads customers."""

    id: ReturnKey
    order_id: str
    kind: CaseKind
    stage: Stage
    outcome: ReturnOutcome | None = None
    waits_for: str = Field(default="", description="What has to happen next.")
    next_look: Instant | None = Field(default=None, description="When it goes on by itself.")
    attention: str | None = Field(default=None, description="Why a person should look.")
    verdict: Verdict
    why: str = ""
    asked_by: str
    asked_key: str | None = Field(default=None, description="The API key by which it was asked for.")
    approved: bool | None = None
    decided_by: str | None = None
    decided_key: str | None = Field(default=None, description="The API key by which it was decided.")
    lines: tuple[LineQuantity, ...]
    accepted: tuple[LineQuantity, ...] = ()
    way: Way
    settlement: Settlement
    deadlines: Deadlines
    sums: Sums
    currency: str | None = None
    label: Label | None = None
    refund: RefundState | None = Field(default=None, description="Where its money is.")
    opened_at: Instant
    closed_at: Instant | None = None
    story: tuple[Happening, ...] = ()
    words: str | None = None
    live: bool = Field(description="From its journey itself; otherwise as it was last written down.")

    @classmethod
    def of_status(cls, status: ReturnStatus, words: str | None) -> "ReturnView":
        return _view(status.order_id, status.return_id, status.case).model_copy(
            update={
                "currency": status.currency,
                "waits_for": status.waits_for,
                "next_look": status.next_look,
                "words": words,
                "live": True,
            }
        )

    @classmethod
    def of_row(cls, row: ReturnRow, words: str | None, currency: str | None) -> "ReturnView":
        case = ReturnCase.model_validate(row.case)
        view = _view(row.order_id, row.return_id, case)
        return view.model_copy(update={"words": words, "currency": currency})


class ReturnStep(Model):
    """Where a return is after it was acted on: for a key that does not read returns."""

    id: ReturnKey
    order_id: str
    stage: Stage
    verdict: Verdict

    @classmethod
    def of(cls, view: ReturnView) -> "ReturnStep":
        return cls(**view.model_dump(include=set(cls.model_fields)))


def _view(order_id: str, return_id: str, case: ReturnCase) -> ReturnView:
    decision = case.decision
    told = case.model_dump(include={"stage", "outcome", "approved", "decided_by", "decided_key", "accepted"})
    return ReturnView(
        id=f"{order_id}:{return_id}",
        order_id=order_id,
        kind=decision.kind,
        **told,
        asked_by=decision.asked_by,
        asked_key=decision.asked_key,
        attention=case.needs,
        verdict=decision.verdict,
        why=case.decided_why or decision.why,
        lines=decision.lines,
        way=decision.way,
        settlement=case.settled_as or decision.settlement,
        deadlines=decision.deadlines,
        sums=decision.sums,
        label=case.label,
        refund=case.money.state if case.money else None,
        opened_at=case.opened_at,
        closed_at=case.closed_at,
        story=case.story,
        live=False,
    )
