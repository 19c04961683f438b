"""Processes that forget a customer and die on the way; a shop that forgets many while their orders go on."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.client import Client

from activities.forgetting import Forget
from activities.providers.sendgrid import SendGridMailer
from journey.forgetting import ErasureRequest
from journey.playbook import Playbook
from ledger import Ledger
from ledger.database import Place
from ledger.erasure import Erasure
from runtime import embedded
from runtime.embedded import Server, connect_embedded
from runtime.settings import Settings
from tests.conftest import free_port
from tests.doors import World as Doors
from tests.doors import open_world
from tests.dying import die, dies
from tests.world import short_playbook
from worker import build_activities, build_worker


class Point(StrEnum):
    """Where a process dies."""

    BEFORE_ROWS = "before_rows"
    AFTER_ROWS = "after_rows"
    BEFORE_TELLING = "before_telling"
    AFTER_TELLING = "after_telling"
    AFTER_NOTE = "after_note"
    BEFORE_WIPING = "before_wiping"
    AFTER_WIPING = "after_wiping"
    BEFORE_REPORT = "before_report"


@dataclass(frozen=True)
class Attempt:
    """One process: whom it forgets, by which provider, and where it dies."""

    ledger_url: str
    host: str
    customer_id: str
    point: Point | None


class MortalLedger(Ledger):
    """A ledger whose process dies around its transactions."""

    point: Point | None = None

    def _die_at(self, point: Point) -> None:
        if self.point is point:
            die()

    async def erase_customer(self, customer_id: str, now: datetime) -> Erasure:
        self._die_at(Point.BEFORE_ROWS)
        told = await super().erase_customer(customer_id, now)
        self._die_at(Point.AFTER_ROWS)
        return told

    async def note_mailer(self, customer_id: str, told: str, *, taken: Collection[str] = ()) -> None:
        self._die_at(Point.AFTER_TELLING)
        await super().note_mailer(customer_id, told, taken=taken)
        self._die_at(Point.AFTER_NOTE)

    async def finish_erasure(self, customer_id: str, now: datetime) -> bool:
        self._die_at(Point.BEFORE_WIPING)
        done = await super().finish_erasure(customer_id, now)
        self._die_at(Point.BEFORE_REPORT)
        return done

    async def _leave_no_trace(self) -> None:
        await super()._leave_no_trace()
        self._die_at(Point.AFTER_WIPING)


class MortalSendGrid(SendGridMailer):
    """An adapter whose process dies before it asks."""

    point: Point | None = None

    async def forget(self, addresses: Sequence[str]) -> str:
        if self.point is Point.BEFORE_TELLING:
            die()
        return await super().forget(addresses)


async def forget(attempt: Attempt) -> bool:
    """Every step, as the workflow takes them; whether it is done."""
    ledger = await MortalLedger.open(attempt.ledger_url)
    ledger.point = attempt.point
    mailer = MortalSendGrid("key", attempt.host, timeout=5)
    mailer.point = attempt.point
    steps, request = Forget(ledger, mailer), ErasureRequest(customer_id=attempt.customer_id)
    try:
        await steps.empty_rows(request)
        await steps.tell_mailer(request)
        return await steps.wipe_traces(request)
    finally:
        await ledger.close()


async def _attempt(attempt: Attempt) -> None:
    await forget(attempt)


def crash(attempt: Attempt) -> bool:
    """Forget in a process of its own; whether it died at its point."""
    return dies(_attempt, attempt)


@dataclass
class Forgotten:
    """What was found after a shop had forgotten some of its customers."""

    seed: int
    customers: int
    forgotten: int
    planted: int = 0
    """Strings of theirs that were found in the ledger's files before."""
    traces: list[str] = field(default_factory=list)
    """Where strings of theirs were found afterwards."""
    letters_after: int = 0
    open_receipts: int = 0
    unfinished: int = 0
    """Whose erasure was under way when the worker was stopped."""
    seconds: float = 0.0


PERSONAL = ("name", "email", "phone", "street", "words", "note")


def plants(customer: str) -> dict[str, str]:
    """What can be found of a customer: each string is nobody else's."""
    mark = f"planted{customer}"
    return {
        "name": f"Zo\u00eb {mark.title()}",
        "email": f"{mark}@mail.example",
        "phone": f"+49 30 {int(customer, 16) % 10**9:09d}",
        "street": f"{mark.title()}weg 7",
        "words": f"It was {mark}words all along",
        "note": f"{mark}note",
    }


def needles(customer: str) -> list[bytes]:
    """In the forms in which they may lie in a file."""
    told = plants(customer)
    marks = [f"planted{customer}", f"Planted{customer}", told["phone"]]
    return [mark.encode() for mark in marks]


