"""An order of Shopify's GraphQL API in the words of its webhooks, so that one translator reads both.

The ids are the same numbers: GraphQL's `gid://shopify/LineItem/42` is the webhook's `42`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from activities.providers.shopify_whole import CUT
from activities.shops import Changed

Node = dict[str, Any]


def changes_of(order: Node, since: datetime) -> tuple[Changed, ...]:
    """All that an order tells; one that cannot be understood is handed on as it is, to be parked where
    people see it, and keeps no other from being read."""
    try:
        # Of what belongs to an order, no webhook says that it is a test.
        test = {"test": True} if order["test"] is True else {}
        return tuple(Changed(each.at, each.body | test) for each in _changes(order))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return (Changed(since, _for_people(order)),)


def _for_people(told: Any) -> Node:
    """What no translator understands, and is parked for that."""
    return {"line_items": None, "financial_status": None, "told": told}


def _changes(order: Node) -> Iterator[Changed]:
    """The order as `orders/updated` tells it, and each of its parcels, checkpoints, refunds and returns as
    their own webhooks would have."""
    order_id = _number(order["legacyResourceId"])
    yield Changed(_at(order["updatedAt"]), _order(order))
    for sent in order["fulfillments"]:
        yield Changed(_at(sent["updatedAt"]), _fulfillment(order_id, sent))
        for event in sent["events"]["nodes"]:
            yield Changed(_at(event["happenedAt"]), _event(order_id, sent, event))
    for refund in order["refunds"]:
        yield Changed(_at(refund["createdAt"] or order["updatedAt"]), _refund(order_id, refund))
    for asked in order["returns"]["nodes"]:
        yield Changed(_at(order["updatedAt"]), _return(order_id, asked))
    for name in order.get(CUT, ()):
        yield Changed(_at(order["updatedAt"]), _for_people({"order": order_id, "has too many": name}))


def _order(order: Node) -> Node:
    return {
        "id": _number(order["legacyResourceId"]),
        "created_at": order["createdAt"],
        "processed_at": order["processedAt"],
        "updated_at": order["updatedAt"],
        "cancelled_at": order["cancelledAt"],
        "cancel_reason": _word(order["cancelReason"]),
        "financial_status": _word(order["displayFinancialStatus"]),
        "currency": order["currencyCode"],
        "email": order["email"],
        "phone": order["phone"],
        "customer_locale": order["customerLocale"],
        "test": order["test"],
        "customer": _customer(order["customer"]),
        "shipping_address": _address(order["shippingAddress"]),
        "billing_address": _address(order["billingAddress"]),
        "line_items": [_line(line) for line in order["lineItems"]["nodes"]],
    }


def _customer(customer: Node | None) -> Node | None:
    if customer is None:
        return None
    mail = customer["defaultEmailAddress"] or {}
    consent = {
        "state": _word(mail.get("marketingState")),
        "consent_updated_at": mail.get("marketingUpdatedAt"),
    }
    return {
        "id": _number(customer["legacyResourceId"]),
        "email": mail.get("emailAddress"),
        "phone": (customer["defaultPhoneNumber"] or {}).get("phoneNumber"),
        "first_name": customer["firstName"],
        "last_name": customer["lastName"],
        "orders_count": customer["numberOfOrders"],
        "email_marketing_consent": consent if mail else None,
    }


def _address(address: Node | None) -> Node | None:
    if address is None:
        return None
    return {
        "name": address["name"],
        "first_name": address["firstName"],
        "last_name": address["lastName"],
        "company": address["company"],
        "address1": address["address1"],
        "address2": address["address2"],
        "city": address["city"],
        "zip": address["zip"],
        "province_code": address["provinceCode"],
        "country": address["country"],
        "country_code": address["countryCodeV2"],
        "phone": address["phone"],
    }


def _line(line: Node) -> Node:
    return {
        "id": _number(line["id"]),
        "sku": line["sku"],
        "title": line["title"],
        "name": line["name"],
        "quantity": line["quantity"],
        "current_quantity": line["currentQuantity"],
        "price": line["originalUnitPriceSet"]["shopMoney"]["amount"],
        "variant_id": _number(line["variant"]["legacyResourceId"]) if line["variant"] else None,
    }


def _fulfillment(order_id: int, sent: Node) -> Node:
    """Without `shipment_status`: it is the last of the checkpoints, which come by themselves."""
    tracking = sent["trackingInfo"][0] if sent["trackingInfo"] else {}
    return {
        "id": _number(sent["legacyResourceId"]),
        "order_id": order_id,
        "status": _word(sent["status"]),
        "created_at": sent["createdAt"],
        "updated_at": sent["updatedAt"],
        "tracking_company": tracking.get("company"),
        "tracking_number": tracking.get("number"),
        "tracking_url": tracking.get("url"),
        "line_items": [
            {"id": _number(part["lineItem"]["id"]), "quantity": part["quantity"]}
            for part in sent["fulfillmentLineItems"]["nodes"]
        ],
    }


def _event(order_id: int, sent: Node, event: Node) -> Node:
    return {
        "id": _number(event["id"]),
        "order_id": order_id,
        "fulfillment_id": _number(sent["legacyResourceId"]),
        "status": _word(event["status"]),
        "happened_at": event["happenedAt"],
        "estimated_delivery_at": event["estimatedDeliveryAt"],
    }


def _refund(order_id: int, refund: Node) -> Node:
    return {
        "id": _number(refund["legacyResourceId"]),
        "order_id": order_id,
        "created_at": refund["createdAt"],
        "return": {"id": _number(refund["return"]["id"])} if refund["return"] else None,
        "refund_line_items": [
            {
                "line_item_id": _number(part["lineItem"]["id"]),
                "quantity": part["quantity"],
                "restock_type": _word(part["restockType"]),
            }
            for part in refund["refundLineItems"]["nodes"]
        ],
    }


def _return(order_id: int, asked: Node) -> Node:
    """Asked for, approved or over, by its status."""
    parts = [part for part in asked["returnLineItems"]["nodes"] if part.get("fulfillmentLineItem")]
    return {
        "id": _number(asked["id"]),
        "admin_graphql_api_id": asked["id"],
        "order": {"id": order_id},
        "status": _word(asked["status"]),
        "return_line_items": [
            {
                "quantity": part["quantity"],
                "fulfillment_line_item": {
                    "line_item": {"id": _number(part["fulfillmentLineItem"]["lineItem"]["id"])}
                },
            }
            for part in parts
        ],
    }


def _number(name: Any) -> int:
    """The number at the end of an id, in whichever form."""
    return int(str(name).rpartition("/")[2].partition("?")[0])


def _word(value: Any) -> str | None:
    """GraphQL writes PARTIALLY_PAID where the webhook has partially_paid."""
    return str(value).lower() if value is not None else None


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
