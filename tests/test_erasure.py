"""Forgetting a customer: nothing of them is found afterwards, and it may be killed and done again."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from activities.messages import Messages
from activities.providers.outbox import OutboxMailer
from journey.messages import SendResult
from ledger import Ledger
from ledger.inbox import InboxState
from ledger.returns import Paper
from runtime.delivery import Delivery
from runtime.dispatch import Dispatcher
from tests import payloads
from tests.doors import DEFAULT, open_world, until
from tests.sending import TERMS, PlainLetters, request_for

ANN = "shopify-115310627314723954"
PLANTED = ("lanted", "5550142", "625-1199", "80202")


async def _filled(ledger: Ledger) -> None:
    async with open_world(ledger) as world:
        await world.post("shopify", payloads.shopify_order())
        broken = payloads.shopify_order(line_items=[{"id": 1, "quantity": "many"}], id=2)
        await world.post("shopify", broken)
        note = {"email": "planted@more.example", "name": "Bo Planted", "birthday": "1990-02-28"}
        await world.http.put(f"/v1/customers/{ANN}", json=note, headers=world.key)
    async with ledger.reading() as db:
        order_id = (await db.execute(text("SELECT order_id FROM orders LIMIT 1"))).scalar_one()
    label = Paper(
        order_id=order_id,
        key="label",
        kind="label",
        provider="demo",
        content=b"%PDF Ann Planted",
        created_at=datetime.now(UTC),
    )
    await ledger.keep_paper(label)


async def _everything(ledger: Ledger) -> str:
    async with ledger.reading() as db:
        tables = (
            "customers",
            "orders",
            "letters",
            "inbox",
            "late_facts",
            "consents",
            "customer_details",
            "papers",
        )
        rows = [str(row) for table in tables for row in await db.execute(text(f"SELECT * FROM {table}"))]
    return "\n".join(rows)


async def test_nothing_planted_is_found_after_a_customer_is_forgotten(
    ledger: Ledger, ledger_url: str
) -> None:
    await _filled(ledger)
    before = await _everything(ledger)
    assert [word for word in PLANTED if word not in before] == []
    exported = json.dumps(await ledger.export_customer(ANN), default=str)
    assert "lanted" in exported
    receipt = await ledger.erase_customer(ANN, datetime.now(UTC))
    assert receipt.receipt | {"late_facts": 0} == {
        **{
            "inbox": 1,
            "letters": 0,
            "late_facts": 0,
            "orders": 1,
            "papers": 1,
            "consents": 2,
            "customers": 1,
        },
    }
    left = await _everything(ledger)
    assert [word for word in PLANTED if word in left] == []
    if ledger_url.startswith("sqlite"):
        file = Path(ledger_url.partition("///")[2])
        kept = b"".join(path.read_bytes() for path in file.parent.glob("ledger.db*"))
        assert [word for word in PLANTED if word.encode() in kept] == []


async def test_what_is_told_late_of_a_forgotten_customer_is_not_taken_in_again(ledger: Ledger) -> None:
    await _filled(ledger)
    await ledger.erase_customer(ANN, datetime.now(UTC))
    async with open_world(ledger) as world:
        await world.post("shopify", payloads.shopify_order(updated_at="2026-03-01T11:00:00-05:00"))
    assert await ledger.profile(ANN) is None


async def test_a_forgotten_customer_gets_no_letter_and_the_journey_goes_on(ledger: Ledger) -> None:
    await ledger.erase_customer("c_ann", datetime.now(UTC))
    receipt = await Messages(ledger, OutboxMailer(ledger), PlainLetters(), TERMS).send_message(request_for())
    assert (receipt.result, receipt.reason) == (SendResult.SUPPRESSED, "the customer asked to be forgotten")


@pytest.mark.parametrize("killed", [False, True])
async def test_a_wish_to_be_forgotten_is_fulfilled_even_if_we_are_killed_half_way(
    ledger: Ledger, killed: bool
) -> None:
    await _filled(ledger)
    deaths: list[Any] = [KeyError("killed")] if killed else []

    async def erase(customer_id: str) -> str:
        await ledger.erase_customer(customer_id, datetime.now(UTC))
        if deaths:
            raise deaths.pop()
        return "forgotten"

    async with open_world(ledger) as world:
        await world.http.delete(f"/v1/customers/{ANN}", headers=world.key)
        dispatcher = Dispatcher(Delivery(ledger, DEFAULT), _somebody, erase=erase)

        async def done() -> bool:
            await dispatcher.sweep()
            rows = await ledger.inbox_rows(InboxState.DISPATCHED)
            return any(row.reason == "forgotten" for row in rows)

        assert await until(done)
        answer = await world.http.get(f"/v1/customers/{ANN}/erasure", headers=world.key)
        assert answer.json()["done_at"]
    assert "lanted" not in await _everything(ledger)


def _somebody() -> Any:
    """A client that is not asked for anything: forgetting is the ledger's own work."""
    return object()
