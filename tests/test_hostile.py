"""What a broken or hostile reporter cannot do to an order."""

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from journey.contract import JourneyStart
from journey.facts import (
    CarrierStatus,
    ExpectedDateChanged,
    FeedbackGiven,
    Line,
    NotUnderstood,
    OrderChanged,
    OrderPlaced,
    ParcelMoved,
    ParcelShipped,
    Reordered,
    ReturnOpened,
    understand,
)
from journey.messages import SendReceipt, SendResult
from journey.plan import Standing, next_wake, plan
from journey.record import begun, paused, with_fact, with_outcome, with_receipt
from journey.state import MOST, JourneyState, Result
from journey.times import LATEST
from tests.simulate import DEFAULT
from tests.strategies import PLACED_AT, an_order

PLACED = an_order()
SOON = PLACED_AT + timedelta(hours=1)


def told(*facts: object, state: JourneyState | None = None) -> JourneyState:
    state = state or begun(PLACED)
    for fact in facts:
        state = with_fact(state, fact, SOON)  # type: ignore[arg-type]
    return state


@pytest.mark.parametrize("expected", [date(2249, 12, 30), date(9998, 1, 1)])
def test_a_date_at_the_end_of_all_calendars_does_not_break_the_plan(expected: date) -> None:
    body = {"fact_id": "s", "at": SOON.isoformat(), "parcel_id": "p1", "expected": expected.isoformat()}
    state = told(understand("parcel_shipped", body, SOON))
    assert all(step.due is None or step.due <= LATEST for step in plan(state, DEFAULT, SOON))


def test_goods_that_last_for_centuries_do_not_keep_a_journey_open() -> None:
    line = Line(line_id="l1", sku="salt", title="Salt", quantity=1000, unit_price=1, lifespan_days=3650)
    changed = OrderChanged(fact_id="c", at=SOON, lines=(line,))
    arrived = ParcelMoved(fact_id="d", at=SOON, parcel_id="p1", status=CarrierStatus.DELIVERED)
    state = told(changed, ParcelShipped(fact_id="s", at=SOON, parcel_id="p1"), arrived)
    step = next(s for s in plan(state, DEFAULT, SOON) if s.step == "replenishment")
    assert (step.standing, step.due) == (Standing.WAITING, None)
    assert step.why.startswith("too far ahead")


def test_a_change_that_names_a_line_twice_is_not_understood() -> None:
    line = {"line_id": "a", "sku": "a", "title": "A", "quantity": 1, "unit_price": 1}
    body = {"fact_id": "c", "at": SOON.isoformat(), "lines": [line, line]}
    fact = understand("order_changed", body, SOON)
    assert isinstance(fact, NotUnderstood)
    assert fact.problem == "lines: each line_id should appear once"


def test_thousands_of_parcels_returns_and_skus_do_not_fill_the_state() -> None:
    state = begun(PLACED)
    for number in range(200):
        moved = ParcelMoved(
            fact_id=f"m{number}", at=SOON, parcel_id=f"p{number:04}", status=CarrierStatus.IN_TRANSIT
        )
        opened = ReturnOpened(fact_id=f"r{number}", at=SOON, return_id=f"r{number:04}")
        bought = Reordered(fact_id=f"b{number}", at=SOON, skus=tuple(f"s{number}-{n}" for n in range(50)))
        state = told(moved, opened, bought, state=state)
    facts = state.facts
    kept = {
        "parcels": len(facts.parcels),
        "returns": len(facts.returns),
        "reordered": len(facts.reordered),
    }
    assert kept == {name: MOST[name] for name in kept}
    assert len(JourneyStart(playbook=DEFAULT, state=state).model_dump_json(exclude_unset=True)) < 200_000


def test_another_orders_placing_does_not_take_over_the_journey() -> None:
    other = PLACED.order.model_copy(update={"order_id": "9999", "customer_id": "somebody_else"})
    earlier = OrderPlaced(fact_id="x", at=PLACED_AT - timedelta(hours=1), order=other)
    state = told(earlier)
    assert state.facts.order == PLACED.order
    assert state.facts.story[-1].note == "it is about another order"


