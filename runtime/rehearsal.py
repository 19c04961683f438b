"""A rehearsal: the production workflow and worker, a skipping clock, and the year in seconds."""

import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import Field
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from journey.contract import JourneyEnd, JourneyStart, JourneyStatus
from journey.facts import Model, OrderPlaced
from journey.names import TASK_QUEUE, order_workflow_id
from journey.plan import next_wake
from journey.playbook import Playbook
from journey.return_case import ReturnStatus
from journey.times import Instant
from ledger import Ledger
from ledger.orders import OrderPointer
from runtime.convert import DATA_CONVERTER
from runtime.cues import Stagehand
from runtime.embedded import binary
from runtime.orderfiles import OrderFile, ReportedFact
from runtime.orders import demo_payment, knowing_if_first, runs
from runtime.retime import Moved, retimed_fact, retimed_order, shifting
from runtime.returns import return_status
from workflows.order_journey import OrderJourney
from workflows.visibility import ALL_KEYS

MOST_STARTS = 3

Working = Callable[[Client, Ledger], AbstractAsyncContextManager[object]]
"""Runs a worker with a ledger."""

LONGEST = timedelta(days=3_650)


class Entry(Model):
    """One step of the timeline."""

    at: Instant
    step: str
    outcome: str
    reason: str
    amount: int | None = Field(default=None, description="Given back, in minor units.")
    currency: str | None = None


class Rehearsal(Model):
    """What would happen to an order."""

    order_id: str
    ending: str
    entries: tuple[Entry, ...]
    facts: tuple[Entry, ...] = Field(description="What was reported, in the journey's own reading.")
    days: int
    seconds: float


async def rehearse(
    order: OrderFile, facts: list[ReportedFact], playbook: Playbook, working: Working
) -> Rehearsal:
    """Play an order and its facts to the journey's end.

    The skipping clock only goes forward from today, so an order of the past is played a calendar cycle
    later and told in its own dates.
    """
    started = time.monotonic()
    async with _stage(working) as (environment, ledger):
        await ledger.keep_customer(order.customer_profile())
        for consent in order.consents():
            await ledger.keep_consent(consent)
        forth, back = shifting(order.placed_at, await environment.get_current_time())
        placed = retimed_order(order.placed(), forth)
        # Always the demo's money, whoever holds the real payment.
        await ledger.keep_payment(demo_payment(placed))
        await ledger.keep_order(
            OrderPointer(
                order_id=placed.order.order_id, customer_id=placed.order.customer_id, placed_at=placed.at
            )
        )
        # The ledger of a rehearsal is empty: who is not said to be a customer of old is new.
        placed = await knowing_if_first(ledger, placed)
        show = _Show(environment, ledger, placed, playbook)
        await show.play(sorted(facts, key=lambda fact: fact.at), forth)
        status, end = await show.finish()
        returned = [*_returned(await show.returns()), *show.refusals]
    return _told(status, end, returned, back, time.monotonic() - started)


async def skipping_server() -> WorkflowEnvironment:
    """A Temporal server that skips time. The SDK gives it five seconds to start, which a busy machine may
    not have: asked for again, it is in memory already. Raises `RuntimeError` when it does not start."""
    path = binary("temporal-test-server")
    for _ in range(MOST_STARTS - 1):
        with suppress(RuntimeError):
            return await WorkflowEnvironment.start_time_skipping(
                data_converter=DATA_CONVERTER, test_server_existing_path=path
            )
    return await WorkflowEnvironment.start_time_skipping(
        data_converter=DATA_CONVERTER, test_server_existing_path=path
    )


@asynccontextmanager
async def _stage(working: Working) -> AsyncIterator[tuple[WorkflowEnvironment, Ledger]]:
    with tempfile.TemporaryDirectory(prefix="thereafter-") as folder:
        ledger = await Ledger.open(f"sqlite+aiosqlite:///{Path(folder) / 'ledger.db'}")
        try:
            async with await skipping_server() as environment:
                await register(environment.client)
                async with working(environment.client, ledger):
                    yield environment, ledger
        finally:
            await ledger.close()


async def register(client: Client) -> None:
    """Tell the skipping server our search attributes; it refuses a workflow that sets unknown ones."""
    kinds = {key.name: key.indexed_value_type for key in ALL_KEYS}
    request = AddSearchAttributesRequest(
        namespace=client.namespace,
        search_attributes={name: int(kind) for name, kind in kinds.items()},  # type: ignore[misc]
    )
    await client.operator_service.add_search_attributes(request)


