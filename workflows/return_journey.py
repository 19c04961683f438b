"""A return, from the asking to the money."""

import asyncio
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.cases import GoodsRequest, Late, PaidRequest
    from activities.labels import LabelRequest
    from journey import return_facts, return_settlement
    from journey.facts import ReturnOutcome
    from journey.refunds import NOT_PAID, PAID, RefundReceipt
    from journey.return_case import ReturnEnd, ReturnStart
    from journey.return_contract import Cure, Stage
    from journey.return_policy import RefundOn, Settlement, Way
    from workflows import policies
    from workflows.casework import Casework


@workflow.defn
class ReturnJourney(Casework):
    """Waits for the goods and for people, gives the money back once, and tells the customer.
    Handlers record; the story acts. Each of its steps passes by at once when it has been done."""

    @workflow.init
    def __init__(self, start: ReturnStart) -> None:
        super().__init__(start)

    @workflow.run
    async def run(self, start: ReturnStart) -> ReturnEnd:
        try:
            if self._case.outcome is None and await self._is_approved():
                await self._instruct()
                if await self._came_back():
                    await self._inspect()
                    await self._settle()
            return await self._close()
        except (asyncio.CancelledError, FailureError) as error:
            if not is_cancelled_exception(error):
                raise
            await self._stop()
            raise asyncio.CancelledError from error

    async def _is_approved(self) -> bool:
        """By the policy, or by a person."""
        if self._case.approved is None:
            self._attention("decision", Stage.REVIEW)
            self._letter("return_under_review")
        await self._until("a person's decision", lambda: self._case.approved is not None or self._case.off)
        if self._case.approved is False:
            self._end(ReturnOutcome.REFUSED, "return_refused")
        return self._case.approved is True and not self._case.off

    async def _instruct(self) -> None:
        """How to send it back; nothing where nothing is to be sent."""
        way = self._case.decision.way
        if way is Way.KEEP or self._case.label or self._case.stage is not Stage.ASKED:
            return
        request = LabelRequest(order_id=self._order_id, return_id=self._start.return_id, way=way)
        while self._case.label is None and not self._case.off:
            if label := await self._errands.make_label(request):
                now = self._clock.now()
                self._change(label=label, instructed_at=now, attention=None, stage=Stage.ON_ITS_WAY)
            else:
                self._attention("label", Stage.ASKED)
                await self._until("a label", lambda: self._case.off, self._soon())
        if self._case.label is not None:
            self._letter("return_approved")

    async def _came_back(self) -> bool:
        """Whether it did: once, in parts, or never."""
        if self._case.decision.way is Way.KEEP or self._case.off:
            return not self._case.off
        if not await self._was_scanned():
            return False
        if self._case.off or self._start.policy.refund_on is RefundOn.FIRST_SCAN:
            return not self._case.off
        await self._until("the goods", lambda: self._case.received_at is not None or self._case.off)
        if self._case.off:
            return False
        rest = self._after_arrival(self._start.policy.wait_for_rest)
        await self._until("the rest", lambda: self._case.all_received or self._inspected(), rest)
        return True

    async def _was_scanned(self) -> bool:
        """A reminder for a label that lies about, and an end to the waiting."""
        policy, since = self._start.policy, self._case.instructed_at or self._case.opened_at
        moving = "the first scan", lambda: self._case.moving
        if await self._until(*moving, self._later(since, policy.remind_after)):
            return True
        if not self._case.reminded:
            self._change(reminded=True)
            self._letter("return_reminder")
        if await self._until(*moving, self._later(since, policy.expire_after)):
            return True
        self._end(ReturnOutcome.EXPIRED, "return_expired")
        return False

    async def _inspect(self) -> None:
        """What is accepted of what came. The customer knows that it is here."""
        policy = self._start.policy
        if self._case.stage is Stage.SETTLING:
            return
        if self._case.decision.way is Way.KEEP or policy.refund_on is RefundOn.FIRST_SCAN:
            self._change(accepted=self._case.decision.lines)
            return
        self._change(stage=Stage.RECEIVED)
        self._letter("return_received")
        if policy.refund_on is RefundOn.RECEIVED:
            self._change(accepted=return_facts.acceptable(self._case))
            return
        alarm = self._after_arrival(policy.inspect_within)
        if not await self._until("the inspection", self._inspected, alarm):
            self._attention("inspection", Stage.RECEIVED)
            await self._until("the inspection", self._inspected)
        self._change(accepted=self._case.inspected or (), attention=None)

    async def _settle(self) -> None:
        """Money, credit or goods; each once."""
        self._change(stage=Stage.SETTLING)
        if not self._case.accepted and not self._case.by_operator:
            self._end(ReturnOutcome.REFUSED, "return_not_accepted")
            return
        settlement = await self._settlement()
        if return_settlement.given_back(self._start, self._case, settlement):
            await self._give_back(settlement)
        if settlement in (Settlement.EXCHANGE, Settlement.REPLACEMENT):
            await self._send_goods(settlement)
        outcome = return_settlement.OUTCOMES[settlement]
        self._end(outcome, f"return_{outcome}")

    async def _settlement(self) -> Settlement:
        """What was asked for; decided once, so that what comes later changes nothing."""
        if self._case.settled_as is None:
            settlement = self._case.decision.settlement
            if settlement is Settlement.EXCHANGE and not await self._difference_is_paid():
                settlement = Settlement.REFUND
            self._change(settled_as=settlement)
        assert self._case.settled_as is not None
        return self._case.settled_as

    async def _difference_is_paid(self) -> bool:
        """A dearer exchange waits for what it costs more; unpaid, it becomes a refund."""
        if not return_settlement.sums_now(self._start, self._case).due:
            return True
        self._letter("exchange_difference")
        within = self._start.policy.pay_difference_within
        limit = self._case.difference_until or self._later(self._clock.now(), within)
        self._change(difference_until=limit)
        return await self._until("the difference", lambda: self._case.difference_paid, limit)

    async def _give_back(self, settlement: Settlement) -> None:
        """Until the customer has it, by the provider's word or a person's."""
        self._change(money_key=self._case.money_key or self._start.return_id)
        while True:
            receipt = await self._refunded(settlement)
            self._change(money=receipt)
            if receipt.state in PAID:
                self._change(attention=None)
                return
            await self._cured(receipt.key)

    async def _refunded(self, settlement: Settlement) -> RefundReceipt:
        """The receipt of a refund that is over, for good or ill."""
        request = return_settlement.refund_request(self._start, self._case, settlement)
        while True:
            self._news = False
            receipt = await self._errands.refund(request)
            if receipt is None:
                self._attention("refund_unclear", Stage.SETTLING)
                await self._until("the provider", self._hears, self._soon())
            elif receipt.state in PAID | NOT_PAID:
                return receipt
            else:
                self._change(money=receipt)
                again = max(receipt.until or self._soon(), self._clock.now() + policies.LEAST_PAUSE)
                await self._until(f"a refund that is {receipt.state}", self._hears, again)

    async def _cured(self, key: str) -> None:
        """Wait for a person to order another refund (which has a key of its own), or to pay otherwise."""
        self._attention("refund_failed", Stage.SETTLING)
        await self._until("a person to cure the refund", lambda: self._case.cure is not None)
        cure = self._case.cure
        assert cure is not None
        self._change(cure=None, attention=None)
        if cure.how is Cure.MAKE_AGAIN:
            again = f"{self._start.return_id}/{self._case.cures + 1}"
            self._change(money_key=again, money_cures=key)
        else:
            await self._errands.note_paid(PaidRequest(order_id=self._order_id, key=key, by=cure.by))

    async def _send_goods(self, settlement: Settlement) -> None:
        goods = GoodsRequest(
            order_id=self._order_id,
            return_id=self._start.return_id,
            kind=str(settlement),
            lines=return_settlement.goods(self._start, self._case, settlement),
        )
        await self._errands.dispatch(goods)

    async def _close(self) -> ReturnEnd:
        """The last letters, the word to the order, and the wait for whoever mends a parked letter."""
        if self._case.outcome is None:
            self._end(ReturnOutcome.CANCELLED, "return_cancelled")
        assert self._case.outcome is not None
        await self._until("the last letters", lambda: self._case.next_letter is None)
        await self._tell_order()
        await self._until("a person to mend a letter", self._has_written)
        await self._keep()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return ReturnEnd(
            order_id=self._order_id,
            return_id=self._start.return_id,
            outcome=self._case.outcome,
            amount=self._case.money.amount if self._case.money else 0,
        )

    async def _stop(self) -> None:
        """An operator ended it by force: the order goes on, unless money may be moving."""
        if self._case.money_key is None and not self._case.by_operator:
            now = self._clock.now()
            self._change(outcome=ReturnOutcome.CANCELLED, stage=Stage.CLOSED, closed_at=now)
            await self._tell_order()
        await self._keep()

    async def _tell_order(self) -> None:
        """The order takes it once, however often a new run says it."""
        if self._case.by_operator:
            return
        now = self._clock.now()
        body = return_settlement.closing(self._start, self._case, now)
        fact_id = str(body["fact_id"])
        late = Late(order_id=self._order_id, fact_id=fact_id, kind="return_closed", body=body, at=now)
        await self._errands.tell_order(late)

    def _after_arrival(self, duration: str) -> datetime:
        assert self._case.received_at is not None
        return self._later(self._case.received_at, duration)

    def _inspected(self) -> bool:
        return self._case.inspected is not None

    def _hears(self) -> bool:
        return self._news

    def _has_written(self) -> bool:
        return self._case.next_letter is None and not self._case.parked
