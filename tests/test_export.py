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
from ledger.tables import Moment, metadata
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


@pytest.mark.parametrize("known", [True, False])
async def test_an_export_of_nobody_is_not_found(ledger: Ledger, known: bool) -> None:
    if known:
        await ledger.erase_customer("c_ann", datetime.now(UTC))
    async with open_world(ledger) as world:
        answer = await world.http.get("/v1/customers/c_ann/export", headers=world.key)
    # That somebody was forgotten is known of them.
    assert answer.status_code == (200 if known else 404)
