"""Shopify's orders, fulfillments, refunds and returns as facts."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from journey.facts import (
    CarrierStatus,
    ExpectedDateChanged,
    Line,
    LineQuantity,
    Order,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    ParcelMoved,
    ParcelShipped,
    ReturnClosed,
    ReturnOpened,
    ReturnOutcome,
)
from ledger.incoming import UNPAID, Deed
from service.sources.shopify_lines import MOST_LINES, Item, lines_of, most
from service.sources.shopify_people import Address, Customer, buyer, pointer
from service.sources.source import NotReadable, Told, deed
from service.sources.values import Id, Loose, Wire, country, currency, label, moment, url

_PAID = {"paid", "partially_paid", "authorized", "partially_refunded", "refunded"}
"""An order begins when its payment is there or certain. A refunded one was paid once."""

_CANCEL_REASONS = {"customer", "fraud", "inventory", "declined", "staff", "other"}

_NOT_SENT = {"pending", "open", "error", "failure"}
"""The values of `FulfillmentStatus` of what has not left, or could not be asked for."""

_CALLED_OFF = "cancelled"
"""The value of `FulfillmentStatus` of a parcel that was told of, and is not coming."""

_ENDED = {
    "canceled": ReturnOutcome.CANCELLED,
    "declined": ReturnOutcome.REFUSED,
    # It does not say how. A refund of this return does, and counts whichever comes first.
    "closed": ReturnOutcome.EXCHANGED,
}
"""The values of `ReturnStatus` of a return that is over."""

_STATUSES = {
    **dict.fromkeys(("label_printed", "label_purchased", "confirmed"), CarrierStatus.LABEL_MADE),
    "carrier_picked_up": CarrierStatus.HANDED_OVER,
    "in_transit": CarrierStatus.IN_TRANSIT,
    "out_for_delivery": CarrierStatus.OUT_FOR_DELIVERY,
    "ready_for_pickup": CarrierStatus.READY_FOR_PICKUP,
    "attempted_delivery": CarrierStatus.ATTEMPT_FAILED,
    "delayed": CarrierStatus.DELAYED,
    **dict.fromkeys(("delivered", "picked_up"), CarrierStatus.DELIVERED),
}
"""The values of `FulfillmentEventStatus` in the Admin API; `failure` says too little to act on."""


def _not_none(value: Any) -> Any:
    return {} if value is None else value


class _Order(Wire):
    id: Id
    created_at: str
    processed_at: Loose = ""
    updated_at: Loose = ""
    cancelled_at: Loose = ""
    cancel_reason: Loose = ""
    financial_status: Loose = ""
    currency: str
    presentment_currency: Loose = ""
    email: Loose = ""
    phone: Loose = ""
    customer_locale: Loose = ""
    customer: Annotated[Customer, BeforeValidator(_not_none)] = Customer()
    shipping_address: Annotated[Address, BeforeValidator(_not_none)] = Address()
    billing_address: Annotated[Address, BeforeValidator(_not_none)] = Address()
    line_items: tuple[Item, ...]

    @property
    def address(self) -> Address:
        return self.shipping_address if self.shipping_address.country_code else self.billing_address

    def lines(self) -> tuple[Line, ...]:
        return lines_of(self.line_items, currency(self.currency))


def order_told(data: dict[str, Any], at: datetime) -> Iterator[Told]:
    """`orders/create`, `orders/paid`, `orders/updated` and `orders/cancelled` all bring the whole order."""
    order = _Order.model_validate(data)
    if order.financial_status.lower() not in _PAID and not order.cancelled_at:
        return
    person = buyer(order.id, order.customer, order.address, order, at)
    if order.financial_status.lower() not in _PAID:
        # It may have been paid once; if nobody placed it here, nothing is kept of whoever it was.
        gone = OrderCancelled(
            fact_id=f"shopify:{order.id}:cancelled",
            at=moment(order.cancelled_at) or at,
            source="shopify",
            reason=UNPAID,
        )
        yield Told(deeds=[deed(gone)], order_id=order.id)
        return
    deeds = list(_order_deeds(order, person.profile.customer_id, person.profile.zone, at))
    if deeds:
        placed_at = moment(order.processed_at or order.created_at) or at
        own = pointer(order.id, person.profile.customer_id, placed_at, order.address)
        yield Told(deeds=deeds, order_id=order.id, person=person, pointer=own)
        yield from _left_out(order)


def _left_out(order: _Order) -> Iterator[Told]:
    """A note for people, once for each order."""
    if (number := len(order.line_items)) > MOST_LINES:
        note = f"an order here has at most {MOST_LINES} lines: of {number}, the others are left out"
        yield Told(order_id=order.id, problem=note, part=f"shopify:{order.id}:left-out")


def _order_deeds(order: _Order, customer_id: str, zone: str, at: datetime) -> Iterator[Deed]:
    placed_at = moment(order.processed_at or order.created_at) or at
    changed_at = moment(order.updated_at) or at
    lines = order.lines()
    place = country(order.address.country_code) or "ZZ"
    if lines and order.financial_status.lower() in _PAID:
        yield deed(
            OrderPlaced(
                fact_id=f"shopify:{order.id}:placed",
                at=placed_at,
                source="shopify",
                order=Order(
                    order_id=order.id,
                    customer_id=customer_id,
                    currency=currency(order.currency),
                    country=place,
                    zone=zone,
                    lines=lines,
                    first_order=order.customer.is_new,
                ),
            )
        )
        if changed_at > placed_at and not order.cancelled_at:
            stamp = f"shopify:{order.id}:{changed_at:%Y%m%dT%H%M%S}"
            yield deed(OrderChanged(fact_id=stamp, at=changed_at, source="shopify", lines=lines))
    if order.cancelled_at:
        reason = order.cancel_reason.lower()
        yield deed(
            OrderCancelled(
                fact_id=f"shopify:{order.id}:cancelled",
                at=moment(order.cancelled_at) or at,
                source="shopify",
                reason=reason if reason in _CANCEL_REASONS else None,
            )
        )


class _Shipped(Wire):
    id: Id
    quantity: int = Field(ge=0)


class _Fulfillment(Wire):
    id: Id
    order_id: Id
    status: Loose = ""
    created_at: Loose = ""
    updated_at: Loose = ""
    tracking_company: Loose = ""
    tracking_number: Loose = ""
    tracking_url: Loose = ""
    shipment_status: Loose = ""
    line_items: tuple[_Shipped, ...]


def fulfillment_told(data: dict[str, Any], at: datetime) -> Iterator[Told]:
    """`fulfillments/create` and `fulfillments/update`: a parcel, and perhaps where it is."""
    sent = _Fulfillment.model_validate(data)
    if sent.status.lower() in _NOT_SENT:
        return
    shipped_at, changed_at = moment(sent.created_at) or at, moment(sent.updated_at) or at
    if sent.status.lower() == _CALLED_OFF:
        yield Told(deeds=[_called_off(sent.id, changed_at)], order_id=sent.order_id)
        return
    number = label(sent.tracking_number)
    facts = [
        deed(
            ParcelShipped(
                fact_id=f"shopify:{sent.id}:{changed_at:%Y%m%dT%H%M%S}",
                at=shipped_at,
                source="shopify",
                parcel_id=sent.id,
                tracking_number=number,
                tracking_url=url(sent.tracking_url),
                carrier=label(sent.tracking_company),
                lines=_quantities(sent.line_items),
            )
        )
    ]
    if sent.shipment_status:
        facts.append(_moved(f"{sent.id}:{sent.shipment_status}", sent.id, sent.shipment_status, changed_at))
    yield Told(deeds=facts, order_id=sent.order_id)


def _called_off(parcel_id: str, at: datetime) -> Deed:
    return deed(
        ParcelMoved(
            fact_id=f"shopify:{parcel_id}:{_CALLED_OFF}",
            at=at,
            source="shopify",
            parcel_id=parcel_id,
            status=CarrierStatus.CANCELLED,
        )
    )


def _quantities(items: tuple[_Shipped, ...]) -> tuple[LineQuantity, ...]:
    return _parts((item.id, item.quantity) for item in items)


def _parts(units: Iterable[tuple[str, int]]) -> tuple[LineQuantity, ...]:
    known = [LineQuantity(line_id=line_id, quantity=quantity) for line_id, quantity in units if quantity]
    return most(known, lambda part: part.line_id)


def _moved(event: str, parcel_id: str, word: str, at: datetime) -> Deed:
    status = _STATUSES.get(word.lower(), CarrierStatus.UNKNOWN)
    return deed(
        ParcelMoved(
            fact_id=f"shopify:{label(event, 150) or 'event'}".replace(" ", "-"),
            at=at,
            source="shopify",
            parcel_id=parcel_id,
            status=status,
            raw=label(word, 200),
        )
    )


class _FulfillmentEvent(Wire):
    id: Id
    order_id: Id
    fulfillment_id: Id
    status: Loose = ""
    happened_at: Loose = ""
    estimated_delivery_at: Loose = ""


def fulfillment_event_told(data: dict[str, Any], at: datetime) -> Iterator[Told]:
    """`fulfillment_events/create`: a checkpoint of the carrier."""
    event = _FulfillmentEvent.model_validate(data)
    happened_at = moment(event.happened_at) or at
    facts = [_moved(f"event:{event.id}", event.fulfillment_id, event.status or "empty", happened_at)]
    if expected := moment(event.estimated_delivery_at):
        changed = ExpectedDateChanged(
            fact_id=f"shopify:event:{event.id}:expected",
            at=happened_at,
            source="shopify",
            parcel_id=event.fulfillment_id,
            expected=expected,
        )
        facts.append(deed(changed))
    yield Told(deeds=facts, order_id=event.order_id)


class _RefundItem(Wire):
    line_item_id: Id
    quantity: int = Field(ge=0)
    restock_type: Loose = ""


class _OfReturn(Wire):
    id: Id


class _Refund(Wire):
    id: Id
    order_id: Id
    created_at: Loose = ""
    of_return: _OfReturn | None = Field(default=None, alias="return")
    refund_line_items: tuple[_RefundItem, ...]


def refund_told(data: dict[str, Any], at: datetime) -> Iterator[Told]:
    """`refunds/create`: goods that came back and are paid back. Since version 2025-04 it names the return
    that it is for, which ends by it. Other refunds of money alone, and goods that were never sent (`cancel`),
    are no return."""
    refund = _Refund.model_validate(data)
    lines = _parts(
        (item.line_item_id, item.quantity)
        for item in refund.refund_line_items
        if item.restock_type != "cancel"
    )
    of = refund.of_return.id if refund.of_return else None
    if lines or of:
        # With the return in its id, since a webhook of an older version does not name it, and the API does.
        own = f"shopify:refund:{refund.id}"
        closed = ReturnClosed(
            fact_id=f"{own}:of:{of}" if of else own,
            at=moment(refund.created_at) or at,
            source="shopify",
            return_id=of or f"refund-{refund.id}",
            outcome=ReturnOutcome.REFUNDED,
            lines=lines,
        )
        yield Told(deeds=[deed(closed)], order_id=refund.order_id)


class _OfOrder(Wire):
    id: Id


class _ReturnedItem(Wire):
    class _Fulfilled(Wire):
        class _Line(Wire):
            id: Id

        line_item: _Line

    quantity: int = Field(ge=0)
    fulfillment_line_item: _Fulfilled | None = None


class _Return(Wire):
    id: Id
    order: _OfOrder
    return_line_items: tuple[_ReturnedItem, ...]


class _EndedReturn(Wire):
    id: Id
    order: _OfOrder | None = None
    order_id: Id | None = None


def return_told(data: dict[str, Any], at: datetime) -> Iterator[Told]:
    """`returns/request` and `returns/approve`: the customer wants to send something back, or the shop has it
    sent. `returns/cancel`, `returns/decline` and `returns/close`: that is over."""
    status = str(data.get("status") or "").lower()
    if status in _ENDED:
        yield _return_ended(data, status, at)
    elif status in {"requested", "open"} and "return_line_items" in data:
        yield _return_opened(data, at)


def _return_ended(data: dict[str, Any], status: str, at: datetime) -> Told:
    """`returns/decline` names the order as an object, the others by its id."""
    ended = _EndedReturn.model_validate(data)
    order_id = ended.order.id if ended.order else ended.order_id
    if order_id is None:
        raise NotReadable("order_id: is missing")
    closed = ReturnClosed(
        fact_id=f"shopify:return:{ended.id}:{status}",
        at=at,
        source="shopify",
        return_id=ended.id,
        outcome=_ENDED[status],
    )
    return Told(deeds=[deed(closed)], order_id=order_id)


def _return_opened(data: dict[str, Any], at: datetime) -> Told:
    """Without the customer's note, which stays at Shopify."""
    asked = _Return.model_validate(data)
    lines = _parts(
        (item.fulfillment_line_item.line_item.id, item.quantity)
        for item in asked.return_line_items
        if item.fulfillment_line_item
    )
    opened = ReturnOpened(
        fact_id=f"shopify:return:{asked.id}", at=at, source="shopify", return_id=asked.id, lines=lines
    )
    return Told(deeds=[deed(opened)], order_id=asked.order.id)
