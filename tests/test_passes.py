"""What a pass notices of a shop that stopped telling, and what is left of a pass that broke off."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError

from activities.reconciling import Reconciling
from journey.reconciling import FIRST_LOOK, OVERLAP, Gaps, Standing, heard_more, listened, subscribed
from ledger import Ledger
from ledger.inbox import InboxState
from tests import payloads
from tests.doors import World, open_world
from tests.fakes import woocommerce
from tests.fakes.shopify import FakeShopify, Fault
from tests.fakes.woocommerce import FakeWooCommerce
from tests.lost_webhooks import doubled, reconciling, request, shop_of
from tests.sending import Clock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def shopify() -> Iterator[FakeShopify]:
    fake = FakeShopify()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def woo() -> Iterator[FakeWooCommerce]:
    fake = FakeWooCommerce()
    fake.start()
    yield fake
    fake.stop()


@pytest_asyncio.fixture
async def desk(
    ledger: Ledger, shopify: FakeShopify, woo: FakeWooCommerce
) -> AsyncIterator[tuple[Reconciling, Clock]]:
    """The activities over both shops, and the clock by which they go."""
    clock = Clock(datetime.now(UTC))
    shops = shop_of("shopify", shopify.url), shop_of("woocommerce", woo.url)
    yield reconciling(ledger, *shops, now=clock), clock
    for shop in shops:
        await shop.close()


def sold(fake: FakeShopify, number: int, at: datetime, **changes: Any) -> dict[str, Any]:
    when = at.isoformat(timespec="seconds")
    dates = dict.fromkeys(("created_at", "processed_at", "updated_at"), when)
    fake.orders[number] = payloads.shopify_order(id=number, **dates | changes)
    return fake.orders[number]


async def test_a_pass_begins_a_little_before_the_last_one_and_never_goes_back(
    ledger: Ledger, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    began = clock.time
    await asking.reconcile_shop(request("shopify", "run-1"))
    clock.turn(minutes=15)
    await asking.reconcile_shop(request("shopify", "run-2"))
    await asking.reconcile_shop(request("shopify", "run-3", since=NOON))
    since = [each.since for each in await ledger.last_passes()]
    assert since == [NOON, began - OVERLAP, began - FIRST_LOOK]
    assert (await ledger.standing("shop:shopify")).watermark == clock.time


async def test_a_pass_that_is_to_begin_late_leaves_no_gap_behind_it(
    ledger: Ledger, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    await asking.reconcile_shop(request("shopify", "run-1"))
    ended = clock.time
    clock.turn(minutes=3 * 24 * 60)
    await asking.reconcile_shop(request("shopify", "run-2", since=clock.time - timedelta(hours=1)))
    assert (await ledger.last_passes())[0].since == ended - OVERLAP


async def test_a_pass_that_breaks_off_goes_on_where_it_was(
    ledger: Ledger, shopify: FakeShopify, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    for number in range(1, 26):
        sold(shopify, number, clock.time - 3 * MINUTE + timedelta(seconds=number))
    shopify.faults.extend([None, Fault.BUSY])  # type: ignore[list-item]
    with pytest.raises(ApplicationError) as broken:
        await asking.reconcile_shop(request("shopify"))
    assert broken.value.next_retry_delay == timedelta(seconds=7)
    [row] = await ledger.last_passes()
    assert (row.ended_at, row.seen, row.problem) == (None, 10, "shopify answered 429")
    assert await ledger.reconcile_warnings() == ("shop:shopify: shopify answered 429",)
    assert (await ledger.standing("shop:shopify")).watermark is None
    clock.turn(minutes=1)
    report = await asking.reconcile_shop(request("shopify"))
    assert (report.seen, report.filled) == (25, 25)
    assert len([each for each in shopify.asked("ChangedOrders") if each.variables["after"] is None]) == 1
    assert (await ledger.standing("shop:shopify")).watermark == row.began_at
    assert await ledger.reconcile_warnings() == ()
    assert await doubled(ledger) == 0


async def test_a_pass_that_came_to_no_end_in_its_time_is_taken_up_by_the_next_one(
    ledger: Ledger, shopify: FakeShopify, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    for number in range(1, 26):
        sold(shopify, number, clock.time - 3 * MINUTE + timedelta(seconds=number))
    for run, faults in ((1, [None, Fault.ERROR]), (2, [Fault.ERROR])):
        shopify.faults.extend(faults)  # type: ignore[arg-type]
        with pytest.raises(ApplicationError):
            await asking.reconcile_shop(request("shopify", f"run-{run}"))
        clock.turn(minutes=61)
    report = await asking.reconcile_shop(request("shopify", "run-3"))
    assert (report.seen, report.filled) == (15, 15)
    first = (await ledger.last_passes())[-1]
    assert (await ledger.standing("shop:shopify")).watermark == first.began_at
    # One that only began a moment ago may still be under way, so it is left alone.
    shopify.faults.extend([None, Fault.ERROR])  # type: ignore[list-item]
    with pytest.raises(ApplicationError):
        await asking.reconcile_shop(request("shopify", "run-4"))
    assert (await asking.reconcile_shop(request("shopify", "run-5"))).seen == 25
    assert await doubled(ledger) == 0


async def test_a_pass_is_the_same_pass_for_every_attempt(
    ledger: Ledger, shopify: FakeShopify, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    sold(shopify, 1, clock.time - HOUR / 2)
    reports = [await asking.reconcile_shop(request("shopify")) for _ in range(2)]
    assert reports[0] == reports[1]
    assert len(await ledger.last_passes()) == 1


async def test_a_shop_that_refuses_is_shown_and_asked_again_from_the_same_moment(
    ledger: Ledger, shopify: FakeShopify, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    shopify.tokens.clear()
    report = await asking.reconcile_shop(request("shopify"))
    assert report.problem == "shopify answered 401: the key or token is not valid"
    assert await ledger.reconcile_warnings() == (f"shop:shopify: {report.problem}",)
    assert (await ledger.standing("shop:shopify")).watermark is None
    shopify.tokens.add("shpat_of_the_tests")
    sold(shopify, 1, clock.time - MINUTE)
    assert (await asking.reconcile_shop(request("shopify", "run-2"))).filled == 1
    assert await ledger.reconcile_warnings() == ()


async def test_what_cannot_be_read_is_parked_once_and_counted(
    ledger: Ledger, shopify: FakeShopify, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    sold(shopify, 1, clock.time - HOUR / 2, currency="gold")
    first = await asking.reconcile_shop(request("shopify", "run-1"))
    second = await asking.reconcile_shop(request("shopify", "run-2"))
    assert (first.unread, second.unread) == (1, 0)


async def test_an_order_that_nobody_understands_keeps_no_other_from_being_read(
    ledger: Ledger, shopify: FakeShopify, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    for number in (1, 2, 3):
        sold(shopify, number, clock.time - 3 * MINUTE)
    nothing = {"id": "no number", "quantity": 1}
    shopify.fulfillments = [payloads.shopify_fulfillment(order_id=2, line_items=[nothing])]
    report = await asking.reconcile_shop(request("shopify"))
    assert (report.seen, report.filled, report.unread, report.problem) == (3, 2, 1, "")
    [parked] = await ledger.inbox_rows(InboxState.PARKED)
    assert "gid://shopify/Order/2" in (parked.raw or "")
    assert (await ledger.standing("shop:shopify")).watermark == clock.time


async def test_a_change_that_says_nothing_new_is_no_gap(
    ledger: Ledger, shopify: FakeShopify, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    order = sold(shopify, 1, clock.time - 3 * MINUTE)
    assert (await asking.reconcile_shop(request("shopify", "run-1"))).filled == 1
    # A note was added: the order's time of change is another, and its lines are the same.
    order["updated_at"] = (clock.time - 2 * MINUTE).isoformat(timespec="seconds")
    assert (await asking.reconcile_shop(request("shopify", "run-2"))).filled == 0
    order["line_items"] = [order["line_items"][0] | {"current_quantity": 1}]
    assert (await asking.reconcile_shop(request("shopify", "run-3"))).filled == 1


async def test_a_subscription_that_shopify_deleted_is_shown_until_it_comes_back(
    ledger: Ledger, shopify: FakeShopify, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    async with open_world(ledger) as world:
        await asking.reconcile_shop(request("shopify", "run-1"))
        assert (await world.http.get("/readyz")).json()["warnings"] == []
        address = shopify.topics.pop("ORDERS_UPDATED")
        report = await asking.reconcile_shop(request("shopify", "run-2"))
        [warning] = report.warnings
        assert warning.startswith("shop:shopify: the subscription to orders/updated is lost since 20")
        ready = await world.http.get("/readyz")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        assert ready.json()["warnings"] == [warning]
        clock.turn(minutes=15)
        assert (await asking.reconcile_shop(request("shopify", "run-3"))).warnings == (warning,)
        shopify.topics["ORDERS_UPDATED"] = address
        assert (await asking.reconcile_shop(request("shopify", "run-4"))).warnings == ()


async def test_a_webhook_that_woocommerce_disabled_is_shown(
    ledger: Ledger, woo: FakeWooCommerce, desk: tuple[Reconciling, Clock]
) -> None:
    asking, _ = desk
    woo.subscribe("disabled")
    [warning] = (await asking.reconcile_shop(request("woocommerce"))).warnings
    assert "the subscription to order.updated is lost since" in warning
    woo.faults.extend([None, woocommerce.Fault.NO_RIGHT])  # type: ignore[list-item]
    assert (await asking.reconcile_shop(request("woocommerce", "run-2"))).warnings == (warning,)
    woo.subscribe()
    assert (await asking.reconcile_shop(request("woocommerce", "run-3"))).warnings == ()


async def _heard(world: World, order: dict[str, Any]) -> None:
    await world.post("shopify", order, {"X-Shopify-Topic": "orders/create"})


async def test_a_shop_that_fell_silent_is_shown_until_it_is_heard(
    ledger: Ledger, shopify: FakeShopify, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    async with open_world(ledger) as world:
        await _heard(world, sold(shopify, 1, clock.time))
        clock.turn(hours=1)
        sold(shopify, 2, clock.time - HOUR / 2)
        sold(shopify, 3, clock.time - HOUR / 3)
        [warning] = (await asking.reconcile_shop(request("shopify", "run-1"))).warnings
        assert "no webhook came since" in warning
        assert warning.endswith("though there was something to tell (2 events)")
        # Nobody buys anything: that is no sign of better times.
        clock.turn(hours=1)
        assert (await asking.reconcile_shop(request("shopify", "run-2"))).warnings == (warning,)
        await _heard(world, sold(shopify, 4, clock.time))
        assert (await asking.reconcile_shop(request("shopify", "run-3"))).warnings == ()


async def test_a_webhook_lost_now_and_then_is_no_silence(
    ledger: Ledger, shopify: FakeShopify, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    async with open_world(ledger) as world:
        sold(shopify, 1, clock.time - HOUR / 2)
        await _heard(world, sold(shopify, 2, clock.time - HOUR / 3))
        report = await asking.reconcile_shop(request("shopify"))
    assert (report.filled, report.warnings) == (1, ())


async def test_a_webhook_that_may_still_be_on_its_way_is_no_silence(
    ledger: Ledger, shopify: FakeShopify, desk: tuple[Reconciling, Clock]
) -> None:
    asking, clock = desk
    sold(shopify, 1, clock.time - timedelta(minutes=1))
    report = await asking.reconcile_shop(request("shopify"))
    assert (report.filled, report.warnings) == (1, ())


async def test_a_worker_without_that_shop_says_so(ledger: Ledger) -> None:
    with pytest.raises(ApplicationError, match="shop:shopify is not set up at this worker") as refusal:
        await reconciling(ledger).reconcile_shop(request("shopify"))
    assert refusal.value.non_retryable


def test_a_lost_topic_that_comes_by_another_way_is_not_missed_any_more() -> None:
    blank = Standing(name="shop:shopify")
    told = subscribed(blank, {"orders/create": True}, NOON)
    lost = subscribed(told, {}, NOON + HOUR)
    assert lost.lost == {"orders/create": NOON + HOUR}
    assert subscribed(lost, None, NOON + 2 * HOUR) == lost
    back = heard_more(lost, {"orders/create": NOON + 2 * HOUR}, 7)
    assert (back.lost, back.topics, back.inbox_number) == ({}, (), 7)
    assert subscribed(back, {}, NOON + 3 * HOUR).warnings() == ()


def test_silence_is_counted_from_the_last_that_was_heard() -> None:
    heard = heard_more(Standing(name="shop:x"), {"orders/create": NOON}, 1)
    silent = listened(heard, Gaps(3, NOON + HOUR), NOON + 2 * HOUR)
    assert (silent.silent_since, silent.unheard) == (NOON, 3)
    longer = listened(silent, Gaps(2, NOON + 2 * HOUR), NOON + 3 * HOUR)
    assert (longer.silent_since, longer.unheard) == (NOON, 5)
    assert listened(heard, Gaps(), NOON) == heard
    assert listened(heard, Gaps(1, NOON - HOUR), NOON) == heard
