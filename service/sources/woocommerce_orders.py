"""WooCommerce's orders as facts: what was bought and paid, sent, given back or called off."""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from journey.facts import (
    Line,
    Order,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    ParcelShipped,
    ReturnClosed,
    ReturnOutcome,
)
from ledger.incoming import UNPAID, Deed
from ledger.orders import OrderPointer
from ledger.payments import Payment
from service.sources.source import Told, deed
from service.sources.values import Id, Loose, Wire, country, currency, label, minor_units, moment, url
from service.sources.woocommerce_people import (
    Address,
    Conventions,
    Metas,
    buyer,
    is_yes,
    only_list,
    said,
    zone,
)

_PAID = {"processing", "completed", "refunded"}
_TRACKING = "_wc_shipment_tracking_items"
"""Where the Shipment Tracking extension keeps its numbers."""

_STRIPE = r"stripe(_\w+)?"
_STRIPE_ID = r"(ch|py|pi)_\w+"
"""What Stripe's own extension writes as `transaction_id`. WooPayments has such ids as well, but of an account
at Stripe to which the shop has no key, so that nothing could be given back by them."""


class _Item(Wire):
    id: Id
    name: Loose = ""
    product_id: Loose = ""
    sku: Loose = ""
    quantity: int = Field(ge=0, le=100_000)
    price: str = "0"


class _Refund(Wire):
    total: Loose = ""


class _Order(Wire):
    id: Id
    status: Loose
    currency: str
    customer_id: Loose = ""
    date_created_gmt: Loose = ""
    date_modified_gmt: Loose = ""
    date_paid_gmt: Loose = ""
    date_completed_gmt: Loose = ""
    payment_method: Loose = ""
    transaction_id: Loose = ""
    total: Loose = ""
    billing: Address = Address()
    shipping: Address = Address()
    line_items: tuple[_Item, ...] = Field(max_length=500)
    refunds: Annotated[tuple[_Refund, ...], BeforeValidator(only_list)] = Field(default=(), max_length=500)
    meta_data: Metas = ()

    @property
    def to(self) -> Address:
        return self.shipping if self.shipping.country else self.billing

    @property
    def buyer_id(self) -> str:
        known = re.fullmatch(r"0*([1-9][0-9]{0,19})", self.customer_id)
        return f"woo-{known[1]}" if known else f"guest-{self.id}"

    @property
    def is_paid(self) -> bool:
        """Or as good as paid: who pays on delivery has no date, and is processed all the same. A cancelled
        order that was paid was placed once, whichever of the two is told first."""
        return self.status in _PAID or (self.status == "cancelled" and bool(moment(self.date_paid_gmt)))

    @property
    def is_given_back(self) -> bool:
        """Whether all of the money went back; of a part, nothing tells which goods it was for."""
        given = sum((abs(_decimal(refund.total)) for refund in self.refunds), Decimal())
        return self.status == "refunded" or 0 < _decimal(self.total) <= given


def _decimal(text: str) -> Decimal:
    """An amount, or none where it is nothing to reckon with."""
    found = re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{0,8})?", text)
    return Decimal(found[0]) if found else Decimal()


def order_told(data: dict[str, Any], keys: Conventions, at: datetime) -> Iterator[Told]:
    """Every topic of an order brings all of it."""
    order = _Order.model_validate(data)
    bought_at = moment(order.date_created_gmt) or at
    placed_at = moment(order.date_paid_gmt) or bought_at
    changed_at = moment(order.date_modified_gmt) or at
    if not order.is_paid:
        yield from _never_paid(order, changed_at)
        return
    deeds = list(_deeds(order, keys, placed_at, changed_at))
    if not deeds:
        return
    pointer = OrderPointer(
        order_id=order.id,
        customer_id=order.buyer_id,
        placed_at=placed_at,
        recipient=order.to.name,
        address=order.to.label_lines(),
    )
    yield Told(
        deeds=deeds,
        order_id=order.id,
        person=buyer(order, keys, bought_at, changed_at),
        pointer=pointer,
        payment=_payment(order, placed_at),
    )


def _never_paid(order: _Order, changed_at: datetime) -> Iterator[Told]:
    """Called off without having been paid. It is told for the sake of who pays on delivery, whose order was
    placed; otherwise it finds no order, and nothing is kept of whoever it was."""
    if order.status == "cancelled":
        yield Told(deeds=[_cancelled(order, changed_at, UNPAID)], order_id=order.id)


