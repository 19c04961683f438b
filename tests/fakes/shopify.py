"""A Shopify shop on loopback: its orders, the GraphQL Admin API over them, and a log of what was asked.

It keeps what happened in the words of its webhooks, and tells it in those of its API, each by hand: so the
two ways to the same order are as different here as they are at Shopify.
"""

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.graphql import Connection, UnknownField, answered, cost, read
from tests.fakes.small_server import Asked, Loopback, Reply

TOKEN = "shpat_of_the_tests"
APP = ("app-of-the-tests", "secret-of-the-tests")
VERSION = "2026-10"


class Fault(StrEnum):
    """What the next question suffers."""

    BUSY = "busy"
    THROTTLED = "throttled"
    DENIED = "denied"
    ERROR = "error"
    GARBAGE = "garbage"


@dataclass(frozen=True)
class Entry:
    """One question, as it arrived."""

    operation: str
    variables: dict[str, Any]
    fault: str | None = None
    query: str = ""


@dataclass
class FakeShopify:
    """`orders` by their ids, and what belongs to each; `topics` are the subscriptions of the API."""

    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    fulfillments: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    refunds: list[dict[str, Any]] = field(default_factory=list)
    returns: list[dict[str, Any]] = field(default_factory=list)
    topics: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys(
            ("ORDERS_CREATE", "ORDERS_UPDATED"), "https://doors.example/webhooks/shopify"
        )
    )
    log: list[Entry] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    most_points: float = 1e6
    """That one question may cost, by the dearest rule; at Shopify it is 1,000, by a milder one."""
    gone: set[str] = field(default_factory=set)
    """Ids of what is deleted once the first page has been told."""
    points: float = 2_000.0
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    token_lasts: int = 86_399

    def __post_init__(self) -> None:
        self._server = Loopback(self._answer)
        self.start, self.stop = self._server.start, self._server.stop

    @property
    def url(self) -> str:
        return self._server.url

    def asked(self, operation: str) -> list[Entry]:
        return [entry for entry in self.log if entry.operation == operation]

    def _answer(self, asked: Asked) -> Reply:
        if asked.path == "/admin/oauth/access_token":
            return self._token(asked)
        if asked.path != f"/admin/api/{VERSION}/graphql.json":
            return Reply(404, {"errors": "Not Found"})
        body = json.loads(asked.body)
        operation = body["query"].split()[1].partition("(")[0]
        fault = self.faults.popleft() if self.faults else None
        self.log.append(Entry(operation, body["variables"], fault, body["query"]))
        if asked.headers.get("x-shopify-access-token") not in self.tokens:
            return Reply(401, {"errors": "[API] Invalid API key or access token"})
        return _suffered(fault) or self._told(body["query"], body["variables"])

    def _token(self, asked: Asked) -> Reply:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        self.log.append(Entry("token", {name: form.get(name) for name in ("grant_type", "client_id")}))
        if (form.get("client_id"), form.get("client_secret")) != APP:
            return Reply(401, {"error": "invalid_client"})
        token = f"shpat_{len(self.log)}"
        self.tokens.add(token)
        return Reply(200, {"access_token": token, "scope": "read_orders", "expires_in": self.token_lasts})

    def _told(self, query: str, variables: dict[str, Any]) -> Reply:
        wanted = read(query)
        if (dear := cost(wanted, variables)) > self.most_points:
            limit = f"the single query max cost limit ({self.most_points:.0f})"
            return _error("MAX_COST_EXCEEDED", f"Query cost is {dear}, which exceeds {limit}.")
        price = 30.0 * variables.get("orders", 1)
        self.points -= price
        status = {"maximumAvailable": 2000.0, "currentlyAvailable": self.points, "restoreRate": 100.0}
        costs = {"requestedQueryCost": price, "actualQueryCost": price, "throttleStatus": status}
        extensions = {"cost": costs}
        try:
            data = answered(self.root(variables), wanted, variables)
        except UnknownField as error:
            return _error("undefinedField", f"Field '{error}' doesn't exist")
        return Reply(200, {"data": data, "extensions": extensions})

    def root(self, variables: dict[str, Any]) -> dict[str, Any]:
        """All that can be selected from, whatever is asked."""
        _, _, since = str(variables.get("query") or "").partition(":>=")
        changed = [order for order in self.orders.values() if not since or _at(order) >= _moment(since)]
        nodes = [self._node(order) for order in sorted(changed, key=_at)]
        return {
            "ordersCount": {"count": len(nodes)},
            "orders": Connection(nodes),
            "node": self._named(str(variables.get("id") or "")),
            "webhookSubscriptions": Connection(
                [{"topic": topic, "uri": uri} for topic, uri in self.topics.items()]
            ),
        }

    def _named(self, name: str) -> dict[str, Any] | None:
        kind, _, number = name.removeprefix("gid://shopify/").partition("/")
        if name in self.gone or not number:
            return None
        match kind:
            case "Order":
                return self._node(self.orders[int(number)])
            case "Fulfillment":
                return next(
                    self._fulfillment(each) for each in self.fulfillments if str(each["id"]) == number
                )
            case "Refund":
                return next(_refund(each) for each in self.refunds if str(each["id"]) == number)
            case "Return":
                return next(_return(each) for each in self.returns if str(each["id"]) == number)
        raise AssertionError(name)

    def _node(self, order: dict[str, Any]) -> dict[str, Any]:
        of = order["id"]
        customer = order["customer"]
        return {
            "id": f"gid://shopify/Order/{of}",
            "legacyResourceId": str(of),
            "createdAt": _utc(order["created_at"]),
            "processedAt": _utc(order["processed_at"]),
            "updatedAt": _utc(order["updated_at"]),
            "cancelledAt": _utc(order["cancelled_at"]),
            "cancelReason": _enum(order["cancel_reason"]),
            "displayFinancialStatus": _enum(order["financial_status"]),
            "currencyCode": order["currency"],
            "email": order["email"],
            "phone": order["phone"],
            "customerLocale": order["customer_locale"],
            "test": order["test"],
            "customer": _customer(customer) if customer else None,
            "shippingAddress": _address(order["shipping_address"]),
            "billingAddress": _address(order["billing_address"]),
            "lineItems": Connection(map(_line, order["line_items"])),
            "fulfillments": [self._fulfillment(each) for each in self.fulfillments if each["order_id"] == of],
            "refunds": [_refund(each) for each in self.refunds if each["order_id"] == of],
            "returns": Connection(_return(each) for each in self.returns if each["order"]["id"] == of),
        }

    def _fulfillment(self, sent: dict[str, Any]) -> dict[str, Any]:
        parts = [
            {"quantity": item["quantity"], "lineItem": {"id": f"gid://shopify/LineItem/{item['id']}"}}
            for item in sent["line_items"]
        ]
        events = [each for each in self.events if each["fulfillment_id"] == sent["id"]]
        return {
            "id": f"gid://shopify/Fulfillment/{sent['id']}",
            "legacyResourceId": str(sent["id"]),
            "status": _enum(sent["status"]),
            "createdAt": _utc(sent["created_at"]),
            "updatedAt": _utc(sent["updated_at"]),
            "trackingInfo": [
                {
                    "company": sent["tracking_company"],
                    "number": sent["tracking_number"],
                    "url": sent["tracking_url"],
                }
            ],
            "fulfillmentLineItems": Connection(parts),
            "events": Connection(
                {
                    "id": f"gid://shopify/FulfillmentEvent/{event['id']}",
                    "status": _enum(event["status"]),
                    "happenedAt": _utc(event["happened_at"]),
                    "estimatedDeliveryAt": _utc(event["estimated_delivery_at"]),
                }
                for event in events
            ),
        }


