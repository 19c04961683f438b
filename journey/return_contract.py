"""What goes into a return and comes out of it. Nothing personal: words and photos stay in the ledger."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from journey.facts import CarrierStatus, Line, LineQuantity, Model
from journey.names import Code, OpaqueId
from journey.return_policy import Settlement, Way
from journey.times import Instant

RequestId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s@]+$")]
KeyId = Annotated[
    OpaqueId | None,
    Field(
        default=None,
        description="The API key by which it was said, as the door saw it, while `by` is the caller's word. "
        "Absent at the command line, and in what older runs kept.",
    ),
]


class CaseKind(StrEnum):
    """What it is about. The last two are an operator's own."""

    RETURN = "return"
    LOST = "lost"
    STOLEN = "stolen"
    DAMAGED = "damaged"
    NEVER_ARRIVED = "never_arrived"
    GOODWILL = "goodwill"
    REFUND = "refund"


CLAIMS = frozenset({CaseKind.LOST, CaseKind.STOLEN, CaseKind.DAMAGED, CaseKind.NEVER_ARRIVED})
BY_OPERATOR = frozenset({CaseKind.GOODWILL, CaseKind.REFUND})


class ReturnRequest(Model):
    """Somebody wants to send something back, claims it, or wants money given back."""

    request_id: RequestId | None = Field(default=None, description="The same id gets the same answer.")
    kind: CaseKind = CaseKind.RETURN
    lines: tuple[LineQuantity, ...] = Field(
        default=(), max_length=500, description="Empty: all that is left."
    )
    reason: Code | None = Field(default=None, description="One of the policy's reasons.")
    evidence: OpaqueId | None = Field(default=None, description="Points to the photo in the ledger.")
    way: Way | None = Field(default=None, description="Absent: the usual one.")
    settlement: Settlement = Settlement.REFUND
    exchange_for: tuple[Line, ...] = Field(default=(), max_length=100)
    amount: int | None = Field(default=None, gt=0, description="Minor units, for goodwill and refund.")
    by: OpaqueId = "customer"
    key_id: KeyId = None


class Rule(StrEnum):
    """Why a request is refused."""

    ORDER_UNKNOWN = "order_unknown"
    ORDER_CANCELLED = "order_cancelled"
    UNKNOWN_LINE = "unknown_line"
    NOTHING_LEFT = "nothing_left"
    TOO_MANY = "too_many"
    ALREADY_RETURNED = "already_returned"
    NOT_DELIVERED = "not_delivered"
    DELIVERED = "delivered"
    WINDOW_CLOSED = "window_closed"
    TOO_EARLY = "too_early"
    FINAL_SALE = "final_sale"
    UNKNOWN_REASON = "unknown_reason"
    EVIDENCE_MISSING = "evidence_missing"
    WAY_NOT_OFFERED = "way_not_offered"
    SETTLEMENT_NOT_OFFERED = "settlement_not_offered"
    EXCHANGE_INCOMPLETE = "exchange_incomplete"
    AMOUNT_MISSING = "amount_missing"


class Refusal(ValueError):
    """A request that the policy does not allow; its text names the rule and the field."""

    def __init__(self, rule: Rule, field: str, text: str) -> None:
        super().__init__(f"{field}: {text} ({rule})")
        self.rule = rule
        self.field = field


class Sums(Model):
    """Minor units of the order's currency. `refund` is what the customer gets, in whatever form."""

    goods: int = 0
    shipping: int = 0
    restocking: int = Field(default=0, description="Kept by the shop.")
    return_shipping: int = Field(default=0, description="Kept by the shop.")
    refund: int = 0
    exchange: int = Field(default=0, description="What the goods taken in exchange cost.")

    @property
    def back(self) -> int:
        """What is given back in money or credit; after an exchange, the difference if it was cheaper."""
        return max(0, self.refund - self.exchange)

    @property
    def due(self) -> int:
        """What the customer still pays for a dearer exchange."""
        return max(0, self.exchange - self.refund)


class HeldUnits(Model):
    """Certain units of a line, counted from 0."""

    line_id: OpaqueId
    units: tuple[int, ...]


class Deadlines(Model):
    """Absolute moments in UTC."""

    window_ends: Instant | None = Field(default=None, description="The earliest of the lines'.")
    send_by: Instant | None = None


class Verdict(StrEnum):
    """What was decided at once."""

    APPROVED = "approved"
    NEEDS_PERSON = "needs_person"
    NEEDS_SECOND_PERSON = "needs_second_person"


class ReturnDecision(Model):
    """The answer to a request."""

    return_id: OpaqueId
    kind: CaseKind = CaseKind.RETURN
    verdict: Verdict
    why: str = ""
    lines: tuple[LineQuantity, ...] = ()
    held: tuple[HeldUnits, ...] = ()
    ways: tuple[Way, ...] = ()
    way: Way = Way.KEEP
    settlement: Settlement = Settlement.REFUND
    deadlines: Deadlines = Deadlines()
    sums: Sums = Sums()
    in_withdrawal: bool = False
    asked_by: OpaqueId = "customer"
    asked_key: KeyId = None


class Stage(StrEnum):
    """How far a return is, in one word."""

    ASKED = "asked"
    REVIEW = "review"
    ON_ITS_WAY = "on_its_way"
    RECEIVED = "received"
    SETTLING = "settling"
    CLOSED = "closed"


class Condition(StrEnum):
    """How something came back."""

    GOOD = "good"
    DAMAGED = "damaged"
    WRONG_ITEM = "wrong_item"


class ReceivedLine(LineQuantity):
    """Some units that arrived."""

    condition: Condition = Condition.GOOD


class ReturnFact(Model):
    """What a return's facts carry, beside what they say."""

    fact_id: RequestId
    at: Instant
    source: OpaqueId = "unstated"


class ReturnMoved(ReturnFact):
    """The carrier saw the parcel that comes back."""

    status: CarrierStatus
    raw: str | None = Field(default=None, max_length=200)


class ReturnReceived(ReturnFact):
    """Goods arrived. Several parcels are several facts."""

    lines: tuple[ReceivedLine, ...] = Field(default=(), description="Empty: all, in good condition.")


class ReturnInspected(ReturnFact):
    """Somebody looked at what arrived, and says what is accepted."""

    accepted: tuple[LineQuantity, ...] | None = Field(default=None, description="Absent: all that was good.")
    by: OpaqueId = "warehouse"


class DifferencePaid(ReturnFact):
    """The customer paid what a dearer exchange costs more."""


class DecisionRequest(Model):
    """A person's word on a return that waits for one."""

    approve: bool
    by: OpaqueId
    reason: Code = "decided_by_person"
    key_id: KeyId = None


class CancelRequest(Model):
    """Call a return off. Not any more once goods arrived or money moved."""

    by: OpaqueId = "customer"
    reason: Code = "cancelled"


class Cure(StrEnum):
    """What a person does about a refund that failed."""

    MAKE_AGAIN = "make_again"
    PAID_OTHERWISE = "paid_otherwise"


class CureRequest(Model):
    """A person's word on a failed refund."""

    how: Cure
    by: OpaqueId
    key_id: KeyId = None
    request_id: RequestId | None = Field(default=None, description="The same id is the same cure.")
