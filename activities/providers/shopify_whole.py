"""An order with all that belongs to it, where a list of it broke off.

Lines, checkpoints and returns are followed from page to page. Fulfillments and refunds are lists that Shopify
does not page: where one is as long as what was asked for, all of its ids are asked for, and then each one.
"""

from typing import Any

from activities.providers.shopify_asking import Asking, Sizes
from activities.providers.shopify_queries import EACH_OF, IDS_OF, REST_OF

Node = dict[str, Any]

REST_AT_ONCE = Sizes(orders=1, lines=200, events=200, parts=10)
"""Of one list of one order; 250 is the most that Shopify gives on a page."""

MOST = 250
"""Fulfillments or refunds of one order, beyond which Shopify has no way to the others."""

CUT = "cut"
"""The key of an order under which it says which of its lists could not be read to the end."""


class Whole:
    """Follows the lists of orders."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def order(self, order: Node, parts: int) -> Node:
        """The same order, whole. `parts` is how many fulfillments and refunds were asked for.

        Raises `ShopRefused` or `ShopBusy`.
        """
        sent = await self._all(order, "fulfillments", parts)
        refunds = await self._all(order, "refunds", parts)
        returns = await self._rest(order, "returns")
        return {
            **order,
            "lineItems": {"nodes": await self._rest(order, "lineItems")},
            "fulfillments": [await self._filled(each, "fulfillmentLineItems", "events") for each in sent],
            "refunds": [await self._filled(each, "refundLineItems") for each in refunds],
            "returns": {"nodes": [await self._filled(each, "returnLineItems") for each in returns]},
            CUT: [
                name for name, found in (("fulfillments", sent), ("refunds", refunds)) if len(found) >= MOST
            ],
        }

    async def _filled(self, owner: Node, *fields: str) -> Node:
        return owner | {field: {"nodes": await self._rest(owner, field)} for field in fields}

    async def _rest(self, owner: Node, field: str) -> list[Node]:
        """A list to its end. What is deleted meanwhile has none."""
        nodes, info = list(owner[field]["nodes"]), owner[field]["pageInfo"]
        while info["hasNextPage"]:
            node = await self._node(REST_OF[field], owner["id"], after=info["endCursor"])
            if node is None:
                break
            nodes += node[field]["nodes"]
            info = node[field]["pageInfo"]
        return nodes

    async def _all(self, order: Node, field: str, asked_for: int) -> list[Node]:
        found: list[Node] = order[field]
        if len(found) < asked_for:
            return found
        told = await self._node(IDS_OF[field], order["id"], most=MOST)
        known = {each["id"]: each for each in found}
        ids = [each["id"] for each in told[field]] if told else list(known)
        every = [known.get(name) or await self._node(EACH_OF[field], name) for name in ids]
        return [each for each in every if each is not None]

    async def _node(self, query: str, name: str, **variables: Any) -> Node | None:
        data, _ = await self._asking.within(REST_AT_ONCE, query, {"id": name, **variables})
        node: Node | None = data["node"]
        return node
