"""Shopify's orders that have more than a page tells, and questions that cost more than Shopify allows."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio

from activities.providers.shopify import AT_ONCE, ShopifyShop
from activities.providers.shopify_queries import ORDERS
from activities.providers.shopify_tokens import AdminToken
from activities.shops import ShopRefused
from service.sources.all import translate
from tests import payloads
from tests.fakes import shopify
from tests.fakes.graphql import cost, read
from tests.fakes.shopify import FakeShopify
from tests.test_shops import NOW, everything, facts

AT = "2026-03-05T10:00:00Z"
LINE = payloads.shopify_order()["line_items"][0]
SENT = payloads.shopify_fulfillment()["id"]
OF = payloads.shopify_order()["id"]


@pytest.fixture
def fake() -> Iterator[FakeShopify]:
    started = FakeShopify(points=1e9)
    started.start()
    yield started
    started.stop()


@pytest_asyncio.fixture
async def shop(fake: FakeShopify) -> AsyncIterator[ShopifyShop]:
    opened = ShopifyShop(fake.url, AdminToken(shopify.TOKEN))
    yield opened
    await opened.close()


def lines(number: int) -> list[dict[str, Any]]:
    return [LINE | {"id": each} for each in range(1, number + 1)]


def sell(fake: FakeShopify, **changes: Any) -> None:
    fake.orders[OF] = payloads.shopify_order(updated_at=AT, **changes)


def with_lines(fake: FakeShopify) -> list[dict[str, Any]]:
    sell(fake, line_items=lines(320))
    return [fake.orders[OF]]


def with_fulfillments(fake: FakeShopify) -> list[dict[str, Any]]:
    fake.fulfillments = [payloads.shopify_fulfillment(id=each) for each in range(1, 14)]
    return fake.fulfillments


def with_lines_of_a_fulfillment(fake: FakeShopify) -> list[dict[str, Any]]:
    fake.fulfillments = [payloads.shopify_fulfillment(line_items=lines(270))]
    return fake.fulfillments


def with_events(fake: FakeShopify) -> list[dict[str, Any]]:
    fake.fulfillments = [payloads.shopify_fulfillment()]
    fake.events = [payloads.shopify_event(id=each) for each in range(1, 131)]
    return fake.fulfillments + fake.events


def with_refunds(fake: FakeShopify) -> list[dict[str, Any]]:
    fake.refunds = [payloads.SHOPIFY_REFUND | {"id": each} for each in range(1, 14)]
    return fake.refunds


def with_lines_of_a_refund(fake: FakeShopify) -> list[dict[str, Any]]:
    parts = [{"quantity": 1, "line_item_id": each, "restock_type": "return"} for each in range(1, 271)]
    fake.refunds = [payloads.SHOPIFY_REFUND | {"refund_line_items": parts}]
    return fake.refunds


def with_returns(fake: FakeShopify) -> list[dict[str, Any]]:
    fake.returns = [payloads.SHOPIFY_RETURN | {"id": each} for each in range(1, 34)]
    return fake.returns


def with_lines_of_a_return(fake: FakeShopify) -> list[dict[str, Any]]:
    parts = [{"quantity": 1, "fulfillment_line_item": {"line_item": {"id": each}}} for each in range(1, 271)]
    fake.returns = [payloads.SHOPIFY_RETURN | {"return_line_items": parts}]
    return fake.returns


def with_lines_of_a_fulfillment_beyond_the_page(fake: FakeShopify) -> list[dict[str, Any]]:
    with_fulfillments(fake)
    fake.fulfillments[-1]["line_items"] = lines(300)
    fake.events = [payloads.shopify_event(id=each, fulfillment_id=13) for each in range(1, 131)]
    return fake.fulfillments + fake.events


MORE = [
    with_lines,
    with_fulfillments,
    with_lines_of_a_fulfillment,
    with_events,
    with_refunds,
    with_lines_of_a_refund,
    with_returns,
    with_lines_of_a_return,
    with_lines_of_a_fulfillment_beyond_the_page,
]
More = Callable[[FakeShopify], list[dict[str, Any]]]


@pytest.mark.parametrize("has_more", MORE)
@pytest.mark.parametrize("most_points", [1e6, 1_000.0], ids=["mild", "dear"])
async def test_nothing_of_an_order_is_lost_that_has_more_than_a_page_holds(
    shop: ShopifyShop, fake: FakeShopify, has_more: More, most_points: float
) -> None:
    sell(fake)
    fake.most_points = most_points
    webhooks = has_more(fake)
    by_api = facts("shopify", [change.body for change in await everything(shop)])
    assert by_api == facts("shopify", [fake.orders[OF], *webhooks])


async def test_an_order_like_most_takes_one_question(shop: ShopifyShop, fake: FakeShopify) -> None:
    sell(fake, line_items=lines(10))
    fake.fulfillments = [payloads.shopify_fulfillment(id=each) for each in range(1, 5)]
    fake.events = [payloads.shopify_event(id=each, fulfillment_id=1) for each in range(1, 11)]
    await everything(shop)
    assert [each.operation for each in fake.log] == ["ChangedOrders"]


def test_a_page_of_one_order_is_never_too_dear() -> None:
    assert cost(read(ORDERS), AT_ONCE._replace(orders=1)._asdict()) < 1_000


async def test_a_question_that_costs_too_much_is_made_smaller_once(
    shop: ShopifyShop, fake: FakeShopify
) -> None:
    fake.orders = {
        each: payloads.shopify_order(id=each, updated_at=f"2026-03-02T10:0{each}:00Z") for each in range(1, 8)
    }
    fake.most_points = 3_000
    assert len(await everything(shop)) == 7
    assert [each.variables["orders"] for each in fake.log] == [10, 5, 2, 2, 2, 2]


async def test_an_order_that_alone_costs_too_much_is_asked_for_with_shorter_lists(
    shop: ShopifyShop, fake: FakeShopify
) -> None:
    sell(fake, line_items=lines(8))
    fake.most_points = 200
    [change] = await everything(shop)
    assert len(change.body["line_items"]) == 8
    sizes = [
        tuple(each.variables[name] for name in ("orders", "lines", "events", "parts"))
        for each in fake.asked("ChangedOrders")
    ]
    assert sizes[0] == (10, 20, 10, 5)
    assert sizes[-1] == (1, 5, 5, 2)
    assert all(sum(map(int, a)) > sum(map(int, b)) for a, b in pairwise(sizes))


async def test_the_rest_of_an_order_that_costs_too_much_is_asked_for_in_smaller_parts(
    shop: ShopifyShop, fake: FakeShopify
) -> None:
    with_lines(fake)
    fake.most_points = 500
    [change] = await everything(shop)
    assert [each["id"] for each in change.body["line_items"]] == list(range(1, 321))
    sizes = [each.variables["lines"] for each in fake.asked("RestOfLineItems")]
    assert sizes == [200, 100, 100, 100, 100]


async def test_a_shop_where_the_least_costs_too_much_is_refused_and_nothing_is_said_to_be_read(
    shop: ShopifyShop, fake: FakeShopify
) -> None:
    sell(fake)
    fake.most_points = 10
    with pytest.raises(ShopRefused, match="takes one order for too much at once"):
        await everything(shop)
    fake.most_points = 1_000
    assert len(await everything(shop)) == 1


async def test_what_is_deleted_while_it_is_read_keeps_nothing_else_from_being_told(
    shop: ShopifyShop, fake: FakeShopify
) -> None:
    sell(fake)
    with_fulfillments(fake)
    fake.gone = {"gid://shopify/Fulfillment/13"}
    told = facts("shopify", [change.body for change in await everything(shop)])
    assert len([name for name in told if re.fullmatch(r"shopify:\d+:2026\d+T\d+", name)]) == 12 + 1
    fake.gone = {f"gid://shopify/Order/{OF}"}
    assert len(await everything(shop)) == 1 + 5


async def test_an_order_with_more_parcels_than_shopify_tells_is_shown_to_people(
    shop: ShopifyShop, fake: FakeShopify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.providers.shopify_whole.MOST", 7)
    sell(fake)
    with_fulfillments(fake)
    changes = await everything(shop)
    assert len(changes) == 1 + 7 + 1
    told = [each for change in changes[-1:] for each in parked(change.body)]
    assert told == [{"order": OF, "has too many": "fulfillments"}]


def parked(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What a payload says to people, since no translator understands it."""
    [told] = translate("shopify", json.dumps(body).encode(), NOW)
    assert told.problem
    return [json.loads(told.raw or "")["told"]]
