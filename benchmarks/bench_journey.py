"""What the standard journey costs, beside a hand-written workflow that sends the same nine letters through
the same ledger. Both are played in turns in one run, since machines differ and are noisy.

`python -m benchmarks.bench_journey [--rounds 3] [--journeys 40] [--json build/bench_journey.json]`
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from activities.journeys import Journeys
from activities.mailer import Accepted, Mail
from activities.messages import Messages, Terms
from activities.providers.outbox import OutboxMailer
from benchmarks import standard
from benchmarks.bare import BareJourney, BareStart
from journey.playbook import Playbook
from ledger import Ledger
from ledger.orders import OrderPointer
from runtime.embedded import connect_embedded, embedded_server
from runtime.orders import handle, place_order
from runtime.sandbox import build_sandbox
from runtime.settings import Settings
from worker import FIRST_TRIES_AT_ONCE, build_letters, build_worker

DAY = 0.005
"""Seconds that a day lasts: the four dates of a journey are 0.1 seconds apart."""

BARE_QUEUE = "bare"


class Watched:
    """An outbox that tells when an order has got so many letters; asking Temporal would cost both sides."""

    name = "outbox"

    def __init__(self, ledger: Ledger) -> None:
        self._outbox = OutboxMailer(ledger)
        self._taken: dict[str, int] = {}
        self._changed = asyncio.Condition()

    async def send(self, mail: Mail, reference: str) -> Accepted:
        accepted = await self._outbox.send(mail, reference)
        async with self._changed:
            self._taken[mail.to] = self._taken.get(mail.to, 0) + 1
            self._changed.notify_all()
        return accepted

    async def find(self, reference: str) -> Accepted | None:
        return await self._outbox.find(reference)

    async def until(self, address: str, letters: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._taken.get(address, 0) >= letters)


@dataclass
class Stage:
    """Where both kinds of journey are played."""

    client: Client
    ledger: Ledger
    mailer: Watched
    book: Playbook

    async def play_ours(self, name: str) -> WorkflowHandle[Any, Any]:
        placed, profile = self._customer(name)
        await place_order(self.client, self.ledger, placed, profile, self.book)
        return await self._tell(handle(self.client, name), profile.email or "")

    async def play_bare(self, name: str) -> WorkflowHandle[Any, Any]:
        placed, profile = self._customer(name)
        await self.ledger.keep_customer(profile)
        customer = placed.order.customer_id
        await self.ledger.keep_order(OrderPointer(order_id=name, customer_id=customer, placed_at=placed.at))
        start = BareStart(placed=placed, day_seconds=DAY)
        started = await self.client.start_workflow(
            BareJourney.run, start, id=f"bare:{name}", task_queue=BARE_QUEUE
        )
        return await self._tell(started, profile.email or "")

    def _customer(self, name: str) -> tuple[Any, Any]:
        placed = standard.placed(name)
        order = placed.order.model_copy(update={"customer_id": f"c_{name}"})
        profile = standard.ANN.model_copy(
            update={"customer_id": f"c_{name}", "email": f"{name}@mail.example"}
        )
        return placed.model_copy(update={"order": order}), profile

    async def _tell(self, journey: WorkflowHandle[Any, Any], address: str) -> WorkflowHandle[Any, Any]:
        for number in range(len(standard.FACTS)):
            await self.mailer.until(address, 2 + number)
            kind, body = standard.fact(number)
            await journey.signal(kind, body)
        await journey.result()
        return journey


@dataclass
class Round:
    """One kind of journey, once through."""

    seconds: float
    cpu: float
    first: standard.Cost


async def measured(
    name: str, play: Callable[[str], Awaitable[WorkflowHandle[Any, Any]]], number: int
) -> Round:
    wall, cpu = time.monotonic(), time.process_time()
    handles = await asyncio.gather(*(play(f"{name}-{i}") for i in range(number)))
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    return Round(wall / number, cpu / number, await standard.cost_of(handles[0]))


async def run(rounds: int, journeys: int) -> dict[str, Any]:
    """Play both kinds in turns; the first turn of each only warms up."""
    found: dict[str, list[Round]] = {"ours": [], "bare": []}
    async with AsyncExitStack() as stack:
        stage = await _stage(stack)
        for number in range(rounds + 1):
            for kind, play in (("ours", stage.play_ours), ("bare", stage.play_bare)):
                found[kind].append(await measured(f"{kind}{number}", play, journeys))
    told = {kind: _told(each[1:]) for kind, each in found.items()}
    pairs = zip(found["ours"][1:], found["bare"][1:], strict=True)
    ratio = statistics.median(ours.cpu / bare.cpu for ours, bare in pairs)
    return {**told, "cpu_ratio": round(ratio, 3), "rounds": rounds, "journeys": journeys}


async def _stage(stack: AsyncExitStack) -> Stage:
    home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{home / 'ledger.db'}")
    stack.push_async_callback(ledger.close)
    client = await connect_embedded(await stack.enter_async_context(embedded_server(home)))
    mailer, settings = Watched(ledger), Settings(home=home)
    messages = Messages(ledger, mailer, build_letters(settings), Terms(mail_from=settings.mail_from))
    activities = [messages.send_message, Journeys(ledger).keep_journey]
    await stack.enter_async_context(build_worker(client, activities))
    await stack.enter_async_context(_bare_worker(client, activities))
    # A burst of them is slow; at two hundred days a second an order would soon be given up as never shipped.
    book = standard.playbook(DAY).model_copy(update={"give_up_after": "20000 days"})
    return Stage(client, ledger, mailer, book)


def _bare_worker(client: Client, activities: list[Any]) -> Worker:
    return Worker(
        client,
        task_queue=BARE_QUEUE,
        workflows=[BareJourney],
        activities=activities,
        workflow_runner=build_sandbox("benchmarks"),
        max_concurrent_local_activities=FIRST_TRIES_AT_ONCE,
    )


def _told(rounds: list[Round]) -> dict[str, Any]:
    cost = rounds[-1].first
    return {
        "events": cost.events,
        "bytes": cost.bytes,
        "actions": cost.actions,
        "journeys_per_second": round(1 / statistics.median(each.seconds for each in rounds), 1),
        "cpu_ms": round(1_000 * statistics.median(each.cpu for each in rounds), 1),
    }


def _table(found: dict[str, Any]) -> Table:
    table = Table(title=f"the standard journey: {found['rounds']} rounds of {found['journeys']}, medians")
    for column in ("", "events", "bytes", "Actions", "journeys/s", "CPU ms (worker, client, ledger)"):
        table.add_column(column, justify="right")
    for kind in ("ours", "bare"):
        table.add_row(kind, *(f"{value:,}" for value in found[kind].values()))
    table.caption = f"CPU, ours : bare = {found['cpu_ratio']}"
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--journeys", type=int, default=40)
    parser.add_argument("--json", type=Path, default=Path("build/bench_journey.json"))
    given = parser.parse_args()
    found = asyncio.run(run(given.rounds, given.journeys))
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(found) + "\n", encoding="utf-8")
    Console().print(_table(found))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    # A process that used the SDK can abort while the interpreter exits, after all its work is done.
    os._exit(0)
