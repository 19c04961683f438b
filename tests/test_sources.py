"""Every source as its platform posts: a fact, or a clear answer; forged and replayed posts have no effect."""

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
import pytest_asyncio

from journey.playbook import MessageClass
from ledger import Ledger
from ledger.inbox import InboxState
from ledger.permissions import last_word
from runtime.delivery import Delivery
from runtime.orders import Reported, UnknownOrder
from service.examples import ORDER
from service.sources.all import read_again
from tests import payloads
from tests.doors import DEFAULT, STANDARD_BEFORE, World, open_world, signed, standard_headers
from tests.sending import NOON

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


@pytest_asyncio.fixture
async def world(tmp_path: Any) -> AsyncIterator[World]:
    """On SQLite; what differs between databases is tested with the inbox."""
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
    async with open_world(ledger) as opened:
        yield opened
    await ledger.close()


def raw(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


async def facts(world: World) -> list[tuple[str, dict[str, Any]]]:
    rows = await world.ledger.inbox_rows()
    return [(deed.kind, deed.body) for row in reversed(rows) for deed in row.deeds]


@pytest.mark.parametrize("source", SOURCES)
async def test_a_genuine_post_is_taken_once_and_its_replay_has_no_second_effect(
    world: World, source: str
) -> None:
    first = await world.post(source, GENUINE[source])
    assert (first.status_code, first.json()) == (200, {"result": "accepted"})
    again = await world.post(source, GENUINE[source])
    assert (again.status_code, again.json()) == (200, {"result": "repeated"})
    assert sum((await world.ledger.count_inbox()).values()) == 1


@pytest.mark.parametrize("source", ["shopify", "woocommerce"])
async def test_a_signed_body_under_a_new_id_and_another_topic_is_a_replay(world: World, source: str) -> None:
    await world.post(source, GENUINE[source])
    disguise = {
        "X-Shopify-Event-Id": "ev-2",
        "X-Shopify-Topic": "orders/cancelled",
        "X-WC-Webhook-Delivery-ID": "d-2",
    }
    told = await world.post(source, GENUINE[source], disguise)
    assert told.json() == {"result": "repeated"}
    assert not [kind for kind, _ in await facts(world) if kind == "order_cancelled"]


@pytest.mark.parametrize("source", SOURCES)
async def test_a_forged_post_is_refused_in_a_plain_word(world: World, source: str) -> None:
    body = raw(GENUINE[source])
    good = signed(source, body)
    proof = next(name for name in good if "sign" in name.lower() or "hmac" in name.lower())
    forged = [
        {**good, proof: ""},
        {**good, proof: "v1,é=" if source == "standard" else "%%%"},
        {**good, proof: good[proof][:-6] + "AAAAAA"},
        {**good, proof: "A" * 30_000},
        {**good, proof: "t=1,v1=,t=2"},
        {name: value for name, value in good.items() if name != proof},
        signed(source, body + b" "),
    ]
    if source != "sendgrid":
        forged.append(signed(source, body, key="whsec_bm90IHRoZSBzZWNyZXQ="))
    else:
        forged.append(signed(source, body, key="another"))
    for headers in forged:
        latin = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = await world.http.post(f"/webhooks/{source}", content=body, headers=latin)
        assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized"), headers
    assert await world.ledger.count_inbox() == {}


async def test_a_post_of_another_time_is_refused(world: World) -> None:
    for source in ("standard", "stripe", "sendgrid"):
        for hours in (-30, 30):
            body = raw(GENUINE[source])
            headers = signed(source, body, at=time.time() + hours * 3600)
            answer = await world.http.post(f"/webhooks/{source}", content=body, headers=headers)
            assert answer.status_code == 401, (source, hours)


async def test_both_secrets_of_a_rotation_are_good(world: World) -> None:
    body = raw(payloads.FACT)
    old = signed("standard", body, key=STANDARD_BEFORE)
    assert (await world.http.post("/webhooks/standard", content=body, headers=old)).status_code == 200
    assert (await world.post("standard", payloads.FACT)).json() == {"result": "repeated"}


STRANGE = [
    b"",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"{",
    b"\xff\xfe{}",
    b'{"id": NaN}',
    b'{"id": 1, "id": 2}',
    b"[" * 100_000,
    b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    b'{"id": ' + b"9" * 5_000 + b"}",
    b'{"id": "\\ud800"}',
    b'{"id": "\\u0000", "line_items": [], "status": "x", "financial_status": "paid"}',
    b'{"type": "refund.created", "data": 1, "description": "tracker.x", "msg": {"tag": []}, "event": {}}',
    b'[{"event": 5, "reference": {}}, 7]',
]


@pytest.mark.parametrize("source", SOURCES)
async def test_whatever_is_in_a_signed_body_it_gets_a_clear_answer(world: World, source: str) -> None:
    for body in STRANGE:
        answer = await world.post(source, body)
        # The specification signs text, so what is no text has no signature.
        allowed = {200, 400, 401, 422} if source == "standard" and body[:1] == b"\xff" else {200, 400, 422}
        assert answer.status_code in allowed, body[:60]
        assert answer.status_code == 200 or answer.json()["error"]


async def test_a_body_of_ten_megabytes_is_not_read(world: World) -> None:
    answer = await world.http.post("/webhooks/standard", content=b"x" * 10_000_000)
    assert answer.status_code == 413

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100_000

    assert (await world.http.post("/webhooks/standard", content=pieces())).status_code == 413


async def test_a_source_without_a_secret_is_switched_off(world: World) -> None:
    assert (await world.http.post("/webhooks/nobody", content=b"{}")).status_code == 404


async def test_our_own_facts_are_checked_and_the_field_is_named(world: World) -> None:
    wrong = await world.post("standard", payloads.FACT | {"parcel_id": "ann@shop.example"})
    assert wrong.status_code == 422
    assert "parcel_id" in wrong.json()["error"]
    assert "ann@" not in wrong.text
    unknown = await world.post("standard", {"kind": "parcel_teleported"})
    assert "kind: should be one of" in unknown.json()["error"]


async def test_one_id_for_two_events_is_a_conflict(world: World) -> None:
    await world.post("standard", payloads.FACT)
    other = payloads.FACT | {"status": "lost"}
    assert (await world.post("standard", other)).status_code == 409
    body, now = raw(other), int(time.time())
    own = standard_headers(body, "msg_2", now)
    assert (await world.post("standard", body, own)).json() == {"result": "accepted"}


@pytest.mark.parametrize(
    "envelope",
    [
        {
            "specversion": "1.0",
            "id": "shop:1",
            "source": "/shop",
            "subject": "1001",
            "type": "example.shop.parcel_moved",
            "time": "2026-04-10T13:47:00+02:00",
            "data": {"parcel_id": "p1", "status": "delivered"},
        },
        {
            "type": "parcel_moved",
            "timestamp": "2026-04-10T13:47:00+02:00",
            "data": {"order_id": "1001", "fact_id": "shop:1", "parcel_id": "p1", "status": "delivered"},
        },
    ],
)
async def test_a_fact_may_come_in_an_envelope(world: World, envelope: dict[str, Any]) -> None:
    assert (await world.post("standard", envelope)).json() == {"result": "accepted"}
    ((kind, body),) = await facts(world)
    assert (kind, body["fact_id"], body["status"]) == ("parcel_moved", "shop:1", "delivered")
    assert body["at"] == "2026-04-10T11:47:00Z"


async def test_shopify_s_order_begins_a_journey_and_its_customer_stays_in_the_ledger(world: World) -> None:
    await world.post("shopify", payloads.shopify_order())
    ((kind, body),) = await facts(world)
    order = body["order"]
    assert (kind, order["order_id"], order["currency"], order["zone"]) == (
        "order_placed",
        "820982911946154508",
        "USD",
        "America/Denver",
    )
    assert [(line["sku"], line["quantity"], line["unit_price"]) for line in order["lines"]] == [
        ("IPOD2008PINK", 2, 19900)
    ]
    profile = await world.ledger.profile("shopify-115310627314723954")
    assert profile is not None
    assert (profile.email, profile.name, profile.locale) == (payloads.ANN, "Ann Planted", "en-US")
    consents = await world.ledger.consents_of("shopify-115310627314723954")
    assert {str(consent.message_class) for consent in consents if consent.granted} == {"care", "marketing"}
    (row,) = await world.ledger.inbox_rows()
    assert "lanted" not in row.model_dump_json()


@pytest.mark.parametrize(
    ("money", "price", "minor"), [("JPY", "1000", 1000), ("KWD", "1.5", 1500), ("EUR", "1.5", 150)]
)
async def test_money_is_reckoned_in_the_currency_s_own_minor_units(
    world: World, money: str, price: str, minor: int
) -> None:
    line = payloads.shopify_order()["line_items"][0] | {"price": price}
    await world.post("shopify", payloads.shopify_order(currency=money, line_items=[line]))
    ((_, body),) = await facts(world)
    assert body["order"]["lines"][0]["unit_price"] == minor


async def test_a_shopify_order_that_is_not_paid_begins_nothing_until_it_is(world: World) -> None:
    told = await world.post("shopify", payloads.shopify_order(financial_status="pending"))
    assert told.json() == {"result": "ignored"}
    await world.post("shopify", payloads.shopify_order(financial_status="paid"))
    assert [kind for kind, _ in await facts(world)] == ["order_placed"]


async def test_a_cancelled_shopify_order_is_cancelled_whatever_the_topic_says(world: World) -> None:
    cancelled = payloads.shopify_order(cancelled_at="2026-03-02T10:00:00-05:00", cancel_reason="customer")
    await world.post("shopify", cancelled)
    assert [kind for kind, _ in await facts(world)] == ["order_placed", "order_cancelled"]


async def test_an_order_that_tries_the_shop_has_no_effect_and_is_shown_with_the_reason(world: World) -> None:
    who = "shopify-115310627314723954"
    for _ in range(2):
        told = await world.post("shopify", payloads.shopify_order(test=True))
        assert (told.status_code, told.json()) == (200, {"result": "ignored"})
    (row,) = await world.ledger.inbox_rows()
    assert (row.state, row.reason, row.deeds, row.raw) == (InboxState.DISPATCHED, "a test order", (), None)
    assert await world.ledger.profile(who) is None
    assert await world.ledger.order(str(payloads.shopify_order()["id"])) is None


async def test_an_order_that_tries_the_shop_is_a_real_one_if_the_shop_says_so(tmp_path: Path) -> None:
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
    async with open_world(ledger, shopify_test_orders=True) as world:
        told = await world.post("shopify", payloads.shopify_order(test=True))
        assert told.json() == {"result": "accepted"}
        assert [kind for kind, _ in await facts(world)] == ["order_placed"]
    await ledger.close()


async def test_what_follows_an_order_that_tried_the_shop_does_not_wait_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = AsyncMock(side_effect=UnknownOrder("820982911946154508"))
    monkeypatch.setattr("runtime.delivery.tell_journey", unknown)
    await world.post("shopify", payloads.shopify_fulfillment())
    (row,) = await world.ledger.inbox_rows()
    delivery = Delivery(world.ledger, DEFAULT)
    assert (await delivery.of(Mock(), row)).reason == "waits for its order"
    await world.post("shopify", payloads.shopify_order(test=True))
    verdict = await delivery.of(Mock(), row)
    assert (verdict.state, verdict.reason) == (InboxState.DISPATCHED, "a test order")


async def test_an_order_that_never_began_withholds_nothing_from_one_in_the_same_parcel(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (100, 200):
        await world.post("shopify", payloads.shopify_fulfillment(id=number + 5, order_id=number))
    await world.post("easypost", payloads.easypost_event())
    told: list[str] = []

    async def begun_alone(client: Any, ledger: Ledger, order_id: str, *_: Any) -> Reported:
        told.append(order_id)
        if order_id == "200":
            raise UnknownOrder(order_id)
        return Reported.RECORDED

    monkeypatch.setattr("runtime.delivery.tell_journey", begun_alone)
    delivery = Delivery(world.ledger, DEFAULT)
    (row,) = [each for each in await world.ledger.inbox_rows() if each.source == "easypost"]
    for _ in range(2):
        verdict = await delivery.of(Mock(), row)
        assert verdict.state is InboxState.DISPATCHED
        assert verdict.reason == "recorded; waits apart for order 200"
    (apart,) = [each for each in await world.ledger.inbox_rows() if each.event_id == f"{row.event_id} 200"]
    told.clear()
    assert (await delivery.of(Mock(), apart)).reason == "waits for its order"
    assert (told, apart.deeds[0].body["parcel_id"]) == (["200"], "205")


async def test_a_return_that_opens_here_while_its_end_is_told_elsewhere_leaves_the_row_delivered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = {"kind": "return_closed", "fact_id": "erp:7", "return_id": "r1", "outcome": "refunded"}
    await world.post("standard", closed | {"order_id": "1001", "at": datetime.now(UTC).isoformat()})
    (row,) = await world.ledger.inbox_rows()
    opened_meanwhile = AsyncMock(side_effect=[None, Mock()])
    monkeypatch.setattr(world.ledger, "return_row", opened_meanwhile)
    client = Mock(**{"get_workflow_handle_for.return_value.signal": AsyncMock()})
    verdict = await Delivery(world.ledger, DEFAULT).of(client, row)
    assert (verdict.state, verdict.reason) == (InboxState.DISPATCHED, "recorded")
    assert opened_meanwhile.await_count == 1


async def test_a_guest_is_known_by_the_order(world: World) -> None:
    await world.post("shopify", payloads.shopify_order(customer=None))
    profile = await world.ledger.profile("guest-820982911946154508")
    assert profile is not None
    assert profile.email == payloads.ANN


SHOPIFY_WORDS = [
    ("label_printed", "label_made"),
    ("label_purchased", "label_made"),
    ("confirmed", "label_made"),
    ("carrier_picked_up", "handed_over"),
    ("in_transit", "in_transit"),
    ("out_for_delivery", "out_for_delivery"),
    ("ready_for_pickup", "ready_for_pickup"),
    ("attempted_delivery", "attempt_failed"),
    ("delayed", "delayed"),
    ("delivered", "delivered"),
    ("picked_up", "delivered"),
    ("failure", "unknown"),
    ("a word of next year", "unknown"),
    (None, "unknown"),
]


async def test_each_of_shopify_s_statuses_is_a_checkpoint(world: World) -> None:
    for number, (word, _) in enumerate(SHOPIFY_WORDS):
        await world.post("shopify", payloads.shopify_event(status=word, id=number))
    told = await facts(world)
    assert {(kind, body["parcel_id"], body["at"]) for kind, body in told} == {
        ("parcel_moved", "123456", "2026-03-03T09:00:00Z")
    }
    assert [body["status"] for _, body in told] == [status for _, status in SHOPIFY_WORDS]


async def test_shopify_s_other_topics_are_facts_too(world: World) -> None:
    for body in (
        payloads.shopify_fulfillment(shipment_status="in_transit"),
        payloads.SHOPIFY_REFUND,
        payloads.SHOPIFY_RETURN,
        payloads.SHOPIFY_REDACT,
        payloads.SHOPIFY_DATA_REQUEST,
    ):
        assert (await world.post("shopify", body)).json() == {"result": "accepted"}
    told = await facts(world)
    assert [kind for kind, _ in told] == [
        *("parcel_shipped", "parcel_moved", "return_closed", "return_opened"),
        *("erase_customer", "erase_customer", "customer_asks_for_data", "customer_asks_for_data"),
    ]
    assert "lanted" not in json.dumps(told)
    (parcel,) = await world.ledger.tracked("1z827wk74630", datetime.now(UTC))
    assert (parcel.order_id, parcel.parcel_id) == ("820982911946154508", "123456")


@pytest.mark.parametrize(
    ("status", "outcome"), [("canceled", "cancelled"), ("declined", "refused"), ("closed", "exchanged")]
)
async def test_a_return_that_is_over_at_shopify_is_over_here(world: World, status: str, outcome: str) -> None:
    for body in (payloads.SHOPIFY_RETURN, payloads.shopify_return_over(status)):
        assert (await world.post("shopify", body)).json() == {"result": "accepted"}
    (_, opened), (_, closed) = await facts(world)
    assert (opened["return_id"], opened["lines"]) == (
        closed["return_id"],
        [{"line_id": "866550311766439020", "quantity": 1}],
    )
    assert closed["outcome"] == outcome


async def test_a_return_that_shopify_approves_is_the_one_that_was_asked_for(world: World) -> None:
    for status in ("open", "requested"):
        await world.post("shopify", payloads.SHOPIFY_RETURN | {"status": status})
    told = [body for _, body in await facts(world)]
    assert {each["fact_id"] for each in told} == {"shopify:return:123456789"}


async def test_what_else_happens_to_a_return_is_acknowledged_and_ignored(world: World) -> None:
    for body in (payloads.SHOPIFY_RETURN_UPDATED, payloads.shopify_return_over("open")):
        assert (await world.post("shopify", body)).status_code == 200
    assert await world.ledger.inbox_rows(InboxState.PARKED) == []
    assert await facts(world) == []


@pytest.mark.parametrize("consent_first", [True, False])
async def test_a_shopify_customer_s_consent_counts_whenever_it_comes(
    world: World, consent_first: bool
) -> None:
    bodies = [payloads.shopify_consent(), payloads.as_posted(payloads.shopify_order())]
    for body in bodies if consent_first else bodies[::-1]:
        assert (await world.post("shopify", body)).status_code == 200
    profile = await world.ledger.profile("shopify-115310627314723954")
    assert profile is not None
    assert profile.email == payloads.ANN
    consents = await world.ledger.consents_of("shopify-115310627314723954")
    assert {str(consent.message_class) for consent in consents if consent.granted} == {"care", "marketing"}


async def test_a_shopify_customer_who_changes_their_mind_is_believed_the_latest_word(world: World) -> None:
    for body in (
        payloads.shopify_consent("unsubscribed", "2026-03-09T09:00:00Z"),
        payloads.shopify_consent("subscribed", "2026-03-01T09:00:00Z"),
        payloads.shopify_consent("pending", "2026-03-10T09:00:00Z"),
    ):
        assert (await world.post("shopify", body)).status_code == 200
    last = (await world.ledger.consents_of("shopify-115310627314723954"))[-1]
    assert (last.granted, f"{last.at:%m-%d}") == (False, "03-09")


async def test_a_consent_from_before_a_customer_was_forgotten_brings_nothing_back(world: World) -> None:
    who = "shopify-115310627314723954"
    await world.ledger.erase_customer(who, NOON)
    await world.post("shopify", payloads.shopify_consent(at=(NOON - timedelta(days=1)).isoformat()))
    assert await world.ledger.consents_of(who) == []
    await world.post("shopify", payloads.shopify_consent(at=(NOON + timedelta(days=1)).isoformat()))
    assert len(await world.ledger.consents_of(who)) == 2


async def test_what_shopify_sends_and_we_cannot_read_is_parked_and_acknowledged(world: World) -> None:
    broken = payloads.shopify_order(line_items=[{"id": 1, "quantity": "many", "price": "free"}])
    assert (await world.post("shopify", broken)).status_code == 200
    (row,) = await world.ledger.inbox_rows(InboxState.PARKED)
    assert "line_items.0.quantity" in row.reason
    assert "many" not in row.reason


@pytest.mark.parametrize("source", ["shopify", "woocommerce", "easypost", "aftership", "stripe", "sendgrid"])
@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"{", "is not JSON"), (b"\xff\x00{}", "should be UTF-8"), (b'{"id": 1, "id": 2}', "the body")],
)
async def test_a_signed_body_that_is_no_json_is_parked_and_acknowledged_where_refusals_are_counted(
    world: World, source: str, body: bytes, reason: str
) -> None:
    for result in ("accepted", "repeated"):
        answer = await world.post(source, body)
        assert (answer.status_code, answer.json()) == (200, {"result": result})
    (row,) = await world.ledger.inbox_rows(InboxState.PARKED)
    assert reason in row.reason
    assert row.raw
    assert "\x00" not in row.raw
    assert read_again(row).problem