def found_in(paths: Iterable[Path], wanted: dict[str, list[bytes]]) -> list[str]:
    """Which customers are found in which files."""
    found = []
    for path in paths:
        try:
            lower = path.read_bytes().lower()
        except FileNotFoundError:
            # A server of a database removes files of its own; what is gone holds nobody.
            continue
        found += [
            f"{path.name}: {customer}"
            for customer, words in wanted.items()
            if any(word.lower() in lower for word in words)
        ]
    return found


def _order(customer: str, order_id: str) -> dict[str, Any]:
    now, told = datetime.now(UTC).isoformat(), plants(customer)
    return {
        "order_id": order_id,
        "placed_at": now,
        "currency": "EUR",
        "country": "DE",
        "zone": "Europe/Berlin",
        "lines": [{"line_id": "l1", "sku": "TEA", "title": "Tea", "quantity": 1, "unit_price": 990}],
        "recipient": told["name"],
        "address": [told["street"], "10115 Berlin"],
        "payment": {"provider": "demo", "id": f"demo-{order_id}", "captured": 990},
        "customer": {
            "customer_id": f"c_{customer}",
            **{name: told[name] for name in ("name", "email", "phone")},
            "consent": {"granted": True, "at": now, "source": "checkout"},
        },
    }


def _unread(customer: str) -> dict[str, Any]:
    """What nobody can read is parked with all that it says."""
    told = plants(customer)
    about = {"note": told["note"], "email": told["email"]}
    return {"line_items": "many", "financial_status": "paid", **about}


AT_ONCE = 10
"""Requests under way."""


class Shop:
    """Customers with orders under way, a worker that may be killed, and the files of both databases."""

    def __init__(self, folder: Path, place: Place, files: Callable[[], list[Path]], seed: int) -> None:
        self.folder, self.place, self.files = folder, place, files
        self.random = random.Random(seed)
        self.playbook: Playbook = short_playbook(day=0.5)
        self.orders: dict[str, str] = {}

    async def run(self, customers: int, forgotten: int) -> Forgotten:
        """Place everybody's order, forget some half-way with workers that stop in its midst, let the rest
        pass, and look."""
        home = self.folder / "temporal"
        home.mkdir(parents=True)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(embedded, "USUAL_PORT", free_port())
            async with embedded.embedded_server(home) as server:
                return await self._played(server, customers, forgotten)

    async def _played(self, server: Server, customers: int, forgotten: int) -> Forgotten:
        report = Forgotten(seed=0, customers=customers, forgotten=forgotten)
        self.orders = {
            customer: f"o{customer}" for customer in (secrets.token_hex(6) for _ in range(customers))
        }
        gone = self.random.sample(sorted(self.orders), forgotten)
        client = await connect_embedded(server)
        ledger = await Ledger.open(self.place)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(ledger.close)
            doors = await stack.enter_async_context(open_world(ledger, lambda: client, self.playbook))
            wanted = {customer: needles(customer) for customer in gone}
            async with self._worker(client, ledger):
                await self._placed(doors)
                await _until(lambda: self._written(ledger, "order_confirmation", self.orders))
                await _until(lambda: self._given(doors, gone))
                report.planted = len(found_in(self.files(), wanted))
                asking = await self._asked_to_forget(doors, ledger, gone)
            await asyncio.gather(*asking)
            report.unfinished = forgotten - len(await _done(ledger))
            async with self._worker(client, ledger):
                await _until(lambda: _receipts(ledger, forgotten))
                before = await _letters(ledger, gone)
                await self._delivered(doors)
                others = {customer: order for customer, order in self.orders.items() if customer not in gone}
                await _until(lambda: self._written(ledger, "survey", others))
                await _until(lambda: self._settled(ledger, gone))
                report.letters_after = await _letters(ledger, gone) - before
            report.open_receipts = len([each for each in await ledger.erasures() if not each.done_at])
            await ledger.scrub(datetime.now(UTC))
            report.traces = found_in(self.files(), wanted)
            report.traces += await self._histories(client, wanted)
        logs = [path for path in self.folder.rglob("*") if path.is_file()]
        report.traces += found_in(logs, wanted)
        return report

    def _worker(self, client: Client, ledger: Ledger) -> Any:
        return build_worker(client, build_activities(Settings(home=self.folder), ledger))

    async def _placed(self, doors: Doors) -> None:
        turn = asyncio.Semaphore(AT_ONCE)

        async def place(customer: str, order_id: str) -> None:
            async with turn:
                body = _order(customer, order_id)
                await _good(doors.http.post("/v1/orders", json=body, headers=doors.key))
                await _good(doors.post("shopify", _unread(customer)))

        await asyncio.gather(*(place(*each) for each in self.orders.items()))

    async def _given(self, doors: Doors, gone: list[str]) -> bool:
        """Those who will go are given something, with words about why."""
        for customer, order_id in ((each, self.orders[each]) for each in gone):
            asked = {"amount": 100, "by": "op_mia", "words": plants(customer)["words"]}
            headers = doors.key | {"Idempotency-Key": customer}
            answer = await doors.http.post(f"/v1/orders/{order_id}/refunds", json=asked, headers=headers)
            if answer.status_code == 503:
                return False
            assert answer.status_code == 201, answer.text
        return True

    async def _asked_to_forget(
        self, doors: Doors, ledger: Ledger, gone: list[str]
    ) -> list[asyncio.Task[None]]:
        """Ask for the first and see it begin, then for all others at once; returns when one of these is
        acknowledged, so that whoever stops the worker then stops it in the midst of them."""

        async def ask(customer: str) -> None:
            await _good(doors.http.delete(f"/v1/customers/c_{customer}", headers=doors.key))

        async def begun() -> bool:
            return bool(await ledger.erasures())

        await ask(gone[0])
        await _until(begun)
        asking = [asyncio.create_task(ask(customer)) for customer in gone[1:]]
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        return asking

    async def _delivered(self, doors: Doors) -> None:
        now, turn = datetime.now(UTC).isoformat(), asyncio.Semaphore(AT_ONCE)
        told = (
            {"kind": "parcel_shipped", "carrier": "DHL"},
            {"kind": "parcel_moved", "status": "delivered"},
        )

        async def deliver(order_id: str) -> None:
            async with turn:
                for number, body in enumerate(told):
                    fact = {**body, "fact_id": f"f{number}", "at": now, "parcel_id": "p1"}
                    await _good(doors.http.post(f"/v1/orders/{order_id}/facts", json=fact, headers=doors.key))

        await asyncio.gather(*map(deliver, self.orders.values()))

    async def _written(self, ledger: Ledger, step: str, orders: dict[str, str]) -> bool:
        sent = {send.order_id for send in await ledger.list_sends(limit=100_000) if _went(send, step)}
        return set(orders.values()) <= sent

    async def _settled(self, ledger: Ledger, gone: list[str]) -> bool:
        """Everything that would have been written to the forgotten has its reason for not being written."""
        wanted = {self.orders[customer] for customer in gone}
        kept = [send for send in await ledger.list_sends(limit=100_000) if send.step == "survey"]
        said = {send.order_id for send in kept if "forgotten" in send.reason}
        return wanted <= said

    async def _histories(self, client: Client, wanted: dict[str, list[bytes]]) -> list[str]:
        found = []
        for customer, words in wanted.items():
            for workflow_id in (f"order:{self.orders[customer]}", f"erasure:c_{customer}"):
                history = await client.get_workflow_handle(workflow_id).fetch_history()
                told = history.to_json().lower().encode()
                found += [f"{workflow_id}: {customer}" for word in words if word.lower() in told]
        return found


