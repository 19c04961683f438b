"""Webhooks that never arrive: one pass finds all of them, and nothing is taken in twice."""

from collections.abc import Sequence

import pytest

from ledger import Ledger
from ledger.incoming import Incoming
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


async def test_a_pass_that_did_not_ask_the_inbox_first_would_be_caught(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def everything(_: Ledger, incoming: Sequence[Incoming]) -> list[Incoming]:
        return list(incoming)

    monkeypatch.setattr(Ledger, "missing", everything)
    async with open_world(ledger) as world:
        told = await lose_webhooks(ledger, world.post, orders=40)
    assert (told.missing, told.doubled) == (0, 38)
    assert not told.holds
