"""Webhooks that never arrive: one pass finds all of them, and nothing is taken in twice."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger import Ledger
from runtime.reconcile import reconcile
from service.sources.all import translate
from tests import payloads
from tests.doors import open_world

NOW = datetime(2026, 3, 5, tzinfo=UTC)


class FakeShop:
    """A shop whose list of changed orders is right, whatever became of its webhooks."""

    source = "shopify"

    def __init__(self, orders: list[dict[str, Any]]) -> None:
        self._orders = orders
        self.asked: list[datetime] = []

    async def changed_since(self, moment: datetime) -> AsyncIterator[dict[str, Any]]:
        self.asked.append(moment)
        for order in self._orders:
            yield order


async def test_one_pass_finds_every_order_whose_webhook_was_lost(ledger: Ledger) -> None:
    orders = [payloads.shopify_order(id=1_000 + number) for number in range(100)]
    lost = set(random.Random(1).sample(range(100), 5))
    async with open_world(ledger) as world:
        for number, order in enumerate(orders):
            if number not in lost:
                await world.post("shopify", order)
    # The list has the same orders in other words: a field more than the webhooks.
    shop = FakeShop([order | {"note_attributes": []} for order in orders])
    first = await reconcile(ledger, shop, translate, NOW - timedelta(hours=1), NOW)
    assert (first.seen, first.gaps, first.unread) == (100, 5, 0)
    second = await reconcile(ledger, shop, translate, NOW, NOW)
    assert (second.seen, second.gaps) == (100, 0)
    placed = [deed.body["fact_id"] for row in await ledger.inbox_rows(most=500) for deed in row.deeds]
    assert sorted(placed) == sorted({f"shopify:{1_000 + number}:placed" for number in range(100)})
    assert shop.asked[0] < NOW - timedelta(hours=1)
