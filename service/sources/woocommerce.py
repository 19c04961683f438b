"""WooCommerce's webhooks: orders, whole, whenever they change.

`X-WC-Webhook-Signature` is base64 of HMAC-SHA256 over the body; topic and delivery id are outside of it. Of
two dates only `*_gmt` has a known zone, though none is written in it.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from journey.facts import Line, Order, OrderCancelled, OrderChanged, OrderPlaced, ParcelShipped
from ledger.customers import Profile
from ledger.incoming import Deed, Person
from ledger.orders import OrderPointer
from service.sources.places import zone_of
from service.sources.source import NotReadable, Post, Source, Told, deed, hmac_fits
from service.sources.values import (
    Id,
    Loose,
    Wire,
    base64_bytes,
    country,
    currency,
    email,
    label,
    minor_units,
    moment,
    one_line,
    url,
)

_PAID = {"processing", "completed", "refunded"}
_TRACKING = "_wc_shipment_tracking_items"
"""Where the Shipment Tracking extension keeps its numbers."""


class WooCommerce(Source):
    """`order.created`, `order.updated`; the ping of a new webhook has no order in it."""

    name: ClassVar[str] = "woocommerce"
    strict: ClassVar[bool] = False

    def verify(self, post: Post, secrets: Sequence[str]) -> None:
        hmac_fits(base64_bytes(post.header("x-wc-webhook-signature")), post.body, secrets)

    def is_ping(self, post: Post) -> bool:
        # A new webhook is only switched on if its unsigned ping is answered with 200.
        return re.fullmatch(rb"webhook_id=\d{1,20}", post.body) is not None

    def topic(self, post: Post, data: Any) -> str:
        return post.header("x-wc-webhook-topic") or "unknown"

    def event_id(self, post: Post, data: Any) -> str:
        # The second is what WooCommerce's page calls it, and not what it sends.
        return post.header("x-wc-webhook-delivery-id") or post.header("x-wc-delivery-id")

    def translate(self, data: Any, at: datetime) -> Iterator[Told]:
        if not isinstance(data, dict):
            raise NotReadable("the body should be a JSON object")
        if "line_items" in data and "status" in data:
            yield from _told(_Order.model_validate(data), at)


class _Address(Wire):
    first_name: Loose = ""
    last_name: Loose = ""
    company: Loose = ""
    address_1: Loose = ""
    address_2: Loose = ""
    city: Loose = ""
    state: Loose = ""
    postcode: Loose = ""
    country: Loose = ""
    email: Loose = ""
    phone: Loose = ""

    @property
    def name(self) -> str | None:
        return one_line(f"{self.first_name} {self.last_name}")

    def label_lines(self) -> tuple[str, ...]:
        parts = (self.company, self.address_1, self.address_2, f"{self.postcode} {self.city}", self.country)
        return tuple(line for line in map(one_line, parts) if line)


class _Item(Wire):
    id: Id
    name: Loose = ""
    product_id: Loose = ""
    sku: Loose = ""
    quantity: int = Field(ge=0, le=100_000)
    price: str = "0"


class _Meta(Wire):
    key: Loose = ""
    value: Any = None


def _list(value: Any) -> Any:
    return value if isinstance(value, list) else []


class _Order(Wire):
    id: Id
    status: Loose
    currency: str
    customer_id: Loose = ""
    date_created_gmt: Loose = ""
    date_modified_gmt: Loose = ""
    date_paid_gmt: Loose = ""
    billing: _Address = _Address()
    shipping: _Address = _Address()
    line_items: tuple[_Item, ...] = Field(max_length=500)
    meta_data: Annotated[tuple[_Meta, ...], BeforeValidator(_list)] = ()

    @property
    def to(self) -> _Address:
        return self.shipping if self.shipping.country else self.billing

    @property
    def buyer_id(self) -> str:
        known = re.fullmatch(r"0*([1-9][0-9]{0,19})", self.customer_id)
        return f"woo-{known[1]}" if known else f"guest-{self.id}"


def _told(order: _Order, at: datetime) -> Iterator[Told]:
    placed_at = moment(order.date_paid_gmt) or moment(order.date_created_gmt) or at
    changed_at = moment(order.date_modified_gmt) or at
    deeds = list(_deeds(order, placed_at, changed_at))
    if not deeds:
        return
    pointer = OrderPointer(
        order_id=order.id,
        customer_id=order.buyer_id,
        placed_at=placed_at,
        recipient=order.to.name,
        address=order.to.label_lines(),
    )
    yield Told(deeds=deeds, order_id=order.id, person=_person(order, changed_at), pointer=pointer)


def _person(order: _Order, at: datetime) -> Person:
    buyer = order.billing
    told = {
        "customer_id": order.buyer_id,
        "email": email(buyer.email),
        "name": buyer.name,
        "phone": one_line(buyer.phone, 40),
        "zone": _zone(order),
        "country": country(order.to.country),
    }
    known = {name: value for name, value in told.items() if value is not None}
    return Person(profile=Profile.model_validate(known), at=at)


def _zone(order: _Order) -> str:
    return zone_of(country(order.to.country), order.to.state, order.billing.phone)


def _deeds(order: _Order, placed_at: datetime, changed_at: datetime) -> Iterator[Deed]:
    money, lines = currency(order.currency), _lines(order)
    if order.status in _PAID and lines:
        bought = Order(
            order_id=order.id,
            customer_id=order.buyer_id,
            currency=money,
            country=country(order.to.country) or "ZZ",
            zone=_zone(order),
            lines=lines,
        )
        yield deed(
            OrderPlaced(
                fact_id=f"woocommerce:{order.id}:placed", at=placed_at, source="woocommerce", order=bought
            )
        )
        if changed_at > placed_at:
            stamp = f"woocommerce:{order.id}:{changed_at:%Y%m%dT%H%M%S}"
            yield deed(OrderChanged(fact_id=stamp, at=changed_at, source="woocommerce", lines=lines))
        yield from _parcels(order, changed_at)
    if order.status == "cancelled":
        fact_id = f"woocommerce:{order.id}:cancelled"
        yield deed(OrderCancelled(fact_id=fact_id, at=changed_at, source="woocommerce"))


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
    items: list[Any] = next((_list(meta.value) for meta in order.meta_data if meta.key == _TRACKING), [])
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
