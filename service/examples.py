"""The examples that OpenAPI shows."""

from typing import Any

_ORDER = {
    "order_id": "1001",
    "placed_at": "2026-04-07T10:12:00+02:00",
    "currency": "EUR",
    "country": "DE",
    "zone": "Europe/Berlin",
    "lines": [
        {
            "line_id": "l1",
            "sku": "DRIPPER-02",
            "title": "Ceramic coffee dripper",
            "quantity": 1,
            "unit_price": 2490,
        }
    ],
    "deliver_by": "2026-04-11",
    "customer": {
        "customer_id": "c_weber",
        "email": "jonas.weber@example.com",
        "name": "Jonas Weber",
        "locale": "de",
    },
}
_SHIPPED = {
    "kind": "parcel_shipped",
    "fact_id": "shop:1001-f1",
    "at": "2026-04-08T14:05:00+02:00",
    "parcel_id": "p1",
    "carrier": "DHL",
    "tracking_number": "00340434161094042557",
    "expected": "2026-04-10",
}
_DELIVERED = {
    "kind": "parcel_moved",
    "fact_id": "dhl:8fa6",
    "at": "2026-04-10T13:47:00+02:00",
    "parcel_id": "p1",
    "status": "delivered",
}
_CONSENT = {"granted": True, "at": "2026-04-07T10:12:00+02:00", "source": "checkout"}

ORDER: dict[str, Any] = {"order": {"summary": "A paid order with its customer", "value": _ORDER}}
FACT: dict[str, Any] = {
    "shipped": {"summary": "A parcel is on its way", "value": _SHIPPED},
    "delivered": {"summary": "The carrier delivered it", "value": _DELIVERED},
}
CUSTOMER: dict[str, Any] = {
    "customer": {
        "summary": "A registration with consent",
        "value": {
            "email": "jonas.weber@example.com",
            "name": "Jonas Weber",
            "birthday": "1990-02-28",
            "consent": _CONSENT,
        },
    }
}
