"""What the standard journey costs on the real server, counted. It may cost less, and never more."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest_asyncio
from temporalio.client import WorkflowHistory

from benchmarks import standard
from benchmarks.standard import Cost
from runtime.embedded import Server
from runtime.orders import place_order
from tests.world import World, dev_world, new_order_id

DAY = 0.05
"""Seconds; dates that are twenty days apart are then a second apart."""


@pytest_asyncio.fixture
async def world(server: Server, tmp_path: Path) -> AsyncIterator[World]:
    async with dev_world(server, tmp_path) as stage:
        yield stage


TRIES, MOST_TRIES = 3, 10
AT_ONE_INSTANT = (10,)
APART = (10, 30, 50, 70)
"""Days after the delivery on which there is something to say."""


async def cheapest(world: World, days: Sequence[int]) -> Cost:
    """What it costs where nothing disturbs it. A busy machine adds workflow tasks, and saves one only where
    it is so late that a date falls together with the next: such a try does not count, and the next ones
    take longer."""
    costs, day = list[Cost](), DAY
    for _ in range(MOST_TRIES):
        cost, in_time = await played(world, days, day)
        costs, day = ([*costs, cost], day) if in_time else (costs, 1.5 * day)
        if len(costs) == TRIES:
            return min(costs, key=lambda cost: cost.events)
    raise TimeoutError(f"of {MOST_TRIES} tries only {len(costs)} were in time")


async def played(world: World, days: Sequence[int], day: float) -> tuple[Cost, bool]:
    """What it cost, and whether it was done with each date before the next."""
    order, book = new_order_id(), standard.playbook(day, at_one_instant=days == AT_ONE_INSTANT)
    world.orders.append(order)
    await place_order(world.client, world.ledger, standard.placed(order), standard.ANN, book)
    await world.until_sent(order, *standard.AT_ONCE)
    for number, letter in enumerate(standard.ANSWERS):
        kind, body = standard.fact(number)
        await world.journey(order).signal(kind, body)
        await world.until_sent(order, letter)
    over = await world.until_over(order)
    await world.journey(order).result()
    letters = {*standard.AT_ONCE, *standard.ANSWERS, *standard.DATED}
    assert {done.key for done in over.done} == letters
    assert await world.letters_of(order) == dict.fromkeys(letters, 1)
    delivered = datetime.fromisoformat(body["at"])
    dates = [delivered, *(delivered + timedelta(seconds=number * day) for number in days)]
    in_time = was_in_time(await world.journey(order).fetch_history(), dates)
    return await standard.cost_of(world.journey(order)), in_time


def was_in_time(history: WorkflowHistory, dates: Sequence[datetime]) -> bool:
    """Whether a whole workflow task lies between each date and the next."""
    at = {event.event_id: event.event_time.ToDatetime(dates[0].tzinfo) for event in history.events}
    tasks = [
        (at[event.workflow_task_completed_event_attributes.started_event_id], at[event.event_id])
        for event in history.events
        if event.HasField("workflow_task_completed_event_attributes")
    ]
    return all(
        any(date <= begun and ended < following for begun, ended in tasks)
        for date, following in pairwise(dates)
    )


KINDS = {
    "workflow_execution_started": 1,
    "workflow_execution_signaled": 3,
    "workflow_execution_completed": 1,
    # Nine letters, and the final state that the ledger keeps.
    "marker_recorded": 10,
    # One was set at the start for the day on which an order that never ships is given up.
    "timer_canceled": 1,
}


def check(cost: Cost, tasks: int, timers: dict[str, int], upserts: int, *, events: int, actions: int) -> None:
    parts = {f"workflow_task_{part}": tasks for part in ("scheduled", "started", "completed")}
    assert cost.kinds == {**KINDS, **parts, **timers, "upsert_workflow_search_attributes": upserts}
    assert (cost.events, cost.actions) == (events, actions)
    assert cost.bytes <= 16 * 1024


async def test_the_standard_journey_with_its_dates_at_one_instant_costs_36_events(world: World) -> None:
    cost = await cheapest(world, AT_ONE_INSTANT)
    check(cost, 5, {"timer_started": 2, "timer_fired": 1}, 2, events=36, actions=13)


async def test_the_standard_journey_with_its_dates_apart_costs_54_events(world: World) -> None:
    cost = await cheapest(world, APART)
    check(cost, 8, {"timer_started": 5, "timer_fired": 4}, 5, events=54, actions=22)
