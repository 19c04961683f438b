"""What Stripe's refund objects say, in an answer, in a list or in an event. It needs nothing of Stripe's."""

import re
from collections.abc import Mapping
from typing import Any

from activities.payments import Listed
from journey.refunds import RefundState
from ledger.payments import Seen

_AS_IF_TWO_DECIMALS = frozenset({"ISK", "UGX"})
"""No decimals by ISO 4217; Stripe takes them with two, which are zeros."""

_STATES = {
    "pending": RefundState.PENDING,
    "requires_action": RefundState.REQUIRES_ACTION,
    "succeeded": RefundState.SUCCEEDED,
    "failed": RefundState.FAILED,
    "canceled": RefundState.FAILED,
}


def to_stripe(amount: int, currency: str) -> int:
    """Minor units (ISO 4217) as Stripe counts them."""
    return amount * 100 if currency in _AS_IF_TWO_DECIMALS else amount


def from_stripe(amount: int, currency: str) -> int:
    """Stripe's count in minor units (ISO 4217)."""
    return amount // 100 if currency in _AS_IF_TWO_DECIMALS else amount


def seen_refund(refund: Mapping[str, Any], currency: str) -> Seen:
    """A refund object. Its reference counts only if it can be one of ours."""
    state = _STATES.get(str(refund.get("status")), RefundState.PENDING)
    reason = refund.get("failure_reason") or ""
    reference = (refund.get("metadata") or {}).get("reference")
    return Seen(
        provider_id=str(refund["id"]),
        amount=from_stripe(int(refund["amount"]), currency),
        state=state,
        reference=reference if re.fullmatch(r"[0-9a-f]{32}", str(reference)) else None,
        reason=f"stripe: {reason}" if reason else "",
    )


def listed_refund(refund: Mapping[str, Any]) -> Listed:
    """A refund object with the payment that it belongs to: by its payment intent, or by its charge."""
    ids = (_id(refund.get("payment_intent")), _id(refund.get("charge")))
    currency = str(refund.get("currency") or "").upper()
    return Listed(tuple(each for each in ids if each), seen_refund(refund, currency))


def captured_amount(thing: Mapping[str, Any]) -> tuple[tuple[str, ...], int] | None:
    """Of a charge or a payment intent: the ids by which its payment may be known, and what was captured of it
    in minor units (ISO 4217); nothing where it does not say."""
    is_charge = thing.get("object") == "charge"
    amount = thing.get("amount_captured" if is_charge else "amount_received")
    if amount is None:
        return None
    other = thing.get("payment_intent" if is_charge else "latest_charge")
    ids = (_id(thing["id"]), _id(other))
    currency = str(thing.get("currency") or "").upper()
    return tuple(each for each in ids if each), from_stripe(int(amount), currency)


def _id(value: Any) -> str:
    """An id, or that of an object which Stripe was told to expand."""
    return str(value["id"] if isinstance(value, Mapping) else value or "")
