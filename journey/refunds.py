"""What is asked of `refund_payment`, and the answer. Amounts are minor units (ISO 4217) of the order."""

from enum import StrEnum

from pydantic import Field

from journey.facts import Model
from journey.names import Code, OpaqueId
from journey.times import Instant


class Purpose(StrEnum):
    """Where the money goes."""

    REFUND = "refund"
    CREDIT = "credit"


class RefundState(StrEnum):
    """Where a refund is in its life."""

    CLAIMED = "claimed"
    UNCLEAR = "unclear"
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PAID_OTHERWISE = "paid_otherwise"
    PARKED = "parked"


IN_DOUBT = frozenset({RefundState.CLAIMED, RefundState.UNCLEAR})
"""An attempt was begun, and its end is not known."""

PAID = frozenset({RefundState.SUCCEEDED, RefundState.PAID_OTHERWISE})
"""The customer has it, by the provider's word or by a person's."""

NOT_PAID = frozenset({RefundState.FAILED, RefundState.PARKED})
"""The money is certainly still with the shop, and a person has to look. Everything else counts as spent."""


class RefundRequest(Model):
    """Give this much back, once."""

    order_id: OpaqueId
    key: str = Field(description="Unique in the order; with it the amount is frozen.")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    amount: int = Field(gt=0)
    purpose: Purpose = Purpose.REFUND
    why: Code = "return"
    cures: str | None = Field(
        default=None, description="The key of a failed refund in whose place a person ordered this one."
    )


class RefundReceipt(Model):
    """What is known of it; `reason` holds nothing personal."""

    key: str
    state: RefundState
    amount: int = Field(description="As frozen: some currencies move only in steps.")
    reason: str = ""
    until: Instant | None = Field(default=None, description="When to ask again.")
