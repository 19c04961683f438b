"""A shop of real processes: the doors, a worker, and between the kills a Temporal server on a file. The
provider is a fake with a log of its own, which is the oracle."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from asyncio.subprocess import Process
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import httpx

from ledger import Ledger
from runtime import embedded
from runtime.embedded import Server, embedded_server
from tests.conftest import free_port
from tests.doors import MAIL_PUBLIC, STANDARD, standard_headers
from tests.fakes.sendgrid import FakeSendGrid

ROOT = Path(__file__).parent.parent.parent
PLAYBOOK = """\
name: soak
close_after: 30 days
steps:
  - {name: order_confirmation, class: transactional, after: placed}
  - {name: shipping_confirmation, class: transactional, after: shipped, per: parcel}
"""


@dataclass
class Answer:
    """What a door said to one webhook, and while what."""

    order_id: str
    status: int
    seconds: float
    while_down: bool


@dataclass
class Shop:
    """Its processes, what it was told, and what its provider took."""

    home: Path
    provider: FakeSendGrid
    http: httpx.AsyncClient
    worker: "Worker"
    server: Server | None = None
    answers: list[Answer] = field(default_factory=list)
    _serving: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def kill_worker(self) -> None:
        """As a power cut would; another one begins at once."""
        await self.worker.kill()
        await self.worker.start()

    async def start_server(self) -> None:
        self.server = await self._serving.enter_async_context(embedded_server(self.home))

    async def kill_server(self) -> None:
        """As a power cut would; what was on its way to it is gone."""
        assert self.server is not None
        os.kill(self.server.pid, signal.SIGKILL)
        self.server = None
        await self._serving.aclose()
        self._serving = AsyncExitStack()

    async def stop_server(self) -> None:
        await self._serving.aclose()

    async def tell(self, order_id: str, event_id: str, fact: dict[str, Any]) -> None:
        """Post a signed webhook and note the answer."""
        body = json.dumps(fact).encode()
        headers = standard_headers(body, event_id, int(time.time()))
        down, begun = self.server is None, time.perf_counter()
        try:
            answer = await self.http.post("/webhooks/standard", content=body, headers=headers)
            status = answer.status_code
        except httpx.HTTPError:
            status = 0
        down = down or self.server is None
        self.answers.append(Answer(order_id, status, time.perf_counter() - begun, down))

    async def order(self, order_id: str) -> None:
        """An order is placed and shipped, in two webhooks."""
        now = datetime.now(UTC).isoformat()
        line = {"line_id": "l1", "sku": "TEA", "title": "Green tea", "quantity": 1, "unit_price": 990}
        placed: dict[str, Any] = {
            "kind": "order_placed",
            "order_id": order_id,
            "placed_at": now,
            "lines": [line],
        }
        placed |= {"currency": "EUR", "country": "DE", "zone": "Europe/Berlin"}
        placed |= {"customer": {"customer_id": f"c_{order_id}", "email": f"{order_id}@mail.example"}}
        shipped = {"kind": "parcel_shipped", "order_id": order_id, "fact_id": f"s-{order_id}", "at": now}
        await self.tell(order_id, f"p-{order_id}", placed)
        await self.tell(order_id, f"s-{order_id}", shipped | {"parcel_id": "p1", "carrier": "DHL"})

    def acknowledged(self) -> set[str]:
        """The orders of which every webhook was acknowledged."""
        told = defaultdict(list)
        for answer in self.answers:
            told[answer.order_id].append(answer.status)
        return {order for order, said in told.items() if len(said) == 2 and set(said) == {200}}

    def letters(self) -> dict[str, list[str]]:
        """The subjects that the provider took for each order, by its own log."""
        taken: defaultdict[str, list[str]] = defaultdict(list)
        for entry in list(self.provider.log):
            if entry.taken:
                (person,) = entry.body["personalizations"]
                order_id = person["to"][0]["email"].partition("@")[0]
                taken[order_id].append(entry.body["subject"])
        return taken

    def without_effect(self) -> set[str]:
        """Acknowledged orders whose two letters the provider has not taken."""
        taken = self.letters()
        return {order for order in self.acknowledged() if len(set(taken.get(order, ()))) < 2}

    async def parked(self) -> int:
        ledger = await Ledger.open(self.ledger_url)
        try:
            return (await ledger.count_inbox()).get("parked", 0)
        finally:
            await ledger.close()

    @property
    def ledger_url(self) -> str:
        return f"sqlite+aiosqlite:///{self.home / 'ledger.db'}"

    def damage(self) -> list[str]:
        """What SQLite's own check says of the two databases."""
        found = []
        for name in ("temporal.db", "ledger.db"):
            with closing(sqlite3.connect(self.home / name)) as db:
                said = str(db.execute("PRAGMA integrity_check").fetchone()[0])
            found += [f"{name}: {said}"] if said != "ok" else []
        return found


