"""The lines of Shopify's orders: goods, and now and then one that takes something off."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import Field

from journey.facts import Line
from service.sources.values import Id, Loose, Wire, label, minor_units

MOST_LINES = 500
"""As many as a fact holds."""

T = TypeVar("T")


class Item(Wire):
    """A line as an order's payload has it."""

    id: Id
    sku: Loose = ""
    title: Loose = ""
    name: Loose = ""
    quantity: int = Field(ge=0, le=100_000)
    current_quantity: int | None = Field(default=None, ge=0, le=100_000)
    price: str = "0"
    product_type: Loose = ""
    variant_id: Loose = ""

    @property
    def units(self) -> int:
        return self.quantity if self.current_quantity is None else self.current_quantity

    def cost(self, money: str) -> int:
        """In minor units; below nothing for a discount or a rounding that an app wrote as a line. Raises
        `NotReadable`."""
        price = self.price.strip()
        amount = minor_units(price.removeprefix("-"), money) * self.units
        return -amount if price.startswith("-") else amount

    def line(self, money: str, discount: int) -> Line:
        return Line(
            line_id=self.id,
            sku=label(self.sku) or label(self.variant_id) or self.id,
            title=label(self.name or self.title, 200) or "?",
            quantity=self.units,
            unit_price=minor_units(self.price, money),
            discount=discount,
            category=label(self.product_type),
        )


def lines_of(items: Sequence[Item], money: str) -> tuple[Line, ...]:
    """The goods. What other lines take off is taken off them, each by its share, so that never more is given
    back for them than was paid."""
    costs = [(item, item.cost(money)) for item in items if item.units]
    goods = [(item, cost) for item, cost in costs if cost >= 0]
    whole = sum(cost for _, cost in goods)
    off = min(whole, -sum(cost for _, cost in costs if cost < 0))
    kept, before, found = {item.id for item in most(items, _own)}, 0, []
    for item, cost in goods:
        discount = _share(off, before + cost, whole) - _share(off, before, whole)
        before += cost
        if item.id in kept:
            found.append(item.line(money, discount))
    return tuple(found)


def _own(item: Item) -> str:
    return item.id


def _share(amount: int, part: int, whole: int) -> int:
    return amount * part // whole if whole else 0


def most(items: Sequence[T], line_of: Callable[[T], str]) -> tuple[T, ...]:
    """As many as a fact holds: those of the least lines, so that an order and its parcels keep the same
    ones however they list them, and what is added to an order later is what is left out."""
    ids = sorted({line_of(item) for item in items}, key=_number)
    least = set(ids[:MOST_LINES])
    return tuple(item for item in items if line_of(item) in least)[:MOST_LINES]


def _number(line_id: str) -> tuple[Any, ...]:
    return len(line_id), line_id
