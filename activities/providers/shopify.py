"""Shopify's GraphQL Admin API: orders by the time of their last change, and the subscriptions there are.

GraphQL, since the REST Admin API is a legacy since October 2024 and closed to new apps since April 2025. The
version is pinned: each is supported for a year, and what it answers does not change.

A question costs points, of which there is a bucket that fills up again. The answer says how full it is, so
that the next page waits for as long as it has to; `THROTTLED` may come all the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

import httpx

from activities.providers.shop_http import TIMEOUT, asked, leads_to
from activities.providers.shopify_orders import changes_of
from activities.providers.shopify_queries import ONE_ORDER, ORDERS, SUBSCRIPTIONS
from activities.shops import Page, ShopBusy, ShopRefused

API_VERSION = "2026-10"

OUR_DOOR = "/webhooks/shopify"
"""How the address of a subscription ends that is meant for us."""

ORDERS_AT_ONCE = 10
LINES_AT_ONCE = 50
"""A question of this size costs below 1,000 points, the most that one may cost; where it does not, fewer
orders are asked for."""

ALL_LINES = 250
"""The most that Shopify gives on a page."""

AS_FAR_AS = 20_000
"""Orders after which the question begins anew at the last one's time: Shopify pages no further than 25,000.
"""

RENEW_BEFORE = timedelta(minutes=10)
"""A token of the client credentials grant lives for a day; it is renewed this long before its end."""

LONGEST_PAUSE = 20.0
"""Seconds that the next page waits for points; what takes longer is tried again later."""

Sleep = Callable[[float], Awaitable[None]]


def utc_now() -> datetime:
    return datetime.now(UTC)


class Token(Protocol):
    """What opens the API."""

    async def get(self, client: httpx.AsyncClient) -> str:
        """Raises `ShopRefused` or `ShopBusy`."""
        ...


class AdminToken:
    """One that was made in the shop's admin, and does not end."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get(self, client: httpx.AsyncClient) -> str:
        return self._token


