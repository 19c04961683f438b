"""The life of an order after it is paid."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.journeys import Journeys
    from activities.messages import Messages

    from journey.contract import JourneyEnd, JourneyStart, JourneyStatus, StepRequest, counts, describe
    from journey.endings import Ending, JourneyEnding
    from journey.facts import understand
    from journey.messages import SendReceipt, SendRequest, SendResult
    from journey.plan import FINAL, PlannedStep, Standing, closes_at, next_wake, plan
    from journey.record import begun, paused, resumed, retried, with_fact, with_outcome, with_receipt
    from journey.sending import send_request
    from journey.state import JourneyState, Result
    from workflows import policies, visibility
    from workflows.alarm import Alarm


@workflow.defn
class OrderJourney:
    """Waits for what the shop and the carrier report and for the dates of the playbook, and writes to the
    customer. Handlers record; the loop acts."""

    @workflow.init
    def __init__(self, start: JourneyStart) -> None:
        self._placed = start.placed
        self._playbook = start.playbook
        self._state: JourneyState = start.state or begun(start.placed)
        self._alarm = Alarm()
        self._news = True
        self._facts_in_run = 0

    @workflow.run
    async def run(self, start: JourneyStart) -> JourneyEnd:
        try:
            while self._news:
                await self._live()
                await self._keep(self._natural_ending())
        except asyncio.CancelledError:
            await self._keep(Ending.STOPPED)
            raise
        return self._end(self._natural_ending())

    async def _live(self) -> None:
        while True:
            self._news = False
            ahead = plan(self._state, self._playbook, workflow.now())
            if await self._act(ahead):
                continue
            wake = self._next_wake(ahead)
            if wake is None and workflow.all_handlers_finished() and not self._news:
                return
            if self._run_is_long():
                await self._continue_in_a_new_run()
            self._show(ahead)
            await self._news_or(wake, ahead)

    def _next_wake(self, ahead: list[PlannedStep]) -> datetime | None:
        """When to look again by the clock; None when nothing is left to wait for."""
        closing = closes_at(self._state, self._playbook, ahead)
        if closing is not None and closing <= workflow.now():
            return None
        return next_wake(ahead) or closing or workflow.now() + policies.LOOK_AGAIN

    async def _act(self, ahead: list[PlannedStep]) -> bool:
        """Record what is over and send what is due; whether there was anything."""
        now = workflow.now()
        over = [step for step in ahead if step.standing in FINAL]
        for step in over:
            outcome = step.outcome(FINAL[step.standing], now, step.why)
            self._state = with_outcome(self._state, outcome)
        due = [step for step in ahead if step.is_due(now)]
        await asyncio.gather(*(self._send(step) for step in due))
        return bool(over or due)

    async def _send(self, step: PlannedStep) -> None:
        request = send_request(self._state, self._playbook, step)
        receipt = await self._receipt(request)
        self._state = with_receipt(self._state, step, receipt, workflow.now())

    async def _receipt(self, request: SendRequest) -> SendReceipt:
        """Try at once and cheaply; if that fails, patiently and in sight of the operators."""
        try:
            return await workflow.execute_local_activity_method(
                Messages.send_message, request, summary=request.key, **policies.AT_ONCE
            )
        except FailureError as error:  # a local activity's own, which no ActivityError is around
            if is_cancelled_exception(error):
                raise
        try:
            return await workflow.execute_activity_method(
                Messages.send_message, request, summary=request.key, **policies.PATIENTLY
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
        until = workflow.now() + policies.ASK_AGAIN
        return SendReceipt(
            result=SendResult.HELD, reason="could not be handed to the mailer yet", until=until
        )

    async def _news_or(self, wake: datetime | None, ahead: list[PlannedStep]) -> None:
        self._alarm.set(wake, self._waits_for(wake, ahead))
        await workflow.wait_condition(lambda: self._news or self._alarm.rang)

    def _waits_for(self, wake: datetime | None, ahead: list[PlannedStep]) -> str:
        step = next((step for step in ahead if step.standing is Standing.DATED), None)
        return f"{step.key}: {step.why}" if step else "listening for late facts"

    def _show(self, ahead: list[PlannedStep]) -> None:
        """Tell operators, at the price of one event when a search attribute changed."""
        done = list(self._state.outcomes.values())
        workflow.set_current_details(visibility.details(ahead, done))
        known = workflow.info().typed_search_attributes
        wanted = visibility.attributes(self._state, self._playbook, ahead)
        if changes := list(visibility.differences(known, wanted)):
            workflow.upsert_search_attributes(changes)

    def _run_is_long(self) -> bool:
        suggested = workflow.info().is_continue_as_new_suggested()
        return suggested or self._facts_in_run >= policies.FACTS_PER_RUN

    async def _continue_in_a_new_run(self) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(
            JourneyStart(placed=self._placed, playbook=self._playbook, state=self._state)
        )

    def _natural_ending(self) -> Ending:
        return Ending.ORDER_CANCELLED if self._state.facts.cancelled_at else Ending.COMPLETED

    async def _keep(self, ending: Ending) -> None:
        """Write the final state where it outlives the server's retention."""
        kept = JourneyEnding(
            order_id=self._placed.order.order_id,
            ending=ending,
            closed_at=workflow.now(),
            state=self._state,
        )
        try:
            await workflow.execute_local_activity_method(Journeys.keep_journey, kept, **policies.AT_ONCE)
        except FailureError:
            await workflow.execute_activity_method(Journeys.keep_journey, kept, **policies.UNTIL_DONE)

    def _end(self, ending: Ending) -> JourneyEnd:
        return JourneyEnd(
            order_id=self._placed.order.order_id, ending=str(ending), counts=counts(self._state)
        )

    @workflow.signal(dynamic=True, description="Any fact, by the name of its kind.")
    def record(self, kind: str, args: Sequence[RawValue]) -> None:
        self._facts_in_run += 1
        now = workflow.now()
        number = self._state.facts_recorded
        fact = understand(kind, _body(args), now, number)
        self._state = with_fact(self._state, fact, now)
        self._news = True

    @workflow.query(description="What happened, what is next, when and why, and what was not sent and why.")
    def status(self) -> JourneyStatus:
        return describe(self._state, self._playbook, workflow.now())

    @workflow.update(description="Hold every step until resumed; the waits keep their place.")
    def pause(self) -> JourneyStatus:
        self._state = paused(self._state, workflow.now())
        return self._answer()

    @workflow.update(description="Go on; what came due meanwhile is sent unless it has expired.")
    def resume(self) -> JourneyStatus:
        self._state = resumed(self._state, workflow.now())
        return self._answer()

    @workflow.update(description="Leave out one step, by its key.")
    def skip_step(self, request: StepRequest) -> JourneyStatus:
        step = self._ahead(request.key)
        outcome = step.outcome(Result.SKIPPED, workflow.now(), request.reason)
        self._state = with_outcome(self._state, outcome)
        return self._answer()

    @skip_step.validator
    def _can_skip(self, request: StepRequest) -> None:
        self._ahead(request.key)

    @workflow.update(description="Try a parked step again, by its key.")
    def retry_step(self, request: StepRequest) -> JourneyStatus:
        self._state = retried(self._state, request.key, workflow.now())
        return self._answer()

    @retry_step.validator
    def _can_retry(self, request: StepRequest) -> None:
        if self._ahead(request.key).standing is not Standing.PARKED:
            raise ApplicationError(f"key: {request.key} is not parked, so there is nothing to retry")

    def _answer(self) -> JourneyStatus:
        self._news = True
        return self.status()

    def _ahead(self, key: str) -> PlannedStep:
        steps = {step.key: step for step in plan(self._state, self._playbook, workflow.now())}
        if key not in steps:
            raise ApplicationError(f"key: no step {key} is ahead; these are: {', '.join(steps) or 'none'}")
        return steps[key]


def _body(args: Sequence[RawValue]) -> Any:
    """What a signal brought, or None where it is not JSON at all."""
    try:
        return workflow.payload_converter().from_payload(args[0].payload, Any)
    except Exception:
        return None
