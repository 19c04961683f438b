"""A shop, its customers and their orders, in the customer's words, on a real server.

The same words serve two stages: the server that skips time, on which a year takes seconds, and the real
server, on which a paced playbook makes a day last a fraction of a second.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from temporalio.client import Client, WorkflowExecution, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.attempts import Refused
from activities.journeys import Journeys
from activities.mailer import Accepted, Mail, Mailer
from activities.messages import Messages, Terms
from activities.providers.outbox import OutboxMailer
from journey.contract import JourneyEnd, JourneyStatus
from journey.facts import Line, Order, OrderPlaced
from journey.plan import next_wake
from journey.playbook import NOT_TRANSACTIONAL, MessageClass, Playbook, Step
from journey.return_case import ReturnEnd, ReturnStatus
from journey.return_contract import ReturnDecision, ReturnRequest
from journey.state import Result
from ledger import Ledger
from ledger.customers import Profile
from ledger.permissions import Consent
from runtime import rehearsal
from runtime.embedded import Server, connect_embedded
from runtime.orders import Reported, handle, order_status, place_order, report_fact
from runtime.playbooks import load_playbook
from runtime.returns import UnknownReturn, request_return, return_handle, return_status
from runtime.settings import Settings
from worker import build_activities, build_letters, build_worker
from workflows.order_journey import OrderJourney
from workflows.return_journey import ReturnJourney

ROOT = Path(__file__).parent.parent
DEFAULT = load_playbook(ROOT / "playbooks" / "default.yaml")
PATIENCE = 60.0
"""Seconds after which what a test waits for is taken not to come."""

Activities = Callable[[Settings, Ledger], Sequence[Any]]
Journey = WorkflowHandle[OrderJourney, JourneyEnd]


def paced(playbook: Playbook = DEFAULT, day: float = 0.02, **changes: Any) -> Playbook:
    """The playbook at so many seconds a day. Nothing expires: a busy machine may sleep for days."""
    steps = tuple(step.model_copy(update={"expires": None}) for step in playbook.steps)
    return playbook.model_copy(update={"day_seconds": day, "steps": steps, **changes})


def short_playbook(*steps: dict[str, Any], close: str = "30 days", day: float = 0.02) -> Playbook:
    """A paced playbook of a few steps: by default a confirmation, and a survey after the delivery."""
    told = steps or (
        {"name": "order_confirmation", "after": "placed", "unless": ["cancelled"]},
        {"name": "survey", "after": "delivered", "wait": "1 day", "hold_while": ["open_complaint"]},
    )
    made = [Step.model_validate({"class": MessageClass.TRANSACTIONAL, **step}) for step in told]
    return Playbook(
        name="short", steps=tuple(made), close_after=close, give_up_after="20000 days", day_seconds=day
    )


def line(line_id: str = "l1", **changes: Any) -> Line:
    return Line.model_validate(
        {"line_id": line_id, "sku": f"TEA-{line_id}", "title": "Green tea", "quantity": 1, "unit_price": 990}
        | changes
    )


def new_order_id() -> str:
    return f"t{secrets.token_hex(6)}"


@dataclass
class FlakyMailer:
    """An outbox whose provider may be down: then each letter is refused, certainly and for now."""

    outbox: OutboxMailer
    down: bool = False
    refused: int = 0
    name: str = "outbox"

    async def send(self, mail: Mail, reference: str) -> Accepted:
        if self.down:
            self.refused += 1
            raise Refused("503: the provider is down", retry_after=0.2)
        return await self.outbox.send(mail, reference)

    async def find(self, reference: str) -> Accepted | None:
        return await self.outbox.find(reference)


def activities_with(mailer: Mailer) -> Activities:
    """The activities of `build_activities`, with another mailer."""

    def build(settings: Settings, ledger: Ledger) -> Sequence[Any]:
        messages = Messages(ledger, mailer, build_letters(settings), Terms(mail_from=settings.mail_from))
        return [messages.send_message, Journeys(ledger).keep_journey]

    return build


@dataclass
class World:
    """One shop. Orders are known by their ids, customers by their first names."""

    client: Client
    ledger: Ledger
    settings: Settings
    playbook: Playbook
    skipping: WorkflowEnvironment | None = None
    orders: list[str] = field(default_factory=list)
    facts: int = 0
    patience: float = PATIENCE

    async def now(self) -> datetime:
        if self.skipping is not None:
            return await self.skipping.get_current_time()
        return datetime.now(ZoneInfo("UTC"))

    def journey(self, order_id: str) -> Journey:
        return handle(self.client, order_id)

    async def place_order(
        self,
        customer: str = "ann",
        *lines: Line,
        order_id: str | None = None,
        profile: Profile | None = None,
        playbook: Playbook | None = None,
        again: bool = False,
        **changes: Any,
    ) -> str:
        """The order's id. Fails when the order had been placed before, unless it is placed `again`. It is not
        the customer's first one unless it is said to be."""
        order_id = order_id or new_order_id()
        fields = {
            "currency": "EUR",
            "country": "DE",
            "zone": "Europe/Berlin",
            "first_order": False,
            **changes,
        }
        order = Order.model_validate(
            {"order_id": order_id, "customer_id": f"c_{customer}", "lines": lines or (line(),), **fields}
        )
        placed = OrderPlaced(fact_id=f"placed:{order_id}", at=await self.now(), order=order)
        profile = profile or a_profile(customer)
        yes = [
            Consent(
                customer_id=profile.customer_id,
                message_class=each,
                granted=True,
                at=placed.at,
                source="order",
            )
            for each in NOT_TRANSACTIONAL
        ]
        new = await place_order(self.client, self.ledger, placed, profile, playbook or self.playbook, yes)
        assert new is not again, f"{order_id} was {'not ' if again else ''}placed before"
        if new:
            self.orders.append(order_id)
        return order_id

    async def tell(self, order_id: str, kind: str, **body: Any) -> Reported:
        """Report a fact, which happened now unless `at` says otherwise."""
        self.facts += 1
        told = {"fact_id": f"f{self.facts}", "at": (await self.now()).isoformat(), **body}
        return await report_fact(self.client, self.ledger, order_id, kind, told)

    async def ship(self, order_id: str, parcel: str = "p1", **body: Any) -> None:
        await self.tell(order_id, "parcel_shipped", parcel_id=parcel, carrier="DHL", **body)

    async def move(self, order_id: str, status: str, parcel: str = "p1") -> None:
        await self.tell(order_id, "parcel_moved", parcel_id=parcel, status=status)

    async def deliver(self, order_id: str, parcel: str = "p1") -> None:
        await self.move(order_id, "delivered", parcel)

    async def status(self, order_id: str) -> JourneyStatus:
        return await order_status(self.client, self.ledger, order_id)

    async def days(self, number: float) -> None:
        """Let so many days pass. On the skipping server everybody lives through each of them."""
        if self.skipping is None:
            await asyncio.sleep(number * self.playbook.day_seconds)
            return
        end = await self.now() + timedelta(days=number)
        while (now := await self.now()) < end:
            wakes = [wake for order_id in self.orders for wake in await self._wakes(order_id)]
            until = max(min([end, *wakes]), now + timedelta(seconds=1))
            await self.skipping.sleep(until - now)
        for order_id in self.orders:
            await self._wakes(order_id)

    async def _wakes(self, order_id: str) -> list[datetime]:
        """When the order and its returns go on by themselves."""
        status = await self.status(order_id)
        wake = None if status.ending else next_wake(list(status.ahead)) or status.closes_at
        found = [await self.return_status(order_id, each) for each in await self.returns_of(order_id)]
        looks = [each.next_look for each in found if not each.case.closed_at and each.next_look]
        return [*looks, *([wake] if wake else [])]

    async def returns_of(self, order_id: str) -> list[str]:
        return [row.return_id for row in await self.ledger.returns_of(order_id)]

    def return_(self, order_id: str, return_id: str = "r1") -> WorkflowHandle[ReturnJourney, ReturnEnd]:
        return return_handle(self.client, order_id, return_id)

    async def return_status(self, order_id: str, return_id: str = "r1") -> ReturnStatus:
        return await return_status(self.client, order_id, return_id)

    async def ask(self, order_id: str, **request: Any) -> ReturnDecision:
        """Ask for a return, a claim or a refund. Raises `Refused`."""
        asked = ReturnRequest.model_validate({"reason": "changed_mind", **request})
        now = await self.now()
        return await request_return(self.client, self.ledger, order_id, asked, self.playbook, now)

    async def tell_return(self, order_id: str, kind: str, return_id: str = "r1", **body: Any) -> None:
        """Report a fact about a return, which happened now."""
        self.facts += 1
        told = {"fact_id": f"f{self.facts}", "at": (await self.now()).isoformat(), **body}
        await self.return_(order_id, return_id).signal(kind, told)

    async def until_return(
        self, order_id: str, so: Callable[[ReturnStatus], object], return_id: str = "r1"
    ) -> ReturnStatus:
        """Wait until it is so."""
        async with asyncio.timeout(self.patience):
            while True:
                with suppress(ConnectionError, UnknownReturn):
                    status = await self.return_status(order_id, return_id)
                    if so(status):
                        return status
                await asyncio.sleep(0.05)

    async def delivered_order(self, customer: str = "ann", *lines: Line, **changes: Any) -> str:
        """An order that was placed, shipped and delivered within three days."""
        order_id = await self.place_order(customer, *lines, **changes)
        await self.ship(order_id)
        await self.days(3)
        await self.deliver(order_id)
        return order_id

    async def until(self, order_id: str, so: Callable[[JourneyStatus], object]) -> JourneyStatus:
        """Wait until it is so. A journey whose worker was killed cannot be asked for some seconds."""
        async with asyncio.timeout(self.patience):
            while True:
                with suppress(ConnectionError):
                    if so(status := await self.status(order_id)):
                        return status
                await asyncio.sleep(0.05)

    async def until_over(self, order_id: str) -> JourneyStatus:
        return await self.until(order_id, lambda status: status.ending)

    async def until_sent(self, order_id: str, *keys: str) -> JourneyStatus:
        return await self.until(order_id, lambda status: set(keys) <= set(sent(status)))

    async def letters_to(self, customer: str) -> list[str]:
        """The keys of the letters that lie in a customer's outbox, oldest first; twice if there twice."""
        keys = {
            send.reference: send.key for order in self.orders for send in await self.ledger.sends_of(order)
        }
        found = await self.ledger.outbox(customer_id=f"c_{customer}")
        return [keys[letter.reference] for letter in found]

    async def letters_of(self, order_id: str) -> Counter[str]:
        """How many letters of each kind lie in the outbox for an order."""
        keys = {send.reference: send.key for send in await self.ledger.sends_of(order_id)}
        return Counter(keys[letter.reference] for letter in await self.ledger.outbox(order_id=order_id))

    async def event_types(self, order_id: str) -> Counter[str]:
        """What the history of the order's present run consists of."""
        history = await self.journey(order_id).fetch_history()
        return Counter(event.WhichOneof("attributes") or "" for event in history.events)

    async def until_listed(self, query: str, at_least: int = 1) -> list[WorkflowExecution]:
        """What the server lists for a query, once it lists so many; its lists lag behind."""
        async with asyncio.timeout(self.patience):
            while True:
                found = [run async for run in self.client.list_workflows(query)]
                if len(found) >= at_least:
                    return found
                await asyncio.sleep(0.05)

    def worker(self, activities: Activities = build_activities, max_cached_workflows: int = 1_000) -> Worker:
        """A worker as production builds it, to be entered and left."""
        built = activities(self.settings, self.ledger)
        return build_worker(self.client, built, max_cached_workflows=max_cached_workflows)

    async def clear(self) -> None:
        """End what still runs, so that it does not wake up in another test."""
        for order_id in self.orders:
            # Its returns outlive an order; the last may be granted and not yet in the ledger.
            known = await self.returns_of(order_id)
            ends: list[WorkflowHandle[Any, Any]] = [self.journey(order_id)]
            ends += [self.return_(order_id, each) for each in {*known, f"r{len(known) + 1}"}]
            for each in ends:
                with suppress(RPCError):
                    await each.terminate("the test is over")


