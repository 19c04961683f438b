"""The doors from outside: a shop's back-end over HTTP, with Temporal there and away."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.messages import Messages
from activities.providers.outbox import OutboxMailer
from journey.contract import JourneyStatus
from ledger import Ledger
from ledger.inbox import InboxRow, InboxState
from ledger.keys import Scope
from runtime import delivery, orders
from runtime.delivery import Delivery
from runtime.dispatch import Dispatcher
from runtime.embedded import Server, connect_embedded
from service.examples import FACT, ORDER
from tests import payloads
from tests.doors import DEFAULT, World, open_world, until
from tests.sending import ANN, TERMS, PlainLetters, request_for
from tests.world import dev_world, new_order_id

EXAMPLE: dict[str, Any] = ORDER["order"]["value"]
SHIPPED: dict[str, Any] = FACT["shipped"]["value"]


def order(**changes: Any) -> dict[str, Any]:
    return EXAMPLE | {"placed_at": datetime.now(UTC).isoformat(), "deliver_by": None} | changes


@pytest_asyncio.fixture
async def world(ledger: Ledger) -> AsyncIterator[World]:
    async with open_world(ledger) as opened:
        yield opened


async def test_an_order_is_taken_while_temporal_is_away_and_only_once(world: World) -> None:
    placed = order()
    for result in ("accepted", "repeated"):
        answer = await world.http.post("/v1/orders", json=placed, headers=world.key)
        assert (answer.status_code, answer.json()) == (202, {"result": result})
    ready = (await world.http.get("/readyz")).json()
    assert (ready["ready"], ready["temporal"], ready["waiting"]) == (True, "away", 1)
    asked = await world.http.get("/v1/orders/1001", headers=world.key)
    assert (asked.status_code, asked.headers["retry-after"]) == (503, "5")


async def test_an_id_that_was_used_for_another_order_is_a_conflict(world: World) -> None:
    placed = order()
    await world.http.post("/v1/orders", json=placed, headers=world.key)
    other = await world.http.post("/v1/orders", json=placed | {"currency": "USD"}, headers=world.key)
    assert other.status_code == 409


async def test_a_payment_may_be_told_after_its_order_and_only_one(world: World) -> None:
    payment = {"provider": "demo", "id": "demo-1001", "captured": 2_490}
    unpaid = order(payment=None)
    for body, result in (
        (unpaid, "accepted"),
        (unpaid | {"payment": payment}, "accepted"),
        (unpaid | {"payment": payment}, "repeated"),
        (unpaid | {"payment": payment | {"captured": 1}}, "repeated"),
        (unpaid, "repeated"),
    ):
        answer = await world.http.post("/v1/orders", json=body, headers=world.key)
        assert (answer.status_code, answer.json()) == (202, {"result": result})
    for other in ({"captured": 2_491}, {"id": "demo-1002"}, {"provider": "stripe"}):
        answer = await world.http.post(
            "/v1/orders", json=unpaid | {"payment": payment | other}, headers=world.key
        )
        assert (answer.status_code, answer.json()["error"][:8]) == (409, "payment:")
    money = (await world.http.get("/v1/orders/1001/refunds", headers=world.key)).json()
    assert (money["captured"], money["left"], money["currency"]) == (2_490, 2_490, "EUR")


async def test_an_order_told_again_after_more_was_captured_is_the_same(world: World, ledger: Ledger) -> None:
    unpaid = order(payment={"provider": "stripe", "id": "pi_1", "captured": 0})
    told = [(await world.http.post("/v1/orders", json=unpaid, headers=world.key))]
    capture = {"provider": "stripe", "payments": ["pi_1"], "currency": "EUR", "captured": 2_490}
    assert await ledger.settle_capture(capture) == "taken over"
    told += [(await world.http.post("/v1/orders", json=unpaid, headers=world.key))]
    assert [answer.json() for answer in told] == [{"result": "accepted"}, {"result": "repeated"}]
    payment = await ledger.payment("1001")
    assert payment is not None and payment.captured == 2_490


async def test_an_order_told_again_with_another_address_is_the_newest_word_on_it(world: World) -> None:
    first = order(recipient="Bo", address=["Street 1"])
    moved = first | {"address": ["Street 2"], "customer": first["customer"] | {"email": "new@x.example"}}
    for body, result in ((first, "accepted"), (moved, "accepted"), (moved, "repeated"), (first, "repeated")):
        answer = await world.http.post("/v1/orders", json=body, headers=world.key)
        assert (answer.status_code, answer.json()) == (202, {"result": result})
        if body is first and result == "accepted":
            # A word on the customer in between is older than the correction.
            await world.http.put("/v1/customers/c_weber", json={"email": "old@x.example"}, headers=world.key)
    profile, kept = await world.ledger.profile("c_weber"), await world.ledger.order("1001")
    assert profile is not None
    assert kept is not None
    assert (profile.email, profile.name) == ("new@x.example", "Jonas Weber")
    assert (kept.recipient, kept.address, kept.placed_at.isoformat()) == (
        "Bo",
        ("Street 2",),
        first["placed_at"],
    )
    await world.http.put("/v1/customers/c_weber", json={"email": "newest@x.example"}, headers=world.key)
    await world.http.post("/v1/orders", json=moved, headers=world.key)
    profile = await world.ledger.profile("c_weber")
    assert profile is not None
    assert profile.email == "newest@x.example", "the same correction again is no newer word"
    other = await world.http.post("/v1/orders", json=moved | {"country": "AT"}, headers=world.key)
    assert (other.status_code, "order_changed" in other.json()["error"]) == (409, True)
    assert [row.deeds[0].kind for row in await world.ledger.inbox_rows(InboxState.RECEIVED)] == [
        "order_placed"
    ]


async def test_what_is_wrong_is_named_and_its_value_is_not(world: World) -> None:
    wrong = order(order_id="ann@shop.example", lines=[{"line_id": "l1", "quantity": 0}])
    answer = await world.http.post("/v1/orders", json=wrong, headers=world.key)
    assert answer.status_code == 422
    for field in ("order_id", "lines.0.quantity", "lines.0.sku"):
        assert field in answer.json()["error"]
    assert "ann@" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_time_that_has_not_come_yet_is_refused_by_its_field(world: World) -> None:
    now = datetime.now(UTC)
    soon, late = (now + timedelta(hours=20)).isoformat(), (now + timedelta(days=2)).isoformat()
    yes = {"granted": True, "at": soon, "source": "checkout"}
    buyer = {"customer_id": "c_9", "email": "a@x.example"}
    for method, door, body, field in (
        ("POST", "orders", order(placed_at=late), "placed_at"),
        ("POST", "orders", order(customer=buyer | {"consent": yes}), "customer.consent.at"),
        ("PUT", "customers/c_9", {"consent": yes}, "consent.at"),
    ):
        answer = await world.http.request(method, f"/v1/{door}", json=body, headers=world.key)
        assert (answer.status_code, answer.json()["error"]) == (422, f"{field}: should not be later than now")
    assert await world.ledger.consents_of("c_9") == []
    # A clock that is a little ahead, or a zone that was mistaken, is no reason to lose an order.
    placed = await world.http.post("/v1/orders", json=order(placed_at=soon), headers=world.key)
    assert placed.status_code == 202
    at = (now + timedelta(minutes=3)).isoformat()
    await world.http.put("/v1/customers/c_9", json={"consent": yes | {"at": at}}, headers=world.key)
    assert all(said.at <= datetime.now(UTC) for said in await world.ledger.consents_of("c_9"))
    fact = await world.http.post("/v1/orders/1001/facts", json=SHIPPED | {"at": late}, headers=world.key)
    assert (fact.status_code, fact.json()["error"]) == (422, "at: should not be later than now")


async def test_a_fact_about_nobody_s_order_is_answered_so(world: World) -> None:
    answer = await world.http.post("/v1/orders/none/facts", json=SHIPPED, headers=world.key)
    assert answer.status_code == 404


async def test_a_door_opens_only_to_a_key_with_its_scope(world: World) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}):
        assert (await world.http.post("/v1/orders", content=b"{", headers=headers)).status_code == 401
    reader = await world.ledger.create_key("reader", [Scope.ORDERS_READ], datetime.now(UTC))
    headers = {"Authorization": f"Bearer {reader.token}"}
    assert (await world.http.post("/v1/orders", json=order(), headers=headers)).status_code == 403
    assert (await world.http.get("/v1/orders/none", headers=headers)).status_code == 404
    await world.ledger.revoke_key(reader.key.key_id, datetime.now(UTC))
    assert (await world.http.get("/v1/orders/none", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"a": 1, "a": 2}', b"[" * 100_000, b"NaN", b'{"order_id": "\\ud800"}', b"7"],
)
async def test_a_body_that_is_no_json_gets_a_clear_answer(world: World, body: bytes) -> None:
    headers = {**world.key, "content-type": "application/json"}
    answer = await world.http.post("/v1/orders", content=body, headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.json()["error"]


async def test_nothing_personal_is_in_the_log(
    world: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    await world.http.post("/v1/orders", json=order(), headers=world.key)
    await world.http.put(
        "/v1/customers/c_planted", json={"email": "planted@@", "name": "Planted"}, headers=world.key
    )
    await world.http.get("/v1/customers/planted@customers.example", headers=world.key)
    await world.post("shopify", payloads.shopify_order())
    told = "".join(capfd.readouterr()) + caplog.text
    assert "/v1/orders" in told
    for planted in ("Weber", "weber@", "lanted@", "Planted", world.token.split("_", 2)[2]):
        assert planted not in told, planted


async def test_a_registration_is_merged_into_what_is_known(world: World) -> None:
    await world.http.put("/v1/customers/c_9", json={"email": "a@x.example"}, headers=world.key)
    more = {"name": "Ann", "birthday": "1990-02-28"}
    assert (await world.http.put("/v1/customers/c_9", json=more, headers=world.key)).status_code == 200
    profile = await world.ledger.profile("c_9")
    assert profile is not None
    assert (profile.email, profile.name) == ("a@x.example", "Ann")


async def test_an_order_paid_before_its_customer_s_last_word_brings_its_address_and_consent(
    world: World,
) -> None:
    now = datetime.now(UTC)
    await world.http.put("/v1/customers/c_9", json={"birthday": "1990-02-28"}, headers=world.key)
    paid = (now - timedelta(minutes=7)).isoformat()
    consent = {"granted": True, "at": paid, "source": "checkout"}
    buyer = {"customer_id": "c_9", "email": "a@x.example", "name": "Ann", "consent": consent}
    placed = await world.http.post(
        "/v1/orders", json=order(placed_at=paid, customer=buyer), headers=world.key
    )
    assert placed.status_code == 202
    told = (await world.http.get("/v1/customers/c_9/export", headers=world.key)).json()
    assert [(each["email"], each["name"]) for each in told["profile"]] == [("a@x.example", "Ann")]
    assert [each["birthday"] for each in told["details"]] == ["1990-02-28"]
    assert [each["granted"] for each in told["consents"]] == [True, True]


async def test_what_was_acknowledged_while_temporal_was_away_has_its_effect_when_it_is_back(
    server: Server, tmp_path: Path
) -> None:
    reached: list[Client] = []
    order_id = new_order_id()
    async with (
        dev_world(server, tmp_path) as shop,
        open_world(shop.ledger, lambda: reached[0] if reached else None, shop.playbook) as world,
    ):
        shop.orders.append(order_id)
        # The fact comes first, as webhooks do.
        fact = payloads.FACT | {"order_id": order_id, "at": datetime.now(UTC).isoformat()}
        assert (await world.post("standard", fact)).json() == {"result": "accepted"}
        placed = await world.http.post("/v1/orders", json=order(order_id=order_id), headers=world.key)
        assert placed.status_code == 202
        assert (await world.ledger.count_inbox()) == {"received": 2}
        reached.append(shop.client)
        status = await _asked(world, order_id, "parcel_moved")
        assert status.stage == "delivered"
        assert (await world.post("standard", fact)).json() == {"result": "repeated"}
        rows = await world.ledger.inbox_rows(InboxState.DISPATCHED)
        assert sorted(row.reason for row in rows) == ["recorded", "started"]


async def test_a_journey_that_no_worker_answers_for_is_to_be_asked_for_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "ANSWER_WITHIN", timedelta(seconds=1))
    async with (
        dev_world(server, tmp_path, working=False) as shop,
        open_world(shop.ledger, lambda: shop.client, shop.playbook) as world,
    ):
        order_id = await shop.place_order("ann")
        answer = await world.http.get(f"/v1/orders/{order_id}", headers=world.key)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(
    "problem",
    [
        ConnectionError("no worker answers"),
        RPCError("overloaded", RPCStatusCode.RESOURCE_EXHAUSTED, b""),
        RPCError("its database is away", RPCStatusCode.UNAVAILABLE, b""),
    ],
    ids=["nobody answers", "overloaded", "half away"],
)
async def test_what_temporal_cannot_take_for_hours_is_not_given_up(
    ledger: Ledger, problem: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [datetime.now(UTC)]
    client = cast(Client, object())
    dispatcher = Dispatcher(Delivery(ledger, DEFAULT, now=lambda: times[0]), lambda: client)

    async def refund_news(*_: object) -> None:
        raise problem

    monkeypatch.setattr(ledger, "settle_refund", refund_news)
    async with open_world(ledger) as world:
        assert (await world.post("stripe", payloads.stripe_event())).json() == {"result": "accepted"}
    for _ in range(30):
        await dispatcher.sweep()
        times[0] += timedelta(minutes=5)
    [row] = await ledger.inbox_rows()
    assert (row.state, row.attempts) == (InboxState.RECEIVED, 0)


async def test_a_dispatcher_outlives_what_was_cancelled_beneath_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = cast(Client, object())
    dispatcher = Dispatcher(Delivery(ledger, DEFAULT), lambda: client)
    claimed = [0]

    async def cancelled(*_: object) -> list[InboxRow]:
        claimed[0] += 1
        if claimed[0] == 1:
            raise asyncio.CancelledError
        return []

    monkeypatch.setattr(ledger, "claim_inbox", cancelled)
    running = asyncio.create_task(dispatcher.run())

    async def again() -> bool:
        return claimed[0] > 1

    assert await until(again)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(("status", "tries"), [("INVALID_ARGUMENT", 1), ("FAILED_PRECONDITION", 10)])
async def test_what_temporal_refuses_is_parked_at_once_only_if_no_later_try_could_help(
    ledger: Ledger, status: str, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, asked = [datetime.now(UTC)], []
    client = cast(Client, object())
    dispatcher = Dispatcher(Delivery(ledger, DEFAULT, now=lambda: times[0]), lambda: client)

    async def refusing(*_: object) -> None:
        asked.append(status)
        raise RPCError("not like this", RPCStatusCode[status], b"")

    monkeypatch.setattr(delivery, "tell_journey", refusing)
    async with open_world(ledger) as world:
        fact = SHIPPED | {"order_id": "1001", "at": times[0].isoformat()}
        assert (await world.post("standard", fact)).json() == {"result": "accepted"}
    for _ in range(20):
        await dispatcher.sweep()
        times[0] += timedelta(minutes=6)
    [row] = await ledger.inbox_rows()
    assert (row.state, row.reason) == (InboxState.PARKED, f"Temporal refuses it: {status.lower()}")
    assert len(asked) == tries


async def _asked(world: World, order_id: str, kind: str) -> JourneyStatus:
    async def ask() -> JourneyStatus | None:
        answer = await world.http.get(f"/v1/orders/{order_id}", headers=world.key)
        if answer.status_code != 200:
            return None
        status = JourneyStatus.model_validate(answer.json())
        return status if any(each.kind == kind for each in status.happened) else None

    try:
        return await until(ask)
    except TimeoutError as error:
        error.add_note(f"the inbox: {await world.ledger.inbox_rows()}")
        raise


async def test_a_fact_that_comes_after_the_end_is_kept_and_said_so(server: Server, tmp_path: Path) -> None:
    order_id = new_order_id()
    async with (
        dev_world(server, tmp_path) as shop,
        open_world(shop.ledger, lambda: shop.client, shop.playbook) as world,
    ):
        shop.orders.append(order_id)
        await world.http.post("/v1/orders", json=order(order_id=order_id), headers=world.key)
        cancelled = {"kind": "order_cancelled", "fact_id": "x", "at": datetime.now(UTC).isoformat()}
        await world.http.post(f"/v1/orders/{order_id}/facts", json=cancelled, headers=world.key)
        # What the ledger keeps, it keeps before the run ends: until then a fact would find it alive.
        await until(lambda: world.ledger.journey(order_id))
        await shop.until_over(order_id)
        late = SHIPPED | {"at": datetime.now(UTC).isoformat()}
        await world.http.post(f"/v1/orders/{order_id}/facts", json=late, headers=world.key)
        await until(lambda: world.ledger.late_facts(order_id))
        asked = await world.http.get(f"/v1/orders/{order_id}", headers=world.key)
        assert asked.json()["ending"] == "order_cancelled"
        (row, *_) = await world.ledger.inbox_rows(InboxState.DISPATCHED)
        assert row.reason == "kept, but the journey is over"


async def test_a_fact_whose_order_never_comes_is_parked_with_the_reason(
    server: Server, ledger: Ledger
) -> None:
    client = await connect_embedded(server)
    times = [datetime.now(UTC)]
    dispatcher = Dispatcher(Delivery(ledger, DEFAULT, now=lambda: times[0]), lambda: client)
    async with open_world(ledger) as world:
        await world.post("standard", payloads.FACT | {"order_id": new_order_id()})
        await world.post("easypost", payloads.easypost_event())
    times[0] = datetime.now(UTC)
    await dispatcher.sweep()
    waiting = await ledger.inbox_rows(InboxState.RECEIVED)
    assert {row.reason for row in waiting} == {"waits for its order"}
    times[0] += timedelta(days=3)
    await dispatcher.sweep()
    parked = await ledger.inbox_rows(InboxState.PARKED)
    assert [row.reason for row in parked] == ["nobody placed this order here"] * 2


async def test_a_carrier_that_knows_only_its_number_finds_every_order_in_the_parcel(
    server: Server, tmp_path: Path
) -> None:
    order_ids = [new_order_id(), new_order_id()]
    async with (
        dev_world(server, tmp_path) as shop,
        open_world(shop.ledger, lambda: shop.client, shop.playbook) as world,
    ):
        shop.orders += order_ids
        for order_id in order_ids:
            await world.http.post("/v1/orders", json=order(order_id=order_id), headers=world.key)
            parcel = SHIPPED | {"tracking_number": order_ids[0], "at": datetime.now(UTC).isoformat()}
            await world.http.post(f"/v1/orders/{order_id}/facts", json=parcel, headers=world.key)
        event = payloads.easypost_event(tracking_code=order_ids[0], status="delivered")
        await world.post("easypost", event)
        for order_id in order_ids:
            status = await _asked(world, order_id, "parcel_moved")
            assert status.stage == "delivered"


async def test_a_run_that_is_full_is_left_alone_until_it_has_gone_on(server: Server, tmp_path: Path) -> None:
    order_id = new_order_id()
    async with dev_world(server, tmp_path, working=False) as shop, open_world(shop.ledger) as world:
        shop.orders.append(order_id)
        await world.http.post("/v1/orders", json=order(order_id=order_id), headers=world.key)
        for number in range(120):
            fact = {"kind": "complaint_opened", "fact_id": f"c{number}", "complaint_id": f"c{number}"}
            fact["at"] = datetime.now(UTC).isoformat()
            await world.http.post(f"/v1/orders/{order_id}/facts", json=fact, headers=world.key)
        dispatcher = Dispatcher(Delivery(shop.ledger, shop.playbook, most_events=60), lambda: shop.client)
        for _ in range(3):
            await dispatcher.sweep()
        left = await shop.ledger.inbox_rows(InboxState.RECEIVED, most=1000)
        assert {row.reason for row in left} == {"its journey has much to read first"}
        assert 10 <= len(left) <= 70
        relaxed = Dispatcher(
            Delivery(shop.ledger, shop.playbook, now=lambda: datetime.now(UTC) + timedelta(minutes=6)),
            lambda: shop.client,
        )
        await relaxed.sweep()
        assert await shop.ledger.count_inbox() == {"dispatched": 121}


async def test_a_bounce_is_told_to_the_letter_and_keeps_the_address_from_being_written_to(
    ledger: Ledger,
) -> None:
    messages = Messages(ledger, OutboxMailer(ledger), PlainLetters(), TERMS)
    await ledger.keep_customer(ANN)
    await messages.send_message(request_for())
    (send,) = await ledger.sends_of("1001")
    async with open_world(ledger) as world:
        for _ in range(2):
            now = int(datetime.now(UTC).timestamp())
            await world.post(
                "sendgrid", payloads.sendgrid_events("bounce", reference=send.reference, timestamp=now)
            )
    client: Any = object()
    while await Dispatcher(Delivery(ledger, DEFAULT), lambda: client).sweep():
        pass
    (send,) = await ledger.sends_of("1001")
    assert (send.state, send.reason) == ("bounced", "the address bounced")
    assert {each.reason for each in await ledger.suppressions_of("c_ann")} == {"bounce"}
    assert await ledger.provider_events(unhandled=True) == []


SCHEMATHESIS = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 503]
"""
"""503 is an answer of ours: it comes with `Retry-After`, for an order whose journey has not begun."""


async def test_the_api_holds_what_its_description_says(server: Server, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(SCHEMATHESIS)
    async with (
        dev_world(server, tmp_path) as shop,
        open_world(shop.ledger, lambda: shop.client, shop.playbook) as world,
    ):
        shop.orders += [order_id := new_order_id(), "1001"]
        await world.http.post("/v1/orders", json=order(order_id=order_id), headers=world.key)
        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{world.http.base_url}/openapi.json"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "8", "--max-time", "20"),
            *("--checks", "not_a_server_error,content_type_conformance,response_schema_conformance"),
            *("--header", f"Authorization: {world.key['Authorization']}", "--no-color", "--seed", "1"),
            *("--generation-database", "none"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await run.communicate()
    assert run.returncode == 0, told.decode()[-6000:]


async def test_the_description_has_examples_that_are_right(world: World) -> None:
    description = (await world.http.get("/openapi.json")).json()
    post = description["paths"]["/v1/orders"]["post"]
    example = post["requestBody"]["content"]["application/json"]["examples"]["order"]["value"]
    assert (await world.http.post("/v1/orders", json=example, headers=world.key)).status_code == 202
    assert json.dumps(description).count("API key") > 3
