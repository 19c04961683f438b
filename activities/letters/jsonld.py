"""What machines read in a letter: `schema.org` Order and ParcelDelivery, as mail clients ask for it."""

import json
from typing import Any

from activities.letters.formats import decimal_amount, plain, promised_day, secure_url
from activities.letters.shop import Shop
from journey.facts import Line
from journey.messages import ParcelContent, SendRequest

SHOWN = 12
"""Lines that a letter shows: mail clients clip what is longer than 100 KB."""

_ORDER_LETTERS = {"order_confirmation": "OrderProcessing", "order_cancelled": "OrderCancelled"}


def structured(request: SendRequest, shop: Shop, order_url: str) -> str:
    """JSON for a script tag: an Order in the letters about the order, a ParcelDelivery in those about a
    parcel, nothing in the others. No character in it can end the script or start markup."""
    if request.parcel is not None and request.message_class == "transactional":
        data = _delivery(request, request.parcel, shop, order_url)
    elif request.letter in _ORDER_LETTERS:
        data = _order(request, shop, order_url, _ORDER_LETTERS[request.letter])
    else:
        return ""
    text = json.dumps({"@context": "https://schema.org", **data}, separators=(",", ":"))
    return (
        text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("'", "\\u0027")
    )


def _merchant(shop: Shop) -> dict[str, Any]:
    return {"@type": "Organization", "name": shop.name, "url": shop.url}


def _order(request: SendRequest, shop: Shop, order_url: str, status: str) -> dict[str, Any]:
    order = request.order
    total = sum(line.quantity * line.unit_price for line in order.lines)
    return {
        "@type": "Order",
        "merchant": _merchant(shop),
        "orderNumber": order.order_id,
        "orderStatus": f"https://schema.org/{status}",
        "orderDate": request.placed_at.isoformat(),
        "priceCurrency": order.currency,
        "price": str(decimal_amount(total, order.currency)),
        "acceptedOffer": [_offer(line, order.currency) for line in order.lines[:SHOWN]],
        "url": order_url,
    }


def _offer(line: Line, currency: str) -> dict[str, Any]:
    return {
        "@type": "Offer",
        "itemOffered": {"@type": "Product", "name": plain(line.title), "sku": line.sku},
        "price": str(decimal_amount(line.unit_price, currency)),
        "priceCurrency": currency,
        "eligibleQuantity": {"@type": "QuantitativeValue", "value": line.quantity},
    }


def _delivery(request: SendRequest, parcel: ParcelContent, shop: Shop, order_url: str) -> dict[str, Any]:
    lines = {line.line_id: line for line in request.order.lines}
    shipped = [part.line_id for part in parcel.lines] or list(lines)
    status = "OrderDelivered" if parcel.delivered_at else "OrderInTransit"
    data: dict[str, Any] = {
        "@type": "ParcelDelivery",
        "partOfOrder": {
            "@type": "Order",
            "orderNumber": request.order_id,
            "orderStatus": f"https://schema.org/{status}",
            "merchant": _merchant(shop),
        },
        "itemShipped": [
            {"@type": "Product", "name": plain(lines[key].title), "sku": lines[key].sku}
            for key in shipped[:SHOWN]
            if key in lines
        ],
        "trackingUrl": secure_url(parcel.tracking_url) or order_url,
    }
    if parcel.tracking_number:
        data["trackingNumber"] = parcel.tracking_number
    if parcel.carrier:
        data["carrier"] = {"@type": "Organization", "name": plain(parcel.carrier)}
    if parcel.expected_by:
        data["expectedArrivalUntil"] = promised_day(parcel.expected_by, request.order.zone).isoformat()
    return data
