"""The rules of returns: sums that add up to the last minor unit, and the law's floor."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey.facts import Line, Order, OrderPlaced, ParcelMoved, ParcelShipped, ReturnOpened, ReturnOutcome
from journey.moments import View
from journey.playbook import Playbook
from journey.proration import paid_for_lines, paid_for_units, paid_in_all
from journey.record import begun, with_fact
from journey.return_contract import Refusal, ReturnDecision, ReturnRequest, Rule
from journey.return_letters import LETTERS, specimen_content
from journey.return_policy import ReturnPolicy
from journey.returning import answer, closed_alone, with_case
from journey.returns_desk import Desk, working_day_end
from journey.state import JourneyState
from tests.world import DEFAULT

FRIDAY = datetime(2026, 3, 6, 9, tzinfo=UTC)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    lines = []
    for number in range(draw(st.integers(1, 3))):
        quantity, price = draw(st.integers(1, 4)), draw(st.integers(0, 10_000))
        discount = draw(st.integers(0, quantity * price))
        lines.append(
            Line(
                line_id=f"l{number}",
                sku=f"s{number}",
                title="Thing",
                quantity=quantity,
                unit_price=price,
                discount=discount,
                tax=draw(st.integers(0, 500)),
            )
        )
    goods = sum(line.quantity * line.unit_price + line.tax - line.discount for line in lines)
    return Order(
        order_id="1001",
        customer_id="c_1",
        currency="EUR",
        country="DE",
        zone="Europe/Berlin",
        lines=tuple(lines),
        discount=draw(st.integers(0, goods)),
        shipping=draw(st.integers(0, 2_000)),
    )


@given(orders())
def test_lines_add_up_to_the_order_and_units_to_their_line(order: Order) -> None:
    paid = paid_for_lines(order)
    goods = sum(line.quantity * line.unit_price + line.tax - line.discount for line in order.lines)
    assert (
        sum(paid.values()) + order.shipping == goods - order.discount + order.shipping == paid_in_all(order)
    )
    for line in order.lines:
        assert paid[line.line_id] >= 0
        parts = [paid_for_units(order, line.line_id, [unit]) for unit in range(line.quantity)]
        assert sum(parts) == paid[line.line_id]
        assert max(parts) - min(parts) <= 1, "units of a line differ by at most one minor unit"


def delivered(order: Order, at: datetime = FRIDAY) -> JourneyState:
    placed = OrderPlaced(fact_id="p", at=at - timedelta(days=3), order=order)
    shipped = ParcelShipped(fact_id="s", at=at - timedelta(days=2), parcel_id="p1")
    arrived = ParcelMoved.model_validate({"fact_id": "d", "at": at, "parcel_id": "p1", "status": "delivered"})
    return with_fact(with_fact(begun(placed), shipped, at), arrived, at)


def book(**policy: object) -> Playbook:
    return DEFAULT.model_copy(update={"returns": ReturnPolicy.model_validate(policy)})


def ask(
    state: JourneyState, playbook: Playbook, at: datetime, **request: object
) -> tuple[JourneyState, ReturnDecision]:
    asked = ReturnRequest.model_validate({"reason": "changed_mind", **request})
    decision = answer(state, playbook, asked, at)
    return with_case(state, asked, decision, at), decision


@given(orders(), st.integers(0, 2**32))
def test_whatever_is_returned_in_whatever_parts_comes_to_exactly_what_was_paid(
    order: Order, seed: int
) -> None:
    """Units are returned one by one in any order; some cases are cancelled and asked for again."""
    units = [line.line_id for line in order.lines for _ in range(line.quantity)]
    chance = random.Random(seed)
    chance.shuffle(units)
    state, given_back, playbook, cancels = delivered(order), 0, book(), 0
    while units:
        line_id = units.pop()
        state, decision = ask(state, playbook, FRIDAY, lines=[{"line_id": line_id, "quantity": 1}])
        cancelled = cancels < 8 and chance.random() < 0.3
        cancels += cancelled
        outcome = ReturnOutcome.CANCELLED if cancelled else ReturnOutcome.REFUNDED
        accepted = () if cancelled else decision.lines
        state = closed_alone(state, decision.return_id, outcome, accepted, FRIDAY)
        if cancelled:
            units.insert(0, line_id)
        else:
            given_back += decision.sums.refund
    assert given_back == paid_in_all(order)
    with pytest.raises(Refusal):
        ask(state, playbook, FRIDAY)


ORDER = Order(
    order_id="1001",
    customer_id="c_1",
    currency="EUR",
    country="DE",
    zone="Europe/Berlin",
    lines=(Line(line_id="l1", sku="tea", title="Tea", quantity=2, unit_price=1_000, category="food"),),
)


def refused(state: JourneyState, playbook: Playbook, at: datetime, **request: object) -> Rule:
    with pytest.raises(Refusal) as refusal:
        ask(state, playbook, at, **request)
    return refusal.value.rule


def test_the_right_of_withdrawal_ends_on_a_working_day() -> None:
    """Delivered on Friday 6 March: 14 days end on Friday the 20th. On Saturday 7 March: on Saturday the
    21st, so on Monday the 23rd; and if that is a holiday, on Tuesday."""
    berlin = "Europe/Berlin"
    assert working_day_end(FRIDAY, 14, berlin, ()) == datetime(2026, 3, 20, 23, tzinfo=UTC)
    saturday = FRIDAY + timedelta(days=1)
    assert working_day_end(saturday, 14, berlin, ()) == datetime(2026, 3, 23, 23, tzinfo=UTC)
    holiday = [date(2026, 3, 23)]
    assert working_day_end(saturday, 14, berlin, holiday) == datetime(2026, 3, 24, 23, tzinfo=UTC)


@pytest.mark.parametrize(("country", "allowed"), [("DE", True), ("US", False)])
def test_a_shorter_window_of_the_shop_does_not_shorten_the_law_s(country: str, allowed: bool) -> None:
    state = delivered(ORDER.model_copy(update={"country": country}))
    at, playbook = FRIDAY + timedelta(days=13), book(window="2 days", final_sale=True)
    if allowed:
        assert ask(state, playbook, at)[1].in_withdrawal
    else:
        assert refused(state, playbook, at) is Rule.WINDOW_CLOSED
    assert refused(state, playbook, at + timedelta(days=10)) is Rule.WINDOW_CLOSED


def test_goods_without_the_right_may_be_a_final_sale() -> None:
    playbook = book(exceptions=[{"categories": ["food"], "final_sale": True, "withdrawal": False}])
    assert refused(delivered(ORDER), playbook, FRIDAY) is Rule.FINAL_SALE
    ours = ask(delivered(ORDER), playbook, FRIDAY, reason="wrong_item")[1]
    assert ours.sums.refund == 2_000


def test_fees_are_kept_after_the_withdrawal_and_never_for_our_faults() -> None:
    fees = {"restocking_percent": 10, "return_shipping": {"EUR": 450}, "window": "60 days"}
    late = FRIDAY + timedelta(days=30)
    sums = ask(delivered(ORDER), book(**fees), late)[1].sums
    assert (sums.restocking, sums.return_shipping, sums.refund) == (200, 450, 1_350)
    early = ask(delivered(ORDER), book(**fees), FRIDAY)[1].sums
    assert (early.restocking, early.return_shipping, early.refund) == (0, 450, 1_550)
    ours = ask(delivered(ORDER), book(**fees), late, reason="not_as_described")[1].sums
    assert ours.refund == 2_000


def test_a_category_or_a_country_may_have_a_window_of_its_own() -> None:
    playbook = book(exceptions=[{"categories": ["food"], "countries": ["US"], "window": "90 days"}])
    late = FRIDAY + timedelta(days=80)
    assert refused(delivered(ORDER), playbook, late) is Rule.WINDOW_CLOSED
    assert ask(delivered(ORDER.model_copy(update={"country": "US"})), playbook, late)[1]


def test_what_the_shop_returned_by_itself_counts() -> None:
    fact = {"fact_id": "x", "at": FRIDAY, "return_id": "shop-1", "lines": [{"line_id": "l1", "quantity": 1}]}
    state = with_fact(delivered(ORDER), ReturnOpened.model_validate(fact), FRIDAY)
    assert ask(state, book(), FRIDAY)[1].lines[0].quantity == 1
    desk = Desk(View(state, book(), ORDER), ReturnPolicy(), {}, FRIDAY)
    assert desk.free_units(ORDER.lines[0]) == [0]


def test_shipping_is_given_back_once() -> None:
    order = ORDER.model_copy(update={"shipping": 490})
    state, first = ask(delivered(order), book(), FRIDAY, lines=[{"line_id": "l1", "quantity": 1}])
    state, second = ask(state, book(), FRIDAY, lines=[{"line_id": "l1", "quantity": 1}])
    assert (first.sums.refund, second.sums.refund) == (1_000, 1_490)
    state = closed_alone(state, "r1", ReturnOutcome.CANCELLED, (), FRIDAY)
    state, third = ask(state, book(), FRIDAY)
    assert third.sums.refund == 1_000


def test_an_order_has_no_more_returns_than_its_state_can_know() -> None:
    state = delivered(ORDER)
    for number in range(20):
        state, decision = ask(state, book(), FRIDAY, lines=[{"line_id": "l1", "quantity": 1}])
        assert decision.return_id == f"r{number + 1}"
        state = closed_alone(state, decision.return_id, ReturnOutcome.CANCELLED, (), FRIDAY)
    assert refused(state, book(), FRIDAY) is Rule.TOO_MANY
    assert ask(state, book(), FRIDAY, kind="goodwill", amount=100)[1].return_id == "r21"


@given(order=orders(), letter=st.sampled_from(LETTERS))
def test_the_sums_of_a_specimen_letter_add_up(order: Order, letter: str) -> None:
    shown = specimen_content(order, letter)
    paid = sum(paid_for_units(order, part.line_id, range(part.quantity)) for part in shown.lines)
    match letter:
        case "return_exchanged":
            assert (shown.amount, shown.due, shown.kept) == (paid // 5, 0, 0)
        case "exchange_difference":
            assert (shown.amount, shown.due, shown.kept) == (0, paid // 5, 0)
        case "return_replaced":
            assert (shown.amount, shown.due, shown.kept) == (0, 0, 0)
        case _:
            assert (shown.amount + shown.kept, shown.due) == (paid, 0)
