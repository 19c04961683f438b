"""What platforms send and what our own API takes, each with every field that it may have."""

import json
from collections.abc import Iterator
from typing import Any

from tests import payloads
from tests.hostile_values import FRESH

_AT = "2026-04-10T13:47:00+02:00"
_NOW = {"fact_id": FRESH, "at": _AT}

FACTS: dict[str, dict[str, Any]] = {
    "order_changed": {"country": "AT", "zone": "Europe/Vienna", "ship_by": "2026-04-11"},
    "order_cancelled": {"reason": "changed_mind"},
    "parcel_shipped": {
        "parcel_id": "p1",
        "tracking_number": "00340434161094042557",
        "tracking_url": "https://carrier.example/1",
        "carrier": "DHL",
        "lines": [{"line_id": "l1", "quantity": 1}],
        "expected": "2026-04-10",
    },
    "parcel_moved": {"parcel_id": "p1", "status": "delivered", "raw": "left at the door"},
    "expected_date_changed": {"parcel_id": "p1", "expected": "2026-04-12T10:00:00+02:00"},
    "feedback_given": {"rating": 4, "feedback_id": "f1"},
    "return_opened": {"return_id": "x1", "lines": [{"line_id": "l1", "quantity": 1}]},
    "return_closed": {"return_id": "x1", "outcome": "refunded", "lines": [{"line_id": "l1", "quantity": 1}]},
    "reordered": {"skus": ["TEA"], "order_id": "1002"},
    "complaint_opened": {"complaint_id": "c1"},
    "complaint_closed": {"complaint_id": "c1"},
}
"""One fact of every kind but the first, with every field."""

ORDER: dict[str, Any] = {
    "order_id": FRESH,
    "placed_at": "2026-04-07T10:12:00+02:00",
    "currency": "EUR",
    "country": "DE",
    "zone": "Europe/Berlin",
    "lines": [
        {
            "line_id": "l1",
            "sku": "TEA",
            "title": "Green tea",
            "quantity": 2,
            "unit_price": 990,
            "discount": 10,
            "tax": 5,
            "category": "tea",
            "lifespan_days": 30,
            "guide_url": "https://shop.example/tea",
        }
    ],
    "first_order": True,
    "shipping": 490,
    "discount": 100,
    "ship_by": "2026-04-08",
    "deliver_by": "2026-04-11T18:00:00+02:00",
    "payment": {"provider": "demo", "id": "demo-1", "captured": 2_360},
    "recipient": "Ann Planted",
    "address": ["Plantedstr. 9", "10115 Berlin"],
    "customer": {
        "customer_id": "c_ann",
        "email": payloads.ANN,
        "name": "Ann Planted",
        "phone": "+49 30 5550142",
        "locale": "de",
        "zone": "Europe/Berlin",
        "country": "DE",
        "birthday": "1990-02-28",
        "consent": {"granted": True, "at": "2026-04-07T10:12:00+02:00", "source": "checkout"},
    },
}
"""With every field that an order may have."""

_TRACKED = {
    "key": "_wc_shipment_tracking_items",
    "value": [
        {
            "tracking_number": "1z827wk74630",
            "tracking_provider": "UPS",
            "custom_tracking_link": "https://carrier.example/1",
            "date_shipped": "1772550000",
        }
    ],
}


def _standard() -> Iterator[tuple[str, Any]]:
    yield "order_placed", {"kind": "order_placed", **ORDER}
    for kind, fields in FACTS.items():
        yield kind, {"kind": kind, "order_id": "1001", **_NOW, **fields}
    envelope = {"type": "shop.parcel_moved", "id": "e1", "time": _AT, "subject": "1001"}
    yield "an envelope", {**envelope, "specversion": "1.0", "data": FACTS["parcel_moved"]}


