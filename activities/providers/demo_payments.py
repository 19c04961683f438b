"""Money for demo and rehearsal: a provider that lives in the ledger's database and keeps the real ones'
contract. The same key is the same refund; more than was captured is refused."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import func, select

from activities.attempts import Refused
from journey.refunds import RefundState
from ledger import Ledger
from ledger.money_tables import demo_refunds
from ledger.payments import Payment, Refund, Seen


class DemoPayments:
    """Each call is a transaction of its own, as it would be elsewhere."""

    name = "demo"

    def __init__(self, ledger: Ledger, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._ledger = ledger
        self._now = now

    def step(self, currency: str) -> int:
        return 1

    async def refund(self, payment: Payment, refund: Refund) -> Seen:
        key = refund.reference
        async with self._ledger.writing() as db:
            known = select(demo_refunds.c.key).where(demo_refunds.c.key == key)
            if (await db.execute(known)).one_or_none() is None:
                of_payment = demo_refunds.c.payment_id == payment.provider_id
                total = select(func.coalesce(func.sum(demo_refunds.c.amount), 0)).where(of_payment)
                if int((await db.execute(total)).scalar_one()) + refund.amount > payment.captured:
                    raise Refused("more than was captured", permanent=True)
                values = {
                    "key": key,
                    "payment_id": payment.provider_id,
                    "amount": refund.amount,
                    "currency": refund.currency,
                    "at": self._now(),
                }
                await db.execute(self._ledger.insert(demo_refunds).values(values).on_conflict_do_nothing())
        return Seen(f"demo-{key}", refund.amount, RefundState.SUCCEEDED, key)

    async def list_refunds(self, payment: Payment) -> list[Seen]:
        query = select(demo_refunds).where(demo_refunds.c.payment_id == payment.provider_id)
        async with self._ledger.reading() as db:
            rows = (await db.execute(query)).all()
        return [Seen(f"demo-{row.key}", row.amount, RefundState.SUCCEEDED, row.key) for row in rows]