def _went(send: Any, step: str) -> bool:
    return bool(send.step == step and send.state == "accepted")


async def _letters(ledger: Ledger, gone: list[str]) -> int:
    """How many letters were handed over to them, ever."""
    ids = {f"c_{customer}" for customer in gone}
    return sum(send.attempts for send in await ledger.list_sends(limit=100_000) if send.customer_id in ids)


async def _done(ledger: Ledger) -> list[Erasure]:
    return [each for each in await ledger.erasures() if each.done_at]


async def _receipts(ledger: Ledger, forgotten: int) -> bool:
    return len(await _done(ledger)) == forgotten


async def _good(answer: Awaitable[Any]) -> None:
    got = await answer
    assert got.status_code < 300, got.text


async def _until(so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(300):
        while not await so():  # noqa: ASYNC110 nobody tells
            await asyncio.sleep(0.2)


def files_of_sqlite(file: Path) -> Callable[[], list[Path]]:
    """The ledger's file, its log and whatever else lies beside it."""
    return lambda: sorted(file.parent.glob(f"{file.name}*"))


def files_of_postgres(folder: Path) -> Callable[[], list[Path]]:
    """Every table, index and log of the server."""
    kept = ("base", "global", "pg_wal", "pg_stat", "pg_stat_tmp", "pg_xact")
    return lambda: sorted(path for name in kept for path in (folder / name).rglob("*") if path.is_file())


async def forget_mid_journey(
    folder: Path,
    place: Place,
    files: Callable[[], list[Path]],
    *,
    customers: int = 50,
    forgotten: int = 10,
    seed: int | None = None,
) -> Forgotten:
    """Forget so many of so many customers while their orders go on. The long form of the same: 50 of 500."""
    seed = secrets.randbits(32) if seed is None else seed
    began = asyncio.get_running_loop().time()
    report = await Shop(folder, place, files, seed).run(customers, forgotten)
    report.seed, report.seconds = seed, asyncio.get_running_loop().time() - began
    return report


async def everything(ledger: Ledger, *tables: str) -> str:
    """All that the tables hold."""
    async with ledger.reading() as db:
        rows = [str(row) for table in tables for row in await db.execute(text(f"SELECT * FROM {table}"))]
    return "\n".join(rows)