async def test_a_fact_that_is_no_json_is_refused_to_who_can_mend_it(world: World) -> None:
    assert (await world.post("standard", b"{")).status_code == 422
    assert await world.ledger.inbox_rows() == []


async def test_an_order_with_more_lines_than_are_kept_goes_on_and_the_rest_is_said_once(world: World) -> None:
    line = payloads.shopify_order()["line_items"][0]
    order = payloads.shopify_order(line_items=[line | {"id": each} for each in range(1, 502)])
    for body in (order, order | {"updated_at": "2026-03-05T10:00:00Z"}):
        assert (await world.post("shopify", body)).json() == {"result": "accepted"}
    assert [kind for kind, _ in await facts(world)] == ["order_placed", "order_placed", "order_changed"]
    (note,) = await world.ledger.inbox_rows(InboxState.PARKED)
    assert note.reason == "an order here has at most 500 lines: of 501, the others are left out"
    assert note.order_id == "820982911946154508"
    # Whoever has read it sends it on its way, and it is gone.
    assert await world.ledger.reread_inbox(note.number, read_again(note), NOON)
    assert await world.ledger.inbox_rows(InboxState.PARKED) == []


async def test_a_yes_that_a_shop_dates_in_the_future_does_not_outweigh_a_later_no(world: World) -> None:
    consent = {"state": "subscribed", "consent_updated_at": "2036-01-01T00:00:00Z"}
    placed = payloads.shopify_order(processed_at="2036-01-01T00:00:00Z", updated_at="2036-01-01T00:00:00Z")
    placed["customer"] |= {"email_marketing_consent": consent}
    await world.post("shopify", placed)
    await world.post("woocommerce", payloads.woocommerce_order(date_paid_gmt="2036-01-01T00:00:00"))
    now = datetime.now(UTC)
    told = await world.ledger.inbox_rows()
    assert all(datetime.fromisoformat(each.deeds[0].body["at"]) <= now for each in told)
    for order_id in ("820982911946154508", "727"):
        kept = await world.ledger.order(order_id)
        assert kept is not None
        assert kept.placed_at <= now
    (customer,) = {each.customer_id for each in await world.ledger.consents_of("shopify-115310627314723954")}
    await world.ledger.opt_out(customer, MessageClass.MARKETING, "link", datetime.now(UTC))
    async with world.ledger.reading() as db:
        assert await last_word(db, customer, MessageClass.MARKETING) is False