def _suffered(fault: Fault | None) -> Reply | None:
    match fault:
        case Fault.BUSY:
            return Reply(429, {"errors": "Exceeded 2 calls per second"}, {"Retry-After": "7.0"})
        case Fault.THROTTLED:
            status = {"maximumAvailable": 2000.0, "currentlyAvailable": 100.0, "restoreRate": 50.0}
            cost = {"requestedQueryCost": 300, "actualQueryCost": None, "throttleStatus": status}
            reply = _error("THROTTLED", "Throttled")
            reply.body["extensions"] = {"cost": cost}
            return reply
        case Fault.DENIED:
            reply = _error("ACCESS_DENIED", "Access denied for returns field. ann@shop.example")
            reply.body["errors"][0]["path"] = ["orders", "nodes", 0, "returns"]
            return reply
        case Fault.ERROR:
            return Reply(502, raw=b"<html>ann@shop.example</html>")
        case Fault.GARBAGE:
            return Reply(200, raw=b"<html>all is well</html>")
    return None


def _error(code: str, message: str) -> Reply:
    return Reply(200, {"errors": [{"message": message, "extensions": {"code": code}}]})


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.strip("'"))


def _at(order: dict[str, Any]) -> datetime:
    return _moment(order["updated_at"])


def _utc(text: str | None) -> str | None:
    return f"{_moment(text).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if text else None


