"""Asking the shop what has changed, so that a webhook that never came is made up for.

What is found goes through the same translation and the same inbox. A fact that was known already changes
nothing, so a pass may look back further than it has to.
"""

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

from journey.facts import Model
from ledger import Ledger
from ledger.incoming import Acceptance, Incoming

OVERLAP = timedelta(minutes=15)
"""How far before the last pass the next one begins: a shop's list may lag behind its orders."""

AT_A_TIME = 100
"""Orders that are committed together."""


class Shop(Protocol):
    """A shop that can be asked, page by page, by whatever API it has."""

    @property
    def source(self) -> str:
        """The source whose webhooks bring the same payloads."""

    def changed_since(self, moment: datetime) -> AsyncIterator[dict[str, Any]]:
        """The orders, and their fulfillments, that changed after a moment, as webhooks would bring them."""


Translate = Callable[[str, bytes, datetime], list[Incoming]]
"""From a source's name and a payload to what goes into the inbox."""


class Pass(Model):
    """What one pass found. Many `gaps` mean that the shop's subscription is lost: look there."""

    seen: int = 0
    gaps: int = 0
    unread: int = 0


async def reconcile(ledger: Ledger, shop: Shop, translate: Translate, since: datetime, now: datetime) -> Pass:
    """Take in what changed since the last pass and never came."""
    told = Pass()
    waiting: list[Incoming] = []
    async for payload in shop.changed_since(since - OVERLAP):
        waiting += translate(shop.source, json.dumps(payload, ensure_ascii=False).encode(), now)
        if len(waiting) >= AT_A_TIME:
            told, waiting = await _taken(ledger, told, waiting, now), []
    return await _taken(ledger, told, waiting, now) if waiting else told


async def _taken(ledger: Ledger, told: Pass, incoming: list[Incoming], now: datetime) -> Pass:
    missing = [each for each in incoming if each.problem or await ledger.is_missing(each)]
    results = await ledger.accept(missing, now) if missing else []
    return Pass(
        seen=told.seen + len(incoming),
        gaps=told.gaps + results.count(Acceptance.NEW),
        unread=told.unread + results.count(Acceptance.PARKED),
    )
