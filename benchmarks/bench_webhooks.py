"""How fast webhooks are accepted: verified, committed, answered. `python -m benchmarks.bench_webhooks`.

Three times in one run: with Temporal stopped, with it there and the workers busy with what comes in, and as
many as there can be. In turns with it, the same of the floor (`benchmarks/floor.py`), and at the end how many
journeys the same server starts in a second. The senders share the machine with everything else.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import typer

from journey.facts import OrderPlaced
from ledger import Ledger
from runtime.connection import temporal
from runtime.orders import start_journey
from runtime.playbooks import load_playbook
from service.neworder import NewOrder

ROOT = Path(__file__).parent.parent
KEY = b"thirty-two bytes for the benchmark"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
SENDERS = 16
TURNS = 3
BARS = {"p99_ms_at_rate": 25.0, "accepted_per_start": 5.0}


def _post(number: int) -> bytes:
    """One order as a Standard Webhook, as bytes on the wire."""
    now = int(time.time())
    body = json.dumps(_order(f"b{os.getpid()}-{now}-{number}")).encode()
    event_id = f"msg_{now}_{number}"
    mac = hmac.new(KEY, f"{event_id}.{now}.".encode() + body, hashlib.sha256).digest()
    head = (
        "POST /webhooks/standard HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nwebhook-id: {event_id}\r\nwebhook-timestamp: {now}\r\n"
        f"webhook-signature: v1,{base64.b64encode(mac).decode()}\r\n\r\n"
    )
    return head.encode() + body


def _order(order_id: str) -> dict[str, Any]:
    line = {"line_id": "l1", "sku": "TEA", "title": "Green tea", "quantity": 1, "unit_price": 990}
    return {
        "kind": "order_placed",
        "order_id": order_id,
        "placed_at": datetime.now(UTC).isoformat(),
        "currency": "EUR",
        "country": "DE",
        "zone": "Europe/Berlin",
        "lines": [line],
        "customer": {"customer_id": f"c_{order_id}", "email": "ann@customers.example", "name": "Ann"},
    }


class Sender:
    """One connection that is kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int) -> "Sender":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, post: bytes) -> None:
        self._writer.write(post)
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"not accepted: {head.splitlines()[0]!r}")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await self._reader.readexactly(length)


async def _at_rate(port: int, rate: float, seconds: float, first: int) -> dict[str, float]:
    """Posts at fixed times, whatever becomes of those before. Lateness of the sender counts as latency."""
    idle: asyncio.Queue[Sender] = asyncio.Queue()
    for _ in range(SENDERS * 4):
        idle.put_nowait(await Sender.connect(port))
    took: list[float] = []
    start = time.perf_counter() + 0.1

    async def one(number: int, due: float) -> None:
        post = _post(first + number)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        sender = await idle.get()
        await sender.send(post)
        idle.put_nowait(sender)
        took.append((time.perf_counter() - due) * 1000)

    await asyncio.gather(*(one(number, start + number / rate) for number in range(int(rate * seconds))))
    cuts = statistics.quantiles(took, n=100)
    return {"posts": len(took), "p50_ms": round(cuts[49], 1), "p99_ms": round(cuts[98], 1)}


async def _as_many(port: int, posts: int, first: int) -> float:
    """Posts accepted in a second, when each sender waits only for its own answer."""
    ready = [_post(first + number) for number in range(posts)]

    async def one() -> None:
        sender = await Sender.connect(port)
        while ready:
            await sender.send(ready.pop())

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(SENDERS)))
    return posts / (time.perf_counter() - start)


async def _starts(home: Path, count: int) -> float:
    """Journeys that the server starts in a second, without doors and without workers."""
    playbook = load_playbook(ROOT / "playbooks" / "default.yaml")
    async with temporal(home) as connection:
        told = [{k: v for k, v in _order(f"s{number}").items() if k != "kind"} for number in range(count)]
        placed: list[OrderPlaced] = [NewOrder.model_validate(each).placed("bench") for each in told]

        async def some() -> None:
            while placed:
                await start_journey(connection.client, placed.pop(), playbook)

        start = time.perf_counter()
        await asyncio.gather(*(some() for _ in range(SENDERS)))
        return count / (time.perf_counter() - start)


