"""Fault 8: the doors are abused. Genuine, mutilated, forged and repeated posts of every source, and whatever
the published description of the API allows."""

import json
import random
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from ledger import Ledger
from service.sources.all import SOURCES
from service.sources.source import Source
from tests.doors import World, open_world, signed
from tests.soak.verdict import Progress, Verdict, unseen
from tests.test_sources import GENUINE, STRANGE, raw

WAYS = ("mutilated", "forged", "replayed", "api")


async def abused(
    folder: Path, seed: int, seconds: float, progress: Progress = unseen, *, control: bool = False
) -> Verdict:
    """Abuse the doors for so long. With `control` nobody looks at signatures, so forged posts have to be
    accepted."""
    verdict, chance, begun = Verdict("8 doors abused", seed), random.Random(seed), time.monotonic()
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{folder / 'ledger.db'}")
    async with open_world(ledger) as world:
        while (passed := time.monotonic() - begun) < seconds:
            way, source = chance.choice(WAYS), chance.choice(sorted(SOURCES))
            with patch.object(type(SOURCES[source]), "verify", _believe) if control else _as_it_is(source):
                await _ABUSES[way](world, source, chance, verdict)
            verdict.runs += 1
            verdict.landed += 1
            verdict.figures[way] = verdict.figures.get(way, 0) + 1
            progress(passed / seconds, f"{verdict.runs} posts")
    await ledger.close()
    verdict.seconds = time.monotonic() - begun
    return verdict


def _believe(*_: Any) -> None:
    """Whoever it says it is."""


def _as_it_is(source: str) -> Any:
    kind: type[Source] = type(SOURCES[source])
    return patch.object(kind, "verify", kind.verify)


async def _mutilated(world: World, source: str, chance: random.Random, verdict: Verdict) -> None:
    """Signed by who may, and nonsense."""
    body = chance.choice([raw(GENUINE[source]), *STRANGE])
    answer = await _posted(world, source, body := _scratched(body, chance), signed(source, body))
    verdict.broke(f"{source}: {answer.status_code} to {body[:80]!r}", int(answer.status_code >= 500))


async def _forged(world: World, source: str, chance: random.Random, verdict: Verdict) -> None:
    """Somebody else's signature, or that of another body or another day."""
    body, before = raw(GENUINE[source]), await _rows(world)
    way = chance.randrange(3)
    headers = signed(source, _scratched(body, chance) + b" ") if way else signed(source, body)
    if way == 0:
        name = chance.choice([n for n in headers if "sign" in n.lower() or "hmac" in n.lower()])
        place = chance.randrange(len(headers[name]) - 2)
        headers[name] = headers[name][:place] + "~" + headers[name][place + 1 :]
        # Stripe's header may hold other signatures, and other schemes, than the one that counts.
        headers[name] = (
            headers[name] if source != "stripe" else f"t={int(time.time())},v1={chance.randbytes(32).hex()}"
        )
    answer = await _posted(world, source, body, headers)
    verdict.broke(
        f"{source}: a forged post was answered {answer.status_code}", int(answer.status_code != 401)
    )
    verdict.broke(f"{source}: a forged post had an effect", int(await _rows(world) != before))


async def _replayed(world: World, source: str, chance: random.Random, verdict: Verdict) -> None:
    """The same post once more, and under other headers that no signature covers."""
    await world.post(source, GENUINE[source])
    before = await _rows(world)
    other = {"X-Shopify-Event-Id": f"e{chance.random()}", "X-WC-Webhook-Delivery-ID": f"d{chance.random()}"}
    answer = await world.post(source, GENUINE[source], chance.choice([{}, other]))
    verdict.broke(f"{source}: a replay was answered {answer.status_code}", int(answer.status_code >= 500))
    verdict.broke(f"{source}: a replay had an effect", int(await _rows(world) != before))


async def _api(world: World, _: str, chance: random.Random, verdict: Verdict) -> None:
    """A call of the API with the right key and a wrong body, or with a wrong key."""
    order = {"order_id": "1", "currency": "EUR", "lines": [{"quantity": 10 ** chance.randrange(40)}]}
    body = chance.choice([*STRANGE, _scratched(json.dumps(order).encode(), chance)])
    path = chance.choice(["/v1/orders", "/v1/orders/1/facts", "/v1/customers", f"/v1/{chance.random()}"])
    key = world.key if chance.random() < 0.8 else {"Authorization": f"Bearer {chance.random()}"}
    answer = await world.http.request(
        chance.choice(["POST", "PUT", "PATCH"]), path, content=body, headers=key
    )
    verdict.broke(f"{path}: {answer.status_code} to {body[:80]!r}", int(answer.status_code >= 500))


_ABUSES = {"mutilated": _mutilated, "forged": _forged, "replayed": _replayed, "api": _api}


def _scratched(body: bytes, chance: random.Random) -> bytes:
    """With some bytes changed, lost or doubled."""
    scratched = bytearray(body)
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(scratched) + 1)
        scratched[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(scratched)


async def _posted(world: World, source: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
    latin = {name.encode(): value.encode("latin-1", "replace") for name, value in headers.items()}
    return await world.http.post(f"/webhooks/{source}", content=body, headers=latin)


async def _rows(world: World) -> int:
    return sum((await world.ledger.count_inbox()).values())
