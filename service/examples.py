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
    "payment": {"provider": "stripe", "id": "pi_3Px0Q2eZvKYlo2C1", "captured": 2490},
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

_BACK = {
    "lines": [{"line_id": "l1", "quantity": 1}],
    "reason": "does_not_fit",
    "words": "It is smaller than the picture made me think.",
}
_SWAP = _BACK | {
    "settlement": "exchange",
    "exchange_for": [
        {"line_id": "x1", "sku": "DRIPPER-04", "title": "Dripper, large", "quantity": 1, "unit_price": 2990}
    ],
}
_AT = "2026-04-20T09:30:00+02:00"

RETURN: dict[str, Any] = {
    "return": {"summary": "One line comes back", "value": _BACK},
    "exchange": {"summary": "Against another article (returns:write)", "value": _SWAP},
    "claim": {"summary": "It never arrived", "value": {"kind": "never_arrived"}},
}
RETURN_NEWS: dict[str, Any] = {
    "received": {
        "summary": "It is in the warehouse",
        "value": {
            "kind": "return_received",
            "fact_id": "wh:77",
            "at": _AT,
            "lines": [{"line_id": "l1", "quantity": 1, "condition": "good"}],
        },
    },
    "inspected": {
        "summary": "All that was good is accepted",
        "value": {"kind": "return_inspected", "fact_id": "wh:78", "at": _AT, "by": "wh_4"},
    },
    "difference": {
        "summary": "A dearer exchange was paid",
        "value": {"kind": "difference_paid", "fact_id": "pi:9", "at": _AT},
    },
}
DECISION: dict[str, Any] = {
    "approve": {"summary": "A person approves", "value": {"approve": True, "by": "op_mia"}},
    "refuse": {
        "summary": "A person refuses",
        "value": {"approve": False, "by": "op_mia", "reason": "worn"},
    },
}
CANCEL: dict[str, Any] = {
    "cancel": {"summary": "The customer keeps it", "value": {"by": "customer", "reason": "keeps_it"}}
}
CURE: dict[str, Any] = {
    "again": {"summary": "Make it again", "value": {"how": "make_again", "by": "op_mia"}},
    "otherwise": {"summary": "Paid by bank transfer", "value": {"how": "paid_otherwise", "by": "op_mia"}},
}
REFUND: dict[str, Any] = {
    "goodwill": {
        "summary": "Five euros for the trouble",
        "value": {"amount": 500, "kind": "goodwill", "by": "op_mia", "words": "The parcel was a week late."},
    }
}
