"""What was paid for each unit, to the last minor unit: the parts always add up to the whole.

An order's discount is spread over its lines, and a line's price over its units, by cumulated shares, so
that nothing is lost or made by rounding. A case holds certain units of a line, not just so many, so that
the sum is right in whatever order cases are opened, settled and cancelled.
"""

from collections.abc import Iterable, Mapping

from journey.facts import Order


def paid_for_lines(order: Order) -> dict[str, int]:
    """What was paid for each line, with its tax and after all discounts, in minor units."""
    goods = [line.quantity * line.unit_price + line.tax - line.discount for line in order.lines]
    whole, before, paid = sum(goods), 0, {}
    for line, amount in zip(order.lines, goods, strict=True):
        after = before + amount
        off = _share(order.discount, after, whole) - _share(order.discount, before, whole)
        paid[line.line_id] = amount - off
        before = after
    return paid


def paid_in_all(order: Order) -> int:
    """Goods and shipping, in minor units."""
    return sum(paid_for_lines(order).values()) + order.shipping


def paid_for_units(order: Order, line_id: str, units: Iterable[int]) -> int:
    """What was paid for these units (counted from 0) of a line."""
    line = next(line for line in order.lines if line.line_id == line_id)
    whole = paid_for_lines(order)[line_id]
    return sum(_share(whole, n + 1, line.quantity) - _share(whole, n, line.quantity) for n in units)


def goods_value(order: Order, units: Mapping[str, Iterable[int]]) -> int:
    """What was paid for units of several lines."""
    return sum(paid_for_units(order, line_id, numbers) for line_id, numbers in units.items())


def _share(amount: int, part: int, whole: int) -> int:
    return amount * part // whole if whole else 0
