"""The shops' own APIs, spoken to by the real adapters: pages, patience, refusals, and what becomes facts."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from activities.providers.shopify import ShopifyShop
from activities.providers.shopify_tokens import AdminToken, AppToken
from activities.providers.woocommerce import WooCommerceShop
from activities.shops import Changed, Shop, ShopBusy, ShopRefused
from ledger.incoming import Incoming
from runtime.settings import Settings
from service.sources.all import translate, translator
from tests import payloads
from tests.fakes import shopify, woocommerce
from tests.fakes.shopify import FakeShopify
from tests.fakes.woocommerce import FakeWooCommerce

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def shopify_shop() -> Iterator[FakeShopify]:
    fake = FakeShopify()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def woo_shop() -> Iterator[FakeWooCommerce]:
    fake = FakeWooCommerce()
    fake.start()
    yield fake
    fake.stop()


class Naps:
    """Sleeps that pass at once, and are counted."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest_asyncio.fixture
async def shop(shopify_shop: FakeShopify, naps: Naps) -> AsyncIterator[ShopifyShop]:
    opened = ShopifyShop(shopify_shop.url, AdminToken(shopify.TOKEN), sleep=naps)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def woo(woo_shop: FakeWooCommerce) -> AsyncIterator[WooCommerceShop]:
    opened = WooCommerceShop(woo_shop.url, woocommerce.KEY, woocommerce.SECRET)
    yield opened
    await opened.close()


async def everything(shop: Shop, since: datetime = SINCE) -> list[Changed]:
    found: list[Changed] = []
    cursor = None
    while True:
        page = await shop.changed(since, cursor)
        found += page.changes
        if page.cursor is None:
            return found
        cursor = page.cursor


