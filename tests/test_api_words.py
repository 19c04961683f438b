"""What the API says to somebody who gets it wrong: the field, and what would be right."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from ledger import Ledger
from service.examples import FACT, ORDER
from tests.doors import World, open_world

EXAMPLE: dict[str, Any] = ORDER["order"]["value"]
LINE: dict[str, Any] = EXAMPLE["lines"][0]
MOVED: dict[str, Any] = FACT["shipped"]["value"] | {"kind": "parcel_moved", "status": "delivered"}
for name in ("carrier", "tracking_number", "tracking_url", "lines", "expected"):
    MOVED.pop(name, None)


@pytest_asyncio.fixture
async def world(ledger: Ledger) -> AsyncIterator[World]:
    async with open_world(ledger) as opened:
        now = datetime.now(UTC).isoformat()
        placed = EXAMPLE | {"order_id": "1001", "placed_at": now}
        assert (await opened.http.post("/v1/orders", json=placed, headers=opened.key)).status_code == 202
        yield opened


async def complaint(world: World, path: str, body: Any, **headers: str) -> str:
    """What is answered to a body that is wrong."""
    answer = await world.http.post(path, json=body, headers=world.key | headers)
    assert answer.status_code == 422, answer.text
    return str(answer.json()["error"])


WRONG_ORDERS = {
    "an amount in euros": ({"lines": [LINE | {"unit_price": 24.9}]}, "lines.0.unit_price: should be a valid"),
    "a currency in small letters": (
        {"currency": "eur"},
        "currency: should be three capital letters, an ISO 4217 code such as `EUR`",
    ),
    "a language that is none": (
        {"customer": {"customer_id": "c", "locale": "xx-yy-zz"}},
        "customer.locale: should be a language such as en or pt-BR",
    ),
    "an id that is an address": ({"order_id": "ann@shop.example"}, "order_id: should be an identifier: "),
    "seconds": ({"placed_at": 1_700_000_000}, "placed_at: should be a moment with an offset such as "),
    "seconds in words": ({"ship_by": "1700000000"}, "ship_by: should be a moment with an offset such as "),
    "no offset": ({"placed_at": "2026-04-07T10:12:00"}, "placed_at: should be a moment with an offset"),
    "no currency": ({"currency": None}, "currency: should be a valid string"),
}


@pytest.mark.parametrize(("change", "right"), WRONG_ORDERS.values(), ids=WRONG_ORDERS.keys())
async def test_what_is_wrong_with_an_order_is_said_once_and_in_words(
    world: World, change: dict[str, Any], right: str
) -> None:
    told = await complaint(world, "/v1/orders", EXAMPLE | change)
    assert told.startswith(right)
    assert ";" not in told
    assert "^" not in told


WRONG_FACTS = {
    "nothing": ({}, "kind: is missing; it should be one of: complaint_closed, "),
    "a kind of ours, misspelt": ({"kind": "parcel_shiped"}, "did you mean `parcel_shipped`?"),
    "an order": ({"kind": "order_placed"}, "kind: should be one of: "),
    "a status that is none": (MOVED | {"status": "deliverd"}, "did you mean `delivered`?"),
    "seconds": (MOVED | {"at": 1_700_000_000}, "at: should be a moment with an offset such as 2026"),
    "no offset": (
        MOVED | {"at": "2026-04-07T10:12:00"},
        "at: should be a moment with an offset such as 2026",
    ),
    "the year 2199": (MOVED | {"at": "2199-01-01T00:00:00Z"}, "at: should not be later than now"),
    "two mistakes": (MOVED | {"fact_id": "a b", "parcel_id": 7}, "; parcel_id: should be a valid string"),
}


@pytest.mark.parametrize(("fact", "right"), WRONG_FACTS.values(), ids=WRONG_FACTS.keys())
async def test_what_is_wrong_with_a_fact_is_said_in_words(
    world: World, fact: dict[str, Any], right: str
) -> None:
    told = await complaint(world, "/v1/orders/1001/facts", fact)
    assert right in told
    assert "parcel_moved." not in told


async def test_a_status_that_nobody_can_name_may_be_told_in_the_carrier_s_word(world: World) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=20)).isoformat()
    fact = MOVED | {"status": "unknown", "raw": "Sorted twice", "at": soon}
    answer = await world.http.post("/v1/orders/1001/facts", json=fact, headers=world.key)
    assert answer.status_code == 202, answer.text


async def test_a_key_is_asked_for_before_anything_is_said_of_a_fact(world: World) -> None:
    answer = await world.http.post("/v1/orders/1001/facts", json={})
    assert answer.status_code == 401


async def test_a_forgotten_content_type_and_a_forgotten_body_are_told(world: World) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    told = await complaint(world, "/v1/orders", EXAMPLE, **form)
    assert told == "body: should be sent with Content-Type: application/json"
    json_type = {"content-type": "application/json"}
    empty = await world.http.post("/v1/orders/1001/facts", content=b"", headers=world.key | json_type)
    assert (empty.status_code, empty.json()["error"]) == (422, "body: is missing")


async def test_an_address_with_a_slash_too_many_is_not_known(world: World) -> None:
    answer = await world.http.get("/v1/orders/1001/", headers=world.key)
    assert (answer.status_code, answer.json()["error"]) == (404, "Not Found")


async def test_the_front_door_says_where_to_look(world: World) -> None:
    answer = (await world.http.get("/")).json()
    for path in (answer["docs"], answer["live"], answer["ready"]):
        assert (await world.http.get(path)).status_code == 200


async def test_a_person_with_a_broken_link_gets_a_page_and_a_program_does_not(world: World) -> None:
    page = await world.http.get("/unsubscribe/broken", headers={"accept": "text/html,*/*"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "This link does not work" in page.text
    assert "content-security-policy" in page.headers
    assert (await world.http.get("/unsubscribe/broken")).json()["error"] == "this link is not one of ours"


async def test_forgetting_somebody_whom_nobody_knows_is_said(world: World) -> None:
    for customer, known in (("nope", False), (EXAMPLE["customer"]["customer_id"], True)):
        answer = await world.http.delete(f"/v1/customers/{customer}", headers=world.key)
        assert (answer.status_code, answer.json()) == (202, {"result": "accepted", "known": known})