def by_source() -> dict[str, dict[str, Any]]:
    """By source and topic, what a platform sends: each with as many fields as it may have."""
    captured = {"object": "charge", "amount_captured": 1000, "amount_refunded": 10}
    charge = payloads.stripe_event("charge.captured", **captured)
    received = {"object": "payment_intent", "amount_received": 1000, "latest_charge": "ch_1"}
    intent = payloads.stripe_event("payment_intent.succeeded", **received)
    events = json.loads(payloads.sendgrid_events("delivered", "bounce"))
    return {
        "standard": dict(_standard()),
        "shopify": {
            "order": payloads.shopify_order(
                cancelled_at="2026-03-02T10:00:00-05:00", cancel_reason="customer"
            ),
            "guest": payloads.shopify_order(customer=None, updated_at="2026-03-02T10:00:00-05:00"),
            "fulfillment": payloads.shopify_fulfillment(shipment_status="in_transit"),
            "event": payloads.shopify_event(estimated_delivery_at="2026-03-05T04:00:00-05:00"),
            "refund": payloads.SHOPIFY_REFUND,
            "return": payloads.SHOPIFY_RETURN,
            "redaction": payloads.SHOPIFY_REDACT,
            "data request": payloads.SHOPIFY_DATA_REQUEST,
            "shop redaction": {"shop_id": 954889, "shop_domain": "snowdevil.myshopify.com"},
        },
        "woocommerce": {
            "order": payloads.woocommerce_order(status="completed", meta_data=[_TRACKED]),
            "cancelled": payloads.woocommerce_order(status="cancelled"),
            "refunded": payloads.woocommerce_order(
                status="refunded",
                total="6.00",
                refunds=[{"id": 726, "reason": "", "total": "-6.00"}],
                payment_method="stripe",
                transaction_id="ch_1",
                date_completed_gmt="2026-03-23T15:28:08",
                meta_data=[{"id": 1, "key": "wpml_language", "value": "de"}],
            ),
            "account": payloads.woocommerce_account(),
            "deleted": {"id": 727},
        },
        "easypost": {"tracker": payloads.easypost_event(est_delivery_date="2026-03-05T00:00:00Z")},
        "aftership": {
            "tracking": payloads.aftership_event(
                expected_delivery="2026-03-05", latest_estimated_delivery={"datetime": "2026-03-06"}
            )
        },
        "stripe": {
            "refund": payloads.stripe_event(failure_reason="lost_card"),
            "charge": charge,
            "intent": intent,
        },
        "sendgrid": {"events": events},
    }


_LINES = [{"line_id": "l1", "quantity": 1}]
_RETURN = {
    "kind": "return",
    "lines": _LINES,
    "reason": "does_not_fit",
    "words": "It is smaller than I thought.",
    "evidence": "photo_1",
    "way": "drop_off",
    "settlement": "exchange",
    "exchange_for": [
        {"line_id": "x1", "sku": "TEA-2", "title": "Black tea", "quantity": 1, "unit_price": 1_490}
    ],
}
_NEWS: dict[str, dict[str, Any]] = {
    "return_moved": {"status": "in_transit", "raw": "on its way"},
    "return_received": {"lines": [{**_LINES[0], "condition": "good"}], "source": "wh"},
    "return_inspected": {"accepted": _LINES, "by": "wh_4"},
    "difference_paid": {},
}
_REFUND = {"amount": 5, "kind": "goodwill", "settlement": "refund", "by": "op_mia", "words": "A week late."}


def own(order_id: str, return_id: str) -> Iterator[tuple[str, str, Any]]:
    """Method, path and body of every operation of our API that takes one, about an order and a return."""
    order, back = f"/v1/orders/{order_id}", f"/v1/returns/{return_id}"
    yield "POST", "/v1/orders", ORDER
    for kind, fields in FACTS.items():
        yield "POST", f"{order}/facts", {"kind": kind, **_NOW, **fields}
    yield "POST", f"{order}/returns", _RETURN
    yield "POST", f"{order}/refunds", _REFUND
    for kind, fields in _NEWS.items():
        yield "POST", f"{back}/facts", {"kind": kind, **_NOW, **fields}
    yield "POST", f"{back}/decision", {"approve": True, "by": "op_mia", "reason": "worn"}
    yield "POST", f"{back}/cancellation", {"by": "customer", "reason": "keeps_it"}
    yield "POST", f"{back}/cure", {"how": "make_again", "by": "op_mia"}
    yield "PUT", "/v1/customers/c_ann", {k: v for k, v in ORDER["customer"].items() if k != "customer_id"}
