"""Shopify's GraphQL Admin API: orders by the time of their last change, and the subscriptions there are.

GraphQL, since the REST Admin API is a legacy since October 2024 and closed to new apps since April 2025. The
version is pinned: each is supported for a year, and what it answers does not change.

A question costs points, of which there is a bucket that fills up again. The answer says how full it is, so
that the next page waits for as long as it has to; `THROTTLED` may come all the same.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import httpx

from activities.providers.shop_http import TIMEOUT, leads_to
from activities.providers.shopify_asking import Asking, Sizes, Sleep
from activities.providers.shopify_orders import changes_of
from activities.providers.shopify_queries import ORDERS, SUBSCRIPTIONS
from activities.providers.shopify_tokens import Token
from activities.providers.shopify_topics import topic
from activities.providers.shopify_whole import Whole
from activities.shops import Page

API_VERSION = "2026-10"

OUR_DOOR = "/webhooks/shopify"
"""How the address of a subscription ends that is meant for us."""

AT_ONCE = Sizes(orders=10, lines=20, events=10, parts=5)
"""What few orders exceed. By the dearest rule that Shopify has published (a point for each object, none of
them for less: https://shopify.engineering/rate-limiting-graphql-apis-calculating-query-complexity) a page of
one order stays below 1,000 points."""

AS_FAR_AS = 20_000
"""Orders after which the question begins anew at the last one's time: Shopify pages no further than 25,000.
"""


class ShopifyShop:
    """Asks one shop. `url` is `https://NAME.myshopify.com`."""

    source = "shopify"

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        version: str = API_VERSION,
        timeout: float = TIMEOUT,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = httpx.AsyncClient(base_url=url.rstrip("/"), timeout=timeout)
        self._asking = Asking(self._client, f"/admin/api/{version}/graphql.json", token, sleep)
        self._whole = Whole(self._asking)

    async def close(self) -> None:
        """Give the open connections back."""
        await self._client.aclose()

    async def changed(self, since: datetime, cursor: str | None = None) -> Page:
        """By time of change: an order that changes meanwhile moves to the end and is told once more."""
        place = _Place.read(cursor) if cursor else _Place(f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
        about = {
            "query": f"updated_at:>='{place.since}'",
            "after": place.after or None,
            "counted": not cursor,
        }
        data, sizes = await self._asking.within(AT_ONCE, ORDERS, about)
        nodes, info = data["orders"]["nodes"], data["orders"]["pageInfo"]
        orders = [await self._whole.order(node, sizes.parts) for node in nodes]
        changes = tuple(change for order in orders for change in changes_of(order, since))
        following = None
        if info["hasNextPage"]:
            following = place.then(len(nodes), nodes[-1]["updatedAt"], info["endCursor"]).written()
        count = (data.get("ordersCount") or {}).get("count")
        return Page(len(orders), changes, following, count)

    async def subscriptions(self) -> Mapping[str, bool]:
        """Those that this app made by the API. Shopify does not tell those of an app's configuration file and
        those of the admin, and deletes what failed too often: so one is at work if it is there."""
        found: dict[str, bool] = {}
        after: str | None = None
        while True:
            data = await self._asking.ask(SUBSCRIPTIONS, {"after": after})
            page = data["webhookSubscriptions"]
            ours = (each for each in page["nodes"] if leads_to(str(each["uri"]), OUR_DOOR))
            found |= {topic(str(each["topic"])): True for each in ours}
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]


class _Place(NamedTuple):
    """How far a list has been read: since when it was asked for, how many of it were told, and after which
    of Shopify's marks it goes on."""

    since: str
    told: int = 0
    after: str = ""

    @classmethod
    def read(cls, text: str) -> "_Place":
        since, told, after = text.split(" ", 2)
        return cls(since, int(told), after)

    def written(self) -> str:
        return f"{self.since} {self.told} {self.after}"

    def then(self, told: int, last: str, after: str) -> "_Place":
        if self.told + told >= AS_FAR_AS and last > self.since:
            return _Place(last)
        return self._replace(told=self.told + told, after=after)
