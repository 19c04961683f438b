"""What the customer gets for what comes back, in minor units."""

from typing import NamedTuple

from journey.facts import LineQuantity, Order
from journey.proration import goods_value, paid_for_units
from journey.return_contract import HeldUnits, ReturnDecision, ReturnRequest, Sums
from journey.return_policy import Payer, ReturnPolicy, Way
from journey.returns_desk import Desk


class Charges(NamedTuple):
    """What the shop may keep: not where it is at fault, and no restocking fee from who withdraws."""

    restocking: bool
    way_back: bool


def sums_of(
    desk: Desk, request: ReturnRequest, held: tuple[HeldUnits, ...], way: Way, charges: Charges
) -> Sums:
    """What the customer gets for these units."""
    goods = goods_value(desk.order, {each.line_id: each.units for each in held})
    restocking = sum(_fee(desk.order, desk.policy, each) for each in held) if charges.restocking else 0
    shop_pays = not charges.way_back or way is Way.KEEP or desk.policy.shipping_paid_by is Payer.SHOP
    way_back = 0 if shop_pays else desk.policy.return_shipping.get(desk.order.currency, 0)
    shipping = desk.order.shipping if desk.policy.refund_shipping and _completes(desk, held) else 0
    return Sums(
        goods=goods,
        shipping=shipping,
        restocking=restocking,
        return_shipping=way_back,
        refund=max(0, goods + shipping - restocking - way_back),
        exchange=sum(line.quantity * line.unit_price for line in request.exchange_for),
    )


def _fee(order: Order, policy: ReturnPolicy, held: HeldUnits) -> int:
    line = next(line for line in order.lines if line.line_id == held.line_id)
    paid = paid_for_units(order, held.line_id, held.units)
    return paid * policy.for_goods(line.category, order.country).restocking_percent // 100


def _completes(desk: Desk, held: tuple[HeldUnits, ...]) -> bool:
    """Whether with these units the whole order has come back: shipping is refunded once, then."""
    if desk.shipping_is_given_back():
        return False
    quantities = {each.line_id: len(each.units) for each in held}
    return all(len(desk.free_units(line)) == quantities.get(line.line_id, 0) for line in desk.order.lines)


def accepted_sums(
    order: Order, policy: ReturnPolicy, decision: ReturnDecision, accepted: tuple[LineQuantity, ...]
) -> Sums:
    """What the customer gets if only this much is accepted."""
    if accepted == decision.lines:
        return decision.sums
    quantities = {part.line_id: part.quantity for part in accepted}
    held = tuple(
        HeldUnits(line_id=each.line_id, units=each.units[: quantities.get(each.line_id, 0)])
        for each in decision.held
    )
    goods = goods_value(order, {each.line_id: each.units for each in held})
    restocking = sum(_fee(order, policy, each) for each in held) if decision.sums.restocking else 0
    kept = restocking + decision.sums.return_shipping
    return decision.sums.model_copy(
        update={"goods": goods, "shipping": 0, "restocking": restocking, "refund": max(0, goods - kept)}
    )
