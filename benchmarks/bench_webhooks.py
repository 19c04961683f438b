"""How fast webhooks are accepted: verified, committed, answered. `python -m benchmarks.bench_webhooks`.

Three times in one run: with Temporal stopped, with it there and the workers busy with what comes in, and as
many as there can be. Beside it, how many journeys the same server starts in a second. The senders share the
machine with everything else.
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


async def _measured(home: Path, rate: float, seconds: float, url: str) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"THEREAFTER_HOME": str(home), "THEREAFTER_SERVICE_PORT": str(port), "THEREAFTER_LEDGER_URL": url}
    own["THEREAFTER_STANDARD_SECRET"] = SECRET
    told: dict[str, Any] = {"database": url.partition("+")[0], "rate": rate}
    async with _running("-m", "service", **own):
        await _listening(port)
        await _at_rate(port, 50, 1, 0)
        told["temporal_stopped"] = await _at_rate(port, rate, seconds, 1_000)
        told["accepted_per_second"] = round(await _as_many(port, 1_500, 100_000))
        told["left_in_the_inbox"] = await _waiting(url)
        async with _running("worker.py", **own):
            await asyncio.sleep(4)
            told["workers_busy"] = await _at_rate(port, rate, seconds, 200_000)
            told["still_in_the_inbox"] = await _waiting(url)
    told["starts_per_second"] = round(await _starts(home / "starts", 300), 1)
    told["accepted_per_start"] = round(told["accepted_per_second"] / told["starts_per_second"], 1)
    return told


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
