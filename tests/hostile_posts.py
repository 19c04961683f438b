"""What may be posted at a door by somebody who means no good, or by a broken program: for the quick form and
for the long one."""

import json
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx

from service.examples import CANCEL, CURE, CUSTOMER, DECISION, FACT, ORDER, REFUND, RETURN, RETURN_NEWS
from tests import payloads
from tests.doors import World, signed
from tests.hostile_values import Variant, freshened, scratched, spoiled
from tests.whole_payloads import by_source

SOURCES = ["standard", "shopify", "woocommerce", "easypost", "aftership", "stripe", "sendgrid"]
GENUINE: dict[str, Any] = {
    "standard": payloads.FACT,
    "shopify": payloads.shopify_order(),
    "woocommerce": payloads.woocommerce_order(),
    "easypost": payloads.easypost_event(),
    "aftership": payloads.aftership_event(),
    "stripe": payloads.stripe_event(),
    "sendgrid": payloads.sendgrid_events("delivered"),
}
_SENT = by_source()
Operation = tuple[str, str, Any]
"""A method, a path, and a genuine body."""

TIMED = {"standard", "stripe", "sendgrid"}
"""Whose time is under the signature."""

_API = (
    ("POST", "/v1/orders", ORDER),
    ("POST", "/v1/orders/1001/facts", FACT),
    ("POST", "/v1/orders/1001/returns", RETURN),
    ("POST", "/v1/orders/1001/refunds", REFUND),
    ("POST", "/v1/returns/1001:r1/facts", RETURN_NEWS),
    ("POST", "/v1/returns/1001:r1/decision", DECISION),
    ("POST", "/v1/returns/1001:r1/cancellation", CANCEL),
    ("POST", "/v1/returns/1001:r1/cure", CURE),
    ("PUT", "/v1/customers/c_weber", CUSTOMER),
)
OWN: dict[str, tuple[str, str, Any]] = {
    f"{method} {path}": (method, path, next(iter(examples.values()))["value"])
    for method, path, examples in _API
}
"""Every operation of our own API that takes a body, with a genuine one."""

STRANGE: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "number": b"7",
    "text": b'"text"',
    "cut": b"{",
    "bad UTF-8": b'{"id": "\xff\xfe"}',
    "UTF-16": '{"id": 1}'.encode("utf-16"),
    "NaN": b'{"id": NaN}',
    "infinity": b'{"id": 1e999}',
    "duplicate keys": b'{"id": 1, "id": 2}',
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "long number": b'{"id": ' + b"9" * 5_000 + b"}",
    "half a surrogate": b'{"id": "\\ud800"}',
    "NUL": b'{"id": "\\u0000", "order_id": "\\u0000", "kind": "parcel_moved", "status": "x"}',
    "wrong types": b'{"type": {}, "data": 1, "description": "tracker.x", "msg": {"tag": []}, "event": {}}',
    "prototype": b'{"__proto__": {"x": 1}, "constructor": {"prototype": {}}}',
    "form": b"id=1&kind=parcel_moved",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
}


@dataclass
class Judged:
    """What became of a run of hostile posts."""

    seed: int
    bodies: int = 0
    """That were read, whether or not they were posted."""
    posts: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    """Answers of 5xx that are no 503 of ours, and answers without a word of explanation."""
    accepted: list[str] = field(default_factory=list)
    """Forged posts that were taken."""
    second_effects: list[str] = field(default_factory=list)

    def judge(self, what: str, answer: httpx.Response) -> None:
        self.posts += 1
        self.statuses[answer.status_code] += 1
        ours = answer.status_code == 503 and "retry-after" in answer.headers
        if answer.status_code >= 500 and not ours:
            self.broken.append(f"{what}: {answer.status_code}")
        elif answer.status_code >= 400 and not answer.json().get("error"):
            self.broken.append(f"{what}: {answer.status_code} without a word")


