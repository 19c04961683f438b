"""A return whose tasks take long, that goes on in new runs, and whose letters park."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.worker import Replayer

from activities.cases import Cases
from journey.facts import LineQuantity, Order
from journey.names import TASK_QUEUE, return_workflow_id
from journey.return_case import Label, ReturnCase, ReturnEnd, ReturnStart
from journey.return_contract import ReturnDecision, ReturnRequest, Stage, Sums, Verdict
from journey.return_policy import ReturnPolicy, Way
from ledger import Ledger
from ledger.returns import ReturnRow
from runtime.convert import DATA_CONVERTER
from runtime.embedded import Server
from runtime.settings import Settings
from tests.world import World, dev_world, line
from worker import build_activities, build_sandbox
from workflows import visibility
from workflows.return_journey import ReturnJourney

Return = WorkflowHandle[ReturnJourney, ReturnEnd]
TASK = timedelta(seconds=1)
"""The least that a server allows a task. After eight tenths of it a worker asks for more."""


class SlowCases(Cases):
    """A ledger that takes its time."""

    takes: float

    @activity.defn(name="keep_return")
    async def keep_return(self, row: ReturnRow) -> None:
        await asyncio.sleep(self.takes)
        await self._ledger.keep_return(row)


def slow_ledger(takes: float) -> Any:
    """The activities of production on a ledger that takes so many seconds."""

    def build(settings: Settings, ledger: Ledger) -> Sequence[Any]:
        slow = SlowCases(ledger)
        slow.takes = takes
        known = [each for each in build_activities(settings, ledger) if each.__name__ != "keep_return"]
        return [*known, slow.keep_return]

    return build


def new_run(order: Order, now: datetime, **policy: Any) -> ReturnStart:
    """The start of a run that carries on: the label is with the customer, and a day lasts a fifth of a
    second."""
    parts = (LineQuantity(line_id="l1", quantity=3),)
    request = ReturnRequest(lines=parts, reason="changed_mind")
    sums = Sums(goods=2970, refund=2970)
    decision = ReturnDecision(
        return_id="r1", verdict=Verdict.APPROVED, lines=parts, way=Way.DROP_OFF, sums=sums
    )
    case = ReturnCase(
        request=request,
        decision=decision,
        opened_at=now,
        stage=Stage.ON_ITS_WAY,
        approved=True,
        label=Label(key="r1/label"),
        instructed_at=now,
    )
    return ReturnStart(
        return_id="r1",
        order=order,
        placed_at=now,
        policy=ReturnPolicy.model_validate(policy),
        day_seconds=0.2,
        request=request,
        decision=decision,
        opened_at=now,
        case=case,
    )


async def go_on(world: World, **policy: Any) -> Return:
    """A return in a new run that has nothing new to show to operators."""
    lines = (line(quantity=3),)
    order_id, now = await world.place_order("ann", *lines), await world.now()
    order = Order(
        order_id=order_id, customer_id="c_ann", lines=lines, currency="EUR", country="DE", zone="UTC"
    )
    start = new_run(order, now, **policy)
    due = now + timedelta(days=0) + 0.2 * timedelta(seconds=float(start.policy.remind_after.split()[0]))
    seen = [
        SearchAttributePair(visibility.STAGE, "on_its_way"),
        SearchAttributePair(visibility.NEXT_DUE, due),
    ]
    return await world.client.start_workflow(
        ReturnJourney.run,
        start,
        id=return_workflow_id(order_id, "r1"),
        task_queue=TASK_QUEUE,
        task_timeout=TASK,
        search_attributes=TypedSearchAttributes(seen),
    )


async def replay(history: WorkflowHistory) -> None:
    replayer = Replayer(
        workflows=[ReturnJourney], data_converter=DATA_CONVERTER, workflow_runner=build_sandbox()
    )
    await replayer.replay_workflow(history)


@pytest.mark.parametrize("cached", [0, 1000])
async def test_a_date_that_comes_while_the_first_task_takes_long_is_replayed_as_it_was(
    server: Server, tmp_path: Path, cached: int
) -> None:
    async with dev_world(server, tmp_path, activities=slow_ledger(1.4), max_cached_workflows=cached) as world:
        returns = await asyncio.gather(*(go_on(world, remind_after=f"{days} days") for days in (1, 2, 3)))
        await asyncio.sleep(3)
        for each in returns:
            await replay(await each.fetch_history())
            await each.terminate()


@pytest.mark.parametrize("cached", [0, 1000])
async def test_what_is_reported_while_the_first_task_takes_long_is_replayed_as_it_was(
    server: Server, tmp_path: Path, cached: int
) -> None:
    async with dev_world(server, tmp_path, activities=slow_ledger(2.2), max_cached_workflows=cached) as world:
        for days in (1, 2, 3):
            handle = await go_on(world, remind_after="900 days", wait_for_rest=f"{days} days")
            await asyncio.sleep(0.3)
            body = {
                "fact_id": "f1",
                "at": (await world.now()).isoformat(),
                "lines": [{"line_id": "l1", "quantity": 1}],
            }
            await handle.signal("return_received", body)
        await asyncio.sleep(3)
        async for run in world.client.list_workflows(
            'WorkflowId STARTS_WITH "return:t" AND ExecutionStatus="Running"'
        ):
            handle = world.client.get_workflow_handle(run.id)
            await replay(await handle.fetch_history())
            await handle.terminate()