def _enum(word: str | None) -> str | None:
    return word.upper() if word else None


def _customer(customer: dict[str, Any]) -> dict[str, Any]:
    consent = customer["email_marketing_consent"]
    return {
        "legacyResourceId": str(customer["id"]),
        "firstName": customer["first_name"],
        "lastName": customer["last_name"],
        "numberOfOrders": str(customer["orders_count"]),
        "defaultEmailAddress": {
            "emailAddress": customer["email"],
            "marketingState": _enum(consent["state"]),
            "marketingUpdatedAt": _utc(consent["consent_updated_at"]),
        },
        "defaultPhoneNumber": {"phoneNumber": customer["phone"]} if customer["phone"] else None,
    }


def _address(address: dict[str, Any] | None) -> dict[str, Any] | None:
    names = {
        "name": "name",
        "first_name": "firstName",
        "last_name": "lastName",
        "company": "company",
        "address1": "address1",
        "address2": "address2",
        "city": "city",
        "zip": "zip",
        "province_code": "provinceCode",
        "country": "country",
        "country_code": "countryCodeV2",
        "phone": "phone",
    }
    return {told: address.get(kept) for kept, told in names.items()} if address else None


def _line(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"gid://shopify/LineItem/{item['id']}",
        "sku": item["sku"],
        "title": item["title"],
        "name": item["name"],
        "quantity": item["quantity"],
        "currentQuantity": item["current_quantity"],
        "originalUnitPriceSet": {"shopMoney": {"amount": str(float(item["price"]))}},
        "variant": {"legacyResourceId": str(item["variant_id"])},
    }


def _refund(refund: dict[str, Any]) -> dict[str, Any]:
    parts = [
        {
            "quantity": item["quantity"],
            "restockType": _enum(item["restock_type"]),
            "lineItem": {"id": f"gid://shopify/LineItem/{item['line_item_id']}"},
        }
        for item in refund["refund_line_items"]
    ]
    return {
        "id": f"gid://shopify/Refund/{refund['id']}",
        "legacyResourceId": str(refund["id"]),
        "createdAt": _utc(refund["created_at"]),
        "return": {"id": f"gid://shopify/Return/{of['id']}"} if (of := refund.get("return")) else None,
        "refundLineItems": Connection(parts),
    }


def _return(asked: dict[str, Any]) -> dict[str, Any]:
    parts = [
        {
            "quantity": item["quantity"],
            "fulfillmentLineItem": {
                "lineItem": {
                    "id": f"gid://shopify/LineItem/{item['fulfillment_line_item']['line_item']['id']}"
                }
            },
        }
        for item in asked["return_line_items"]
    ]
    return {
        "id": f"gid://shopify/Return/{asked['id']}",
        "status": _enum(asked["status"]),
        "returnLineItems": Connection(parts),
    }