def forged(source: str, body: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    """Headers that a source would not have sent with this body."""
    good = signed(source, body)
    proof = next(name for name in good if "sign" in name.lower() or "hmac" in name.lower())
    yield "no signature", {name: value for name, value in good.items() if name != proof}
    yield "of another body", signed(source, body + b" ")
    yield "by another key", signed(source, body, key="whsec_bm90IHRoZSBzZWNyZXQ=")
    for word, value in (
        ("empty", ""),
        ("no base64", "%%%"),
        ("letters beyond ASCII", "v1,\u00e9=" if source == "standard" else "\u00e9"),
        ("cut", good[proof][:-6]),
        ("changed", good[proof][:-6] + "AAAAAA"),
        ("very long", "A" * 30_000),
        ("many", ",".join(["v1=00"] * 2_000)),
        ("odd pairs", "t=1,v1=,t=2"),
    ):
        yield word, {**good, proof: value}
    if source in TIMED:
        for word, hours in (("expired", -30), ("of the future", 30)):
            yield word, signed(source, body, at=time.time() + hours * 3600)


def keyed(world: World, **more: str) -> dict[str, str]:
    """The headers of our own back-end; each post is a request of its own."""
    own = {"content-type": "application/json", "Idempotency-Key": f'"{secrets.token_hex(8)}"'}
    return world.key | own | more


async def strangers(world: World) -> dict[str, dict[str, str]]:
    """Keys that open nothing, by what is wrong with them."""
    ledger, now = world.ledger, datetime.now(UTC)
    revoked = await ledger.create_key("revoked", [], now)
    await ledger.revoke_key(revoked.key.key_id, now)
    token = world.token
    tokens = {
        "none": None,
        "another's secret": token[:-4] + "AAAA",
        "cut": token[:20],
        "revoked": revoked.token,
        "upper case": token.upper(),
        "very long": token + "x" * 20_000,
        "SQL": "thereafter_' OR 1=1--_x",
    }
    headers = {
        word: {"Authorization": f"Bearer {each}"} if each is not None else {} for word, each in tokens.items()
    }
    return headers | {"basic": {"Authorization": "Basic eDp5"}, "bare": {"Authorization": token}}


async def abuse(
    world: World, seed: int, n: int, operations: Sequence[Operation] = tuple(OWN.values())
) -> Judged:
    """All of it at every door: for each `n` bodies spoiled at random, signed and keyed, their replays, and
    `n` forged ones. The quick form takes the least; in the long form there are thousands of posts."""
    chance, told, foreign = random.Random(seed), Judged(seed=seed), await strangers(world)
    for number in range(n):
        for source in SOURCES:
            topic, genuine = chance.choice(sorted(_SENT[source].items()))
            spoilt = _spoilt(genuine, chance)
            what = f"{source}, {topic}, {number} of seed {seed}: {spoilt.what}"
            await _twice(world, told, what, partial(world.post, source, spoilt.body))
            word, headers = chance.choice(list(forged(source, spoilt.body)))
            raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
            answer = await world.http.post(f"/webhooks/{source}", content=spoilt.body, headers=raw)
            told.judge(what, answer)
            if answer.status_code not in (401, 413):
                told.accepted.append(f"{what}, {word}: {answer.status_code}")
        for operation in operations:
            await _abuse_own(world, f"{number} of seed {seed}", chance, told, operation, foreign)
    return told


async def _abuse_own(  # noqa: PLR0917
    world: World,
    number: str,
    chance: random.Random,
    told: Judged,
    operation: Operation,
    foreign: dict[str, dict[str, str]],
) -> None:
    method, path, genuine = operation
    spoilt = _spoilt(genuine, chance)
    body = freshened(spoilt.body, chance.randrange(10**9))
    what = f"{method} {path}, {number}: {spoilt.what}"
    ask = partial(world.http.request, method, path, content=body)
    await _twice(world, told, what, partial(ask, headers=keyed(world)))
    word = chance.choice(sorted(foreign))
    answer = await ask(headers=foreign[word])
    told.judge(what, answer)
    if answer.status_code != 401:
        told.accepted.append(f"{what}, {word}: {answer.status_code}")


async def _twice(
    world: World, told: Judged, what: str, post: Callable[[], Awaitable[httpx.Response]]
) -> None:
    """The same once more changes nothing."""
    told.judge(what, await post())
    rows = sum((await world.ledger.count_inbox()).values())
    told.judge(what, await post())
    if sum((await world.ledger.count_inbox()).values()) != rows:
        told.second_effects.append(what)


def _spoilt(genuine: Any, chance: random.Random) -> Variant:
    if chance.random() < 0.1:
        return Variant("scratched", scratched(json.dumps(genuine).encode(), chance))
    return spoiled(genuine, chance)


async def pieces(size: int, piece: int = 100_000) -> AsyncIterator[bytes]:
    """A body whose length nobody tells beforehand."""
    for _ in range(size // piece):
        yield b"x" * piece
