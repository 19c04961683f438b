"""One question to Shopify's GraphQL Admin API, with the patience that its points ask for.

A question may cost 1,000 points. What one costs is worked out from the sizes of its lists before it is
answered, "with logarithmic scaling" for those that are paged, by a formula that Shopify keeps to itself:
https://community.shopify.dev/t/how-to-calculate-graphql-cost-estimates/24364. So nothing is reckoned here.
What is refused as too dear is asked for in smaller parts, and the sizes that pass are kept: what a question
costs changes with the API's version alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import httpx

from activities.providers.shop_http import asked
from activities.providers.shopify_tokens import Token
from activities.shops import ShopBusy, ShopRefused

LONGEST_PAUSE = 20.0
"""Seconds that the next page waits for points; what takes longer is tried again later."""

Sleep = Callable[[float], Awaitable[None]]


class Sizes(NamedTuple):
    """How many of each kind a question asks for at once; the variables of the questions have these names."""

    orders: int
    lines: int
    """Of an order, a fulfillment, a refund or a return."""
    events: int
    """Checkpoints of a fulfillment."""
    parts: int
    """Fulfillments, refunds and returns of an order."""

    def asked_by(self, query: str) -> dict[str, int]:
        """Those that a question has variables for."""
        return {name: size for name, size in self._asdict().items() if f"${name}:" in query}

    def smaller(self, query: str) -> "Sizes | None":
        """Half of the first one that the question has and that can still be halved."""
        for name, size in self.asked_by(query).items():
            if size > (least := getattr(LEAST, name)):
                return self._replace(**{name: max(least, size // 2)})
        return None


LEAST = Sizes(orders=1, lines=5, events=5, parts=2)
"""Below this a shop would be asked more often than it sells."""


class TooDear(Exception):
    """The question costs more than one may."""


class Asking:
    """Asks, at one address."""

    def __init__(
        self, client: httpx.AsyncClient, path: str, token: Token, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._client = client
        self._path = path
        self._token = token
        self._sleep = sleep
        self._fitting: dict[str, Sizes] = {}

    async def within(
        self, most: Sizes, query: str, variables: dict[str, Any]
    ) -> tuple[dict[str, Any], Sizes]:
        """The answer, and the sizes that it was asked for with. Raises `ShopRefused` or `ShopBusy`."""
        sizes = self._fitting.get(query, most)
        while True:
            try:
                return await self.ask(query, variables | sizes.asked_by(query)), sizes
            except TooDear:
                less = sizes.smaller(query)
                if less is None:
                    raise ShopRefused("shopify takes one order for too much at once") from None
                sizes = self._fitting[query] = less

    async def ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The answer's `data`. Raises `TooDear`, `ShopRefused` or `ShopBusy`."""
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


def _ended(errors: Any, cost: dict[str, Any]) -> Exception:
    """Its sentences may quote what they were given, so only its codes go on."""
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code = str((first.get("extensions") or {}).get("code") or "")
    message = str(first.get("message") or "")
    if code == "THROTTLED" or message == "Throttled":
        return ShopBusy("shopify asks for patience", _until_affordable(cost) or 2.0)
    if code == "MAX_COST_EXCEEDED":
        return TooDear()
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
