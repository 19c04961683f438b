"""The demo: example orders played by the production workflow at a pace of about a day a second.

The pace is data: the playbook says how long a day lasts, and the examples' times are moved to fit.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from journey.contract import JourneyStatus
from journey.facts import Model, OrderPlaced
from journey.playbook import Playbook
from ledger import Ledger
from ledger.sends import SendState
from runtime.cues import Stagehand, real_clock
from runtime.orderfiles import OrderFile, ReportedFact, read_facts, read_order
from runtime.orders import handle, order_status, place_order
from runtime.retime import pacing, retimed_fact, retimed_order

DAY_SECONDS = 1.0
APART = 2
"""Days between one order of the demo and the next."""


class Example(NamedTuple):
    """An order drawn from life, with what happened to it."""

    name: str
    order: OrderFile
    facts: list[ReportedFact]


def read_examples(folder: Path) -> list[Example]:
    """Every folder with an `order.json`, and beside it `facts.jsonl`. Raises `InputError`."""
    return [
        Example(path.parent.name, read_order(path), read_facts(path.with_name("facts.jsonl")))
        for path in sorted(folder.glob("*/order.json"))
    ]


class DemoReport(Model):
    """What came of it, for machines."""

    orders: int
    completed: int
    letters: dict[str, int]
    events: dict[str, int]
    duplicates: int
    seconds: float


class Clock:
    """The demo's clock. It stands still while nobody plays, so that a demo goes on where it was."""

    def __init__(self, path: Path, day_seconds: float) -> None:
        self._path = path
        known = json.loads(path.read_text()) if path.exists() else {}
        self.day_seconds = float(known.get("day_seconds", day_seconds))
        self._before = timedelta(seconds=known.get("elapsed", 0.0))
        self.start = datetime.now(UTC) - self._before

    def begin(self) -> None:
        """Let it run from now on."""
        self.start = datetime.now(UTC) - self._before

    @property
    def elapsed(self) -> float:
        return (datetime.now(UTC) - self.start).total_seconds()

    @property
    def day(self) -> float:
        return self.elapsed / self.day_seconds

    def save(self) -> None:
        """Write how far the demo is; whole or not at all."""
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({"elapsed": self.elapsed, "day_seconds": self.day_seconds}))
        new.replace(self._path)


def paced(playbook: Playbook, day_seconds: float) -> Playbook:
    """The playbook at another pace. Nothing expires: on a busy machine a second, which is a day here, passes
    before a letter is out."""
    steps = tuple(step.model_copy(update={"expires": None}) for step in playbook.steps)
    return playbook.model_copy(update={"day_seconds": day_seconds, "steps": steps})


class _Cue(NamedTuple):
    moment: datetime
    fact: ReportedFact
    body: dict[str, object]


class Demo:
    """Plays the examples and answers how far they are."""

    def __init__(
        self, client: Client, ledger: Ledger, examples: list[Example], playbook: Playbook, clock: Clock
    ) -> None:
        self._client = client
        self._ledger = ledger
        self.examples = examples
        self._playbook = paced(playbook, clock.day_seconds)
        self.clock = clock

    async def play(self) -> None:
        """Place every order, then report every fact at its time. All of it may be repeated."""
        self.clock.begin()
        await asyncio.gather(*(self._play(number, each) for number, each in enumerate(self.examples)))

    async def _play(self, number: int, example: Example) -> None:
        placed, cues = self._moved(number, example)
        await _until(placed.at)
        profile = example.order.customer_profile()
        consents = [each.model_copy(update={"at": placed.at}) for each in example.order.consents()]
        await place_order(self._client, self._ledger, placed, profile, self._playbook, consents)
        order_id = placed.order.order_id
        hand = Stagehand(self._client, self._ledger, order_id, self._playbook, real_clock)
        for cue in sorted(cues, key=lambda cue: cue.moment):
            await _until(cue.moment)
            await hand.tell(cue.fact.kind, cue.body)

    def _moved(self, number: int, example: Example) -> tuple[OrderPlaced, list[_Cue]]:
        placed = example.order.placed()
        start = self.clock.start + timedelta(seconds=number * APART * self.clock.day_seconds)
        moved = pacing(placed.at, start, self.clock.day_seconds, placed.order)
        cues = []
        for fact in example.facts:
            moment = moved(fact.at)
            assert isinstance(moment, datetime)
            cues.append(_Cue(moment, fact, retimed_fact(fact.body, moved)))
        return retimed_order(placed, moved), cues

    async def statuses(self) -> list[JourneyStatus]:
        """How far each order is; one that cannot be asked at this moment is left out."""
        found = await asyncio.gather(
            *(order_status(self._client, self._ledger, e.order.order.order_id) for e in self.examples),
            return_exceptions=True,
        )
        return [status for status in found if isinstance(status, JourneyStatus)]

    async def finish(self, every: float, look: Callable[[list[JourneyStatus]], Awaitable[None]]) -> None:
        """Look every so many seconds, until every journey is over."""
        while True:
            statuses = await self.statuses()
            await look(statuses)
            self.clock.save()
            if len(statuses) == len(self.examples) and all(status.ending for status in statuses):
                return
            await asyncio.sleep(every)

    async def report(self) -> DemoReport:
        """Count what came of it."""
        ids = [example.order.order.order_id for example in self.examples]
        descriptions = [await _described(self._client, order_id) for order_id in ids]
        sends = [send for order_id in ids for send in await self._ledger.sends_of(order_id)]
        letters = [letter for order_id in ids for letter in await self._ledger.outbox(order_id=order_id)]
        accepted = [send for send in sends if send.state is SendState.ACCEPTED]
        names = [send.step for send in accepted]
        keys = {send.reference: send.business_key for send in sends}
        return DemoReport(
            orders=len(ids),
            completed=sum(done for done, _ in descriptions),
            letters={name: names.count(name) for name in sorted(set(names))},
            events={order_id: events for order_id, (_, events) in zip(ids, descriptions, strict=True)},
            duplicates=len(letters) - len({keys.get(letter.reference) for letter in letters} - {None}),
            seconds=round(self.clock.elapsed, 1),
        )


async def _until(moment: datetime) -> None:
    await asyncio.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))


async def _described(client: Client, order_id: str) -> tuple[bool, int]:
    try:
        description = await handle(client, order_id).describe()
    except RPCError:
        return False, 0
    return description.status is WorkflowExecutionStatus.COMPLETED, description.history_length
