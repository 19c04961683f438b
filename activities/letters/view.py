"""What templates see. Foreign words are cleaned and amounts and dates written out here, once, so that a
template (ours, or one that a shop drops in) has only finished things to place."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from babel import Locale

from activities.letters.formats import day, first_name, money, plain, promised_day, secure_url
from activities.letters.jsonld import SHOWN
from journey.facts import CarrierStatus, Line, Order
from journey.messages import ParcelContent, ReturnContent, SendRequest
from journey.times import deadline
from ledger.customers import Profile

_STAGES = {
    CarrierStatus.HANDED_OVER: 2,
    CarrierStatus.IN_TRANSIT: 2,
    CarrierStatus.DELAYED: 2,
    CarrierStatus.ATTEMPT_FAILED: 3,
    CarrierStatus.OUT_FOR_DELIVERY: 3,
    CarrierStatus.READY_FOR_PICKUP: 3,
    CarrierStatus.DELIVERED: 4,
}


@dataclass(frozen=True)
class Item:
    """A line as the letter shows it."""

    title: str
    initial: str
    quantity: int
    total: str
    image: str | None
    guide: str | None


@dataclass(frozen=True)
class Bought:
    """The order."""

    number: str
    items: tuple[Item, ...]
    hidden: int
    """Lines beyond those shown."""
    count: int
    """Units, of all lines."""
    total: str
    placed: str
    ship_by: str | None
    deliver_by: str | None


@dataclass(frozen=True)
class Sent:
    """A parcel."""

    number: str | None
    carrier: str | None
    tracking: str | None
    items: tuple[Item, ...]
    hidden: int
    count: int
    partial: bool
    """Whether the order has more than this parcel."""
    expected: str | None
    delivered: str | None
    stage: int
    """From 1, packed, to 4, delivered."""


@dataclass(frozen=True)
class Reader:
    """The customer."""

    first_name: str
    name: str


@dataclass(frozen=True)
class Case:
    """A return, a claim, or money that the shop gives back."""

    number: str
    kind: str
    way: str
    settlement: str
    items: tuple[Item, ...]
    hidden: int
    send_by: str | None
    amount: str | None
    due: str | None
    kept: str | None
    carrier: str | None
    tracking: str | None


@dataclass(frozen=True)
class View:
    """Everything a template may place."""

    customer: Reader
    order: Bought
    parcel: Sent | None
    line: Item | None
    case: Case | None
    rating: int | None
    runs_out: str | None


def view(request: SendRequest, profile: Profile, locale: Locale) -> View:
    """The view of a request for its reader."""
    order = request.order
    return View(
        customer=Reader(first_name(profile.name or "", locale), plain(profile.name or "")),
        order=_bought(order, request.placed_at, locale),
        parcel=_sent(request.parcel, order, locale) if request.parcel else None,
        line=_item(request.line, request.line.quantity, order.currency, locale) if request.line else None,
        case=_case(request.case, order, locale) if request.case else None,
        rating=request.rating,
        runs_out=day(request.runs_out_at, order.zone, locale) if request.runs_out_at else None,
    )


def _item(line: Line, quantity: int, currency: str, locale: Locale) -> Item:
    title = plain(line.title) or line.sku
    return Item(
        title=title,
        initial=next((c for c in title if c.isalnum()), "·").upper()[:1],
        quantity=quantity,
        total=money(quantity * line.unit_price, currency, locale),
        image=secure_url(line.image_url),
        guide=secure_url(line.guide_url),
    )


def _items(parts: Iterable[tuple[Line, int]], currency: str, locale: Locale) -> tuple[Item, ...]:
    return tuple(_item(line, quantity, currency, locale) for line, quantity in list(parts)[:SHOWN])


def _bought(order: Order, placed_at: datetime, locale: Locale) -> Bought:
    total = sum(line.quantity * line.unit_price for line in order.lines)
    return Bought(
        number=order.order_id,
        items=_items(((line, line.quantity) for line in order.lines), order.currency, locale),
        hidden=max(0, len(order.lines) - SHOWN),
        count=sum(line.quantity for line in order.lines),
        total=money(total, order.currency, locale),
        placed=day(placed_at, order.zone, locale),
        ship_by=_promise(order.ship_by, order.zone, locale),
        deliver_by=_promise(order.deliver_by, order.zone, locale),
    )


def _promise(when: datetime | date | None, zone: str, locale: Locale) -> str | None:
    return day(promised_day(deadline(when, zone), zone), zone, locale) if when else None


def _sent(parcel: ParcelContent, order: Order, locale: Locale) -> Sent:
    ordered = {line.line_id: line for line in order.lines}
    named = [(ordered[part.line_id], part.quantity) for part in parcel.lines if part.line_id in ordered]
    parts = named or [(line, line.quantity) for line in order.lines]
    delivered = parcel.delivered_at
    return Sent(
        number=plain(parcel.tracking_number) if parcel.tracking_number else None,
        carrier=plain(parcel.carrier) if parcel.carrier else None,
        tracking=secure_url(parcel.tracking_url),
        items=_items(parts, order.currency, locale),
        hidden=max(0, len(parts) - SHOWN),
        count=sum(quantity for _, quantity in parts),
        partial=sum(q for _, q in parts) < sum(line.quantity for line in order.lines),
        expected=_promise(parcel.expected_by, order.zone, locale),
        delivered=day(delivered, order.zone, locale) if delivered else None,
        stage=4 if delivered else _STAGES.get(parcel.status or CarrierStatus.UNKNOWN, 1),
    )


def _case(case: ReturnContent, order: Order, locale: Locale) -> Case:
    ordered = {line.line_id: line for line in order.lines}
    parts = [(ordered[part.line_id], part.quantity) for part in case.lines if part.line_id in ordered]
    amounts = {name: getattr(case, name) for name in ("amount", "due", "kept")}
    written = {name: money(amount, order.currency, locale) for name, amount in amounts.items() if amount}
    return Case(
        number=f"{order.order_id}-{case.return_id}",
        kind=case.kind,
        way=case.way,
        settlement=case.settlement,
        items=_items(parts, order.currency, locale),
        hidden=max(0, len(parts) - SHOWN),
        send_by=day(case.send_by, order.zone, locale) if case.send_by else None,
        amount=written.get("amount"),
        due=written.get("due"),
        kept=written.get("kept"),
        carrier=plain(case.carrier) if case.carrier else None,
        tracking=plain(case.tracking_number) if case.tracking_number else None,
    )