async def test_our_own_facts_may_not_be_dated_in_the_future(world: World) -> None:
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    fact = await world.post("standard", payloads.FACT | {"at": later})
    assert (fact.status_code, fact.json()["error"]) == (422, "at: should not be later than now")
    example = ORDER["order"]["value"]
    placed = await world.post("standard", example | {"kind": "order_placed", "placed_at": later})
    assert (placed.status_code, placed.json()["error"]) == (422, "placed_at: should not be later than now")


async def test_neither_a_late_webhook_nor_a_payment_told_later_takes_away_an_order_s_address(
    world: World,
) -> None:
    moved = payloads.shopify_order()["shipping_address"] | {"address1": "7 New Street"}
    changed = payloads.shopify_order(shipping_address=moved, updated_at="2026-03-01T12:00:00-05:00")
    await world.post("shopify", changed)
    # Shopify's retry brings the body of the first time.
    await world.post("shopify", payloads.shopify_order())
    order_id = "820982911946154508"
    paid = {"provider": "stripe", "id": "pi_1", "captured": 39800}
    customer = {"customer_id": "shopify-115310627314723954"}
    again = ORDER["order"]["value"] | {"order_id": order_id, "payment": paid, "customer": customer}
    told = await world.http.post("/v1/orders", json=again, headers=world.key)
    assert told.status_code == 202
    kept = await world.ledger.order(order_id)
    assert kept is not None
    assert (kept.recipient, kept.address[:1]) == ("Ann Planted", ("7 New Street",))


