"""Payloads as the providers' pages describe them, in our own words and numbers."""

from typing import Any

ANN = "ann.planted@customers.example"

FACT = {
    "kind": "parcel_moved",
    "order_id": "1001",
    "fact_id": "shop:1",
    "at": "2026-04-10T13:47:00+02:00",
    "parcel_id": "p1",
    "status": "delivered",
}


def shopify_order(**changes: Any) -> dict[str, Any]:
    return {
        "id": 820982911946154508,
        "admin_graphql_api_id": "gid://shopify/Order/820982911946154508",
        "name": "#9999",
        "email": ANN,
        "phone": None,
        "created_at": "2026-03-01T10:00:00-05:00",
        "processed_at": "2026-03-01T10:00:00-05:00",
        "updated_at": "2026-03-01T10:00:00-05:00",
        "cancelled_at": None,
        "cancel_reason": None,
        "currency": "USD",
        "presentment_currency": "USD",
        "financial_status": "paid",
        "fulfillment_status": None,
        "customer_locale": "en-US",
        "test": False,
        "total_price": "404.95",
        "customer": {
            "id": 115310627314723954,
            "email": ANN,
            "first_name": "Ann",
            "last_name": "Planted",
            "phone": "+12125550142",
            "orders_count": 1,
            "email_marketing_consent": {
                "state": "subscribed",
                "opt_in_level": "single_opt_in",
                "consent_updated_at": "2026-02-28T09:00:00-05:00",
            },
        },
        "shipping_address": {
            "first_name": "Ann",
            "last_name": "Planted",
            "name": "Ann Planted",
            "address1": "40 Planted Street",
            "address2": "",
            "city": "Denver",
            "zip": "80202",
            "province_code": "CO",
            "country": "United States",
            "country_code": "US",
            "phone": "555-625-1199",
        },
        "billing_address": None,
        "line_items": [
            {
                "id": 866550311766439020,
                "sku": "IPOD2008PINK",
                "title": "IPod Nano - 8GB",
                "name": "IPod Nano - 8GB - Pink",
                "quantity": 2,
                "current_quantity": 2,
                "price": "199.00",
                "product_id": 632910392,
                "variant_id": 808950810,
            }
        ],
    } | changes


NOT_POSTED = {"orders_count", "email_marketing_consent"}
"""What Shopify knows of an order's customer, and posts no more since version 2025-01."""


def as_posted(order: dict[str, Any]) -> dict[str, Any]:
    """An order as its webhooks bring it today."""
    customer = {name: value for name, value in order["customer"].items() if name not in NOT_POSTED}
    return order | {"customer": customer, "buyer_accepts_marketing": True, "refunds": [], "returns": []}


def shopify_consent(state: str = "subscribed", at: str = "2026-02-28T09:00:00-05:00") -> dict[str, Any]:
    return {
        "customer_id": 115310627314723954,
        "email_address": ANN,
        "email_marketing_consent": {
            "state": state,
            "opt_in_level": "single_opt_in",
            "consent_updated_at": at,
        },
    }


def shopify_fulfillment(**changes: Any) -> dict[str, Any]:
    return {
        "id": 123456,
        "order_id": 820982911946154508,
        "status": "success",
        "created_at": "2026-03-02T09:00:00-05:00",
        "updated_at": "2026-03-02T09:00:00-05:00",
        "service": None,
        "tracking_company": "UPS",
        "shipment_status": None,
        "email": ANN,
        "tracking_number": "1z827wk74630",
        "tracking_numbers": ["1z827wk74630"],
        "tracking_url": "https://www.ups.com/track?tracknum=1z827wk74630",
        "line_items": [{"id": 866550311766439020, "quantity": 2, "title": "IPod Nano - 8GB"}],
    } | changes


def shopify_event(**changes: Any) -> dict[str, Any]:
    return {
        "id": 1234567,
        "fulfillment_id": 123456,
        "order_id": 820982911946154508,
        "status": "in_transit",
        "message": None,
        "happened_at": "2026-03-03T04:00:00-05:00",
        "city": "Denver",
        "estimated_delivery_at": None,
        "created_at": "2026-03-03T04:01:00-05:00",
        "shop_id": 548380009,
    } | changes


SHOPIFY_REFUND = {
    "id": 890088186047892319,
    "order_id": 820982911946154508,
    "created_at": "2026-03-20T10:00:00-05:00",
    "note": "Things were damaged",
    "user_id": 548380009,
    "transactions": [],
    "refund_line_items": [
        {
            "id": 487817672276298627,
            "quantity": 1,
            "line_item_id": 866550311766439020,
            "restock_type": "return",
            "subtotal": 199.0,
        }
    ],
}

