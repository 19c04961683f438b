"""How a return is settled: money, credit or goods. Pure; amounts are minor units of the order's currency."""

from datetime import datetime
from typing import Any

from journey.facts import Line, ReturnOutcome
from journey.own_returns import OURS
from journey.refunds import Purpose, RefundRequest
from journey.return_case import ReturnCase, ReturnStart
from journey.return_contract import Sums
from journey.return_policy import Settlement
from journey.return_sums import accepted_sums

OUTCOMES = {
    Settlement.REFUND: ReturnOutcome.REFUNDED,
    Settlement.CREDIT: ReturnOutcome.CREDITED,
    Settlement.EXCHANGE: ReturnOutcome.EXCHANGED,
    Settlement.REPLACEMENT: ReturnOutcome.REPLACED,
}


def sums_now(start: ReturnStart, case: ReturnCase) -> Sums:
    """What the customer gets for what was accepted; until then, for what was granted."""
    if case.by_operator or not case.accepted:
        return case.decision.sums
    return accepted_sums(start.order, start.policy, case.decision, case.accepted)


def given_back(start: ReturnStart, case: ReturnCase, settlement: Settlement) -> int:
    """How much goes back in money or credit. An exchange that became a refund costs nothing any more."""
    if settlement is Settlement.REPLACEMENT:
        return 0
    sums = sums_now(start, case)
    return sums.back if settlement is Settlement.EXCHANGE else sums.model_copy(update={"exchange": 0}).back


def refund_request(start: ReturnStart, case: ReturnCase, settlement: Settlement) -> RefundRequest:
    """What is asked of `refund_payment`, under the key that the case is at."""
    return RefundRequest(
        order_id=start.order.order_id,
        key=case.money_key or start.return_id,
        currency=start.order.currency,
        amount=given_back(start, case, settlement),
        purpose=Purpose.CREDIT if settlement is Settlement.CREDIT else Purpose.REFUND,
        why=str(case.decision.kind),
        cures=case.money_cures,
    )


def goods(start: ReturnStart, case: ReturnCase, settlement: Settlement) -> tuple[Line, ...]:
    """What the shop sends: what was wanted in exchange, or once more what was accepted."""
    if settlement is Settlement.EXCHANGE:
        return case.request.exchange_for
    if settlement is not Settlement.REPLACEMENT:
        return ()
    ordered = {line.line_id: line for line in start.order.lines}
    return tuple(
        ordered[part.line_id].model_copy(update={"quantity": part.quantity, "discount": 0, "tax": 0})
        for part in case.accepted
    )


def closing(start: ReturnStart, case: ReturnCase, now: datetime) -> dict[str, Any]:
    """What the order's journey is told at the end: the body of `return_closed`."""
    return {
        "fact_id": f"{start.return_id}:closed",
        "at": now.isoformat(),
        "source": OURS,
        "return_id": start.return_id,
        "outcome": str(case.outcome),
        "lines": [part.model_dump() for part in case.accepted],
    }