async def test_woocommerce_s_ping_is_not_an_order(world: World) -> None:
    told = await world.post("woocommerce", payloads.WOOCOMMERCE_PING)
    assert told.status_code == 200


async def test_woocommerce_s_dates_are_those_with_a_known_zone(world: World) -> None:
    await world.post("woocommerce", payloads.woocommerce_order())
    ((kind, body),) = await facts(world)
    assert (kind, body["at"]) == ("order_placed", "2026-03-22T15:28:08Z")
    order = body["order"]
    assert (order["customer_id"], order["zone"], order["lines"][0]["unit_price"]) == (
        "woo-25",
        "Europe/Vienna",
        300,
    )


async def test_woocommerce_s_parcels_come_from_its_tracking_extension(world: World) -> None:
    items = [{"tracking_number": "AT1", "tracking_provider": "Austrian Post", "date_shipped": "1774224000"}]
    meta = [{"id": 1, "key": "_wc_shipment_tracking_items", "value": items}]
    await world.post("woocommerce", payloads.woocommerce_order(status="completed", meta_data=meta))
    told = dict(await facts(world))
    assert told["parcel_shipped"]["tracking_number"] == "AT1"
    (parcel,) = await world.ledger.tracked("AT1", datetime.now(UTC))
    assert (parcel.order_id, parcel.parcel_id) == ("727", "727-1")


