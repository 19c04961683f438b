"""Returns and refunds over HTTP, as a shop's back-end, its return page and its operators use them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from journey.endings import JourneyEnding
from journey.refunds import RefundState
from journey.return_contract import CancelRequest, Cure, CureRequest
from journey.return_policy import ReturnPolicy
from ledger import Ledger
from ledger.asked import Asked, AskedOtherwise, MoreThanIsLeft, NotPaid
from ledger.keys import Scope
from ledger.money_tables import payments
from runtime import acting, returns
from runtime.acting import acted, looked_at
from runtime.delivery import Delivery
from runtime.dispatch import Dispatcher
from runtime.embedded import Server
from runtime.returns import Refused, UnknownReturn
from tests import payloads
from tests.doors import World as Doors
from tests.doors import open_world, standard_headers, until
from tests.refunding import PAYMENT
from tests.sending import NOON
from tests.world import World, dev_world, line, short_playbook

KEYED = {"Idempotency-Key": '"8e03978e-40d5"'}


@asynccontextmanager
async def _shop(server: Server, folder: Path, **policy: Any) -> AsyncIterator[tuple[World, Doors]]:
    book = short_playbook(day=3600).model_copy(update={"returns": ReturnPolicy.model_validate(policy)})
    async with (
        dev_world(server, folder, book) as shop,
        open_world(shop.ledger, lambda: shop.client, book) as doors,
    ):
        yield shop, doors


@pytest_asyncio.fixture
async def opened(server: Server, tmp_path: Path) -> AsyncIterator[tuple[World, Doors]]:
    async with _shop(server, tmp_path, second_person_above={"EUR": 5_000}) as both:
        yield both


async def delivered(shop: World, doors: Doors) -> str:
    """An order of 20.00 and 45.00, both delivered."""
    order_id = await shop.place_order("ann", line("l1", unit_price=2_000), line("l2", unit_price=4_500))
    await shop.ship(order_id)
    await shop.deliver(order_id)
    return order_id


async def provided_by(shop: World, provider: str) -> None:
    async with shop.ledger.writing() as db:
        await db.execute(update(payments).values(provider=provider))


async def key(doors: Doors, *scopes: Scope) -> dict[str, str]:
    made = await doors.ledger.create_key("a key", list(scopes), datetime.now(UTC))
    return {"Authorization": f"Bearer {made.token}"}


async def seen(doors: Doors, url: str, so: Any) -> Any:
    async def look() -> Any:
        answer = (await doors.http.get(url, headers=doors.key)).json()
        return answer if so(answer) else None

    return await until(look)


async def test_a_return_goes_all_the_way_over_http(opened: tuple[World, Doors]) -> None:
    shop, doors = opened
    order_id = await delivered(shop, doors)
    asked = {"lines": [{"line_id": "l1", "quantity": 1}], "reason": "changed_mind", "words": "Planted words"}
    answers = [
        await doors.http.post(f"/v1/orders/{order_id}/returns", json=asked, headers=doors.key | KEYED)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    granted = answers[0].json()
    assert (granted["id"], granted["verdict"], granted["sums"]["refund"]) == (
        f"{order_id}:r1",
        "approved",
        2000,
    )
    (row,) = (await doors.http.get(f"/v1/orders/{order_id}/returns", headers=doors.key)).json()
    assert (row["id"], row["words"]) == (granted["id"], "Planted words")
    url = f"/v1/returns/{granted['id']}"
    told = await seen(doors, url, lambda view: view["waits_for"] == "the first scan")
    assert told["live"] and told["next_look"] and told["label"]["key"]
    now = datetime.now(UTC).isoformat()
    for number, kind in enumerate(("return_received", "return_inspected")):
        fact = {"kind": kind, "fact_id": f"wh:{number}", "at": now}
        for result in ("accepted", "repeated"):
            answer = await doors.http.post(f"{url}/facts", json=fact, headers=doors.key)
            assert (answer.status_code, answer.json()) == (202, {"result": result})
    done = await seen(doors, url, lambda view: view["closed_at"])
    assert (done["outcome"], done["refund"]) == ("refunded", "succeeded")
    money = (await doors.http.get(f"/v1/orders/{order_id}/refunds", headers=doors.key)).json()
    assert (money["captured"], money["refunded"], money["left"]) == (6_500, 2_000, 4_500)
    (refund,) = money["refunds"]
    assert (refund["key"], refund["state"], refund["amount"]) == ("r1", "succeeded", 2_000)
    assert len(refund["reference"]) == 32
    await shop.return_(order_id).result()
    late = await doors.http.post(f"{url}/cancellation", json={}, headers=doors.key)
    assert (late.status_code, late.json()["error"]) == (409, "this return is over")
    assert "Planted words" not in await histories(shop.client, order_id)


def _scans(number: str) -> list[tuple[str, dict[str, Any]]]:
    at = datetime.now(UTC).isoformat()
    scan = {"kind": "return_moved", "fact_id": "dhl:1", "at": at, "status": "in_transit"}
    return [
        ("easypost", payloads.easypost_event(tracking_code=number, est_delivery_date="2026-12-01")),
        ("aftership", payloads.aftership_event(tracking_number=number)),
        ("standard", scan | {"tracking_number": number}),
    ]


async def test_a_carrier_s_scan_of_our_own_label_is_a_scan_of_its_return(opened: tuple[World, Doors]) -> None:
    shop, doors = opened
    order_id = await delivered(shop, doors)
    asked = {"lines": [{"line_id": "l1", "quantity": 1}], "reason": "changed_mind"}
    await doors.http.post(f"/v1/orders/{order_id}/returns", json=asked, headers=doors.key | KEYED)
    url = f"/v1/returns/{order_id}:r1"
    await seen(doors, url, lambda view: view["waits_for"] == "the first scan")
    label = await doors.ledger.paper(order_id, "r1/label")
    assert label is not None and label.tracking_number
    for source, body in _scans(label.tracking_number):
        assert (await doors.post(source, body)).json() == {"result": "accepted"}
    told = await seen(doors, url, lambda view: len(_moves(view)) == 3 and view["waits_for"] == "the goods")
    assert all(each["kind"] != "not_understood" for each in told["story"])
    other = {"kind": "return_received", "fact_id": "wh:1", "at": datetime.now(UTC).isoformat()}
    answer = await doors.post("standard", other, _as("msg_2", other))
    assert (answer.status_code, answer.json()["error"][:10]) == (422, "return_id:")
    other |= {"return_id": f"{order_id}:r1"}
    assert (await doors.post("standard", other, _as("msg_3", other))).json() == {"result": "accepted"}
    await seen(doors, url, lambda view: view["waits_for"] not in {"the first scan", "the goods"})


def _as(event_id: str, body: dict[str, Any]) -> dict[str, str]:
    return standard_headers(json.dumps(body).encode(), event_id, int(time.time()))


def _moves(view: dict[str, Any]) -> list[Any]:
    return [each for each in view["story"] if each["kind"] == "return_moved"]


async def histories(client: Client, order_id: str) -> str:
    """Everything that Temporal keeps of an order and its first return."""
    kept = []
    for workflow_id in (f"order:{order_id}", f"return:{order_id}:r1"):
        history = await client.get_workflow_handle(workflow_id).fetch_history()
        kept.append(history.to_json())
    return "\n".join(kept)


async def test_what_the_policy_forbids_names_the_field_and_the_rule(opened: tuple[World, Doors]) -> None:
    shop, doors = opened
    order_id = await delivered(shop, doors)
    url = f"/v1/orders/{order_id}/returns"
    for body, told in (
        ({"lines": [{"line_id": "l9", "quantity": 1}], "reason": "changed_mind"}, "(unknown_line)"),
        ({"reason": "because"}, "reason: "),
        ({"kind": "goodwill", "amount": 500}, "kind: "),
        ({"lines": [{"line_id": "l1", "quantity": 0}]}, "lines.0.quantity"),
    ):
        answer = await doors.http.post(url, json=body, headers=doors.key)
        assert answer.status_code == 422, answer.text
        assert told in answer.json()["error"]
    assert (await doors.http.get(url, headers=doors.key)).json() == []
    nobody = await doors.http.post("/v1/orders/none/returns", json={}, headers=doors.key)
    assert nobody.status_code == 404


async def test_a_refund_is_given_once_and_never_above_what_was_captured(opened: tuple[World, Doors]) -> None:
    shop, doors = opened
    order_id = await delivered(shop, doors)
    url = f"/v1/orders/{order_id}/refunds"
    wanted = {"amount": 4_000, "by": "op_mia", "words": "Planted words"}
    assert (await doors.http.post(url, json=wanted, headers=doors.key)).status_code == 400
    same = await asyncio.gather(
        *(doors.http.post(url, json=wanted, headers=doors.key | KEYED) for _ in range(3))
    )
    assert [answer.status_code for answer in same] == [201] * 3
    assert {answer.json()["refund"]["reference"] for answer in same} == {
        same[0].json()["refund"]["reference"]
    }
    other = await doors.http.post(url, json=wanted | {"amount": 1}, headers=doors.key | KEYED)
    assert (other.status_code, "request_id_reused" in other.json()["error"]) == (422, True)
    assert other.json()["error"].startswith("Idempotency-Key: was used before for another request")
    most = [{"Idempotency-Key": f'"race-{number}"'} for number in range(4)]
    race = await asyncio.gather(
        *(
            doors.http.post(url, json={"amount": 2_000, "by": "op_mia"}, headers=doors.key | each)
            for each in most
        )
    )
    assert sorted(answer.status_code for answer in race) == [201, 422, 422, 422]
    refused = next(answer for answer in race if answer.status_code == 422)
    assert refused.json()["error"].startswith("amount: should be at most 500 (minor units, EUR)")

    async def settled() -> Any:
        refunds = await doors.ledger.refunds_of(order_id)
        return refunds if {each.state for each in refunds} == {RefundState.SUCCEEDED} else None

    assert sum(each.amount for each in await until(settled)) == 6_000
    assert "Planted words" not in await histories(shop.client, order_id)


async def test_much_money_needs_a_second_person(opened: tuple[World, Doors]) -> None:
    shop, doors = opened
    order_id = await delivered(shop, doors)
    url = f"/v1/orders/{order_id}/refunds"
    wanted = {"amount": 6_000, "by": "op_mia"}
    asked = (await doors.http.post(url, json=wanted, headers=doors.key | KEYED)).json()
    assert (asked["verdict"], asked["refund"]) == ("needs_second_person", None)
    more = await doors.http.post(url, json=wanted, headers=doors.key | {"Idempotency-Key": "another"})
    assert more.json()["error"].startswith("amount: should be at most 500 (minor units, EUR)")
    decision = f"/v1/returns/{asked['id']}/decision"
    second = await key(doors, Scope.RETURNS_DECIDE, Scope.RETURNS_READ)

    async def decided(by: str, headers: dict[str, str] = second, **body: Any) -> httpx.Response:
        return await begun(doors, decision, {"by": by, **body}, headers)

    own = await decided("op_mia", approve=True)
    assert (own.status_code, own.json()["error"][:3]) == (409, "by:")
    # One key that names two people is one pair of eyes, and says nothing of keys itself.
    alone = await decided("op_bo", doors.key, approve=True)
    assert (alone.status_code, "with an API key of their own" in alone.json()["error"]) == (409, True)
    posing = await decided("op_bo", doors.key, approve=True, key_id="another")
    assert (posing.status_code, posing.json()["error"][:7]) == (422, "key_id:")
    assert (await decided("op_bo", approve=True)).status_code == 200
    assert (await decided("op_bo", approve=True)).json()["approved"] is True
    assert (await decided("op_bo", approve=False)).status_code == 409
    told = await seen(doors, f"/v1/returns/{asked['id']}", lambda view: view["closed_at"])
    assert (told["outcome"], told["decided_by"]) == ("refunded", "op_bo")
    ids = [doors.token.split("_")[1], second["Authorization"].split("_")[1]]
    assert [told["asked_by"], told["asked_key"], told["decided_key"]] == ["op_mia", *ids]
    # Whoever lost the answer and says it again after the end is answered as before.
    assert (await decided("op_bo", approve=True)).json()["approved"] is True
    assert (await decided("op_bo", approve=False)).status_code == 409


MONEY = (Scope.RETURNS_WRITE, Scope.RETURNS_DECIDE, Scope.REFUNDS_WRITE)


async def test_no_key_for_customers_or_readers_reaches_prices_decisions_or_money(
    opened: tuple[World, Doors],
) -> None:
    shop, doors = opened
    order_id = await delivered(shop, doors)
    weak = [scope for scope in Scope if scope not in MONEY]
    headers = await key(doors, *weak) | KEYED
    new = {"line_id": "n1", "sku": "TEA-BIG", "title": "Tea", "quantity": 1, "unit_price": 1}
    swap = {"reason": "changed_mind", "settlement": "exchange", "exchange_for": [new]}
    back = {"kind": "difference_paid", "fact_id": "f", "at": "2026-04-20T09:30:00Z"}
    for url, body in (
        (f"/v1/orders/{order_id}/returns", swap),
        (f"/v1/orders/{order_id}/refunds", {"amount": 1, "by": "op_mia"}),
        (f"/v1/returns/{order_id}:r1/decision", {"approve": True, "by": "op_mia"}),
        (f"/v1/returns/{order_id}:r1/cure", {"how": "make_again", "by": "op_mia"}),
        (f"/v1/returns/{order_id}:r1/facts", back),
    ):
        assert (await doors.http.post(url, json=body, headers=headers)).status_code == 403, url
    for scope in set(Scope) - {Scope.REFUNDS_WRITE}:
        answer = await doors.http.post(
            f"/v1/orders/{order_id}/refunds",
            json={"amount": 1, "by": "op_mia"},
            headers=await key(doors, scope) | KEYED,
        )
        assert answer.status_code == 403, scope
    page = await key(doors, Scope.RETURNS_REQUEST, Scope.RETURNS_READ)
    asked = {"reason": "changed_mind", "words": "Planted words", "lines": [{"line_id": "l1", "quantity": 1}]}
    granted = await doors.http.post(f"/v1/orders/{order_id}/returns", json=asked, headers=page)
    assert granted.status_code == 201
    shown = await doors.http.get(f"/v1/returns/{granted.json()['id']}", headers=page)
    assert (shown.status_code, shown.json()["words"]) == (200, None)
    kept = await begun(doors, f"/v1/returns/{granted.json()['id']}/cancellation", {}, page)
    assert kept.status_code == 200
    assert (await doors.http.get(f"/v1/orders/{order_id}/refunds", headers=page)).status_code == 403


async def begun(doors: Doors, url: str, body: Any, headers: dict[str, str]) -> httpx.Response:
    """The answer about a return, once its journey has begun."""

    async def act() -> httpx.Response | None:
        answer = await doors.http.post(url, json=body, headers=headers)
        return answer if answer.status_code != 503 else None

    return await until(act)


async def test_a_key_of_the_return_page_calls_off_no_operator_s_money_and_reads_nothing(
    opened: tuple[World, Doors],
) -> None:
    shop, doors = opened
    order_id = await delivered(shop, doors)
    page = await key(doors, Scope.RETURNS_REQUEST)
    lines = [{"line_id": "l1", "quantity": 1}]
    asked = {"reason": "changed_mind", "lines": lines}
    own = await doors.http.post(f"/v1/orders/{order_id}/returns", json=asked, headers=page)
    told = await begun(doors, f"/v1/returns/{own.json()['id']}/cancellation", {}, page)
    assert (told.status_code, set(told.json())) == (200, {"id", "order_id", "stage", "verdict"})
    wanted = {"amount": 6_000, "by": "op_mia"}
    money = await doors.http.post(f"/v1/orders/{order_id}/refunds", json=wanted, headers=doors.key | KEYED)
    url = f"/v1/returns/{money.json()['id']}"
    refused = await doors.http.post(f"{url}/cancellation", json={}, headers=page)
    assert (refused.status_code, "returns:write" in refused.json()["error"]) == (403, True)
    decider = await key(doors, Scope.RETURNS_DECIDE)
    refuse = {"approve": False, "by": "op_bo"}
    decided = await begun(doors, f"{url}/decision", refuse, decider)
    assert (decided.status_code, set(decided.json())) == (200, set(told.json()))
    assert "cancelled" not in (await doors.http.get(url, headers=doors.key)).text


async def unbegun(shop: World, doors: Doors, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a return after its order, which was granted while Temporal went away."""
    order_id = await shop.place_order("ann", playbook=short_playbook(close="1 day"))
    await shop.ship(order_id)
    await shop.deliver(order_id)
    await shop.until_over(order_id)

    async def away(*_: object) -> None:
        raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")

    asked, orders = {"reason": "changed_mind"}, f"/v1/orders/{order_id}/returns"
    with monkeypatch.context() as patched:
        patched.setattr(returns, "_start", away)
        assert (await doors.http.post(orders, json=asked, headers=doors.key)).status_code == 503
    (row,) = (await doors.http.get(orders, headers=doors.key)).json()
    return f"/v1/returns/{row['id']}"


