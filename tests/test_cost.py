"""What the standard journey costs on the real server, counted. It may cost less, and never more."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from benchmarks import standard
from benchmarks.standard import Cost
from journey.playbook import Playbook
from runtime.embedded import Server
from runtime.orders import place_order
from tests.world import World, dev_world, new_order_id

DAY = 0.05
"""Seconds; dates that are twenty days apart are then a second apart, also on a busy machine."""


@pytest_asyncio.fixture
async def world(server: Server, tmp_path: Path) -> AsyncIterator[World]:
    async with dev_world(server, tmp_path) as stage:
        yield stage


TRIES = 3


async def cheapest(world: World, book: Playbook) -> Cost:
    """What it costs where nothing disturbs it: a busy machine adds workflow tasks, and never saves one."""
    costs = [await played(world, book) for _ in range(TRIES)]
    return min(costs, key=lambda cost: cost.events)


async def played(world: World, book: Playbook) -> Cost:
    order = new_order_id()
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
    return await standard.cost_of(world.journey(order))


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
    cost = await cheapest(world, standard.playbook(DAY, at_one_instant=True))
    check(cost, 5, {"timer_started": 2, "timer_fired": 1}, 2, events=36, actions=13)


async def test_the_standard_journey_with_its_dates_apart_costs_54_events(world: World) -> None:
    cost = await cheapest(world, standard.playbook(DAY))
    check(cost, 8, {"timer_started": 5, "timer_fired": 4}, 5, events=54, actions=22)