async def test_a_woocommerce_order_that_is_not_paid_begins_nothing(world: World) -> None:
    for status in ("pending", "on-hold", "failed", "checkout-draft", "wc-own-status"):
        told = await world.post("woocommerce", payloads.woocommerce_order(status=status))
        assert told.json() == {"result": "ignored"}


EASYPOST_WORDS = [
    ("unknown", "unknown"),
    ("pre_transit", "label_made"),
    ("in_transit", "in_transit"),
    ("out_for_delivery", "out_for_delivery"),
    ("delivered", "delivered"),
    ("available_for_pickup", "ready_for_pickup"),
    ("return_to_sender", "returning"),
    ("failure", "unknown"),
    ("cancelled", "unknown"),
    ("error", "unknown"),
]


async def test_each_of_easypost_s_statuses_is_a_checkpoint(world: World) -> None:
    for number, (word, _) in enumerate(EASYPOST_WORDS):
        await world.post("easypost", payloads.easypost_event(status=word) | {"id": f"evt_{number}"})
    told = [(body["raw"], body["status"]) for _, body in await facts(world)]
    assert told == EASYPOST_WORDS


AFTERSHIP_TAGS = [
    ("Pending", "Pending_001", "label_made"),
    ("InfoReceived", "InfoReceived_001", "label_made"),
    ("InTransit", "InTransit_001", "in_transit"),
    ("InTransit", "InTransit_002", "handed_over"),
    ("OutForDelivery", "OutForDelivery_001", "out_for_delivery"),
    ("AttemptFail", "AttemptFail_001", "attempt_failed"),
    ("AvailableForPickup", "AvailableForPickup_001", "ready_for_pickup"),
    ("Delivered", "Delivered_001", "delivered"),
    ("Exception", "Exception_004", "delayed"),
    ("Exception", "Exception_011", "returning"),
    ("Expired", "Expired_001", "unknown"),
]


