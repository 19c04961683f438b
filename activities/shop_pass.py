"""One pass over a shop's orders: what changed and never came goes the way that its webhook would have gone.

It is read by the source's own translator, lies in the same inbox, and is delivered by the same dispatcher. It
counts once because a fact's id is made of the shop's ids and times, which are the same in a webhook and in a
list: what the inbox knows is not taken in again, and if both come at the same moment, the journey counts one.
"""

import json
from collections.abc import Callable
from datetime import datetime

from activities.passes import Alive, PassOver, whole
from activities.shops import Changed, Page, Shop
from journey.reconciling import (
    FIRST_LOOK,
    GRACE,
    OVERLAP,
    Gaps,
    PassRequest,
    Standing,
    heard_more,
    listened,
    subscribed,
)
from ledger import Ledger
from ledger.incoming import Acceptance, Incoming
from ledger.reconciliations import Pass

Translate = Callable[[str, bytes, datetime], list[Incoming]]
"""From a source's name and a payload to what goes into the inbox."""


class ShopPass(PassOver):
    """Asks one shop."""

    def __init__(
        self, ledger: Ledger, shop: Shop, translate: Translate, now: Callable[[], datetime], alive: Alive
    ) -> None:
        super().__init__(ledger, now, alive)
        self._shop = shop
        self._translate = translate

    def _since(self, request: PassRequest, standing: Standing, now: datetime) -> datetime:
        """From where the last whole pass ended, or from further back; never from later, since what lies
        between would never be asked for."""
        usual = standing.watermark - OVERLAP if standing.watermark else now - FIRST_LOOK
        return min(request.since, usual) if request.since else usual

    async def go_on(self, going: Pass) -> Pass:
        """To the last page. Raises `ShopRefused` or `ShopBusy`."""
        assert going.since is not None
        while going.ended_at is None:
            page = await self._shop.changed(going.since, going.cursor)
            going = await self._taken(going, page)
            if page.cursor is None:
                return await self._judged(going)
            await self._advance(going)
        return going

    async def _taken(self, going: Pass, page: Page) -> Pass:
        now = self._now()
        read = [(change, each) for change in page.changes for each in self._read(change, now)]
        missing = await self._ledger.missing([each for _, each in read])
        results = await self._ledger.accept(missing, now) if missing else []
        new = {id(each) for each, result in zip(missing, results, strict=True) if result is Acceptance.NEW}
        gaps = going.gaps
        for change, each in read:
            if id(each) in new and change.at < now - GRACE:
                gaps = gaps.and_at(change.at)
        return going.model_copy(
            update={
                "cursor": page.cursor,
                "expected": page.expected if page.expected is not None else going.expected,
                "seen": going.seen + page.orders,
                "filled": going.filled + len(new),
                "unread": going.unread + results.count(Acceptance.PARKED),
                "overdue": gaps.events,
                "overdue_since": gaps.oldest,
                "problem": "",
            }
        )

    def _read(self, change: Changed, now: datetime) -> list[Incoming]:
        # Sorted, so that the same thing told twice has the same hash.
        body = json.dumps(change.body, ensure_ascii=False, sort_keys=True).encode()
        return self._translate(self._shop.source, body, now)

    async def _judged(self, going: Pass) -> Pass:
        """How it stands with the shop's webhooks, by what it says and by what came."""
        told = await self._shop.subscriptions()
        now = self._now()
        standing = await self._ledger.standing(going.name)
        heard, number = await self._ledger.heard_since(self._shop.source, standing.inbox_number)
        standing = heard_more(standing, heard, number)
        standing = subscribed(standing, told, now)
        standing = listened(standing, Gaps(going.overdue, going.overdue_since), now)
        return await self._end(going, whole(standing, going))