class Worker:
    """A worker's process, and after it the next one."""

    def __init__(self, command: tuple[str, ...], env: Mapping[str, str], log: Path) -> None:
        self._command, self._env, self._log = command, env, log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as told:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, *self._command, cwd=ROOT, env=self._env, stderr=told
            )

    async def until_working(self) -> None:
        """One that still starts when the server is killed would bring a server of its own, and keep it."""
        async with asyncio.timeout(120):
            while '"event": "working"' not in self._log.read_text():
                assert self._process is not None and self._process.returncode is None, self._log.read_text()
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None:
            await _ended(self._process)


@asynccontextmanager
async def open_shop(
    home: Path,
    *,
    doors: str = "service",
    worker: tuple[str, ...] = ("worker.py",),
    more: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Shop]:
    """Everything at work; at the end everything that was started has ended, and the files remain. `more` is
    environment."""
    (home / "soak.yaml").write_text(PLAYBOOK)
    provider = FakeSendGrid()
    provider.start()
    env = os.environ | {
        "THEREAFTER_HOME": str(home),
        "THEREAFTER_STANDARD_SECRET": STANDARD,
        "THEREAFTER_PLAYBOOK": str(home / "soak.yaml"),
        "THEREAFTER_MAILER": "sendgrid",
        "THEREAFTER_SENDGRID_API_KEY": "SG.soak",
        "THEREAFTER_SENDGRID_HOST": provider.host,
        "THEREAFTER_SENDGRID_SECRET": MAIL_PUBLIC,
        **more,
    }
    async with AsyncExitStack() as stack:
        stack.callback(provider.stop)
        # Other tests have servers of their own, and would all begin at the usual port.
        stack.enter_context(patch.object(embedded, "USUAL_PORT", free_port()))
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        working = Worker(worker, env, home / "worker.log")
        shop = Shop(home, provider, http, working)
        stack.push_async_callback(shop.stop_server)
        await shop.start_server()
        await _opened(stack, http, ("-m", doors), env, home / f"{doors}.log")
        stack.push_async_callback(working.stop)
        await working.start()
        await working.until_working()
        yield shop


async def _opened(
    stack: AsyncExitStack, http: httpx.AsyncClient, command: tuple[str, ...], env: dict[str, str], log: Path
) -> None:
    """Open the doors on a free port; once more if somebody took it between the look and the use."""
    for _ in range(2):
        port = free_port()
        http.base_url = httpx.URL(f"http://127.0.0.1:{port}")
        own = env | {"THEREAFTER_SERVICE_PORT": str(port)}
        process = await stack.enter_async_context(_process(command, own, log))
        if await _ready(http, process):
            return
    raise ConnectionError(f"the doors did not open; see {log}")


@asynccontextmanager
async def _process(command: tuple[str, ...], env: dict[str, str], log: Path) -> AsyncIterator[Process]:
    with log.open("ab") as told:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, env=env, stderr=told
        )
    try:
        yield process
    finally:
        await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 40)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _ready(http: httpx.AsyncClient, process: Process) -> bool:
    """Whether it answers; False if it ends instead."""
    async with asyncio.timeout(60):
        while process.returncode is None:
            with suppress(httpx.HTTPError):
                if (await http.get("/livez")).status_code == 200:
                    return process.returncode is None
            await asyncio.sleep(0.1)
    return False
