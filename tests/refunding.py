"""What the tests of refunds share: a payment, a request, an activity on a clock that somebody turns."""

from datetime import timedelta

from activities.payments import PaymentProvider
from activities.refunds import Refunds
from journey.refunds import RefundReceipt, RefundRequest
from ledger import Ledger
from ledger.payments import Payment
from tests.sending import NOON, Clock

PAYMENT = Payment(
    order_id="1001",
    provider="stripe",
    provider_id="ch_1",
    currency="EUR",
    captured=10_000,
    created_at=NOON,
)
LEASE = timedelta(seconds=60)


def ask(amount: int = 4_000, key: str = "r1", **more: object) -> RefundRequest:
    return RefundRequest.model_validate(
        {"order_id": "1001", "key": key, "currency": "EUR", "amount": amount, **more}
    )


def refunds(ledger: Ledger, provider: PaymentProvider, clock: Clock | None = None) -> Refunds:
    return Refunds(ledger, {provider.name: provider}, clock or Clock(), LEASE)


async def finish(activity: Refunds, request: RefundRequest, clock: Clock) -> RefundReceipt:
    """Ask as Temporal would, until there is an answer that is no doubt."""
    for _ in range(10):
        try:
            receipt = await activity.refund_payment(request)
        except Exception as error:
            assert "ann@" not in str(error)
            clock.turn(seconds=61)
            continue
        if receipt.until is None or receipt.state not in ("claimed", "unclear"):
            return receipt
        clock.time = max(clock.time, receipt.until)
    raise AssertionError("no end after ten attempts")
