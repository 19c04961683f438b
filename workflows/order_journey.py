"""The life of an order after it is paid."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from activities.journeys import Journeys
    from activities.messages import Messages
    from journey.contract import (
        JourneyEnd,
        JourneyStart,
        JourneyStatus,
        Standpoint,
        StepRequest,
        counts,
        describe,
        standpoint,
    )
    from journey.endings import Ending, JourneyEnding
    from journey.facts import not_understood, understand
    from journey.messages import SendReceipt, SendRequest, SendResult
    from journey.names import return_workflow_id
    from journey.older_runs import as_unknown, by_the_latest_end, calls_off, ends_again
    from journey.own_returns import from_outside, refused
    from journey.plan import FINAL, PlannedStep, Standing, closes_at, next_wake, plan
    from journey.playbook import Per
    from journey.record import paused, resumed, retried, with_fact, with_outcome, with_receipt
    from journey.return_contract import CaseKind, Refusal, ReturnDecision, ReturnRequest
    from journey.returning import answer, return_start, started, unstarted, with_case
    from journey.sending import send_request
    from journey.state import JourneyState, Result
    from workflows import policies, visibility
    from workflows.alarm import Alarm
    from workflows.clock import Clock
    from workflows.new_run import everything_is_heard
    from workflows.return_journey import ReturnJourney


@workflow.defn
class OrderJourney:
    """Waits for what the shop and the carrier report and for the dates of the playbook, and writes to the
    customer. Handlers record; the loop acts."""

    @workflow.init
    def __init__(self, start: JourneyStart) -> None:
        self._playbook = start.playbook
        self._state: JourneyState = start.first_state()
        self._alarm = Alarm()
        # A first task that takes long is replayed at a later time, but its run began when it began.
        self._clock = Clock()
        self._now = self._clock.now()
        self._news = True
        self._facts_in_run = 0
        self._patient: dict[str, asyncio.Task[None]] = {}

    @workflow.run
    async def run(self, start: JourneyStart) -> JourneyEnd:
        try:
            while self._news:
                await self._live()
                await self._keep(self._natural_ending())
                self._now = self._clock.now()
        except (asyncio.CancelledError, FailureError) as error:
            if not is_cancelled_exception(error):
                raise
            await self._stop()
            raise asyncio.CancelledError from error
        return self._end(self._natural_ending())

    async def _live(self) -> None:
        while True:
            self._news = False
            await self._start_returns()
            ahead = plan(self._state, self._playbook, self._now)
            if await self._act(ahead):
                continue
            wake = self._next_wake(ahead)
            if wake is None and workflow.all_handlers_finished() and not self._news:
                return self._show_the_end(ahead)
            if self._run_is_long():
                await self._continue_in_a_new_run()
            self._show(ahead)
            await self._news_or(wake, ahead)

    async def _start_returns(self) -> None:
        """Each return that was granted gets a journey of its own, which outlives this one."""
        for return_id in unstarted(self._state):
            start = return_start(self._state, self._playbook, return_id)
            try:
                await workflow.start_child_workflow(
                    ReturnJourney.run,
                    start,
                    id=return_workflow_id(start.order.order_id, return_id),
                    parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                    static_summary=f"{start.decision.kind} of order {start.order.order_id}",
                )
            except WorkflowAlreadyStartedError:
                workflow.logger.info("the return goes on already")
            self._state = started(self._state, return_id)

    def _next_wake(self, ahead: list[PlannedStep]) -> datetime | None:
        """When to look again by the clock; None when nothing is left to wait for."""
        closing = closes_at(self._state, self._playbook, ahead)
        if closing is not None and closing <= self._now:
            return None
        free = [step for step in ahead if step.key not in self._patient]
        return next_wake(free) or closing or self._now + policies.LOOK_AGAIN

    async def _act(self, ahead: list[PlannedStep]) -> bool:
        """Record what is over and send what is due; whether there was anything."""
        now = self._now
        over = [step for step in ahead if step.standing in FINAL]
        for step in over:
            outcome = step.outcome(FINAL[step.standing], now, step.why)
            self._state = with_outcome(self._state, outcome)
        due = [step for step in ahead if step.is_due(now) and step.key not in self._patient]
        self._recall({step.key for step in ahead if step.is_due(now)})
        await self._send(due)
        return bool(over or due)

    async def _send(self, due: list[PlannedStep]) -> None:
        """Try each once, cheaply. What fails goes on beside the loop, patiently and in sight of the
        operators. The receipts are recorded together, and by the time at which the loop woke: a replay may
        bring local activities in another order and at another time."""
        now = self._now
        requests = [send_request(self._state, self._playbook, step, now) for step in due]
        with self._clock.stopped():
            receipts = await asyncio.gather(*(_try_at_once(request) for request in requests))
        for step, request, receipt in zip(due, requests, receipts, strict=True):
            if receipt is not None:
                self._state = with_receipt(self._state, step, receipt, now, request.day_seconds)
            else:
                self._patient[step.key] = asyncio.create_task(self._send_patiently(step, request))

    async def _send_patiently(self, step: PlannedStep, request: SendRequest) -> None:
        receipt = await _try_patiently(request)
        if receipt is not None:
            self._state = with_receipt(self._state, step, receipt, self._clock.now(), request.day_seconds)
        del self._patient[step.key]
        self._news = True

    def _recall(self, still_due: set[str]) -> None:
        """Give up the tries of steps that meanwhile were stopped, held or skipped."""
        for key, task in self._patient.items():
            if key not in still_due:
                task.cancel()

    async def _stop(self) -> None:
        """Cancelled in Temporal: give up what is being tried, and keep how far the journey was."""
        self._recall(set())
        await workflow.wait_condition(lambda: not self._patient)
        self._show_the_end(plan(self._state, self._playbook, self._clock.now()))
        await self._keep(Ending.STOPPED)

    async def _news_or(self, wake: datetime | None, ahead: list[PlannedStep]) -> None:
        self._clock.go()
        self._alarm.set(wake, self._waits_for(wake, ahead))
        await workflow.wait_condition(lambda: self._news or self._alarm.rang)
        self._now = self._clock.now()

    def _waits_for(self, wake: datetime | None, ahead: list[PlannedStep]) -> str:
        step = next((step for step in ahead if step.standing is Standing.DATED), None)
        return f"{step.key}: {step.why}" if step else "listening for late facts"

    def _show(self, ahead: list[PlannedStep]) -> None:
        """Tell operators, at the price of one event when a search attribute changed."""
        self._show_details(ahead)
        if changes := self._unseen(ahead):
            workflow.upsert_search_attributes(changes)

    def _show_the_end(self, ahead: list[PlannedStep]) -> None:
        """What would be next matters no more: an event only for another stage or a need of attention."""
        self._show_details(ahead)
        lasting = {key.name for key in visibility.LASTING}
        if changes := [change for change in self._unseen(ahead) if change.key.name in lasting]:
            workflow.upsert_search_attributes(changes)

    def _show_details(self, ahead: list[PlannedStep]) -> None:
        done = list(self._state.outcomes.values())
        workflow.set_current_details(visibility.details(ahead, done))

    def _unseen(self, ahead: list[PlannedStep]) -> list[visibility.Change]:
        known = workflow.info().typed_search_attributes
        wanted = visibility.attributes(self._state, self._playbook, ahead)
        return list(visibility.differences(known, wanted))

    def _run_is_long(self) -> bool:
        suggested = workflow.info().is_continue_as_new_suggested()
        return (suggested or self._facts_in_run >= policies.FACTS_PER_RUN) and not self._patient

    async def _continue_in_a_new_run(self) -> None:
        await everything_is_heard()
        workflow.continue_as_new(JourneyStart(playbook=self._playbook, state=self._state))

    def _natural_ending(self) -> Ending:
        return Ending.ORDER_CANCELLED if self._state.facts.cancelled_at else Ending.COMPLETED

    async def _keep(self, ending: Ending) -> None:
        """Write the final state where it outlives the server's retention."""
        kept = JourneyEnding(
            order_id=self._state.facts.order.order_id,
            ending=ending,
            closed_at=self._clock.now(),
            state=self._state,
        )
        try:
            with self._clock.stopped():
                await workflow.execute_local_activity_method(Journeys.keep_journey, kept, **policies.AT_ONCE)
        except FailureError:
            await workflow.execute_activity_method(Journeys.keep_journey, kept, **policies.UNTIL_DONE)

    def _end(self, ending: Ending) -> JourneyEnd:
        return JourneyEnd(
            order_id=self._state.facts.order.order_id, ending=str(ending), counts=counts(self._state)
        )

    @workflow.signal(dynamic=True, description="Any fact, by the name of its kind.")
    def record(self, kind: str, args: Sequence[RawValue]) -> None:
        self._facts_in_run += 1
        now = self._clock.heard()
        body = _body(args)
        fact = (
            not_understood(kind, None, now, TOO_LARGE) if body is TOO_LARGE else understand(kind, body, now)
        )
        # The doors refuse it; this is for what comes by a signal, or while the return is being written down.
        if from_outside(self._state, fact) and workflow.patched("returns_of_our_own"):
            fact = refused(self._state, fact)
        if calls_off(fact) and not workflow.patched("parcels-called-off"):
            fact = as_unknown(fact)
        if ends_again(fact, self._state) and not workflow.patched("return-ends-ranked"):
            self._state = by_the_latest_end(self._state, fact)
        self._state = with_fact(self._state, fact, now)
        self._news = True

    @workflow.query(description="What happened, what is next, when and why, and what was not sent and why.")
    def status(self) -> JourneyStatus:
        return describe(self._state, self._playbook, workflow.now())

    @workflow.update(description="Hold every step until resumed; the waits keep their place.")
    def pause(self) -> Standpoint:
        self._state = paused(self._state, self._clock.heard())
        return self._answer()

    @workflow.update(description="Go on; what came due meanwhile is sent unless it has expired.")
    def resume(self) -> Standpoint:
        self._state = resumed(self._state, self._clock.heard())
        return self._answer()

    @workflow.update(description="Leave out one step, by its key.")
    def skip_step(self, request: StepRequest) -> Standpoint:
        step = self._ahead(request.key)
        outcome = step.outcome(Result.SKIPPED, self._clock.heard(), request.reason)
        self._state = with_outcome(self._state, outcome)
        return self._answer()

    @skip_step.validator
    def _can_skip(self, request: StepRequest) -> None:
        step = self._ahead(request.key)
        if step.per is Per.PARCEL and step.subject is None:
            raise ApplicationError(f"key: {step.key} waits for its first parcel; each parcel has its own key")

    @workflow.update(description="Try a parked step again, by its key.")
    def retry_step(self, request: StepRequest) -> Standpoint:
        self._state = retried(self._state, request.key, self._clock.heard())
        return self._answer()

    @retry_step.validator
    def _can_retry(self, request: StepRequest) -> None:
        if self._ahead(request.key).standing is not Standing.PARKED:
            raise ApplicationError(f"key: {request.key} is not parked, so there is nothing to retry")

    @workflow.update(description="Ask for a return, a claim or a refund; answered by the policy at once.")
    def request_return(self, request: ReturnRequest) -> ReturnDecision:
        return self._open(request)

    @request_return.validator
    def _may_return(self, request: ReturnRequest) -> None:
        self._can_return(request)

    @workflow.update(description="Give some money back as a gesture; above a limit a second person approves.")
    def goodwill_refund(self, request: ReturnRequest) -> ReturnDecision:
        return self._open(_as(CaseKind.GOODWILL, request))

    @goodwill_refund.validator
    def _may_give(self, request: ReturnRequest) -> None:
        self._can_return(_as(CaseKind.GOODWILL, request))

    @workflow.update(description="Give money back for lines; above a limit a second person approves.")
    def refund(self, request: ReturnRequest) -> ReturnDecision:
        return self._open(_as(CaseKind.REFUND, request))

    @refund.validator
    def _may_refund(self, request: ReturnRequest) -> None:
        self._can_return(_as(CaseKind.REFUND, request))

    def _open(self, request: ReturnRequest) -> ReturnDecision:
        decision = self._can_return(request)
        self._state = with_case(self._state, request, decision, self._clock.heard())
        self._news = True
        return decision

    def _can_return(self, request: ReturnRequest) -> ReturnDecision:
        try:
            return answer(self._state, self._playbook, request, self._clock.heard())
        except Refusal as refusal:
            raise ApplicationError(str(refusal), type=str(refusal.rule)) from None

    def _answer(self) -> Standpoint:
        self._news = True
        return standpoint(self._state)

    def _ahead(self, key: str) -> PlannedStep:
        steps = {step.key: step for step in plan(self._state, self._playbook, self._clock.heard())}
        if key not in steps:
            raise ApplicationError(f"key: no step {key} is ahead; these are: {', '.join(steps) or 'none'}")
        return steps[key]