class AppToken:
    """That of an app of the Dev Dashboard, which fetches it by its id and secret, and lives for a day.

    https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/client-credentials-grant
    """

    def __init__(self, client_id: str, secret: str, now: Callable[[], datetime] = utc_now) -> None:
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        self._token = ""
        self._until: datetime | None = None
        self._now = now

    async def get(self, client: httpx.AsyncClient) -> str:
        if self._until is None or self._now() >= self._until - RENEW_BEFORE:
            await self._renew(client)
        return self._token

    async def _renew(self, client: httpx.AsyncClient) -> None:
        request = client.build_request("POST", "/admin/oauth/access_token", data=self._form)
        answer, _ = await asked("shopify", client, request)
        try:
            self._token = str(answer["access_token"])
            self._until = self._now() + timedelta(seconds=int(answer["expires_in"]))
        except (KeyError, TypeError, ValueError):
            raise ShopRefused("shopify gave no access token for the app") from None


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
        self._path = f"/admin/api/{version}/graphql.json"
        self._token = token
        self._sleep = sleep
        self._orders_at_once = ORDERS_AT_ONCE

    async def close(self) -> None:
        """Give the open connections back."""
        await self._client.aclose()

    async def changed(self, since: datetime, cursor: str | None = None) -> Page:
        """By time of change: an order that changes meanwhile moves to the end and is told once more."""
        place = _Place.read(cursor) if cursor else _Place(f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
        data = await self._page(f"updated_at:>='{place.since}'", place.after or None, counted=cursor is None)
        nodes, info = data["orders"]["nodes"], data["orders"]["pageInfo"]
        orders = [await self._whole(node) for node in nodes]
        changes = tuple(change for order in orders for change in changes_of(order, since))
        following = None
        if info["hasNextPage"]:
            following = place.then(len(nodes), nodes[-1]["updatedAt"], info["endCursor"]).written()
        count = (data.get("ordersCount") or {}).get("count")
        return Page(len(orders), changes, following, count)

    async def subscriptions(self) -> Mapping[str, bool]:
        """Those that this app made by the API. Shopify does not tell those of an app's configuration file and
        those of the admin, and deletes what failed too often: so one is at work if it is there."""
        data = await self._ask(SUBSCRIPTIONS, {})
        found = [(str(each["topic"]), str(each["uri"])) for each in data["webhookSubscriptions"]["nodes"]]
        return {_topic(name): True for name, uri in found if leads_to(uri, OUR_DOOR)}

    async def _page(self, query: str, after: str | None, *, counted: bool) -> dict[str, Any]:
        while True:
            variables = {
                "query": query,
                "after": after,
                "orders": self._orders_at_once,
                "lines": LINES_AT_ONCE,
                "counted": counted,
            }
            try:
                return await self._ask(ORDERS, variables)
            except _TooDear:
                if self._orders_at_once == 1:
                    raise ShopRefused("shopify takes one order for too much at once") from None
                self._orders_at_once = max(1, self._orders_at_once // 2)

    async def _whole(self, order: dict[str, Any]) -> dict[str, Any]:
        """The order with all of its lines; few have more than the list gives."""
        parts = [order["lineItems"], *(each["fulfillmentLineItems"] for each in order["fulfillments"])]
        if not any(part["pageInfo"]["hasNextPage"] for part in parts):
            return order
        lines: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            data = await self._ask(ONE_ORDER, {"id": order["id"], "after": after, "lines": ALL_LINES})
            if data["order"] is None:
                return order
            lines += data["order"]["lineItems"]["nodes"]
            info = data["order"]["lineItems"]["pageInfo"]
            if not info["hasNextPage"]:
                return {**data["order"], "lineItems": {"nodes": lines}}
            after = info["endCursor"]

    async def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        token = await self._token.get(self._client)
        request = self._client.build_request(
            "POST",
            self._path,
            json={"query": query, "variables": variables},
            headers={"X-Shopify-Access-Token": token},
        )
        answer, _ = await asked("shopify", self._client, request)
        if not isinstance(answer, dict):
            raise ShopBusy("shopify answered with something that is no object")
        cost = (answer.get("extensions") or {}).get("cost") or {}
        if answer.get("errors"):
            raise _ended(answer["errors"], cost)
        if not isinstance(answer.get("data"), dict):
            raise ShopBusy("shopify answered without data")
        await self._pause(cost)
        data: dict[str, Any] = answer["data"]
        return data

    async def _pause(self, cost: dict[str, Any]) -> None:
        """Wait until the bucket holds what such a question costs."""
        if wait := _until_affordable(cost):
            await self._sleep(min(wait, LONGEST_PAUSE))


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


class _TooDear(Exception):
    """The question costs more than one may."""


def _ended(errors: Any, cost: dict[str, Any]) -> Exception:
    """Its sentences may quote what they were given, so only its codes go on."""
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code = str((first.get("extensions") or {}).get("code") or "")
    message = str(first.get("message") or "")
    if code == "THROTTLED" or message == "Throttled":
        return ShopBusy("shopify asks for patience", _until_affordable(cost) or 2.0)
    if code == "MAX_COST_EXCEEDED":
        return _TooDear()
    if code == "ACCESS_DENIED":
        field = next((str(part) for part in reversed(first.get("path") or ()) if isinstance(part, str)), "")
        return ShopRefused(f"shopify denies access to {field or 'what was asked'}: a scope is missing")
    if code in ("INTERNAL_SERVER_ERROR", "TIMEOUT"):
        return ShopBusy(f"shopify answered {code}")
    return ShopRefused(f"shopify does not take the question: {code or 'an error without a code'}")


def _until_affordable(cost: dict[str, Any]) -> float:
    """Seconds until the bucket holds the price of the last question."""
    status = cost.get("throttleStatus") or {}
    try:
        lacking = float(cost["requestedQueryCost"]) - float(status["currentlyAvailable"])
        return max(0.0, lacking / float(status["restoreRate"]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return 0.0


def _topic(name: str) -> str:
    """`ORDERS_UPDATED` as a webhook's header has it: `orders/updated`."""
    resource, _, event = name.lower().rpartition("_")
    return f"{resource}/{event}"
