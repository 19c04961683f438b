"""A journey that goes on in new runs, without a cache, and after its worker was killed."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from temporalio.client import WorkflowExecutionStatus

from journey.contract import JourneyStatus
from journey.endings import Ending
from ledger.sends import SendState
from runtime.embedded import NAMESPACE, Server
from tests.replaying import replay
from tests.world import ROOT, World, dev_world, line, paced, sent, short_playbook


def heard(fact_id: str, status: JourneyStatus) -> bool:
    return fact_id in {happening.fact_id for happening in status.happened}


async def story(world: World, order: str, number: int) -> list[str]:
    """Facts that change nothing but are counted, so many of them, one by one and in bursts."""
    told = [f"note-{i}" for i in range(number)]
    for start in range(0, number, 4):
        burst = told[start : start + 4]
        await asyncio.gather(*(world.tell(order, "shop_noted", fact_id=fact_id) for fact_id in burst))
        # Until it has been heard, so that the history grows by a workflow task and not by a burst alone.
        await world.until(order, partial(heard, burst[-1]))
    return told


async def test_facts_before_during_and_after_a_new_run_are_all_kept(
    hasty_server: Server, tmp_path: Path
) -> None:
    async with dev_world(hasty_server, tmp_path) as world:
        order = await world.place_order("ann", line("l1"), line("l2"))
        await world.ship(order, lines=[{"line_id": "l1", "quantity": 1}])
        told = await story(world, order, 60)
        await world.ship(order, "p2", lines=[{"line_id": "l2", "quantity": 1}])
        await world.deliver(order)
        await world.deliver(order, "p2")
        over = await world.until_over(order)
        assert sorted(h.fact_id for h in over.happened if h.kind == "shop_noted") == sorted(told)
        assert set(sent(over)) == {"order_confirmation", "survey"}
        assert await world.letters_to("ann") == ["order_confirmation", "survey"]
        assert await world.until_listed(f'WorkflowId = "order:{order}"', at_least=2)
        first = await world.client.get_workflow_handle(f"order:{order}").describe()
        assert first.status is WorkflowExecutionStatus.COMPLETED


async def test_a_paused_and_parked_journey_is_still_so_in_its_next_run(
    hasty_server: Server, tmp_path: Path
) -> None:
    async with dev_world(hasty_server, tmp_path) as world:
        order = await world.place_order("ann")
        await world.until_sent(order, "order_confirmation")
        await world.journey(order).execute_update("pause")
        await story(world, order, 60)
        status = await world.status(order)
        assert (status.paused, status.attention) == (True, "paused")
        await world.until_listed(f'WorkflowId = "order:{order}"', at_least=2)
        await world.ship(order)
        await world.deliver(order)
        await world.journey(order).execute_update("resume")
        await world.until_sent(order, "survey")
        assert await world.letters_to("ann") == ["order_confirmation", "survey"]


async def test_without_a_cache_every_step_is_a_replay_and_nothing_changes(
    server: Server, tmp_path: Path
) -> None:
    async with dev_world(server, tmp_path, paced(), max_cached_workflows=0) as world:
        order = await world.place_order("ann", line("l1", lifespan_days=40), first_order=True)
        await world.ship(order)
        await world.move(order, "out_for_delivery")
        await world.deliver(order)
        over = await world.until_over(order)
        assert over.ending is Ending.COMPLETED
        letters = await world.letters_of(order)
        assert set(letters.values()) == {1}
        assert set(letters) == set(sent(over))
        assert {"welcome", "replenishment/l1", "next_purchase_reminder"} <= set(letters)


async def test_a_worker_that_leaves_and_another_that_comes_go_on_with_the_journey(
    server: Server, tmp_path: Path
) -> None:
    async with dev_world(server, tmp_path, working=False) as world:
        order = await world.place_order("ann")
        async with world.worker():
            await world.until_sent(order, "order_confirmation")
        await world.ship(order)
        await world.deliver(order)
        async with world.worker():
            await world.until_over(order)
        assert await world.letters_to("ann") == ["order_confirmation", "survey"]


@asynccontextmanager
async def worker_process(server: Server, home: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own. It is killed in the end if it still lives."""
    names = {
        "TEMPORAL_ADDRESS": server.address,
        "TEMPORAL_NAMESPACE": NAMESPACE,
        "THEREAFTER_HOME": str(home),
    }
    command = [sys.executable, "-m", "tests.quick_worker"]
    with (home / "worker.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 it returns at once
            command, cwd=ROOT, env={**os.environ, **names}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


KILLS = 2
ORDERS = 12


async def test_killed_workers_lose_no_letter_and_repeat_none(server: Server, tmp_path: Path) -> None:
    every_day = [
        {"name": f"day_{n}", "message": "survey", "after": "placed", "wait": f"{n} days"} for n in range(1, 9)
    ]
    book = short_playbook({"name": "order_confirmation", "after": "placed"}, *every_day, day=0.7)
    book = book.model_copy(update={"give_up_after": "1 day"})
    async with dev_world(server, tmp_path, book, working=False) as world:
        orders = [await world.place_order(f"c{number}") for number in range(ORDERS)]
        for letters in range(KILLS):
            async with worker_process(server, tmp_path) as process:
                await until_letters(world, 20 + 30 * letters)
                assert process.poll() is None
        async with worker_process(server, tmp_path):
            for order in orders:
                await world.until_over(order)
        for order in orders:
            letters_of = await world.letters_of(order)
            assert set(letters_of) == {step.name for step in book.steps}
            assert set(letters_of.values()) == {1}
            sends = await world.ledger.sends_of(order)
            assert {(send.state, send.resent) for send in sends} == {(SendState.ACCEPTED, 0)}


async def until_letters(world: World, number: int) -> None:
    """Wait until so many letters lie in the outbox."""
    async with asyncio.timeout(60):
        while len(await world.ledger.outbox()) < number:  # noqa: ASYNC110 a database tells nobody
            await asyncio.sleep(0.02)


async def test_a_question_that_waited_for_a_killed_worker_does_not_set_back_the_clock(
    server: Server, tmp_path: Path
) -> None:
    steps = [
        {"name": "survey", "after": "placed", "wait": "1 day"},
        {"name": "feedback_request", "after": "placed", "wait": "2 days"},
    ]
    book = short_playbook({"name": "order_confirmation", "after": "placed"}, *steps, day=4)
    book = book.model_copy(update={"give_up_after": "1 day"})
    async with dev_world(server, tmp_path, book, working=False) as world:
        async with worker_process(server, tmp_path):
            await world.until_sent(await world.place_order("bob"), "order_confirmation")
            order = await world.place_order("ann")
            await until_history(world, order, "timer_started_event_attributes")
        question = asyncio.create_task(world.status(order))
        await until_history(world, order, "timer_fired_event_attributes")
        async with worker_process(server, tmp_path):
            # Who comes after a killed worker gets the question first, and the workflow task later.
            with suppress(ConnectionError):
                await question
            over = await world.until_over(order)
        # Each once, and none by an earlier clock than the one before. Those that are due by the time at which
        # the second worker wakes are written at once, and may lie in the outbox in another order.
        letters = ["order_confirmation", "survey", "feedback_request"]
        times = [sent(over)[key] for key in letters]
        assert times == sorted(times)
        assert Counter(await world.letters_to("ann")) == Counter(letters)
        await replay(await world.journey(order).fetch_history())


async def until_history(world: World, order: str, has: str) -> None:
    """Wait until an event is in the history, whether or not there is a worker."""
    async with asyncio.timeout(60):
        while not (await world.event_types(order))[has]:  # noqa: ASYNC110 the server tells nobody
            await asyncio.sleep(0.1)
