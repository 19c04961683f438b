"""The letters about a return: what `send_message` is asked, and what comes of it. Pure."""

from datetime import datetime

from journey.facts import LineQuantity, Order
from journey.messages import ReturnContent, SendReceipt, SendRequest, SendResult
from journey.names import step_key
from journey.playbook import MessageClass
from journey.proration import goods_value
from journey.record import BREATH
from journey.return_case import CaseLetter, ReturnCase, ReturnStart
from journey.return_contract import Sums
from journey.return_policy import Settlement, Way
from journey.state import Result
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


def specimen_content(order: Order, letter: str) -> ReturnContent:
    """A return of one of each, to show this letter with: what is given back, what is kept (a tenth) and what
    is taken in exchange add up to what was paid for these units, or to that and what is still due."""
    paid = goods_value(order, {line.line_id: (0,) for line in order.lines})
    settlement = _SETTLEMENTS.get(letter, Settlement.REFUND)
    kept = 0 if settlement in (Settlement.EXCHANGE, Settlement.REPLACEMENT) else paid // 10
    sums = Sums(goods=paid, restocking=kept, refund=paid - kept, exchange=_exchanged(letter, paid))
    return ReturnContent(
        return_id="r1",
        kind="return",
        lines=tuple(LineQuantity(line_id=line.line_id, quantity=1) for line in order.lines),
        way="drop_off",
        settlement=str(settlement),
        amount=0 if settlement is Settlement.REPLACEMENT else sums.back,
        due=sums.due,
        kept=kept,
        carrier="Post",
        tracking_number="00340434161094042557",
    )


_SETTLEMENTS = {
    "return_credited": Settlement.CREDIT,
    "return_exchanged": Settlement.EXCHANGE,
    "exchange_difference": Settlement.EXCHANGE,
    "return_replaced": Settlement.REPLACEMENT,
}


def _exchanged(letter: str, paid: int) -> int:
    """What is taken in exchange: for a fifth less, or a fifth more."""
    return {"return_exchanged": paid - paid // 5, "exchange_difference": paid + paid // 5}.get(letter, 0)


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
        key=step_key(letter.name, start.return_id),
        step=letter.name,
        letter=letter.name,
        message_class=MessageClass.TRANSACTIONAL,
        order=start.order,
        placed_at=start.placed_at,
        case=content,
        due=letter.due,
        retried_at=letter.retried_at,
    )


def with_letter(case: ReturnCase, name: str, now: datetime) -> ReturnCase:
    """The case in which this letter is due; the same one where it was before."""
    return case if name in case.letters else _changed(case, CaseLetter(name=name, due=now))


def with_receipt(case: ReturnCase, name: str, receipt: SendReceipt, now: datetime) -> ReturnCase:
    """The case after `send_message` answered. What was sent was sent; any other answer is void for a letter
    that an operator has skipped meanwhile."""
    letter = case.letters[name]
    if letter.result is not None and receipt.result is not SendResult.SENT:
        return case
    if receipt.result is SendResult.HELD:
        due = max(receipt.until or now, now + BREATH)
        return _changed(case, letter, due=due, reason=receipt.reason)
    return _changed(case, letter, result=Result(receipt.result.value), reason=receipt.reason)


def retried(case: ReturnCase, name: str, now: datetime) -> ReturnCase:
    """The case in which a parked letter is due again at once."""
    return _changed(case, case.letters[name], result=None, reason="", due=now, retried_at=now)


def skipped(case: ReturnCase, name: str, reason: str) -> ReturnCase:
    """The case in which a letter is left out."""
    return _changed(case, case.letters[name], result=Result.SKIPPED, reason=reason)


def letter_problem(start: ReturnStart, case: ReturnCase, key: str, *, parked: bool) -> str | None:
    """Why an operator cannot act on the letter of this key."""
    ahead = {
        step_key(letter.name, start.return_id): letter
        for letter in case.letters.values()
        if letter.result in (None, Result.PARKED)
    }
    if key not in ahead:
        return f"key: no letter {key} is ahead; these are: {', '.join(ahead) or 'none'}"
    if parked and ahead[key].result is not Result.PARKED:
        return f"key: {key} is not parked, so there is nothing to retry"
    return None


def _changed(case: ReturnCase, letter: CaseLetter, **changes: object) -> ReturnCase:
    letters = {**case.letters, letter.name: letter.model_copy(update=changes)}
    return case.model_copy(update={"letters": letters})
