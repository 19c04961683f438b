"""Webhooks that never arrive: one pass finds all of them, and nothing is taken in twice."""

import pytest

from ledger import Ledger
from tests.doors import open_world
from tests.lost_webhooks import lose_webhooks


@pytest.mark.parametrize("source", ["shopify", "woocommerce"])
async def test_one_pass_finds_every_order_whose_webhook_was_lost(ledger: Ledger, source: str) -> None:
    async with open_world(ledger) as world:
        told = await lose_webhooks(ledger, world.post, source)
    assert (told.lost, told.missing_before) == (5, 5)
    assert told.holds, told
    assert told.report is not None
    assert (told.report.seen, told.report.filled, told.report.unread) == (100, 5, 0)


@pytest.mark.parametrize("source", ["shopify", "woocommerce"])
async def test_without_the_pass_the_orders_stay_missing(ledger: Ledger, source: str) -> None:
    async with open_world(ledger) as world:
        told = await lose_webhooks(ledger, world.post, source, reconciled=False)
    assert not told.holds
    assert told.missing == told.lost == 5
