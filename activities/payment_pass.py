"""One pass over a payment provider's refunds: those made of late, whoever made them, and those whose end has
not been told. Webhooks of refunds take the same path (`ledger/refund_reports.py`)."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from temporalio.service import RPCError, RPCStatusCode

from activities.passes import Alive, PassOver, whole
from activities.payments import RefundLister
from journey.reconciling import PassRequest, Standing
from ledger import Ledger
from ledger.payments import Payment
from ledger.reconciliations import Pass
from ledger.refund_reports import Waiting

LOOK_BACK = timedelta(days=35)
"""A bank may send a refund back up to thirty days later."""

UNSETTLED = "unsettled/"
"""How the cursor begins once the list is read: what follows is the last payment that was looked at."""

Tell = Callable[[Waiting], Awaitable[None]]
"""Signals to a return that there is news of its refund. Raises `RPCError`."""


class PaymentPass(PassOver):
    """Asks one provider."""

    def __init__(
        self, ledger: Ledger, provider: RefundLister, now: Callable[[], datetime], alive: Alive, tell: Tell
    ) -> None:
        super().__init__(ledger, now, alive)
        self._provider = provider
        self._tell = tell

    def _since(self, request: PassRequest, standing: Standing, now: datetime) -> datetime:
        return now - LOOK_BACK

    async def go_on(self, going: Pass) -> Pass:
        """To the last refund. Raises `Refused` or `Unclear`."""
        while going.ended_at is None and not (going.cursor or "").startswith(UNSETTLED):
            going = await self._listed(going)
        if going.ended_at is None:
            going = await self._unsettled(going)
            going = await self._end(going, whole(await self._ledger.standing(going.name), going))
        return going

    async def _listed(self, going: Pass) -> Pass:
        assert going.since is not None
        page = await self._provider.refunds_since(going.since, going.cursor)
        for payments, seen in page.refunds:
            news = await self._ledger.take_report(self._provider.name, payments, [seen], self._now())
            going = _counted(going, 1, news or 0)
            payment = await self._ledger.payment_by(self._provider.name, payments)
            if payment is not None:
                await self._tell_returns(payment)
            self._alive()
        going = going.model_copy(update={"cursor": page.cursor or UNSETTLED})
        await self._advance(going)
        return going

    async def _unsettled(self, going: Pass) -> Pass:
        """Older refunds, of which the list of late says nothing."""
        for payment in await self._ledger.unsettled_payments(self._provider.name):
            seen = await self._provider.list_refunds(payment)
            news = await self._ledger.take_report(
                self._provider.name, [payment.provider_id], seen, self._now()
            )
            going = _counted(going, 0, news or 0)
            await self._tell_returns(payment)
            await self._advance(going)
        return going

    async def _tell_returns(self, payment: Payment) -> None:
        for waiting in await self._ledger.waiting_returns(payment.order_id):
            try:
                await self._tell(waiting)
            except RPCError as error:
                # A return that ends at this moment needs no news.
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise


def _counted(going: Pass, seen: int, filled: int) -> Pass:
    return going.model_copy(
        update={"seen": going.seen + seen, "filled": going.filled + filled, "problem": ""}
    )
