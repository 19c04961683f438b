"""How a return hears, waits and writes: what its story stands on."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from journey import return_case, return_letters
from journey.contract import StepRequest
from journey.facts import ReturnOutcome
from journey.messages import SendReceipt, SendResult
from journey.return_case import CaseLetter, ReturnCase, ReturnStart, ReturnStatus
from journey.return_contract import CancelRequest, CureRequest, DecisionRequest, Stage
from journey.return_facts import with_signal
from journey.return_settlement import sums_now
from journey.times import later
from ledger.returns import ReturnRow
from workflows import policies, visibility
from workflows.clock import Clock
from workflows.new_run import everything_is_heard
from workflows.return_errands import Errands


class Casework:
    """One return's case and how it changes: by what is reported, asked by people, or written to the
    customer. It is kept in the ledger before each wait."""

    def __init__(self, start: ReturnStart) -> None:
        self._start = start
        self._case: ReturnCase = start.case or return_case.opened(start)
        self._clock = Clock()
        self._errands = Errands(self._clock)
        self._waits_for = ""
        self._next_look: datetime | None = None
        self._kept: ReturnRow | None = None
        self._news = False
        self._signals = 0

    async def _until(self, what: str, done: Callable[[], bool], deadline: datetime | None = None) -> bool:
        """Wait, and write letters meanwhile; False when the deadline came first."""
        while not done():
            now = self._clock.now()
            letter = self._case.next_letter
            if letter is not None and letter.due <= now:
                await self._write(letter)
                continue
            if deadline is not None and deadline <= now:
                return False
            await self._rest(what, done, deadline)
        return True

    async def _rest(self, what: str, done: Callable[[], bool], deadline: datetime | None) -> None:
        letter = self._case.next_letter
        wakes = [at for at in (deadline, letter.due if letter else None) if at]
        self._next_look = min(wakes, default=None)
        self._waits_for = what
        await self._keep()
        if self._is_long() and not done():
            await self._continue_in_a_new_run()
        self._clock.go()
        try:
            await workflow.wait_condition(
                lambda: done() or self._case.next_letter != letter or self._has_heard_enough,
                timeout=self._timeout(),
                timeout_summary=what,
            )
        except TimeoutError:
            return

    def _timeout(self) -> timedelta | None:
        """Never nothing: whether there is a timer may not hang on how long the ledger took."""
        if self._next_look is None:
            return None
        return max(self._next_look - workflow.now(), timedelta(milliseconds=1))

    async def _write(self, letter: CaseLetter) -> None:
        sums = sums_now(self._start, self._case)
        request = return_letters.letter_request(self._start, self._case, sums, letter)
        receipt = await self._errands.send(request)
        now = self._clock.now()
        if receipt is None:
            until = now + policies.ASK_AGAIN
            receipt = SendReceipt(result=SendResult.HELD, reason="not handed over yet", until=until)
        self._case = return_letters.with_receipt(self._case, letter.name, receipt, now)

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
        if row != self._kept:
            self._kept = row
            await self._errands.keep(row)

    def _is_long(self) -> bool:
        return workflow.info().is_continue_as_new_suggested() or self._has_heard_enough

    async def _continue_in_a_new_run(self) -> None:
        await everything_is_heard()
        workflow.continue_as_new(self._start.model_copy(update={"case": self._case}))

    @property
    def _has_heard_enough(self) -> bool:
        return self._signals >= policies.FACTS_PER_RUN

    @property
    def _order_id(self) -> str:
        return self._start.order.order_id

    def _later(self, at: datetime, duration: str) -> datetime:
        return later(at, duration, self._start.order.zone, self._start.day_seconds)

    def _soon(self) -> datetime:
        """When to ask again for what could not be had."""
        return self._clock.now() + policies.ASK_AGAIN

    def _change(self, **changes: object) -> None:
        self._case = return_case.update(self._case, **changes)

    def _attention(self, why: str, stage: Stage) -> None:
        self._change(attention=why, stage=stage)

    def _letter(self, name: str) -> None:
        """Have a letter written, once."""
        self._case = return_letters.with_letter(self._case, name, self._clock.now())

    def _end(self, outcome: ReturnOutcome, letter: str) -> None:
        if self._case.outcome is None:
            self._case = return_case.ended(self._case, outcome, self._clock.now())
        self._letter(letter)

    @workflow.signal(dynamic=True, description="return_moved, return_received, return_inspected, ...")
    def record(self, kind: str, args: Sequence[RawValue]) -> None:
        self._signals += 1
        self._news = True
        if kind != "refund_reported":
            self._case = with_signal(self._case, kind, _body(args), self._clock.heard())

    @workflow.query(description="How far the return is, and what it waits for.")
    def status(self) -> ReturnStatus:
        over = self._case.closed_at is not None and not self._case.parked
        return ReturnStatus(
            order_id=self._order_id,
            return_id=self._start.return_id,
            currency=self._start.order.currency,
            case=self._case,
            waits_for="" if over else self._waits_for,
            next_look=self._next_look,
        )

    @workflow.update(description="A person approves or refuses.")
    def decide_return(self, request: DecisionRequest) -> ReturnStatus:
        self._case = return_case.decided(self._case, request, self._clock.heard())
        return self.status()

    @decide_return.validator
    def _can_decide(self, request: DecisionRequest) -> None:
        _refuse(return_case.decision_problem(self._case, request))

    @workflow.update(description="Call it off, while nothing has come and no money has moved.")
    def cancel_return(self, request: CancelRequest) -> ReturnStatus:
        self._case = return_case.called_off(self._case, request, self._clock.heard())
        return self.status()

    @cancel_return.validator
    def _can_cancel(self, request: CancelRequest) -> None:
        if not self._case.cancellable:
            raise ApplicationError("this return cannot be cancelled any more")

    @workflow.update(description="What a person does about a refund that failed.")
    def cure_refund(self, request: CureRequest) -> ReturnStatus:
        self._case = return_case.cured(self._case, request)
        return self.status()

    @cure_refund.validator
    def _can_cure(self, request: CureRequest) -> None:
        _refuse(return_case.cure_problem(self._case, request))

    @workflow.update(description="Try a parked letter again, by its key.")
    def retry_step(self, request: StepRequest) -> ReturnStatus:
        self._case = return_letters.retried(self._case, _name(request), self._clock.heard())
        return self.status()

    @retry_step.validator
    def _can_retry(self, request: StepRequest) -> None:
        _refuse(return_letters.letter_problem(self._start, self._case, request.key, parked=True))

    @workflow.update(description="Leave out one letter, by its key.")
    def skip_step(self, request: StepRequest) -> ReturnStatus:
        self._case = return_letters.skipped(self._case, _name(request), request.reason)
        return self.status()

    @skip_step.validator
    def _can_skip(self, request: StepRequest) -> None:
        _refuse(return_letters.letter_problem(self._start, self._case, request.key, parked=False))


def _name(request: StepRequest) -> str:
    return request.key.partition("/")[0]


def _refuse(problem: str | None) -> None:
    if problem:
        raise ApplicationError(problem)


def _body(args: Sequence[RawValue]) -> Any:
    """What a signal brought, or None where it is not JSON at all."""
    try:
        return workflow.payload_converter().from_payload(args[0].payload, Any)
    except Exception:
        return None