def a_profile(customer: str) -> Profile:
    return Profile(customer_id=f"c_{customer}", email=f"{customer}@mail.example", name=customer.title())


def sent(status: JourneyStatus) -> dict[str, datetime]:
    """When each letter was sent, by its key."""
    return {done.key: done.at for done in status.done if done.result is Result.SENT}


def outcome(status: JourneyStatus, key: str) -> tuple[Result, str] | None:
    """How a step ended, and why."""
    return next(((done.result, done.reason) for done in status.done if done.key == key), None)


@asynccontextmanager
async def _opened(folder: Path, templates: Path | None = None) -> AsyncIterator[tuple[Settings, Ledger]]:
    settings = Settings(home=folder, templates=templates)
    ledger = await Ledger.open(settings.ledger())
    try:
        yield settings, ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def skipping_world(folder: Path, playbook: Playbook = DEFAULT) -> AsyncIterator[World]:
    """A world in which days pass as fast as nothing happens in them."""
    async with (
        _opened(folder) as (settings, ledger),
        await rehearsal.skipping_server() as environment,
    ):
        await rehearsal.register(environment.client)
        async with build_worker(environment.client, build_activities(settings, ledger)):
            yield World(environment.client, ledger, settings, playbook, skipping=environment)


@asynccontextmanager
async def dev_world(
    server: Server,
    folder: Path,
    playbook: Playbook | None = None,
    *,
    activities: Activities = build_activities,
    own_templates: Path | None = None,
    max_cached_workflows: int = 1_000,
    working: bool = True,
) -> AsyncIterator[World]:
    """A world on the real server; without a worker of its own unless `working`."""
    async with _opened(folder, own_templates) as (settings, ledger):
        client = await connect_embedded(server)
        world = World(client, ledger, settings, playbook or short_playbook())
        try:
            async with world.worker(activities, max_cached_workflows) if working else nullcontext():
                yield world
        finally:
            await world.clear()