def test_two_sources_may_use_the_same_id_for_different_events() -> None:
    shop = FeedbackGiven(fact_id="1", at=SOON, source="shop", rating=2)
    survey = FeedbackGiven(fact_id="1", at=SOON + timedelta(minutes=1), source="survey", rating=5)
    state = told(shop, survey)
    assert state.facts.rating is not None
    assert state.facts.rating.stars == 5


def test_a_corrected_fact_counts_although_the_wrong_one_came_first() -> None:
    body = {"fact_id": "f", "at": SOON.isoformat(), "source": "shop", "rating": 50}
    state = told(understand("feedback_given", body, SOON))
    state = told(understand("feedback_given", {**body, "rating": 5}, SOON), state=state)
    assert state.facts.rating is not None
    assert state.facts.rating.stars == 5


@pytest.mark.parametrize(
    "body",
    [
        {"jane@example.com": 1},
        {"parcel_id": "jane@example.com"},
        {"parcel_id": "p", "status": "delivered", "raw": "left with jane@example.com"},
        {"parcel_id": "p", "status": "Left with Jane, jane@example.com"},
    ],
)
def test_an_address_in_a_report_is_kept_nowhere(body: dict[str, object]) -> None:
    whole = {"fact_id": "m", "at": SOON.isoformat(), **body}
    state = told(understand("parcel_moved", whole, SOON))
    assert "jane" not in state.model_dump_json().lower()


@pytest.mark.parametrize("field", ["tracking_url"])
def test_a_link_with_an_address_in_it_is_not_understood(field: str) -> None:
    link = "https://carrier.example/t?email=jane%40example.com"
    body = {"fact_id": "s", "at": SOON.isoformat(), "parcel_id": "p", field: link}
    assert isinstance(understand("parcel_shipped", body, SOON), NotUnderstood)


def test_a_message_held_without_an_end_is_no_receipt() -> None:
    with pytest.raises(ValidationError, match="until: should be set"):
        SendReceipt(result=SendResult.HELD)


def test_a_skewed_clock_does_not_make_a_held_message_spin() -> None:
    state = begun(PLACED)
    step = next(s for s in plan(state, DEFAULT, PLACED_AT) if s.step == "order_confirmation")
    past = SendReceipt(result=SendResult.HELD, reason="quiet hours", until=datetime(2020, 1, 1, tzinfo=UTC))
    held = with_receipt(state, step, past, SOON)
    assert (next_wake(plan(held, DEFAULT, SOON)) or SOON) > SOON


def test_a_step_that_was_skipped_while_it_was_being_tried_stays_skipped() -> None:
    state = begun(PLACED)
    step = next(s for s in plan(state, DEFAULT, PLACED_AT) if s.step == "order_confirmation")
    skipped = with_outcome(state, step.outcome(Result.SKIPPED, SOON, "operator_decision"))
    after = with_receipt(skipped, step, SendReceipt(result=SendResult.PARKED, reason="x"), SOON)
    assert after.outcomes[step.key].result is Result.SKIPPED
    sent = with_receipt(skipped, step, SendReceipt(result=SendResult.SENT), SOON)
    assert sent.outcomes[step.key].result is Result.SENT


def test_a_paused_journey_does_not_end() -> None:
    from journey.plan import closes_at

    late = PLACED_AT + timedelta(days=900)
    state = paused(begun(PLACED), SOON)
    assert closes_at(state, DEFAULT, plan(state, DEFAULT, late)) is None


def test_a_later_date_for_the_whole_order_is_the_parcels_promise_too() -> None:
    shipped = ParcelShipped(
        fact_id="s", at=SOON, parcel_id="p1", expected=(PLACED_AT + timedelta(days=3)).date()
    )
    later = ExpectedDateChanged(
        fact_id="e", at=SOON + timedelta(hours=1), expected=(PLACED_AT + timedelta(days=9)).date()
    )
    steps = {s.key: s for s in plan(told(shipped, later), DEFAULT, SOON + timedelta(hours=2))}
    late = steps["running_late/p1"].due
    assert late is not None
    assert late > PLACED_AT + timedelta(days=8)
    assert steps["new_delivery_date/p1"].standing is Standing.DATED