class _Show:
    """One order on the stage. The clock is moved only to where something happens, and only when the
    journey has done all that it could do before."""

    def __init__(
        self, environment: WorkflowEnvironment, ledger: Ledger, placed: OrderPlaced, playbook: Playbook
    ) -> None:
        self._environment = environment
        self._ledger = ledger
        self.refusals: list[Entry] = []
        self._now = placed.at
        self._placed = placed
        self._playbook = playbook
        self._order: WorkflowHandle[OrderJourney, JourneyEnd] | None = None

    @property
    def order(self) -> WorkflowHandle[OrderJourney, JourneyEnd]:
        assert self._order is not None, "the order is placed first"
        return self._order

    async def play(self, facts: list[ReportedFact], moved: Moved) -> None:
        await self._sleep_until(self._placed.at)
        self._order = await self._environment.client.start_workflow(
            OrderJourney.run,
            JourneyStart(placed=self._placed, playbook=self._playbook),
            id=order_workflow_id(self._placed.order.order_id),
            task_queue=TASK_QUEUE,
        )
        order_id = self._placed.order.order_id
        hand = Stagehand(self._environment.client, self._ledger, order_id, self._playbook, lambda: self._now)
        for fact in facts:
            at = _instant(moved(fact.at))
            await self._live_until(at)
            await self._sleep_until(at)
            self._now = await self._environment.get_current_time()
            told = await hand.tell(fact.kind, retimed_fact(fact.body, moved))
            if told.refused:
                self.refusals.append(Entry(at=self._now, step=fact.kind, outcome="refused", reason=told.text))

    async def finish(self) -> tuple[JourneyStatus, JourneyEnd]:
        await self._live_until(self._now + LONGEST)
        if await self._running():
            raise TimeoutError("the journey was not over after ten years")
        return await self.order.query(OrderJourney.status), await self.order.result()

    async def _live_until(self, end: datetime) -> None:
        """Let the order and its returns live until `end`, or until all of them are over."""
        while True:
            status = await self.order.query(OrderJourney.status)
            open_returns = [each for each in await self.returns() if each.case.closed_at is None]
            running = await self._running()
            if not running and not open_returns:
                return
            now = await self._environment.get_current_time()
            if now >= end:
                return
            wakes = [each.next_look for each in open_returns if each.next_look]
            if running:
                wakes.append(next_wake(list(status.ahead)) or status.closes_at or end)
            await self._sleep_until(max(min([end, *wakes]), now + timedelta(seconds=1)))

    async def returns(self) -> list[ReturnStatus]:
        """How far each return of the order is."""
        order_id, client = self._placed.order.order_id, self._environment.client
        rows = await self._ledger.returns_of(order_id)
        return [await return_status(client, order_id, row.return_id) for row in rows]

    async def _running(self) -> bool:
        return await runs(self._environment.client, self._placed.order.order_id)

    async def _sleep_until(self, moment: datetime) -> None:
        now = await self._environment.get_current_time()
        if moment > now:
            await self._environment.sleep(moment - now)


def _instant(when: object) -> datetime:
    assert isinstance(when, datetime)
    return when


def _returned(found: list[ReturnStatus]) -> list[Entry]:
    """Each return and refund by how it ended, with what was given back, and its letters."""
    entries = []
    for each in found:
        case, kind = each.case, str(each.case.decision.kind)
        amount = case.money.amount if case.money else None
        entries += [
            Entry(
                at=letter.due, step=f"{letter.name}/{each.return_id}", outcome=str(letter.result), reason=kind
            )
            for letter in case.letters.values()
            if letter.result
        ]
        if case.outcome and case.closed_at:
            entries.append(
                Entry(
                    at=case.closed_at,
                    step=each.return_id,
                    outcome=str(case.outcome),
                    reason=f"{kind}: {amount} {each.currency}" if amount else kind,
                    amount=amount,
                    currency=each.currency if amount else None,
                )
            )
    return entries


def _in_its_own_years(text: str, back: Moved) -> str:
    """A reason that names a moment, in the years of the file."""

    def moved(found: re.Match[str]) -> str:
        return f"{back(datetime.fromisoformat(found[0]).replace(tzinfo=UTC)):%Y-%m-%d %H:%M}"

    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(?= UTC)", moved, text)


def _told(
    status: JourneyStatus, end: JourneyEnd, returned: list[Entry], back: Moved, seconds: float
) -> Rehearsal:
    steps = [Entry(at=o.at, step=o.key, outcome=str(o.result), reason=o.reason) for o in status.done]
    entries = tuple(
        entry.model_copy(update={"at": back(entry.at), "reason": _in_its_own_years(entry.reason, back)})
        for entry in sorted([*steps, *returned], key=lambda entry: entry.at)
    )
    facts = tuple(
        Entry(at=back(h.at), step=h.about or "order", outcome=h.kind, reason=h.note or "")
        for h in status.happened
    )
    times = [entry.at for entry in (*entries, *facts)]
    days = (max(times) - min(times)).days if times else 0
    return Rehearsal(
        order_id=status.order_id,
        ending=end.ending,
        entries=entries,
        facts=facts,
        days=days,
        seconds=round(seconds, 2),
    )