def _as(kind: CaseKind, request: ReturnRequest) -> ReturnRequest:
    return request.model_copy(update={"kind": kind})


async def _try_at_once(request: SendRequest) -> SendReceipt | None:
    """Inside the workflow task: one event and no round trip. None if it did not work."""
    try:
        return await workflow.execute_local_activity_method(
            Messages.send_message, request, summary=request.key, **policies.AT_ONCE
        )
    except FailureError as error:  # a local activity's own, which no ActivityError is around
        if is_cancelled_exception(error):
            raise
        return None


async def _try_patiently(request: SendRequest) -> SendReceipt | None:
    """None if it was called off before it was done."""
    try:
        return await workflow.execute_activity_method(
            Messages.send_message, request, summary=request.key, **policies.PATIENTLY
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            return None
    until = workflow.now() + policies.ASK_AGAIN
    reason = "could not be handed to the mailer yet"
    return SendReceipt(result=SendResult.HELD, reason=reason, until=until)


TOO_LARGE = f"larger than {policies.LARGEST_FACT:,} bytes"


def _body(args: Sequence[RawValue]) -> Any:
    """What a signal brought: what its JSON says, or a word for what is none."""
    if not args:
        return "no argument"
    payload = args[0].payload
    if len(payload.data) > policies.LARGEST_FACT:
        return TOO_LARGE
    try:
        return workflow.payload_converter().from_payload(payload, Any)
    except Exception:
        return f"no JSON: {sha256(payload.SerializeToString(deterministic=True)).hexdigest()}"