SHOPIFY_RETURN = {
    "id": 123456789,
    "admin_graphql_api_id": "gid://shopify/Return/123456789",
    "status": "requested",
    "name": "#9999-R1",
    "order": {"id": 820982911946154508, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508"},
    "return_line_items": [
        {
            "id": 22,
            "quantity": 1,
            "return_reason": "WRONG_ITEM",
            "customer_note": "a planted note",
            "fulfillment_line_item": {"id": 33, "line_item": {"id": 866550311766439020}},
        }
    ],
}


def shopify_return_over(status: str) -> dict[str, Any]:
    """A return that is closed, cancelled or declined; the last names its order as an object."""
    order = {"id": 820982911946154508, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508"}
    about = {"order": order} if status == "declined" else {"order_id": order["id"]}
    return {
        "id": 123456789,
        "admin_graphql_api_id": "gid://shopify/Return/123456789",
        "status": status,
        **about,
    }


SHOPIFY_RETURN_UPDATED = {
    "admin_graphql_api_id": "gid://shopify/Return/123456789",
    "return_line_items": {
        "removals": [{"admin_graphql_api_id": "gid://shopify/ReturnLineItem/22", "delta": 1}]
    },
    "restocking_fees": {"updates": [], "removals": []},
    "return_shipping_fees": {"updates": [], "removals": []},
}

SHOPIFY_REDACT = {
    "shop_id": 954889,
    "shop_domain": "snowdevil.myshopify.com",
    "customer": {"id": 115310627314723954, "email": ANN, "phone": "555-625-1199"},
    "orders_to_redact": [820982911946154508],
}

SHOPIFY_DATA_REQUEST = {
    "shop_id": 954889,
    "shop_domain": "snowdevil.myshopify.com",
    "orders_requested": [820982911946154508],
    "customer": {"id": 115310627314723954, "email": ANN, "phone": "555-625-1199"},
    "data_request": {"id": 9999},
}


def woocommerce_order(**changes: Any) -> dict[str, Any]:
    address = {
        "first_name": "Ann",
        "last_name": "Planted",
        "company": "",
        "address_1": "Plantedstr. 9",
        "address_2": "",
        "city": "Wien",
        "state": "",
        "postcode": "1010",
        "country": "AT",
    }
    return {
        "id": 727,
        "number": "727",
        "status": "processing",
        "currency": "EUR",
        "date_created": "2026-03-22T16:28:02",
        "date_created_gmt": "2026-03-22T15:28:02",
        "date_modified": "2026-03-22T16:28:08",
        "date_modified_gmt": "2026-03-22T15:28:08",
        "date_paid_gmt": "2026-03-22T15:28:08",
        "customer_id": 25,
        "billing": {**address, "email": ANN, "phone": "+43 1 5550142"},
        "shipping": address,
        "line_items": [
            {"id": 315, "name": "Woo Single #1", "product_id": 93, "quantity": 2, "price": 3, "sku": ""}
        ],
        "meta_data": [],
    } | changes


def woocommerce_account(**changes: Any) -> dict[str, Any]:
    return {
        "id": 25,
        "date_created_gmt": "2026-01-05T10:00:00",
        "date_modified_gmt": "2026-03-30T10:00:00",
        "email": ANN,
        "first_name": "Ann",
        "last_name": "Planted",
        "role": "customer",
        "username": "ann.planted",
        "billing": {"phone": "+43 1 5550142", "country": "AT"},
        "shipping": {},
        "is_paying_customer": True,
        "meta_data": [],
    } | changes


WOOCOMMERCE_PING = b"webhook_id=17"


def easypost_event(**changes: Any) -> dict[str, Any]:
    tracker = {
        "id": "trk_c8e0edb5bb284caa934a0d3db23a148z",
        "object": "Tracker",
        "tracking_code": "1z827wk74630",
        "status": "in_transit",
        "carrier": "UPS",
        "est_delivery_date": None,
        "updated_at": "2026-03-03T15:00:00Z",
        "tracking_details": [
            {"object": "TrackingDetail", "status": "in_transit", "datetime": "2026-03-03T14:00:00Z"}
        ],
    } | changes
    return {
        "id": "evt_qatAiJDM",
        "object": "Event",
        "description": "tracker.updated",
        "mode": "production",
        "previous_attributes": {"status": "unknown"},
        "created_at": "2026-03-03T15:00:01Z",
        "result": tracker,
    }


def aftership_event(**changes: Any) -> dict[str, Any]:
    return {
        "ts": 1772550000,
        "event": "tracking_update",
        "event_id": "3f645f5e-530b-4062-8695-db6a64420af8",
        "is_tracking_first_tag": True,
        "msg": {
            "id": "grhrexm6t3hiwkjwq37jd003",
            "tracking_number": "1z827wk74630",
            "slug": "ups",
            "tag": "InTransit",
            "subtag": "InTransit_001",
            "order_id": None,
            "customer_name": "Ann Planted",
            "emails": [ANN],
            "updated_at": "2026-03-03T15:00:01Z",
            "expected_delivery": None,
            "checkpoints": [{"tag": "InTransit", "checkpoint_time": "2026-03-03T09:00:00"}],
        }
        | changes,
    }


def stripe_event(kind: str = "refund.updated", **changes: Any) -> dict[str, Any]:
    refund = {
        "id": "re_1Nispe2eZvKYlo2Cd31jOCgZ",
        "object": "refund",
        "amount": 1000,
        "currency": "usd",
        "charge": "ch_1NirD82eZvKYlo2CIvbtLWuY",
        "payment_intent": "pi_1GszsK2eZvKYlo2CfhZyoZLp",
        "status": "succeeded",
        "metadata": {"reference": "a" * 32},
    } | changes
    return {
        "id": "evt_1NG8Du2eZvKYlo2CUI79vXWy",
        "object": "event",
        "api_version": "2026-01-28",
        "created": 1772550000,
        "livemode": False,
        "pending_webhooks": 1,
        "type": kind,
        "data": {"object": refund},
    }


def sendgrid_events(*words: str, reference: str = "b" * 32, timestamp: int = 1772550000) -> bytes:
    import json

    events = [
        {
            "email": ANN,
            "timestamp": timestamp,
            "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
            "event": word,
            "sg_event_id": f"sg-{number}",
            "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
            "reference": reference,
            "reason": f"550 5.1.1 <{ANN}>: no such user",
            "status": "5.1.1",
            "type": "bounce",
        }
        for number, word in enumerate(words)
    ]
    # As SendGrid writes it: one event a line, and CR LF at the end.
    return ("[" + ",\r\n".join(json.dumps(event) for event in events) + "]\r\n").encode()