@pytest.mark.parametrize("way", ["cancellation", "facts", "command line"])
async def test_a_return_after_its_order_whose_start_failed_begins_when_it_is_acted_on(
    opened: tuple[World, Doors], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    shop, doors = opened
    url = await unbegun(shop, doors, monkeypatch)
    if way == "cancellation":
        assert (await begun(doors, f"{url}/cancellation", {}, doors.key)).status_code == 200
    elif way == "facts":
        fact = {"kind": "return_received", "fact_id": "wh:1", "at": datetime.now(UTC).isoformat()}
        assert (await doors.http.post(f"{url}/facts", json=fact, headers=doors.key)).status_code == 202
        await seen(doors, url, lambda view: "return_received" in {each["kind"] for each in view["story"]})
    else:
        which = (url.split("/")[-1].partition(":")[0], "r1")
        seen_first = await looked_at(shop.client, shop.ledger, shop.playbook, which)
        assert seen_first.case.outcome is None
        told = await acted(shop.client, shop.ledger, shop.playbook, which, "cancel_return", CancelRequest())
        assert told.case.cancelled is not None


async def test_a_return_whose_start_failed_begins_by_itself(
    opened: tuple[World, Doors], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, doors = opened
    url = await unbegun(shop, doors, monkeypatch)
    order_id = url.split("/")[-1].partition(":")[0]
    later = datetime.now(UTC) + timedelta(minutes=1)
    soon = datetime.now(UTC)
    for now, is_there in ((soon, False), (later, True), (later, True)):
        delivery = Delivery(shop.ledger, shop.playbook, now=stopped_at(now))
        dispatcher = Dispatcher(delivery, lambda: shop.client)
        await dispatcher.sweep()
        runs = await exists(shop.client, f"return:{order_id}:r1")
        assert runs is is_there


def stopped_at(now: datetime) -> Callable[[], datetime]:
    return lambda: now


async def exists(client: Client, workflow_id: str) -> bool:
    try:
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        assert error.status is RPCStatusCode.NOT_FOUND
        return False
    return True


async def test_a_return_that_is_asked_for_in_the_moment_in_which_its_order_closes_is_granted(
    opened: tuple[World, Doors], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, doors = opened
    order_id = await shop.place_order("ann", playbook=short_playbook(close="1 day"))
    await shop.ship(order_id)
    await shop.deliver(order_id)
    await shop.until_over(order_id)
    looks, look = list[str](), shop.ledger.journey

    async def first_before_the_end(asked_for: str) -> JourneyEnding | None:
        looks.append(asked_for)
        return await look(asked_for) if len(looks) > 1 else None

    monkeypatch.setattr(shop.ledger, "journey", first_before_the_end)
    url, asked = f"/v1/orders/{order_id}/returns", {"reason": "changed_mind"}
    answer = await doors.http.post(url, json=asked, headers=doors.key)
    assert (answer.status_code, answer.json()["verdict"], looks) == (201, "approved", [order_id] * 2)
    await seen(doors, f"/v1/returns/{answer.json()['id']}", lambda view: view["live"])


async def test_an_exchange_with_its_prices_is_the_back_end_s(opened: tuple[World, Doors]) -> None:
    shop, doors = opened
    order_id = await delivered(shop, doors)
    new = {"line_id": "n1", "sku": "TEA-BIG", "title": "Tea", "quantity": 1, "unit_price": 3_000}
    lines = [{"line_id": "l1", "quantity": 1}]
    swap = {"reason": "changed_mind", "settlement": "exchange", "exchange_for": [new], "lines": lines}
    headers = await key(doors, Scope.RETURNS_WRITE)
    answer = await doors.http.post(f"/v1/orders/{order_id}/returns", json=swap, headers=headers)
    assert (answer.status_code, answer.json()["sums"]["exchange"]) == (201, 3_000)


async def test_while_temporal_is_away_a_request_is_told_when_to_come_again(
    opened: tuple[World, Doors],
) -> None:
    shop, doors = opened
    order_id = await delivered(shop, doors)
    url = f"/v1/orders/{order_id}/returns"
    granted = await doors.http.post(url, json={"reason": "changed_mind"}, headers=doors.key)
    async with open_world(shop.ledger) as away:
        for path, body in (
            (f"/v1/orders/{order_id}/returns", {"reason": "changed_mind"}),
            (f"/v1/orders/{order_id}/refunds", {"amount": 1, "by": "op_mia"}),
            (f"/v1/returns/{order_id}:r1/decision", {"approve": True, "by": "op_mia"}),
            (f"/v1/returns/{order_id}:r1/cancellation", {}),
            (f"/v1/returns/{order_id}:r1/cure", {"how": "make_again", "by": "op_mia"}),
        ):
            answer = await away.http.post(path, json=body, headers=away.key | KEYED)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), path
        looked = await away.http.get(f"/v1/returns/{granted.json()['id']}", headers=away.key)
        assert (looked.status_code, looked.json()["live"]) == (200, False)
        fact = {"kind": "return_received", "fact_id": "wh:1", "at": datetime.now(UTC).isoformat()}
        kept = await away.http.post(f"/v1/returns/{order_id}:r1/facts", json=fact, headers=away.key)
        assert kept.status_code == 202
    shown = await seen(doors, f"/v1/returns/{order_id}:r1", lambda view: len(view["story"]) > 1)
    assert "return_received" in [each["kind"] for each in shown["story"]]


async def test_without_a_worker_a_request_is_told_so_and_is_not_lost(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returns, "ANSWER_WITHIN", timedelta(seconds=1.5))
    async with (
        dev_world(server, tmp_path, short_playbook(day=3600), working=False) as shop,
        open_world(shop.ledger, lambda: shop.client, shop.playbook) as doors,
    ):
        order_id = await shop.place_order("ann")
        await shop.ship(order_id)
        await shop.deliver(order_id)
        url = f"/v1/orders/{order_id}/returns"
        asked = {"reason": "changed_mind"}
        answer = await doors.http.post(url, json=asked, headers=doors.key | KEYED)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        async with shop.worker():

            async def granted() -> Any:
                again = await doors.http.post(url, json=asked, headers=doors.key | KEYED)
                return again.json() if again.status_code == 201 else None

            assert (await until(granted))["id"] == f"{order_id}:r1"


def wish(number: int, amount: int, *, at: datetime = NOON) -> Asked:
    told = {"order_id": "1001", "request_id": f"k{number}", "fingerprint": f"f{number}", "amount": amount}
    return Asked.model_validate({**told, "asked_at": at})


async def test_what_was_asked_for_is_spoken_for_until_it_is_given_up(ledger: Ledger) -> None:
    with pytest.raises(NotPaid):
        await ledger.claim_request(wish(1, 6_000))
    await ledger.keep_payment(PAYMENT)
    told = await asyncio.gather(
        *(ledger.claim_request(wish(number, 6_000)) for number in range(4)), return_exceptions=True
    )
    granted = [each for each in told if isinstance(each, Asked)]
    assert len(granted) == 1
    assert all(isinstance(each, MoreThanIsLeft) for each in told if each not in granted)
    assert await ledger.claim_request(granted[0]) == granted[0]
    with pytest.raises(AskedOtherwise):
        await ledger.claim_request(granted[0].model_copy(update={"fingerprint": "another"}))
    # Nobody came back for it: its money is free again, and it may still be asked for.
    later = await ledger.claim_request(wish(9, 6_000, at=NOON + timedelta(minutes=6)))
    await ledger.answer_request(later, "r1")
    await ledger.drop_request(later)
    with pytest.raises(MoreThanIsLeft):
        await ledger.claim_request(wish(10, 6_000, at=NOON + timedelta(days=9)))


async def test_what_an_order_s_payment_was_may_come_with_the_order(opened: tuple[World, Doors]) -> None:
    shop, doors = opened
    description = (await doors.http.get("/openapi.json")).json()
    post = description["paths"]["/v1/orders"]["post"]
    example = post["requestBody"]["content"]["application/json"]["examples"]["order"]["value"]
    placed = example | {"order_id": "paid-1", "placed_at": datetime.now(UTC).isoformat()}
    shop.orders.append("paid-1")
    assert (await doors.http.post("/v1/orders", json=placed, headers=doors.key)).status_code == 202
    money = (await doors.http.get("/v1/orders/paid-1/refunds", headers=doors.key)).json()
    assert (money["captured"], money["left"], money["currency"]) == (2_490, 2_490, "EUR")


async def test_every_operation_of_returns_and_refunds_has_an_example(opened: tuple[World, Doors]) -> None:
    _, doors = opened
    paths = (await doors.http.get("/openapi.json")).json()["paths"]
    posts = [
        path["post"] for url, path in paths.items() if "post" in path and ("return" in url or "refund" in url)
    ]
    assert len(posts) == 6
    assert all(post["requestBody"]["content"]["application/json"]["examples"] for post in posts)


async def test_a_lost_answer_is_asked_for_again_with_a_key_that_was_rotated(
    opened: tuple[World, Doors],
) -> None:
    shop, doors = opened
    order_id = await delivered(shop, doors)
    url, wanted = f"/v1/orders/{order_id}/refunds", {"amount": 6_000, "by": "op_mia"}
    rotated = await key(doors, Scope.REFUNDS_WRITE)
    told = [
        await doors.http.post(url, json=wanted, headers=headers | KEYED) for headers in (doors.key, rotated)
    ]
    assert [answer.status_code for answer in told] == [201, 201]
    assert told[0].json() == told[1].json()
    kept = (await doors.http.get(f"/v1/returns/{told[0].json()['id']}", headers=doors.key)).json()
    assert kept["asked_key"] == doors.token.split("_")[1]


async def test_a_cure_that_is_said_again_is_answered_as_before_and_done_once(
    opened: tuple[World, Doors], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, doors = opened
    order_id = await shop.place_order("ann")
    await provided_by(shop, "gone")
    wanted = {"amount": 500, "by": "op_mia"}
    money = await doors.http.post(f"/v1/orders/{order_id}/refunds", json=wanted, headers=doors.key | KEYED)
    url = f"/v1/returns/{money.json()['id']}"
    await seen(doors, url, lambda view: view["attention"] == "refund_failed")
    await provided_by(shop, "demo")

    async def cured(how: str, name: str, by: str = "op_mia") -> tuple[int, str]:
        told = await doors.http.post(
            f"{url}/cure", json={"how": how, "by": by}, headers=doors.key | {"Idempotency-Key": name}
        )
        return told.status_code, told.json().get("outcome") or told.json().get("error")

    assert (await cured("make_again", "k1"))[0] == 200
    await seen(doors, url, lambda view: view["closed_at"])
    assert (await cured("make_again", "k1"))[0] == 200
    assert await cured("paid_otherwise", "k1") == (422, REUSED)

    async def forgotten(*_: object) -> None:
        raise UnknownReturn("no run, or another one than that which was asked")

    # Temporal knows a request's id as long as it knows the run that took it.
    monkeypatch.setattr(acting, "update_return", forgotten)
    assert await cured("make_again", "k1") == (200, "refunded")
    assert await cured("paid_otherwise", "k1") == (422, REUSED)
    assert await cured("make_again", "k1", "op_bo") == (422, REUSED)
    assert await cured("make_again", "k2") == (409, "this return is over")
    states = {each.key: each.state for each in await doors.ledger.refunds_of(order_id)}
    assert states == {"r1": RefundState.PARKED, "r1/2": RefundState.SUCCEEDED}
    # At the command line, which has no ids, the same words are the same wish.
    which = (order_id, "r1")
    again = CureRequest(how=Cure.MAKE_AGAIN, by="op_mia")
    told = await acted(shop.client, shop.ledger, shop.playbook, which, "cure_refund", again)
    assert (told.case.outcome, told.currency) == ("refunded", "EUR")
    with pytest.raises(Refused, match="this return is over"):
        other = CureRequest(how=Cure.MAKE_AGAIN, by="op_bo")
        await acted(shop.client, shop.ledger, shop.playbook, which, "cure_refund", other)


REUSED = "Idempotency-Key: was used before for another cure"
