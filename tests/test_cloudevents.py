"""Facts as CloudEvents, by the specification's HTTP protocol binding."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from ledger import Ledger
from tests.doors import World, open_world

ATTRIBUTES = {
    "specversion": "1.0",
    "id": "shop:1",
    "source": "/shop",
    "subject": "1001",
    "type": "example.shop.parcel_moved",
    "time": "2026-04-10T13:47:00+02:00",
}
MOVED = {"parcel_id": "p1", "status": "delivered"}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
HEADERS = {f"ce-{name}": value for name, value in ATTRIBUTES.items()}


@pytest_asyncio.fixture
async def world(tmp_path: Any) -> AsyncIterator[World]:
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
    async with open_world(ledger) as opened:
        yield opened
    await ledger.close()


async def told(world: World) -> tuple[str | None, str, dict[str, Any]]:
    (row,) = await world.ledger.inbox_rows()
    return row.order_id, row.deeds[0].kind, row.deeds[0].body


def encoded(data: Any) -> str:
    return base64.b64encode(json.dumps(data).encode()).decode()


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (ATTRIBUTES | {"data": MOVED}, STRUCTURED),
        (ATTRIBUTES | {"data_base64": encoded(MOVED)}, STRUCTURED),
        (MOVED, HEADERS),
        (MOVED, HEADERS | {"ce-subject": "%31001", "CE-Type": '"parcel_moved"', "ce-other": "x"}),
    ],
    ids=["structured", "data_base64", "binary", "binary, encoded"],
)
async def test_a_fact_comes_in_either_mode(world: World, body: Any, headers: dict[str, str]) -> None:
    answer = await world.post("standard", body, headers)
    assert answer.json() == {"result": "accepted"}, answer.text
    order_id, kind, fact = await told(world)
    assert (order_id, kind, fact["fact_id"]) == ("1001", "parcel_moved", "shop:1")
    assert (fact["at"], fact["status"]) == ("2026-04-10T11:47:00Z", "delivered")


async def test_what_is_signed_goes_before_the_headers(world: World) -> None:
    await world.post("standard", MOVED | {"order_id": "1002", "fact_id": "shop:2"}, HEADERS)
    order_id, _, fact = await told(world)
    assert (order_id, fact["fact_id"]) == ("1002", "shop:2")


@pytest.mark.parametrize(
    ("body", "headers", "problem"),
    [
        ([ATTRIBUTES], {"content-type": "application/cloudevents-batch+json"}, "each event by itself"),
        (ATTRIBUTES | {"specversion": "0.3"}, STRUCTURED, "specversion: should be 1.0"),
        (MOVED, HEADERS | {"ce-specversion": "0.3"}, "specversion: should be 1.0"),
        (MOVED, HEADERS | {"ce-id": ""}, "id: a CloudEvent should have it"),
        (ATTRIBUTES | {"data_base64": "%%%"}, STRUCTURED, "data_base64: should be JSON in base64"),
        (ATTRIBUTES | {"data_base64": 7}, STRUCTURED, "data_base64: should be JSON in base64"),
        (ATTRIBUTES | {"data_base64": encoded(MOVED), "data": MOVED}, STRUCTURED, "beside data"),
        (ATTRIBUTES | {"data_base64": encoded([7])}, STRUCTURED, "kind: should be one of"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_a_clear_word(
    world: World, body: Any, headers: dict[str, str], problem: str
) -> None:
    answer = await world.post("standard", body, headers)
    assert answer.status_code == 422
    assert problem in answer.json()["error"]
    assert await world.ledger.count_inbox() == {}
