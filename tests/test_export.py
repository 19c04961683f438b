"""Telling customers what is known of them: everything, and nothing of anybody else."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Date, Integer, LargeBinary, String, Table, insert

from ledger import Ledger
from ledger.customers import Profile
from ledger.export import NOBODY_S, TOLD
from ledger.inbox import InboxState
from ledger.incoming import Deed, Incoming, Person
from ledger.orders import OrderPointer
from ledger.tables import Moment, metadata, orders
from tests import payloads
from tests.doors import open_world
from tests.sending import NOON

_VALUES: tuple[tuple[type[Any], Any], ...] = (
    (Moment, NOON),
    (Date, date(1990, 2, 28)),
    (Boolean, True),
    (Integer, 1),
    (LargeBinary, b"paper"),
)


def test_every_table_is_told_or_has_a_reason_not_to_be() -> None:
    assert {table.name for table in TOLD.values()} | set(NOBODY_S) == set(metadata.tables)
    assert not set(NOBODY_S) & {table.name for table in TOLD.values()}
    for name in NOBODY_S:
        known = {"customer_id", "order_id", "reference", "tracking_number"} & set(
            metadata.tables[name].c.keys()
        )
        assert not known, f"{name} is about somebody"


def _row(table: Table, who: str) -> dict[str, Any]:
    return {column.name: _value(column, who) for column in table.c if column.name != "number"}


def _value(column: Column[Any], who: str) -> Any:
    for kind, value in _VALUES:
        if isinstance(column.type, kind):
            return value
    if not isinstance(column.type, String):
        return [who]
    if column.name in {"payment_id", "provider_id"}:
        return f"pay-{who}"
    if column.name == "customer_id":
        return f"c_{who}"
    return f"{column.name}-{who}"[: column.type.length]


async def _fill(ledger: Ledger, who: str) -> None:
    async with ledger.writing() as db:
        for table in TOLD.values():
            await db.execute(insert(table).values(_row(table, who)))


async def test_a_customer_is_told_a_row_of_every_table_and_none_of_anybody_else_s(ledger: Ledger) -> None:
    await _fill(ledger, "ann")
    await _fill(ledger, "bob")
    told = await ledger.export_customer("c_ann")
    assert [name for name, rows in told.items() if len(rows) != 1] == []
    assert set(told) == set(TOLD)
    assert "bob" not in json.dumps(told, default=str)
    assert not any((await ledger.export_customer("c_nobody")).values())


async def test_of_what_nobody_could_read_only_that_it_came_is_told_to_whom_it_may_name(
    ledger: Ledger,
) -> None:
    async with open_world(ledger) as world:
        await world.post("shopify", payloads.shopify_order())
        broken = payloads.shopify_order(line_items=[{"id": 1, "quantity": "many"}], id=2)
        await world.post("shopify", broken)
    (parked,) = await ledger.inbox_rows(InboxState.PARKED)
    told = await ledger.export_customer("shopify-115310627314723954")
    came = {name: getattr(parked, name) for name in ("number", "source", "topic", "received_at")}
    assert [row for row in told["events"] if row["number"] == parked.number] == [came]


async def test_peter_is_not_told_of_olga_petersen(ledger: Ledger) -> None:
    peter = Profile(customer_id="c_peter", email="p@shop.example", name="Peter")
    await ledger.keep_person(Person(profile=peter, at=NOON))
    olga = {"name": "Olga Petersen", "email": "olga@mail.example", "street": "Quay Street 9"}
    deeds = (Deed(kind="order_placed", body={"customer_id": "c_olga"}),)
    unread = Incoming(
        source="shopify",
        event_id="evt-1",
        body_hash="0" * 64,
        topic="orders/create",
        deeds=deeds,
        problem="unreadable",
        raw=json.dumps(olga),
    )
    await ledger.accept([unread], NOON)
    told = await ledger.export_customer("c_peter")
    assert [row["source"] for row in told["events"]] == ["shopify"]
    assert not [word for word in (*olga.values(), "c_olga") if word in json.dumps(told, default=str)]


async def test_who_ordered_a_thousand_times_is_told_and_forgotten(ledger: Ledger) -> None:
    ids = [f"ORDER-{number:05}" for number in range(1200)]
    row = {"customer_id": "c_shop", "placed_at": NOON, "address": ["Quay Street 9"]}
    broken = [
        Incoming(source="shopify", event_id=word, body_hash=f"{n:064}", topic="x", problem="y", raw=word)
        for n, word in enumerate(['{"id": "order-01199"}', '{"id": "ORDER-99999"}'])
    ]
    async with ledger.writing() as db:
        await db.execute(insert(orders), [{**row, "order_id": each} for each in ids])
    await ledger.accept(broken, NOON)
    async with open_world(ledger) as world:
        told = (await world.http.get("/v1/customers/c_shop/export", headers=world.key)).json()
        assert (len(told["orders"]), [row["source"] for row in told["events"]]) == (1200, ["shopify"])
        answer = await world.http.delete("/v1/customers/c_shop", headers=world.key)
        assert answer.json() == {"result": "accepted", "known": True}
    receipt = (await ledger.erase_customer("c_shop", NOON)).receipt
    assert (receipt["orders"], receipt["inbox"]) == (1200, 1)
    (left,) = await ledger.inbox_rows(InboxState.PARKED)
    assert left.raw == '{"id": "ORDER-99999"}'


async def test_whoever_anything_is_kept_of_is_known(ledger: Ledger) -> None:
    raw = '{"customer": {"id": 115310627314}}'
    unread = Incoming(source="s", event_id="e", body_hash="0" * 64, topic="x", problem="y", raw=raw)
    await ledger.accept([unread], NOON)
    await ledger.keep_order(OrderPointer(order_id="1001", customer_id="c_buyer", placed_at=NOON))
    await ledger.keep_person(Person(profile=Profile(customer_id="c_ann"), at=NOON))
    await ledger.erase_customer("c_bob", NOON)
    for who in ("c_ann", "c_bob", "c_buyer", "guest-1001", "shopify-115310627314"):
        assert await ledger.knows_customer(who), who
    for who in ("c_nobody", "guest-1002", "shopify-115310627315"):
        assert not await ledger.knows_customer(who), who


@pytest.mark.parametrize("known", [True, False])
async def test_an_export_of_nobody_is_not_found(ledger: Ledger, known: bool) -> None:
    if known:
        await ledger.erase_customer("c_ann", datetime.now(UTC))
    async with open_world(ledger) as world:
        answer = await world.http.get("/v1/customers/c_ann/export", headers=world.key)
    # That somebody was forgotten is known of them.
    assert answer.status_code == (200 if known else 404)