@asynccontextmanager
async def _running(*command: str, **more: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, env=os.environ | more, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await Sender.connect(port)
                return
            except OSError:
                await asyncio.sleep(0.1)


async def _waiting(url: str) -> int:
    ledger = await Ledger.open(url)
    counts = await ledger.count_inbox()
    await ledger.close()
    return counts.get("received", 0)


Told = dict[str, dict[str, float]]


class Bench:
    """The doors and the floor, both listening, and a number for each post."""

    def __init__(self, doors: int, floor: int, rate: float, seconds: float) -> None:
        self._ports = {"doors": doors, "floor": floor}
        self._rate, self._seconds = rate, seconds
        self._posts = count(step=100_000)

    async def warmed(self) -> None:
        for port in self._ports.values():
            await _listening(port)
            await _at_rate(port, 50, 1, next(self._posts))

    async def at_rate(self) -> Told:
        """Milliseconds until the answer; of the turns, the median."""
        turns: dict[str, list[dict[str, float]]] = {name: [] for name in self._ports}
        for _ in range(TURNS):
            for name, port in self._ports.items():
                seconds = self._seconds / TURNS
                turns[name].append(await _at_rate(port, self._rate, seconds, next(self._posts)))
        return {name: _median(each) for name, each in turns.items()}

    async def as_many(self) -> dict[str, float]:
        """Answers in a second, when each sender waits only for its own."""
        turns: dict[str, list[float]] = {name: [] for name in self._ports}
        for _ in range(TURNS):
            for name, port in self._ports.items():
                turns[name].append(await _as_many(port, 800, next(self._posts)))
        return {name: round(statistics.median(each)) for name, each in turns.items()}


def _median(turns: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(turn[name] for turn in turns), 1) for name in turns[0]}


async def _measured(home: Path, rate: float, seconds: float, url: str) -> dict[str, Any]:
    doors, floor = _free_port(), _free_port()
    own = {"THEREAFTER_HOME": str(home), "THEREAFTER_SERVICE_PORT": str(doors), "THEREAFTER_LEDGER_URL": url}
    own["THEREAFTER_STANDARD_SECRET"] = SECRET
    told: dict[str, Any] = {"database": url.partition("+")[0], "rate": rate, "turns": TURNS}
    async with (
        _running("-m", "service", **own),
        _running("-m", "benchmarks.floor", str(floor), url),
    ):
        bench = Bench(doors, floor, rate, seconds)
        await bench.warmed()
        told["temporal_stopped"] = await bench.at_rate()
        told["accepted_per_second"] = await bench.as_many()
        told["left_in_the_inbox"] = await _waiting(url)
        async with _running("worker.py", **own):
            await _fewer_than(url, told["left_in_the_inbox"])
            told["workers_busy"] = await bench.at_rate()
            told["still_in_the_inbox"] = await _waiting(url)
    told["starts_per_second"] = round(await _starts(home / "starts", 300), 1)
    told["accepted_per_start"] = round(told["accepted_per_second"]["doors"] / told["starts_per_second"], 1)
    return told


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _fewer_than(url: str, waiting: int) -> None:
    """Until the dispatcher is at work."""
    async with asyncio.timeout(60):
        while await _waiting(url) >= waiting:  # noqa: ASYNC110 it is another process that works
            await asyncio.sleep(0.5)


def main(rate: float = 100, seconds: float = 10, ledger_url: str = "") -> None:
    """Print the figures as JSON and write them to build/bench_webhooks.json."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        url = ledger_url or f"sqlite+aiosqlite:///{Path(folder) / 'ledger.db'}"
        told = asyncio.run(_measured(Path(folder), rate, seconds, url)) | {"bars": BARS}
    text = json.dumps(told, indent=2)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "bench_webhooks.json").write_text(text)
    print(text, flush=True)  # noqa: T201
    # A process that used the SDK can abort while the interpreter exits, after all its work is done.
    os._exit(0)


if __name__ == "__main__":
    typer.run(main)
