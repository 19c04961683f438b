"""What may be signalled to an order's journey: anything, any number of times, in any order."""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from journey.endings import Ending
from runtime.embedded import Server
from tests.world import World, dev_world, paced, sent, short_playbook


@pytest_asyncio.fixture
async def world(server: Server, tmp_path: Path) -> AsyncIterator[World]:
    async with dev_world(server, tmp_path) as stage:
        yield stage


BINARY = RawValue(Payload(metadata={"encoding": b"binary/plain"}, data=b"\xff\x00\xfe"))
BROKEN_JSON = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"fact_id": '))
UNKNOWN_ENCODING = RawValue(Payload(metadata={"encoding": b"binary/encrypted"}, data=b"secret"))
NO_METADATA = RawValue(Payload(data=b"?"))

UNREADABLE: dict[str, tuple[str, list[Any]]] = {
    "an unknown kind": ("parcel_sang", [{"fact_id": "x1", "at": "2026-05-01T10:00:00Z"}]),
    "a kind with odd letters": ("päket\u2028 <b>@", [{}]),
    "no argument": ("parcel_shipped", []),
    "two arguments": ("parcel_shipped", [{"fact_id": "x2"}, {"fact_id": "x3"}]),
    "text": ("parcel_shipped", ["shipped!"]),
    "nothing": ("parcel_shipped", [None]),
    "a number": ("parcel_shipped", [7]),
    "a list": ("parcel_shipped", [[{"fact_id": "x4"}]]),
    "binary data": ("parcel_shipped", [BINARY]),
    "broken JSON": ("parcel_shipped", [BROKEN_JSON]),
    "an unknown encoding": ("parcel_shipped", [UNKNOWN_ENCODING]),
    "no metadata": ("parcel_shipped", [NO_METADATA]),
    "a missing field": ("parcel_shipped", [{"fact_id": "x5", "at": "2026-05-01T10:00:00Z"}]),
    "an unknown field": ("order_cancelled", [{"fact_id": "x6", "at": "2026-05-01T10:00:00Z", "by": "ann"}]),
    "a time that is none": ("order_cancelled", [{"fact_id": "x7", "at": "yesterday"}]),
    "a time without zone": ("order_cancelled", [{"fact_id": "x8", "at": "2026-05-01T10:00:00"}]),
    "the year 9999": ("order_cancelled", [{"fact_id": "x9", "at": "9999-12-31T23:59:59-12:00"}]),
    "half a surrogate pair": (
        "order_cancelled",
        [RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"fact_id": "\\ud800"}'))],
    ),
    "another order's placing": ("order_placed", [{"fact_id": "x10", "at": "2026-05-01T10:00:00Z"}]),
}


async def test_a_signal_that_cannot_be_read_is_recorded_and_never_fatal(world: World) -> None:
    order = await world.place_order("ann")
    for kind, args in UNREADABLE.values():
        await world.journey(order).signal(kind, args=args)
    status = await world.until(order, lambda s: len(s.happened) == 1 + len(UNREADABLE))
    assert all(happening.note for happening in status.happened if happening.kind != "order_placed")
    await world.ship(order)
    await world.deliver(order)
    over = await world.until_over(order)
    assert over.ending is Ending.COMPLETED
    assert await world.letters_to("ann") == ["order_confirmation", "survey"]


@pytest.mark.parametrize("field", ["parcel_id", "fact_id", "source"])
async def test_an_address_in_an_id_is_refused_and_not_repeated(world: World, field: str) -> None:
    order = await world.place_order("ann")
    body = {
        "fact_id": "f1",
        "parcel_id": "p1",
        "at": (await world.now()).isoformat(),
        field: "ann@mail.example",
    }
    await world.journey(order).signal("parcel_shipped", body)
    status = await world.until(order, lambda s: len(s.happened) == 2)
    refused = status.happened[-1]
    assert refused.note is not None
    assert field in refused.note
    assert "mail.example" not in status.model_dump_json()


async def test_an_unknown_kind_is_shown_by_its_name(world: World) -> None:
    order = await world.place_order("ann")
    await world.tell(order, "drone_landed", roof="flat")
    status = await world.until(order, lambda s: len(s.happened) == 2)
    assert status.happened[-1].kind == "drone_landed"
    assert status.happened[-1].note == "this kind of fact is not known"


async def test_a_thousand_facts_shuffled_and_repeated_make_one_story(world: World) -> None:
    order = await world.place_order("ann", playbook=paced(close_after="20000 days"))
    at = (await world.now()).isoformat()
    facts: list[tuple[str, dict[str, Any]]] = [("parcel_shipped", {"fact_id": "s1", "parcel_id": "p1"})]
    for word in ("handed_over", "in_transit", "out_for_delivery", "delivered"):
        facts.append(("parcel_moved", {"fact_id": f"m-{word}", "parcel_id": "p1", "status": word}))
    facts.append(("teleported", {"fact_id": "u1"}))
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201
    told = random.Random(seed).choices(facts, k=1_000 - len(facts)) + facts
    random.Random(seed).shuffle(told)
    for kind, body in told:
        await world.journey(order).signal(kind, {**body, "at": at})
    status = await world.until(order, lambda s: len(s.happened) == 1 + len(facts))
    assert [fact_id for fact_id in (h.fact_id for h in status.happened)].count("s1") == 1
    await world.until_sent(order, "delivered/p1", "survey")
    letters = await world.letters_of(order)
    assert set(letters.values()) == {1}


async def test_facts_that_come_before_the_shipping_are_kept_for_it(world: World) -> None:
    book = short_playbook(
        {"name": "shipping_confirmation", "after": "shipped", "per": "parcel", "unless": ["delivered"]},
        {"name": "delivered", "after": "delivery_reported", "per": "parcel"},
    )
    order = await world.place_order("ann", playbook=book)
    await world.deliver(order)
    await world.until_sent(order, "delivered/p1")
    await world.ship(order)
    over = await world.until_over(order)
    assert set(sent(over)) == {"delivered/p1"}
