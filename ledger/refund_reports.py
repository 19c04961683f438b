"""What a payment provider reports of refunds, by webhook or when it is asked: one path for both."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select, update

from journey.refunds import IN_DOUBT, RefundState
from ledger.money_tables import payments, refunds, refunds_elsewhere
from ledger.payments import Payment, Payments, Seen, lock_money
from ledger.returns import ReturnRow, Returns

_NOT_OVER = (*IN_DOUBT, RefundState.PENDING, RefundState.REQUIRES_ACTION)


class Waiting(NamedTuple):
    """A return that waits for news of its money."""

    order_id: str
    return_id: str


class RefundReports(Payments, Returns):
    """From reports to the rows of refunds, and to the returns that should hear of them."""

    async def payment_by(self, provider: str, provider_ids: Sequence[str]) -> Payment | None:
        """The payment that a provider knows by one of these ids."""
        where = (payments.c.provider == provider) & payments.c.provider_id.in_(provider_ids)
        async with self.reading() as db:
            row = (await db.execute(select(payments).where(where).limit(1))).one_or_none()
        return Payment.model_validate(row._asdict()) if row else None

    async def take_report(
        self, provider: str, provider_ids: Sequence[str], seen: Iterable[Seen], now: datetime
    ) -> int | None:
        """Take over what is reported of a payment; how many of the refunds were news. `None` for a payment
        that is not known here. May be repeated, and come in any order."""
        payment = await self.payment_by(provider, provider_ids)
        if payment is None:
            return None
        before = await self._states(payment.order_id)
        await self.observe_refunds(payment.order_id, seen, now)
        after = await self._states(payment.order_id)
        return sum(before.get(key) != state for key, state in after.items())

    async def settle_refund(self, body: dict[str, Any], now: datetime) -> tuple[str | None, list[Waiting]]:
        """Take over a `refund_reported` deed; what came of it, and which returns should hear. `None` for a
        payment that is not known here."""
        payment_ids = [str(each) for each in body["payments"]]
        seen = Seen(**{**body["refund"], "state": RefundState(body["refund"]["state"])})
        news = await self.take_report(str(body["provider"]), payment_ids, [seen], now)
        payment = await self.payment_by(str(body["provider"]), payment_ids) if news is not None else None
        if payment is None:
            return None, []
        told = "taken over" if news else "known already"
        return told, await self.waiting_returns(payment.order_id)

    async def settle_capture(self, body: dict[str, Any]) -> str | None:
        """Take over a `capture_reported` deed: what was captured only ever grows, so that it may be repeated
        and come in any order. What came of it; `None` for a payment that is not known here."""
        payment_ids = [str(each) for each in body["payments"]]
        payment = await self.payment_by(str(body["provider"]), payment_ids)
        if payment is None:
            return None
        if payment.currency != body["currency"]:
            return "it is in another currency than the payment"
        captured = int(body["captured"])
        more = (payments.c.order_id == payment.order_id) & (payments.c.captured < captured)
        async with self.writing() as db:
            await lock_money(db, payment.order_id)
            raised = await db.execute(update(payments).where(more).values(captured=captured))
        return "taken over" if raised.rowcount else "known already"

    async def unsettled_payments(self, provider: str) -> list[Payment]:
        """Payments with a refund whose end the provider has not told."""
        ours = select(refunds.c.order_id).where(refunds.c.state.in_(_NOT_OVER))
        others = select(refunds_elsewhere.c.order_id).where(refunds_elsewhere.c.state.in_(_NOT_OVER))
        concerned = payments.c.order_id.in_(ours.union(others))
        query = select(payments).where(payments.c.provider == provider, concerned)
        async with self.reading() as db:
            rows = await db.execute(query.order_by(payments.c.created_at, payments.c.order_id))
        return [Payment.model_validate(row._asdict()) for row in rows]

    async def waiting_returns(self, order_id: str) -> list[Waiting]:
        """The returns of an order that have not heard how their refund ended. It follows from the rows
        alone, so that a crash between a report and its signal loses nothing."""
        states = {refund.key: refund.state for refund in await self.refunds_of(order_id)}
        open_ones = [row for row in await self.returns_of(order_id) if row.closed_at is None]
        return [Waiting(order_id, row.return_id) for row in open_ones if _has_news(row, states)]

    async def _states(self, order_id: str) -> dict[str, str]:
        others = select(refunds_elsewhere.c.provider_id, refunds_elsewhere.c.state)
        async with self.reading() as db:
            rows = (await db.execute(others.where(refunds_elsewhere.c.order_id == order_id))).all()
        found = {f"elsewhere/{row[0]}": str(row[1]) for row in rows}
        return found | {refund.key: str(refund.state) for refund in await self.refunds_of(order_id)}


def _has_news(row: ReturnRow, states: dict[str, RefundState]) -> bool:
    state = states.get(str(row.case.get("money_key")))
    told: dict[str, Any] = row.case.get("money") or {}
    return state is not None and state not in IN_DOUBT and told.get("state") != state