def _cancelled(order: _Order, at: datetime, reason: str | None) -> Deed:
    fact_id = f"woocommerce:{order.id}:cancelled"
    return deed(OrderCancelled(fact_id=fact_id, at=at, source="woocommerce", reason=reason))


def _payment(order: _Order, placed_at: datetime) -> Payment | None:
    """What was paid by Stripe, by its charge or payment intent."""
    is_stripe = re.fullmatch(_STRIPE, order.payment_method) and re.fullmatch(_STRIPE_ID, order.transaction_id)
    if not is_stripe or not moment(order.date_paid_gmt):
        return None
    money = currency(order.currency)
    return Payment(
        order_id=order.id,
        provider="stripe",
        provider_id=order.transaction_id,
        currency=money,
        captured=minor_units(order.total, money),
        created_at=placed_at,
    )


def _deeds(order: _Order, keys: Conventions, placed_at: datetime, changed_at: datetime) -> Iterator[Deed]:
    money, lines, parcels = currency(order.currency), _lines(order), list(_parcels(order, changed_at))
    if lines:
        bought = Order(
            order_id=order.id,
            customer_id=order.buyer_id,
            currency=money,
            country=country(order.to.country) or "ZZ",
            zone=zone(order),
            lines=lines,
            first_order=is_yes(word) if (word := said(order.meta_data, keys.first_order_meta)) else None,
        )
        yield deed(
            OrderPlaced(
                fact_id=f"woocommerce:{order.id}:placed", at=placed_at, source="woocommerce", order=bought
            )
        )
        if changed_at > placed_at and order.status != "cancelled":
            stamp = f"woocommerce:{order.id}:{changed_at:%Y%m%dT%H%M%S}"
            yield deed(OrderChanged(fact_id=stamp, at=changed_at, source="woocommerce", lines=lines))
        yield from parcels
    if order.status == "cancelled":
        yield _cancelled(order, changed_at, None)
    elif order.is_given_back and not parcels and not moment(order.date_completed_gmt):
        yield _cancelled(order, changed_at, "refunded")
    elif order.is_given_back:
        yield deed(
            ReturnClosed(
                fact_id=f"woocommerce:{order.id}:refunded",
                at=changed_at,
                source="woocommerce",
                return_id=f"refund-{order.id}"[:64],
                outcome=ReturnOutcome.REFUNDED,
            )
        )


def _lines(order: _Order) -> tuple[Line, ...]:
    money = currency(order.currency)
    return tuple(
        Line(
            line_id=item.id,
            sku=label(item.sku) or label(item.product_id) or item.id,
            title=label(item.name, 200) or "?",
            quantity=item.quantity,
            unit_price=minor_units(item.price or "0", money),
        )
        for item in order.line_items
        if item.quantity
    )


class _Tracking(Wire):
    tracking_id: Loose = ""
    tracking_number: Loose = ""
    tracking_provider: Loose = ""
    custom_tracking_provider: Loose = ""
    custom_tracking_link: Loose = ""
    date_shipped: Loose = ""

    def shipped(self) -> datetime | None:
        """Seconds since 1970, most of the time in quotes; or a date."""
        seconds = re.fullmatch(r"([0-9]{1,12})(\.[0-9]*)?", self.date_shipped)
        return moment(int(seconds[1]) if seconds else self.date_shipped)


def _parcels(order: _Order, changed_at: datetime) -> Iterator[Deed]:
    """The parcels of the Shipment Tracking extension; without it, a completed order is one that was sent."""
    items: list[Any] = next((only_list(meta.value) for meta in order.meta_data if meta.key == _TRACKING), [])
    known = [_Tracking.model_validate(item) for item in items[:50] if isinstance(item, dict)]
    if not known and order.status == "completed":
        known = [_Tracking()]
    for number, tracking in enumerate(known, start=1):
        parcel_id = f"{order.id}-{number}"
        yield deed(
            ParcelShipped(
                fact_id=f"woocommerce:{parcel_id}:shipped",
                at=tracking.shipped() or changed_at,
                source="woocommerce",
                parcel_id=parcel_id[-64:],
                tracking_number=label(tracking.tracking_number),
                tracking_url=url(tracking.custom_tracking_link),
                carrier=label(tracking.tracking_provider) or label(tracking.custom_tracking_provider),
            )
        )