async def test_each_of_aftership_s_tags_is_a_checkpoint(world: World) -> None:
    for number, (tag, subtag, _) in enumerate(AFTERSHIP_TAGS):
        event = payloads.aftership_event(tag=tag, subtag=subtag, checkpoints=[])
        await world.post("aftership", event | {"event_id": f"event-{number}"})
    told = [body["status"] for _, body in await facts(world)]
    assert told == [status for _, _, status in AFTERSHIP_TAGS]


async def test_aftership_s_times_may_be_anything(world: World) -> None:
    times: list[Any] = ["", None, "2026-03-03", "2026-03-03T09:00:00", "soon", 7, {}]
    for number, time_ in enumerate(times):
        checkpoints = [{"tag": "Delivered", "checkpoint_time": time_}]
        event = payloads.aftership_event(tag="Delivered", checkpoints=checkpoints, updated_at="")
        answer = await world.post("aftership", event | {"event_id": f"event-{number}"})
        assert answer.json() == {"result": "accepted"}
    assert {body["status"] for _, body in await facts(world)} == {"delivered"}


@pytest.mark.parametrize("kind", ["refund.created", "refund.updated", "refund.failed"])
async def test_stripe_s_word_on_a_refund_is_kept_for_who_claimed_it(world: World, kind: str) -> None:
    await world.post("stripe", payloads.stripe_event(kind))
    (event,) = await world.ledger.provider_events("stripe", reference="a" * 32)
    assert (event.event, event.details["status"], event.details["amount"]) == (kind, "succeeded", 1000)


async def test_stripe_s_retry_with_another_count_is_the_same_event(world: World) -> None:
    await world.post("stripe", payloads.stripe_event())
    later = payloads.stripe_event() | {"pending_webhooks": 0}
    assert (await world.post("stripe", later)).json() == {"result": "repeated"}


async def test_sendgrid_s_events_are_told_apart_and_count_once(world: World) -> None:
    batch = payloads.sendgrid_events("processed", "delivered", "bounce")
    assert (await world.post("sendgrid", batch)).json() == {"result": "accepted"}
    more = payloads.sendgrid_events("delivered", "spamreport")
    assert (await world.post("sendgrid", more)).json() == {"result": "accepted"}
    told = await world.ledger.provider_events("sendgrid", unhandled=True)
    assert sorted(event.event for event in told) == ["bounce", "delivered", "processed", "spamreport"]
    assert "lanted" not in str(told)
    assert {event.reason for event in told} == {"5.1.1"}


async def test_mail_that_is_not_ours_is_none_of_our_business(world: World) -> None:
    told = await world.post("sendgrid", payloads.sendgrid_events("bounce", reference="their own words"))
    assert told.json() == {"result": "ignored"}
