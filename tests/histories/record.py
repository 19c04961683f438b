"""Plays the examples, and what else can happen to a journey, and keeps the histories for ever.

`python -m tests.histories.record v2` adds a folder. What is kept is never written again: a history that no
longer replays is a defect of the change, not of the history.
"""

import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from activities.providers.outbox import OutboxMailer
from journey.contract import JourneyStatus, StepRequest
from ledger import Ledger
from runtime.demo import Clock, Demo, read_examples
from runtime.embedded import embedded_server
from runtime.settings import Settings
from tests.world import (
    DEFAULT,
    ROOT,
    FlakyMailer,
    World,
    a_profile,
    activities_with,
    dev_world,
    outcome,
)

HASTY = "limit.historyCount.suggestContinueAsNew=50"
DAY = 0.1
"""Seconds."""

MACHINE = re.compile(r"\d+@[\w.-]+")
"""Who worked on it says which machine it was."""


def nameless(value: Any) -> Any:
    """A history without the names of machines and the paths of files, which replaying does not need."""
    if isinstance(value, dict):
        return {key: "" if key == "stackTrace" else nameless(each) for key, each in value.items()}
    if isinstance(value, list):
        return [nameless(each) for each in value]
    return MACHINE.sub("recorder", value) if isinstance(value, str) else value


async def record(folder: Path) -> None:
    """Play everything and keep the history of every run. Raises `FileExistsError` before playing anything."""
    _begin(folder)
    async with _world() as world:
        await _examples(world, folder)
        await _operators(world, folder)
        await _unreadable(world, folder)
    await _outage(folder)
    async with _world(HASTY) as world:
        await _long(world, folder)


def _begin(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} has histories, and they are never written again: name a new folder")
    folder.mkdir(parents=True, exist_ok=True)


@asynccontextmanager
async def _world(*settings: str) -> AsyncIterator[World]:
    with tempfile.TemporaryDirectory(prefix="record-") as home:
        async with embedded_server(Path(home), settings) as server, dev_world(server, Path(home)) as world:
            yield world


async def _examples(world: World, folder: Path) -> None:
    clock = Clock(Path(world.settings.home) / "clock.json", DAY)
    demo = Demo(world.client, world.ledger, read_examples(ROOT / "examples" / "orders"), DEFAULT, clock)

    async def look(statuses: list[Any]) -> None:
        return None

    await demo.play()
    await demo.finish(0.5, look)
    for example in demo.examples:
        await _keep(world, example.order.order.order_id, folder, example.name)


async def _operators(world: World, folder: Path) -> None:
    """Parked, retried, paused, resumed, skipped, then cancelled by an operator."""
    order = await world.place_order("ann", profile=a_profile("bob"))
    await world.until(order, lambda status: status.attention)
    await world.ledger.keep_customer(a_profile("ann"))
    journey = world.journey(order)
    await journey.execute_update("retry_step", StepRequest(key="order_confirmation"))
    await world.until_sent(order, "order_confirmation")
    await journey.execute_update("pause")
    await journey.execute_update("resume")
    await journey.execute_update("skip_step", StepRequest(key="survey", reason="asked_by_phone"))
    await journey.cancel()
    await world.until_over(order)
    await _keep(world, order, folder, "operators")


async def _unreadable(world: World, folder: Path) -> None:
    order = await world.place_order("ann")
    for kind, arguments in (("parcel_sang", [{}]), ("parcel_shipped", []), ("parcel_moved", ["where?"])):
        await world.journey(order).signal(kind, args=arguments)
    await world.until(order, lambda status: len(status.happened) == 4)
    await world.ship(order)
    await world.deliver(order)
    await world.until_over(order)
    await _keep(world, order, folder, "unreadable")


async def _outage(folder: Path) -> None:
    """The first letter fails at once and goes out in sight of the operators."""
    mailers: list[FlakyMailer] = []

    def activities(settings: Settings, ledger: Ledger) -> Sequence[Any]:
        mailers.append(FlakyMailer(OutboxMailer(ledger), down=True))
        return activities_with(mailers[0])(settings, ledger)

    with tempfile.TemporaryDirectory(prefix="record-") as home:
        async with (
            embedded_server(Path(home)) as server,
            dev_world(server, Path(home), activities=activities) as world,
        ):
            order = await world.place_order("ann")
            await world.until(order, lambda status: mailers[0].refused >= 2)
            mailers[0].down = False
            await world.until_sent(order, "order_confirmation")
            await world.ship(order)
            await world.deliver(order)
            await world.until_over(order)
            await _keep(world, order, folder, "outage")


def _heard(facts: int, status: JourneyStatus) -> bool:
    return len(status.happened) == 1 + facts


async def _long(world: World, folder: Path) -> None:
    """So many facts that it goes on in new runs."""
    order = await world.place_order("ann")
    for number in range(30):
        await world.tell(order, "shop_noted", fact_id=f"note-{number}")
        await world.until(order, partial(_heard, number + 1))
    await world.ship(order)
    await world.deliver(order)
    await world.until_over(order)
    assert outcome(await world.status(order), "survey") is not None
    await _keep(world, order, folder, "long")


async def _keep(world: World, order: str, folder: Path, name: str) -> None:
    await keep_history(world, f"order:{order}", folder, name)


async def keep_history(world: World, workflow_id: str, folder: Path, name: str) -> None:
    """One file for each run."""
    await asyncio.gather(world.client.get_workflow_handle(workflow_id).result(), return_exceptions=True)
    over = 'ExecutionStatus IN ("Completed", "Canceled", "Terminated", "Failed")'
    await world.until_listed(f'WorkflowId = "{workflow_id}" AND {over}')
    found = await world.until_listed(f'WorkflowId = "{workflow_id}"')
    for number, run in enumerate(sorted(found, key=lambda run: run.start_time), start=1):
        handle = world.client.get_workflow_handle(run.id, run_id=run.run_id)
        history = nameless(json.loads((await handle.fetch_history()).to_json()))
        stem = f"{name}-{number}" if len(found) > 1 else name
        with (folder / f"{stem}.json").open("x", encoding="utf-8") as file:
            file.write(json.dumps(history, separators=(",", ":")) + "\n")


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    try:
        asyncio.run(record(Path(__file__).parent / sys.argv[1]))
    except FileExistsError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # A process that used the SDK can abort while the interpreter exits, after all its work is done.
    os._exit(code)
