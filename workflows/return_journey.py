"""A return, from the asking to the money."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.cases import Cases, GoodsRequest, Late, PaidRequest
    from activities.labels import LabelDesk, LabelRequest
    from activities.messages import Messages
    from activities.refunds import Refunds
    from journey import return_case
    from journey.facts import ReturnOutcome
    from journey.messages import SendReceipt, SendResult
    from journey.names import order_workflow_id
    from journey.refunds import NOT_PAID, PAID, Purpose, RefundReceipt, RefundRequest
    from journey.return_case import CaseLetter, ReturnCase, ReturnEnd, ReturnStart, ReturnStatus
    from journey.return_contract import (
        BY_OPERATOR,
        CancelRequest,
        Cure,
        CureRequest,
        DecisionRequest,
        Stage,
        Sums,
    )
    from journey.return_letters import letter_request
    from journey.return_policy import RefundOn, Settlement, Way
    from journey.return_sums import accepted_sums
    from journey.state import Result
    from journey.times import later
    from ledger.returns import ReturnRow
    from workflows import policies, visibility

_ENDS = {
    Settlement.REFUND: ReturnOutcome.REFUNDED,
    Settlement.CREDIT: ReturnOutcome.CREDITED,
    Settlement.EXCHANGE: ReturnOutcome.EXCHANGED,
    Settlement.REPLACEMENT: ReturnOutcome.REPLACED,
}


@workflow.defn
class ReturnJourney:
    """Waits for the goods and for people, gives the money back once, and tells the customer.
    Handlers record; the story acts. Each of its steps passes by at once when it has been done."""

    @workflow.init
    def __init__(self, start: ReturnStart) -> None:
        self._start = start
        self._case: ReturnCase = start.case or return_case.opened(start)
        self._waits_for = ""
        self._next_look: datetime | None = None
        self._kept: ReturnRow | None = None
        self._news = False
        self._signals = 0

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
        await self._until("a person's decision", lambda: self._case.approved is not None or self._off)
        if self._case.approved is False:
            self._end(ReturnOutcome.REFUSED, "return_refused")
        return self._case.approved is True and not self._off

    async def _instruct(self) -> None:
        """How to send it back; nothing where nothing is to be sent."""
        decision = self._case.decision
        if decision.way is Way.KEEP or self._case.label or self._case.stage is not Stage.ASKED:
            return
        request = LabelRequest(order_id=self._order_id, return_id=self._start.return_id, way=decision.way)
        while self._case.label is None and not self._off:
            try:
                label = await workflow.execute_activity_method(
                    LabelDesk.make_label, request, summary="label", **policies.PATIENTLY
                )
                now = workflow.now()
                self._change(label=label, instructed_at=now, attention=None, stage=Stage.ON_ITS_WAY)
            except ActivityError as error:
                self._unless_cancelled(error)
                self._attention("label", Stage.ASKED)
                await self._until("a label", lambda: self._off, workflow.now() + policies.ASK_AGAIN)
        if self._case.label is not None:
            self._letter("return_approved")

    async def _came_back(self) -> bool:
        """Whether it did: a reminder for a label that lies about, and an end to the waiting."""
        policy, way = self._start.policy, self._case.decision.way
        if way is Way.KEEP or self._off:
            return not self._off
        since = self._case.instructed_at or self._case.opened_at
        if not await self._until("the first scan", self._moving, self._later(since, policy.remind_after)):
            if not self._case.reminded:
                self._change(reminded=True)
                self._letter("return_reminder")
            if not await self._until("the first scan", self._moving, self._later(since, policy.expire_after)):
                self._end(ReturnOutcome.EXPIRED, "return_expired")
                return False
        if self._off or policy.refund_on is RefundOn.FIRST_SCAN:
            return not self._off
        await self._until("the goods", lambda: self._case.received_at is not None or self._off)
        if self._off:
            return False
        assert self._case.received_at is not None
        rest = self._later(self._case.received_at, policy.wait_for_rest)
        await self._until("the rest", lambda: self._case.all_received or self._inspected, rest)
        return True

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
            self._change(accepted=return_case.acceptable(self._case))
            return
        assert self._case.received_at is not None
        alarm = self._later(self._case.received_at, policy.inspect_within)
        if not await self._until("the inspection", lambda: self._inspected, alarm):
            self._attention("inspection", Stage.RECEIVED)
            await self._until("the inspection", lambda: self._inspected)
        self._change(accepted=self._case.inspected or (), attention=None)

    async def _settle(self) -> None:
        """Money, credit or goods; each once."""
        self._change(stage=Stage.SETTLING)
        if not self._case.accepted and self._case.decision.kind not in BY_OPERATOR:
            self._end(ReturnOutcome.REFUSED, "return_not_accepted")
            return
        settlement = await self._settlement()
        sums = (
            self._sums if settlement is Settlement.EXCHANGE else self._sums.model_copy(update={"exchange": 0})
        )
        if settlement is not Settlement.REPLACEMENT and sums.back:
            credit = settlement is Settlement.CREDIT
            await self._give_back(sums.back, Purpose.CREDIT if credit else Purpose.REFUND)
        if settlement in (Settlement.EXCHANGE, Settlement.REPLACEMENT):
            await self._send_goods(settlement)
        outcome = _ENDS[settlement]
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
        if not self._sums.due:
            return True
        self._letter("exchange_difference")
        limit = self._later(workflow.now(), self._start.policy.pay_difference_within)
        return await self._until("the difference", lambda: self._case.difference_paid, limit)

    async def _give_back(self, amount: int, purpose: Purpose) -> None:
        """Until the customer has it, by the provider's word or a person's."""
        if self._case.money_key is None:
            self._change(money_key=self._start.return_id)
        while True:
            key = self._case.money_key
            assert key is not None
            request = RefundRequest(
                order_id=self._order_id,
                key=key,
                currency=self._start.order.currency,
                amount=amount,
                purpose=purpose,
                why=str(self._case.decision.kind),
                cures=self._case.money_cures,
            )
            receipt = await self._refunded(request)
            self._change(money=receipt)
            if receipt.state in PAID:
                self._change(attention=None)
                return
            await self._cured(key)

    async def _refunded(self, request: RefundRequest) -> RefundReceipt:
        """The receipt of a refund that is over, for good or ill."""
        while True:
            receipt = await self._asked_provider(request)
            if receipt is None:
                self._attention("refund_unclear", Stage.SETTLING)
                await self._until("the provider", self._hears, workflow.now() + policies.ASK_AGAIN)
            elif receipt.state in PAID | NOT_PAID:
                return receipt
            else:
                self._change(money=receipt)
                again = workflow.now() + policies.ASK_AGAIN
                again = max(receipt.until or again, workflow.now() + policies.LEAST_PAUSE)
                await self._until(f"a refund that is {receipt.state}", self._hears, again)

    async def _asked_provider(self, request: RefundRequest) -> RefundReceipt | None:
        self._news = False
        try:
            return await workflow.execute_activity_method(
                Refunds.refund_payment, request, summary=request.key, **policies.PATIENTLY
            )
        except ActivityError as error:
            self._unless_cancelled(error)
            return None

    async def _cured(self, key: str) -> None:
        """Wait for a person to order another refund (which has a key of its own), or to pay otherwise."""
        before = self._case.cures
        self._attention("refund_failed", Stage.SETTLING)
        await self._until("a person to cure the refund", lambda: self._case.cures > before)
        if self._cure.how is Cure.MAKE_AGAIN:
            again = f"{self._start.return_id}/{self._case.cures + 1}"
            self._change(money_key=again, money_cures=key)
            return
        paid = PaidRequest(order_id=self._order_id, key=key, by=self._cure.by)
        await workflow.execute_activity_method(Cases.mark_refund_paid, paid, **policies.UNTIL_DONE)

    async def _send_goods(self, settlement: Settlement) -> None:
        lines = self._case.request.exchange_for
        if settlement is Settlement.REPLACEMENT:
            quantities = {part.line_id: part.quantity for part in self._case.accepted}
            ordered = {line.line_id: line for line in self._start.order.lines}
            lines = tuple(
                ordered[line_id].model_copy(update={"quantity": quantity, "discount": 0, "tax": 0})
                for line_id, quantity in quantities.items()
            )
        goods = GoodsRequest(
            order_id=self._order_id, return_id=self._start.return_id, kind=str(settlement), lines=lines
        )
        await workflow.execute_activity_method(Cases.dispatch_goods, goods, **policies.UNTIL_DONE)

    async def _close(self) -> ReturnEnd:
        if self._case.outcome is None:
            self._end(ReturnOutcome.CANCELLED, "return_cancelled")
        assert self._case.outcome is not None
        await self._until("the last letters", lambda: self._case.next_letter is None)
        if self._case.decision.kind not in BY_OPERATOR:
            await self._tell_order(self._case.outcome)
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
        if self._case.money_key is None and self._case.decision.kind not in BY_OPERATOR:
            now = workflow.now()
            self._change(outcome=ReturnOutcome.CANCELLED, stage=Stage.CLOSED, closed_at=now)
            await self._tell_order(ReturnOutcome.CANCELLED)
        await self._keep()

    async def _tell_order(self, outcome: ReturnOutcome) -> None:
        fact_id = f"{self._start.return_id}:closed"
        body = {
            "fact_id": fact_id,
            "at": workflow.now().isoformat(),
            "source": "returns",
            "return_id": self._start.return_id,
            "outcome": str(outcome),
            "lines": [part.model_dump() for part in self._case.accepted],
        }
        order = workflow.get_external_workflow_handle(order_workflow_id(self._order_id))
        try:
            await order.signal("return_closed", body)
        except FailureError as error:
            self._unless_cancelled(error)
            late = Late(
                order_id=self._order_id,
                fact_id=fact_id,
                kind="return_closed",
                body=body,
                at=workflow.now(),
            )
            await workflow.execute_activity_method(Cases.keep_result, late, **policies.UNTIL_DONE)

    async def _until(self, what: str, done: Callable[[], bool], deadline: datetime | None = None) -> bool:
        """Wait, and write letters meanwhile; False when the deadline came first."""
        while not done():
            now = workflow.now()
            letter = self._case.next_letter
            if letter is not None and letter.due <= now:
                await self._write(letter)
                continue
            if deadline is not None and deadline <= now:
                return False
            await self._rest(what, done, deadline, letter)
        return True

    async def _rest(
        self, what: str, done: Callable[[], bool], deadline: datetime | None, letter: CaseLetter | None
    ) -> None:
        wakes = [at for at in (deadline, letter.due if letter else None) if at]
        self._next_look = min(wakes, default=None)
        self._waits_for = what
        await self._keep()
        if self._is_long():
            await self._continue_in_a_new_run()
        known = self._case.next_letter
        wait = self._next_look - workflow.now() if self._next_look else None
        try:
            await workflow.wait_condition(
                lambda: done() or self._case.next_letter != known or self._has_heard_enough,
                timeout=wait,
                timeout_summary=what,
            )
        except TimeoutError:
            return

    async def _write(self, letter: CaseLetter) -> None:
        request = letter_request(self._start, self._case, self._sums, letter)
        receipt = await self._receipt(request)
        if receipt.result is SendResult.HELD and receipt.until is not None:
            letter = letter.model_copy(update={"due": receipt.until, "reason": receipt.reason})
        else:
            ended = {"result": Result(receipt.result.value), "reason": receipt.reason}
            letter = letter.model_copy(update=ended)
        self._case = return_case.with_letter(self._case, letter)

    async def _receipt(self, request: Any) -> SendReceipt:
        try:
            return await workflow.execute_activity_method(
                Messages.send_message, request, summary=request.key, **policies.PATIENTLY
            )
        except ActivityError as error:
            self._unless_cancelled(error)
            until = workflow.now() + policies.ASK_AGAIN
            return SendReceipt(result=SendResult.HELD, reason="not handed over yet", until=until)

    async def _keep(self) -> None:
        """Write how far it is, and show it."""
        visibility.show_return(self._case, self._waits_for, self._next_look)
        row = ReturnRow(
            order_id=self._order_id,
            return_id=self._start.return_id,
            kind=str(self._case.decision.kind),
            stage=str(self._case.stage),
            request_id=self._case.request.request_id,
            case=self._case.model_dump(mode="json", exclude_defaults=True),
            opened_at=self._case.opened_at,
            closed_at=self._case.closed_at,
        )
        if row == self._kept:
            return
        self._kept = row
        try:
            await workflow.execute_local_activity_method(Cases.keep_return, row, **policies.AT_ONCE)
        except FailureError as error:
            self._unless_cancelled(error)
            await workflow.execute_activity_method(Cases.keep_return, row, **policies.UNTIL_DONE)

    def _is_long(self) -> bool:
        return workflow.info().is_continue_as_new_suggested() or self._has_heard_enough

    async def _continue_in_a_new_run(self) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self._start.model_copy(update={"case": self._case}))

    @staticmethod
    def _unless_cancelled(error: BaseException) -> None:
        if is_cancelled_exception(error):
            raise error

    @property
    def _has_heard_enough(self) -> bool:
        return self._signals >= policies.FACTS_PER_RUN

    @property
    def _order_id(self) -> str:
        return self._start.order.order_id

    @property
    def _off(self) -> bool:
        return self._case.cancelled is not None

    @property
    def _inspected(self) -> bool:
        return self._case.inspected is not None

    @property
    def _sums(self) -> Sums:
        decision = self._case.decision
        if decision.kind in BY_OPERATOR or not self._case.accepted:
            return decision.sums
        return accepted_sums(self._start.order, self._start.policy, decision, self._case.accepted)

    @property
    def _cure(self) -> CureRequest:
        assert self._case.cure is not None
        return self._case.cure

    def _moving(self) -> bool:
        return self._off or self._case.scanned_at is not None or self._case.received_at is not None

    def _hears(self) -> bool:
        return self._news

    def _later(self, at: datetime, duration: str) -> datetime:
        return later(at, duration, self._start.order.zone, self._start.day_seconds)

    def _change(self, **changes: object) -> None:
        self._case = return_case.update(self._case, **changes)

    def _attention(self, why: str, stage: Stage) -> None:
        self._change(attention=why, stage=stage)

    def _letter(self, name: str) -> None:
        """Have a letter written, once."""
        if name not in self._case.letters:
            self._case = return_case.with_letter(self._case, CaseLetter(name=name, due=workflow.now()))

    def _end(self, outcome: ReturnOutcome, letter: str) -> None:
        now = workflow.now()
        if self._case.outcome is None:
            self._case = return_case.told(self._case, now, f"ended-{outcome}", "ended", str(outcome))
            self._change(outcome=outcome, stage=Stage.CLOSED, closed_at=now, attention=None)
        self._letter(letter)

    @workflow.signal(dynamic=True, description="return_moved, return_received, return_inspected, ...")
    def record(self, kind: str, args: Sequence[RawValue]) -> None:
        self._signals += 1
        self._news = True
        if kind != "refund_reported":
            self._case = return_case.with_signal(self._case, kind, _body(args), workflow.now())

    @workflow.query(description="How far the return is, and what it waits for.")
    def status(self) -> ReturnStatus:
        return ReturnStatus(
            order_id=self._order_id,
            return_id=self._start.return_id,
            currency=self._start.order.currency,
            case=self._case,
            waits_for="" if self._case.closed_at else self._waits_for,
            next_look=self._next_look,
        )

    @workflow.update(description="A person approves or refuses.")
    def decide_return(self, request: DecisionRequest) -> ReturnStatus:
        self._case = return_case.decided(self._case, request, workflow.now())
        if request.approve:
            self._change(stage=Stage.ASKED)
        return self.status()

    @decide_return.validator
    def _can_decide(self, request: DecisionRequest) -> None:
        if problem := return_case.decision_problem(self._case, request):
            raise ApplicationError(problem)

    @workflow.update(description="Call it off, while nothing has come and no money has moved.")
    def cancel_return(self, request: CancelRequest) -> ReturnStatus:
        self._change(cancelled=request)
        self._case = return_case.told(self._case, workflow.now(), "cancelled", "cancelled", request.reason)
        return self.status()

    @cancel_return.validator
    def _can_cancel(self, request: CancelRequest) -> None:
        if not self._case.cancellable:
            raise ApplicationError("this return cannot be cancelled any more")

    @workflow.update(description="What a person does about a refund that failed.")
    def cure_refund(self, request: CureRequest) -> ReturnStatus:
        self._change(cures=self._case.cures + 1, cure=request)
        return self.status()

    @cure_refund.validator
    def _can_cure(self, request: CureRequest) -> None:
        if self._case.attention != "refund_failed":
            raise ApplicationError("no refund of this return waits for a cure")


def _body(args: Sequence[RawValue]) -> Any:
    """What a signal brought, or None where it is not JSON at all."""
    try:
        return workflow.payload_converter().from_payload(args[0].payload, Any)
    except Exception:
        return None
