"""From a return to what `send_message` is asked: a letter about it."""

from journey.facts import LineQuantity, Order
from journey.messages import ReturnContent, SendRequest
from journey.playbook import MessageClass
from journey.return_case import CaseLetter, ReturnCase, ReturnStart
from journey.return_contract import Sums
from journey.return_policy import Way
from journey.times import later

LETTERS = (
    "return_under_review",
    "return_approved",
    "return_reminder",
    "return_expired",
    "return_received",
    "return_refused",
    "return_not_accepted",
    "return_cancelled",
    "return_refunded",
    "return_credited",
    "return_exchanged",
    "return_replaced",
    "exchange_difference",
)
"""In the order in which a return may write them."""


def specimen_content(order: Order) -> ReturnContent:
    """A return of one of each, to show its letters with."""
    return ReturnContent(
        return_id="r1",
        kind="return",
        lines=tuple(LineQuantity(line_id=line.line_id, quantity=1) for line in order.lines),
        way="drop_off",
        amount=order.lines[0].unit_price,
        due=order.lines[0].unit_price,
        carrier="Post",
        tracking_number="00340434161094042557",
    )


def letter_request(start: ReturnStart, case: ReturnCase, sums: Sums, letter: CaseLetter) -> SendRequest:
    """Everything that the letter may say, by value; the customer by pointer."""
    decision = case.decision
    send_by = None
    if decision.way is not Way.KEEP and case.instructed_at:
        zone = start.order.zone
        send_by = later(case.instructed_at, start.policy.expire_after, zone, start.day_seconds)
    content = ReturnContent(
        return_id=start.return_id,
        kind=str(decision.kind),
        lines=case.accepted or decision.lines,
        way=str(decision.way),
        settlement=str(case.settled_as or decision.settlement),
        send_by=send_by,
        amount=case.money.amount if case.money else sums.back,
        due=sums.due,
        kept=sums.restocking + sums.return_shipping,
        carrier=case.label.carrier if case.label else None,
        tracking_number=case.label.tracking_number if case.label else None,
    )
    return SendRequest(
        order_id=start.order.order_id,
        key=f"{letter.name}/{start.return_id}",
        step=letter.name,
        letter=letter.name,
        message_class=MessageClass.TRANSACTIONAL,
        order=start.order,
        placed_at=start.placed_at,
        case=content,
        due=letter.due,
    )
