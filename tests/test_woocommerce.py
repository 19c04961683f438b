"""A WooCommerce shop: who bought and agreed to what; what was paid, given back, called off or deleted."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from activities.providers.outbox import OutboxMailer
from ledger import Ledger
from ledger.inbox import InboxRow, InboxState
from ledger.incoming import Incoming
from runtime.delivery import Delivery
from runtime.dispatch import Dispatcher
from runtime.embedded import Server, connect_embedded
from runtime.settings import Settings, read_settings
from service.sources.all import sources_of, translate
from tests import payloads
from tests.doors import DEFAULT, World, open_world
from tests.payloads import woocommerce_account as account
from tests.payloads import woocommerce_order as order
from tests.world import new_order_id
from worker import build_reconciling

NOW = datetime(2026, 4, 1, tzinfo=UTC)
UNPAID: dict[str, Any] = {"status": "cancelled", "date_paid_gmt": None}
SHOP = {
    "woocommerce_consent_meta": "newsletter",
    "woocommerce_first_order_meta": "first_order",
    "woocommerce_locale": "de",
}


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
    async with open_world(ledger) as opened:
        yield opened
    await ledger.close()


def told(body: dict[str, Any], **settings: Any) -> Incoming:
    sources = sources_of(Settings(**{**SHOP, **settings}))
    (incoming,) = translate("woocommerce", json.dumps(body).encode(), NOW, sources)
    return incoming


def facts(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {deed.kind: deed.body for deed in told(body).deeds}


def meta(**words: Any) -> list[dict[str, Any]]:
    return [{"id": number, "key": key, "value": value} for number, (key, value) in enumerate(words.items())]


async def test_the_doors_and_the_reconciliation_know_the_shop_s_conventions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEREAFTER_WOOCOMMERCE_CONSENT_META", "newsletter")
    ticked = order(meta_data=meta(newsletter="yes"))
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
    async with open_world(ledger) as world:
        await world.post("woocommerce", ticked)
    assert len(await ledger.consents_of("woo-25")) == 2
    reconciling = build_reconciling(read_settings(), ledger, {}, OutboxMailer(ledger))
    (asked,) = reconciling._translate("woocommerce", json.dumps(ticked).encode(), NOW)
    assert asked.person is not None and asked.person.consent is not None
    await ledger.close()


async def test_a_box_ticked_at_the_checkout_is_a_consent_as_of_then(world: World) -> None:
    ticked = order(meta_data=meta(newsletter="Yes"), date_modified_gmt="2026-05-01T00:00:00")
    said = told(ticked).person
    assert said is not None and said.consent is not None
    assert (said.consent.granted, said.consent.at.day) == (True, 22)
    await world.ledger.accept([told(ticked)], NOW)
    consents = await world.ledger.consents_of("woo-25")
    assert {str(each.message_class) for each in consents if each.granted} == {"care", "marketing"}


@pytest.mark.parametrize("word", ["", "no", "0", 0, False, None, ["yes"], "perhaps"])
def test_a_box_that_was_not_ticked_says_nothing(word: Any) -> None:
    person = told(order(meta_data=meta(newsletter=word))).person
    assert person is not None and person.consent is None


def test_nobody_is_asked_for_a_key_that_was_not_named() -> None:
    person = told(order(meta_data=meta(newsletter="yes")), woocommerce_consent_meta=None).person
    assert person is not None and person.consent is None


def test_the_first_order_and_the_language_are_what_the_shop_writes_down() -> None:
    first = told(order(meta_data=meta(first_order="yes", wpml_language="pt-BR")))
    assert first.deeds[0].body["order"]["first_order"] is True
    assert first.person is not None and first.person.profile.locale == "pt-BR"
    said = told(order(meta_data=meta(first_order="no")))
    assert said.deeds[0].body["order"]["first_order"] is False
    later = told(order())
    assert later.deeds[0].body["order"].get("first_order") is None
    assert later.person is not None and later.person.profile.locale == "de"


def test_an_account_s_yes_never_outweighs_a_later_opt_out_and_its_no_does() -> None:
    yes, no = (told(account(meta_data=meta(newsletter=word))).person for word in ("1", "unsubscribed"))
    assert yes is not None and yes.consent is not None
    assert (yes.consent.granted, yes.consent.at) == (True, datetime(2026, 1, 5, 10, tzinfo=UTC))
    assert no is not None and no.consent is not None
    assert (no.consent.granted, no.consent.at) == (False, datetime(2026, 3, 30, 10, tzinfo=UTC))


async def test_of_an_account_that_bought_nothing_nothing_is_kept(world: World) -> None:
    ignored = await world.post("woocommerce", account(is_paying_customer=False))
    assert ignored.json() == {"result": "ignored"}
    assert await world.ledger.profile("woo-25") is None
    await world.post("woocommerce", account(email="ann.new@customers.example"))
    profile = await world.ledger.profile("woo-25")
    assert profile is not None and profile.email == "ann.new@customers.example"


def test_an_order_that_was_sent_and_is_refunded_is_one_that_came_back() -> None:
    refunded = facts(order(status="refunded", date_completed_gmt="2026-03-25T09:00:00"))
    assert refunded["return_closed"]["outcome"] == "refunded"
    assert "lines" not in refunded["return_closed"], "all of them"
    in_parts = order(status="completed", total="6.00", refunds=[{"total": "-4.00"}, {"total": "-2.00"}])
    assert "return_closed" in facts(in_parts)


def test_an_order_that_is_refunded_before_it_was_sent_is_called_off() -> None:
    assert facts(order(status="refunded"))["order_cancelled"]["reason"] == "refunded"


def test_money_alone_is_no_return() -> None:
    goodwill = order(status="completed", total="6.00", refunds=[{"total": "-1.00"}, {"total": "odd"}])
    assert set(facts(goodwill)) == {"order_placed", "parcel_shipped"}


@pytest.mark.parametrize("method", ["stripe", "stripe_sepa", "stripe_klarna"])
@pytest.mark.parametrize("number", ["ch_3Nabc", "py_1Nabc", "pi_3Nabc"])
async def test_what_was_paid_by_stripe_s_extension_can_be_given_back(
    world: World, method: str, number: str
) -> None:
    paid = order(payment_method=method, transaction_id=number, total="6.00")
    await world.post("woocommerce", paid)
    payment = await world.ledger.payment("727")
    assert payment is not None
    assert (payment.provider, payment.provider_id, payment.currency, payment.captured) == (
        *("stripe", number, "EUR"),
        600,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"payment_method": "cod", "transaction_id": ""},
        {"payment_method": "ppcp-gateway", "transaction_id": "8XY"},
        {"payment_method": "woocommerce_payments", "transaction_id": "pi_3Nabc"},
        {"payment_method": "stripe", "transaction_id": "ann@customers.example"},
        {"payment_method": "stripe", "transaction_id": "pi_3Nabc", "date_paid_gmt": None},
    ],
)
def test_what_cannot_be_given_back_by_us_is_no_payment(changes: dict[str, Any]) -> None:
    assert told(order(total="6.00", **changes)).payment is None


@pytest.mark.parametrize(("money", "total", "captured"), [("JPY", "600", 600), ("KWD", "1.500", 1500)])
def test_what_was_paid_is_reckoned_in_the_currency_s_own_minor_units(
    money: str, total: str, captured: int
) -> None:
    paid = order(currency=money, payment_method="stripe", transaction_id="ch_1", total=total)
    payment = told(paid).payment
    assert payment is not None and payment.captured == captured


async def test_of_an_order_that_was_cancelled_unpaid_nothing_is_kept_and_nothing_waits_for_ever(
    server: Server, ledger: Ledger
) -> None:
    woo, shopify = int(new_order_id(), 36) % 10**9, int(new_order_id(), 36) % 10**9 + 10**9
    expired = payloads.shopify_order(
        id=shopify, financial_status="expired", cancelled_at="2026-03-02T10:00:00-05:00"
    )
    async with _swept(server, ledger) as (world, sweep):
        await world.post("woocommerce", order(id=woo, **UNPAID))
        await world.post("shopify", expired)
        assert {row.reason for row in await sweep()} == {"waits for its order"}
        for order_id in (woo, shopify):
            assert (await _asked(world, order_id)).status_code == 404
        rows = await sweep(days=3)
        assert [(row.state, row.reason) for row in rows] == [
            (InboxState.DISPATCHED, "cancelled before it was paid")
        ] * 2
        for customer_id in ("woo-25", "shopify-115310627314723954"):
            assert await ledger.profile(customer_id) is None


async def test_who_pays_on_delivery_is_told_of_the_cancellation_in_whatever_order_it_comes(
    server: Server, ledger: Ledger
) -> None:
    number = int(new_order_id(), 36) % 10**9
    async with _swept(server, ledger) as (world, sweep):
        await world.post("woocommerce", order(id=number, payment_method="cod", **UNPAID))
        await sweep()
        await world.post("woocommerce", order(id=number, payment_method="cod", date_paid_gmt=None))
        await sweep()
        rows = await sweep(seconds=10)
        assert {row.state for row in rows} == {InboxState.DISPATCHED}
        assert {row.reason for row in rows} <= {"started", "recorded", "delivered", "known already"}


def test_a_paid_order_that_is_cancelled_was_placed_once_whichever_is_told_first() -> None:
    assert list(facts(order(status="cancelled"))) == ["order_placed", "order_cancelled"]


async def test_what_was_deleted_in_the_shop_is_shown_to_a_person_and_only_if_it_is_known(
    server: Server, ledger: Ledger
) -> None:
    number = int(new_order_id(), 36) % 10**9
    async with _swept(server, ledger) as (world, sweep):
        await world.post("woocommerce", order(id=number))
        # An order and a customer may well have the same number.
        for topic, gone in (("order", number), ("order", 25), ("customer", 25), ("product", 98)):
            topic_of = {"X-WC-Webhook-Topic": f"{topic}.deleted"}
            assert (await world.post("woocommerce", {"id": gone}, topic_of)).status_code == 200
        rows = {row.event_id: row for row in await sweep()}
        assert rows[f"deleted/order/{number}"].state is InboxState.PARKED
        assert "cancel it here" in rows[f"deleted/order/{number}"].reason
        assert "forget them" in rows["deleted/customer/25"].reason
        unknown = rows["deleted/order/25"]
        assert (unknown.state, unknown.reason) == (InboxState.DISPATCHED, "it is not here")
        assert len(rows) == 4, "a product is none of our business"


async def _asked(world: World, order_id: int) -> httpx.Response:
    return await world.http.get(f"/v1/orders/{order_id}", headers=world.key)


Sweep = Callable[..., Awaitable[list[InboxRow]]]


@asynccontextmanager
async def _swept(server: Server, ledger: Ledger) -> AsyncIterator[tuple[World, Sweep]]:
    """The doors, and a dispatcher that looks through the inbox when it is told to, as of so much later."""
    client = await connect_embedded(server)
    later = [timedelta()]
    now = lambda: datetime.now(UTC) + later[0]  # noqa: E731
    dispatcher = Dispatcher(Delivery(ledger, DEFAULT, now=now), lambda: client)

    async def sweep(**after: float) -> list[InboxRow]:
        later[0] += timedelta(**after)
        await dispatcher.sweep()
        return await ledger.inbox_rows()

    async with open_world(ledger) as world:
        yield world, sweep