def facts(source: str, bodies: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The facts by their ids, and with them everything else that a payload tells."""
    told = [each for body in bodies for each in translate(source, json.dumps(body).encode(), NOW)]
    assert not [each.problem for each in told if each.problem]
    return {deed.body["fact_id"]: deed.body | _more(each) for each in told for deed in each.deeds}


def _more(each: Incoming) -> dict[str, Any]:
    person = each.person.model_dump() if each.person else None
    return {"told of": each.order_id, "person": person, "pointer": each.pointer}


def sell(fake: FakeShopify, *numbers: int, **changes: Any) -> None:
    for number in numbers:
        at = f"2026-03-02T10:{number % 60:02}:00Z"
        fake.orders[number] = payloads.shopify_order(id=number, updated_at=at, **changes)


async def test_shopify_s_api_and_its_webhooks_tell_the_same_facts(
    shop: ShopifyShop, shopify_shop: FakeShopify
) -> None:
    order = payloads.shopify_order(updated_at="2026-03-20T10:00:00-05:00")
    webhooks = [
        order,
        payloads.shopify_fulfillment(),
        payloads.shopify_event(),
        payloads.shopify_event(id=7, status="delivered", estimated_delivery_at="2026-03-05T12:00:00Z"),
        payloads.SHOPIFY_REFUND,
        payloads.SHOPIFY_RETURN,
        payloads.SHOPIFY_REFUND | {"id": 7, "return": {"id": payloads.SHOPIFY_RETURN["id"]}},
    ]
    shopify_shop.orders = {order["id"]: order}
    shopify_shop.fulfillments, shopify_shop.events = [webhooks[1]], webhooks[2:4]
    shopify_shop.refunds, shopify_shop.returns = [webhooks[4], webhooks[6]], [webhooks[5]]
    by_api = facts("shopify", [change.body for change in await everything(shop)])
    assert by_api == facts("shopify", webhooks)
    assert len(by_api) == 9


async def test_what_shopify_s_webhooks_say_no_more_its_api_still_tells(
    shop: ShopifyShop, shopify_shop: FakeShopify
) -> None:
    order = payloads.shopify_order()
    shopify_shop.orders = {order["id"]: order}
    [asked] = facts("shopify", [change.body for change in await everything(shop)]).values()
    [posted] = facts("shopify", [payloads.as_posted(order)]).values()
    assert (asked["order"].pop("first_order"), posted["order"].pop("first_order", None)) == (True, None)
    assert (asked["person"].pop("consent")["granted"], posted["person"].pop("consent")) == (True, None)
    assert asked == posted


async def test_a_cancelled_order_and_one_of_a_guest_are_told_alike(
    shop: ShopifyShop, shopify_shop: FakeShopify
) -> None:
    cancelled = payloads.shopify_order(
        id=1, cancelled_at="2026-03-02T10:00:00Z", cancel_reason="inventory", financial_status="refunded"
    )
    guest = payloads.shopify_order(id=2, customer=None, phone="+493012345", currency="JPY")
    shopify_shop.orders = {1: cancelled, 2: guest}
    by_api = facts("shopify", [change.body for change in await everything(shop)])
    assert by_api == facts("shopify", [cancelled, guest])


async def test_shopify_is_read_page_by_page_and_counted_once(
    shop: ShopifyShop, shopify_shop: FakeShopify
) -> None:
    sell(shopify_shop, *range(1, 26))
    pages = [await shop.changed(SINCE)]
    while pages[-1].cursor is not None:
        pages.append(await shop.changed(SINCE, pages[-1].cursor))
    assert [page.orders for page in pages] == [10, 10, 5]
    assert [page.expected for page in pages] == [25, None, None]
    assert {change.body["id"] for page in pages for change in page.changes} == set(range(1, 26))
    assert all(each.variables["query"] == "updated_at:>='2026-03-01T00:00:00Z'" for each in shopify_shop.log)


async def test_a_list_beyond_what_shopify_pages_is_asked_for_anew(
    shop: ShopifyShop, shopify_shop: FakeShopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.providers.shopify.AS_FAR_AS", 20)
    sell(shopify_shop, *range(1, 51))
    assert {change.body["id"] for change in await everything(shop)} == set(range(1, 51))
    since = [each.variables["query"].partition(":>=")[2] for each in shopify_shop.log]
    assert since == [
        *["'2026-03-01T00:00:00Z'"] * 2,
        *["'2026-03-02T10:20:00Z'"] * 2,
        *["'2026-03-02T10:39:00Z'"] * 2,
    ]


async def test_the_next_page_waits_until_there_are_points_for_it(
    shop: ShopifyShop, shopify_shop: FakeShopify, naps: Naps
) -> None:
    sell(shopify_shop, *range(1, 16))
    shopify_shop.points = 400
    await everything(shop)
    assert naps.taken == [2.0, 5.0]


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [(shopify.Fault.BUSY, 7.0), (shopify.Fault.THROTTLED, 4.0), (shopify.Fault.ERROR, None)],
)
async def test_shopify_is_asked_again_after_the_time_that_it_names(
    shop: ShopifyShop, shopify_shop: FakeShopify, fault: shopify.Fault, seconds: float | None
) -> None:
    shopify_shop.faults.append(fault)
    with pytest.raises(ShopBusy) as busy:
        await shop.changed(SINCE)
    assert busy.value.retry_after == seconds
    assert "ann@" not in busy.value.reason


async def test_what_shopify_denies_is_named_and_nothing_personal_is_said(
    shop: ShopifyShop, shopify_shop: FakeShopify
) -> None:
    shopify_shop.faults.append(shopify.Fault.DENIED)
    with pytest.raises(ShopRefused, match=r"^shopify denies access to returns: a scope is missing$"):
        await shop.changed(SINCE)
    shopify_shop.faults.append(shopify.Fault.GARBAGE)
    with pytest.raises(ShopBusy, match="not JSON"):
        await shop.changed(SINCE)


async def test_a_token_that_is_not_valid_is_a_refusal(shopify_shop: FakeShopify) -> None:
    shop = ShopifyShop(shopify_shop.url, AdminToken("shpat_of_somebody"))
    with pytest.raises(ShopRefused, match="shopify answered 401: the key or token is not valid"):
        await shop.changed(SINCE)
    await shop.close()


async def test_nobody_there_is_no_reason_to_give_up() -> None:
    shop = ShopifyShop("http://127.0.0.1:9", AdminToken("t"))
    with pytest.raises(ShopBusy, match="not reached"):
        await shop.changed(SINCE)
    await shop.close()


async def test_an_app_fetches_its_token_and_renews_it_before_it_ends(shopify_shop: FakeShopify) -> None:
    clock = [NOW]
    shop = ShopifyShop(shopify_shop.url, AppToken(*shopify.APP, now=lambda: clock[0]))
    for _ in range(2):
        await shop.changed(SINCE)
    clock[0] += timedelta(hours=23, minutes=55)
    await shop.changed(SINCE)
    await shop.close()
    assert [each.operation for each in shopify_shop.log] == [
        *("token", "ChangedOrders", "ChangedOrders"),
        *("token", "ChangedOrders"),
    ]
    assert shopify_shop.log[0].variables == {"grant_type": "client_credentials", "client_id": shopify.APP[0]}


async def test_subscriptions_beyond_the_first_page_are_told_by_the_names_of_their_webhooks(
    shop: ShopifyShop, shopify_shop: FakeShopify
) -> None:
    elsewhere = {f"A_{number}": "https://elsewhere.example/hooks" for number in range(150)}
    ours = dict.fromkeys(
        ("ORDERS_PARTIALLY_FULFILLED", "ORDERS_UPDATED"), "https://d.example/webhooks/shopify"
    )
    shopify_shop.topics = elsewhere | ours
    assert await shop.subscriptions() == {"orders/partially_fulfilled": True, "orders/updated": True}
    assert len(shopify_shop.asked("Subscriptions")) == 2


async def test_shopify_tells_the_subscriptions_that_lead_to_us(
    shop: ShopifyShop, shopify_shop: FakeShopify
) -> None:
    shopify_shop.topics["FULFILLMENT_EVENTS_CREATE"] = "https://doors.example/webhooks/shopify"
    shopify_shop.topics["PRODUCTS_UPDATE"] = "https://other.example/in"
    expected = {"orders/create": True, "orders/updated": True, "fulfillment_events/create": True}
    assert await shop.subscriptions() == expected


def sell_woo(fake: FakeWooCommerce, *numbers: int) -> None:
    for number in numbers:
        fake.orders[number] = payloads.woocommerce_order(id=number)


async def test_woocommerce_is_read_page_by_page(woo: WooCommerceShop, woo_shop: FakeWooCommerce) -> None:
    sell_woo(woo_shop, *range(1, 121))
    found = await everything(woo)
    assert [change.body["id"] for change in found] == list(range(1, 121))
    assert facts("woocommerce", [found[0].body]) == facts("woocommerce", [payloads.woocommerce_order(id=1)])
    assert [each.params["page"] for each in woo_shop.log] == ["1", "2", "3"]
    assert woo_shop.log[0].params["modified_after"] == "2026-03-01T00:00:00"


async def test_an_order_thrown_away_meanwhile_hides_no_other(
    woo: WooCommerceShop, woo_shop: FakeWooCommerce
) -> None:
    sell_woo(woo_shop, *range(1, 121))
    woo_shop.thrown_away = [1, 2]
    assert {change.body["id"] for change in await everything(woo)} == set(range(1, 121))


async def test_an_old_woocommerce_is_noticed_before_it_tells_a_life_s_orders(
    woo: WooCommerceShop, woo_shop: FakeWooCommerce
) -> None:
    sell_woo(woo_shop, 1)
    woo_shop.orders[1]["date_modified_gmt"] = "2019-01-01T00:00:00"
    woo_shop.is_old = True
    with pytest.raises(ShopRefused, match=r"older than 5\.8"):
        await woo.changed(SINCE)


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (woocommerce.Fault.BUSY, 11.0),
        (woocommerce.Fault.ERROR, None),
        (woocommerce.Fault.GARBAGE, None),
    ],
)
async def test_woocommerce_is_asked_again_after_the_time_that_it_names(
    woo: WooCommerceShop, woo_shop: FakeWooCommerce, fault: woocommerce.Fault, seconds: float | None
) -> None:
    woo_shop.faults.append(fault)
    with pytest.raises(ShopBusy) as busy:
        await woo.changed(SINCE)
    assert busy.value.retry_after == seconds
    assert "ann@" not in busy.value.reason


async def test_woocommerce_tells_which_webhooks_are_at_work(
    woo: WooCommerceShop, woo_shop: FakeWooCommerce
) -> None:
    assert await woo.subscriptions() == {"order.created": True, "order.updated": True}
    woo_shop.subscribe("disabled")
    assert await woo.subscriptions() == {"order.created": True, "order.updated": False}
    woo_shop.webhooks = []
    assert await woo.subscriptions() == {"order.created": False, "order.updated": False}
    woo_shop.faults.append(woocommerce.Fault.NO_RIGHT)
    assert await woo.subscriptions() is None


async def test_a_wrong_key_is_a_refusal(woo_shop: FakeWooCommerce) -> None:
    shop = WooCommerceShop(woo_shop.url, woocommerce.KEY, "cs_of_somebody")
    with pytest.raises(ShopRefused, match="woocommerce answered 401"):
        await shop.changed(SINCE)
    await shop.close()


async def test_of_an_order_that_tries_the_shop_its_api_tells_nothing_that_has_an_effect(
    shop: ShopifyShop, shopify_shop: FakeShopify
) -> None:
    order = payloads.shopify_order(test=True)
    shopify_shop.orders = {order["id"]: order}
    shopify_shop.fulfillments, shopify_shop.events = (
        [payloads.shopify_fulfillment()],
        [payloads.shopify_event()],
    )
    shopify_shop.refunds, shopify_shop.returns = [payloads.SHOPIFY_REFUND], [payloads.SHOPIFY_RETURN]
    bodies = [json.dumps(change.body).encode() for change in await everything(shop)]
    assert len(bodies) == 5
    real = [each for body in bodies for each in translator(Settings())("shopify", body, NOW)]
    assert [each for each in real if each.deeds or each.person or each.problem] == []
    assert all(each.deeds for body in bodies for each in translate("shopify", body, NOW))


async def test_a_fulfillment_that_is_cancelled_is_told_alike(
    shop: ShopifyShop, shopify_shop: FakeShopify
) -> None:
    order, off = payloads.shopify_order(), payloads.shopify_fulfillment(status="cancelled")
    shopify_shop.orders, shopify_shop.fulfillments = {order["id"]: order}, [off]
    by_api = facts("shopify", [change.body for change in await everything(shop)])
    assert by_api == facts("shopify", [order, off])
    assert by_api["shopify:123456:cancelled"]["status"] == "cancelled"
