"""Fault 8: the doors are abused. Of every source and of every operation of the API spoiled, forged and
repeated posts, with orders, returns and refunds that are under way in a real Temporal, on both databases."""

import asyncio
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ledger import Ledger
from runtime.embedded import Server, connect_embedded, embedded_server
from runtime.settings import Settings
from service.sources.all import SOURCES
from tests.doors import World, open_world
from tests.fakes.postgres import Postgres
from tests.hostile_posts import abuse, keyed
from tests.hostile_values import freshened
from tests.soak.verdict import Progress, Verdict, unseen
from tests.whole_payloads import ORDER, own
from tests.world import short_playbook
from worker import build_activities, build_worker

EACH = 2
"""Posts of each kind between two looks at the clock; then it is about another order."""


async def abused(
    folder: Path, seed: int, seconds: float, progress: Progress = unseen, *, control: bool = False
) -> Verdict:
    """Abuse the doors for so long, half of it on each database. With `control` nobody looks at signatures, so
    forged posts have to be accepted."""
    verdict, begun = Verdict("8 doors abused", seed), time.monotonic()
    with ExitStack() as stack:
        short = stack.enter_context(tempfile.TemporaryDirectory(prefix="pg"))
        postgres = stack.enter_context(Postgres(Path(short)))
        if control:
            stack.enter_context(believing())
        async with embedded_server(folder / "server") as server:
            places = (f"sqlite+aiosqlite:///{folder / 'ledger.db'}", postgres.empty_database())
            for number, place in enumerate(places):
                until = begun + seconds * (number + 1) / len(places)
                async with _doors(server, folder, place) as world:
                    await _rounds(world, random.Random(seed + number), begun, until, verdict, progress)
    verdict.seconds = time.monotonic() - begun
    return verdict


@contextmanager
def believing() -> Iterator[None]:
    """Whoever it says it is."""
    with ExitStack() as stack:
        for source in SOURCES.values():
            stack.enter_context(patch.object(type(source), "verify", lambda *_: None))
        yield


@asynccontextmanager
async def _doors(server: Server, folder: Path, place: str) -> AsyncIterator[World]:
    client, ledger = await connect_embedded(server), await Ledger.open(place)
    try:
        async with (
            build_worker(client, build_activities(Settings(home=folder), ledger)),
            open_world(ledger, lambda: client, short_playbook(day=3600)) as world,
        ):
            yield world
    finally:
        await ledger.close()


async def _rounds(  # noqa: PLR0917
    world: World, chance: random.Random, begun: float, until: float, verdict: Verdict, progress: Progress
) -> None:
    while time.monotonic() < until:
        seed = chance.randrange(10**9)
        order_id = await _delivered(world, seed)
        told = await abuse(world, seed, EACH, list(own(order_id, f"{order_id}:r1")))
        verdict.runs += told.posts
        verdict.landed += told.posts
        for status, times in told.statuses.items():
            verdict.figures[str(status)] = verdict.figures.get(str(status), 0) + times
        for what in told.broken:
            verdict.broke(what)
        verdict.broke(f"seed {seed}: forged post was taken", len(told.accepted))
        verdict.broke(f"seed {seed}: replay had an effect", len(told.second_effects))
        progress((time.monotonic() - begun) / (until - begun), f"{verdict.runs} posts")


async def _delivered(world: World, seed: int) -> str:
    """An order of which a return is under way; its id."""
    order_id, now = f"fresh-{seed}", datetime.now(UTC).isoformat()
    placed = freshened(json.dumps(ORDER).encode(), seed)
    await _told(world, "/v1/orders", placed)
    for number, fact in enumerate(
        ({"kind": "parcel_shipped"}, {"kind": "parcel_moved", "status": "delivered"})
    ):
        body = json.dumps({**fact, "fact_id": f"d{number}", "at": now, "parcel_id": "p1"}).encode()
        await _told(world, f"/v1/orders/{order_id}/facts", body)
    asked: dict[str, Any] = {"lines": [{"line_id": "l1", "quantity": 1}], "reason": "changed_mind"}
    await _told(world, f"/v1/orders/{order_id}/returns", json.dumps(asked).encode())
    return order_id


async def _told(world: World, path: str, body: bytes) -> None:
    """Tell it; again while its journey has not heard of what was told before."""
    headers = keyed(world)
    async with asyncio.timeout(60):
        while True:
            answer = await world.http.post(path, content=body, headers=headers)
            if answer.status_code < 300:
                return
            assert answer.status_code in (422, 503), answer.text
            await asyncio.sleep(0.1)
