"""WooCommerce's REST API (`wc/v3`): orders by the time of their last change, and the webhooks there are.

https://woocommerce.github.io/woocommerce-rest-api-docs. A webhook's body is the same object as the list's.
`modified_after` is known since WooCommerce 5.8; older ones ignore it, which is noticed.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from activities.providers.shop_http import TIMEOUT, asked, leads_to
from activities.shops import Changed, Page, ShopBusy, ShopRefused

ORDERS_AT_ONCE = 50
"""Of at most 100. An order may have hundreds of lines."""

OUR_DOOR = "/webhooks/woocommerce"
"""How the delivery address of a webhook ends that is meant for us."""

NEEDED = ("order.created", "order.updated")
"""WooCommerce tells all of its webhooks, so that one which is not there is certainly missing."""


class WooCommerceShop:
    """Asks with a consumer key and its secret, over https."""

    source = "woocommerce"

    def __init__(self, url: str, key: str, secret: str, timeout: float = TIMEOUT) -> None:
        self._client = httpx.AsyncClient(
            base_url=f"{url.rstrip('/')}/wp-json/wc/v3", auth=(key, secret), timeout=timeout
        )

    async def close(self) -> None:
        """Give the open connections back."""
        await self._client.aclose()

    async def changed(self, since: datetime, cursor: str | None = None) -> Page:
        """The cursor is the page's number, and how many orders there were when the page before was read."""
        number, before = map(int, (cursor or "1/0").split("/"))
        found, headers = await self._get(
            "/orders",
            modified_after=f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
            dates_are_gmt="true",
            status="any",
            # By id: an order that changes meanwhile stays where it is.
            orderby="id",
            order="asc",
            per_page=ORDERS_AT_ONCE,
            page=number,
        )
        changes = tuple(_changed(each, since) for each in _objects(found))
        _not_ignored(changes, since)
        total, pages = _number(headers, "x-wp-total"), _number(headers, "x-wp-totalpages")
        if not pages and len(changes) >= ORDERS_AT_ONCE:
            raise ShopRefused("it does not tell how many pages there are (X-WP-TotalPages)")
        following = f"{number + 1}/{total}" if number < pages else None
        if total < before and number > 1:
            # One was thrown away, so that a later one has slipped into the page that was read before.
            following = f"{number - 1}/{total}"
        return Page(len(changes), changes, following, total)

    async def subscriptions(self) -> Mapping[str, bool] | None:
        try:
            found, _ = await self._get("/webhooks", per_page=100)
        except ShopRefused:
            # A key of somebody who may read orders, but not the shop's settings.
            return None
        ours = [each for each in _objects(found) if leads_to(str(each.get("delivery_url") or ""), OUR_DOOR)]
        told = dict.fromkeys(NEEDED, False)
        for each in ours:
            topic = str(each.get("topic"))
            told[topic] = told.get(topic, False) or each.get("status") == "active"
        return told

    async def _get(self, path: str, **params: str | int) -> tuple[Any, httpx.Headers]:
        return await asked(
            "woocommerce", self._client, self._client.build_request("GET", path, params=params)
        )


def _objects(found: Any) -> list[dict[str, Any]]:
    if not isinstance(found, list):
        raise ShopBusy("woocommerce answered with something that is no list")
    return [each for each in found if isinstance(each, dict)]


def _changed(order: dict[str, Any], since: datetime) -> Changed:
    try:
        at = datetime.fromisoformat(str(order.get("date_modified_gmt"))).replace(tzinfo=UTC)
    except ValueError:
        # An order that was imported may have none; it was listed all the same.
        at = since
    return Changed(at, order)


def _not_ignored(changes: tuple[Changed, ...], since: datetime) -> None:
    if any(change.at < since.replace(microsecond=0) for change in changes):
        raise ShopRefused("woocommerce does not know modified_after: it is older than 5.8")


def _number(headers: httpx.Headers, name: str) -> int:
    value = headers.get(name, "")
    return int(value) if value.isdigit() else 0
