"""What the customer is told, and when: the default playbook lived through, moment by moment."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey.facts import (
    CarrierStatus,
    ComplaintClosed,
    ComplaintOpened,
    ExpectedDateChanged,
    Fact,
    FeedbackGiven,
    LineQuantity,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    ParcelMoved,
    ParcelShipped,
    Reordered,
    ReturnClosed,
    ReturnOpened,
    ReturnOutcome,
)
from journey.moments import View
from journey.plan import PlannedStep, Standing, closes_at, next_wake, plan
from journey.playbook import Playbook
from journey.record import begun, paused, resumed, retried, with_fact, with_outcome
from journey.state import JourneyState, Result
from journey.times import within
from tests.simulate import DEFAULT, Life, Reported, example, live
from tests.strategies import PLACED_AT, an_order, orders, quick, reports, thorough

BERLIN = ZoneInfo("Europe/Berlin")


def day(number: float, hour: float = 10) -> datetime:
    """An hour of the n-th day after the order, in Berlin."""
    return datetime(2026, 3, 1, tzinfo=BERLIN) + timedelta(days=number, hours=hour)


def shipped(parcel: str, at: datetime, expected: datetime | None = None, **lines: int) -> ParcelShipped:
    parts = tuple(LineQuantity(line_id=key, quantity=units) for key, units in lines.items())
    promise = expected.date() if expected else None
    return ParcelShipped(fact_id=f"s-{parcel}", at=at, parcel_id=parcel, lines=parts, expected=promise)


def moved(parcel: str, status: CarrierStatus, at: datetime) -> ParcelMoved:
    return ParcelMoved(fact_id=f"m-{parcel}-{status}-{at:%d%H%M}", at=at, parcel_id=parcel, status=status)


def delivered(parcel: str, at: datetime) -> ParcelMoved:
    return moved(parcel, CarrierStatus.DELIVERED, at)


def after(*facts: Fact, **order: object) -> Life:
    """The whole life of an order to which these facts happened, each reported at once."""
    return live(an_order(**order), [(fact.at, fact) for fact in facts])


ARRIVED = (shipped("p1", day(1)), delivered("p1", day(3, 14)))


# What must hold whatever happens.


@thorough
@given(orders, reports(), st.data())
def test_no_letter_goes_out_twice_early_outside_its_hours_or_after_what_stops_it(
    placed: OrderPlaced, told: list[Reported], data: st.DataObject
) -> None:
    answers: st.SearchStrategy[Result | timedelta] = st.sampled_from(
        [*[Result.SENT] * 6, Result.SUPPRESSED, Result.PARKED, timedelta(hours=9)]
    )
    posted = Counter[str]()

    def mailer(step: PlannedStep, now: datetime) -> Result | datetime:
        answer = data.draw(answers)
        posted[step.key] += answer is Result.SENT
        return now + answer if isinstance(answer, timedelta) else answer

    life = live(placed, told, mailer=mailer)
    for now, step, state in life.attempts:
        check_attempt(now, step, state)
    assert life.ended_at is not None
    assert max(posted.values()) <= 1, "twice"


def check_attempt(now: datetime, planned: PlannedStep, state: JourneyState) -> None:
    step = DEFAULT.step(planned.step)
    assert step is not None
    view = View(state, DEFAULT, state.facts.order)
    moment = view.moment(step.after, step.per, planned.subject)
    assert moment is not None and now >= view.later(moment, step.wait), "early"
    assert step.window is None or within(now, step.window, view.order.zone), "outside its hours"
    assert not any(view.holds(c, step.per, planned.subject) for c in step.unless), "after what stops it"
    assert not any(view.holds(c, step.per, planned.subject) for c in step.hold_while), "while held"
    assert all(view.holds(c, step.per, planned.subject) for c in step.only_if), "without its condition"
    assert planned.expires_at is None or now <= planned.expires_at, "after it expired"


@quick
@given(orders, reports(), st.integers(0, 200 * 24))
def test_a_plan_made_at_any_moment_never_asks_to_be_woken_in_the_past(
    placed: OrderPlaced, told: list[Reported], hours: int
) -> None:
    now = PLACED_AT + timedelta(hours=hours)
    state = begun(placed)
    for _, fact in told:
        state = with_fact(state, fact, now)
    ahead = plan(state, DEFAULT, now)
    assert len({step.key for step in ahead}) == len(ahead)
    assert all(step.due >= now for step in ahead if step.standing is Standing.DATED and step.due)
    wake = next_wake(ahead)
    assert wake is None or wake >= now
    assert wake is None or closes_at(state, DEFAULT, ahead) is None


@quick
@given(orders, reports(), st.floats(0.5, 3600))
def test_a_paced_playbook_lives_through_the_same_story_in_less_time(
    placed: OrderPlaced, told: list[Reported], day_seconds: float
) -> None:
    paced = DEFAULT.model_copy(update={"day_seconds": day_seconds})
    pace = day_seconds / 86_400
    sooner = [(PLACED_AT + (at - PLACED_AT) * pace, fact) for at, fact in told]
    life = live(placed, sooner, paced)
    assert life.ended_at is not None


@quick
@given(orders, reports(), st.integers(1, 60), st.integers(1, 40))
def test_nothing_is_sent_while_an_operator_has_paused_the_journey(
    placed: OrderPlaced, told: list[Reported], from_day: int, days: int
) -> None:
    before = [(at, fact) for at, fact in told if at <= day(from_day)]
    state = begun(placed)
    for at, fact in before:
        state = with_fact(state, fact, at)
    state = paused(state, day(from_day))
    ahead = plan(state, DEFAULT, day(from_day + days))
    assert not [step for step in ahead if step.is_due(day(from_day + days))]
    released = plan(resumed(state, day(from_day + days)), DEFAULT, day(from_day + days))
    assert not [step for step in released if step.standing is Standing.PAUSED]
    overdue = {step.key for step in ahead if step.standing is Standing.PAUSED}
    assert overdue <= {step.key for step in released}


# What a customer sees.


def test_one_parcel_on_time_is_told_step_by_step() -> None:
    life = example("on_time")
    assert life.letters() == [
        "order_confirmation",
        "shipping_confirmation/p1",
        "handed_over/p1",
        "out_for_delivery/p1",
        "delivered/p1",
        "survey",
        "feedback_request",
        "complementary_goods",
        "next_purchase_offer",
        "next_purchase_reminder",
    ]


def test_each_of_three_parcels_has_its_own_letters_and_the_order_arrives_with_the_last() -> None:
    life = example("three_parcels")
    for step in ("shipping_confirmation", "delivered"):
        assert sorted(life.sent(step)) == [f"{step}/p1", f"{step}/p2", f"{step}/p3"]
    assert life.sent("new_delivery_date") == ["new_delivery_date/p3"]
    assert life.sent("stalled") == ["stalled/p2"]
    assert set(life.sent("running_late")) == {"running_late/p2", "running_late/p3"}
    assert life.at("survey") > life.at("delivered/p2") > life.at("delivered/p3")


def test_a_customer_who_knows_that_it_is_late_is_not_also_told_that_it_stands_still() -> None:
    life = after(shipped("p1", day(1), expected=day(5)), delivered("p1", day(9)))
    assert life.sent("running_late") == ["running_late/p1"]
    assert life.at("running_late/p1") == day(6, 8)
    assert life.why("stalled/p1") == (Result.STOPPED, "running_late was sent")


def test_a_parcel_that_comes_back_is_not_called_late() -> None:
    life = after(
        shipped("p1", day(1), expected=day(5)), moved("p1", CarrierStatus.RETURNING, day(4)), deliver_by=None
    )
    assert life.why("running_late/p1") == (Result.STOPPED, "returning")
    assert life.why("stalled/p1") == (Result.STOPPED, "returning")


def test_a_date_that_moves_is_told_once_and_its_new_end_is_the_new_promise() -> None:
    later = ExpectedDateChanged(fact_id="e2", at=day(4), parcel_id="p1", expected=day(8).date())
    life = after(shipped("p1", day(1), expected=day(5)), later, delivered("p1", day(11)))
    assert life.at("new_delivery_date/p1") == day(4)
    assert life.at("running_late/p1") == day(9, 8)


def test_a_date_that_moves_within_the_shops_promise_is_nothing_to_write_about() -> None:
    later = ExpectedDateChanged(fact_id="e2", at=day(2), parcel_id="p1", expected=day(5).date())
    life = after(
        shipped("p1", day(1), expected=day(4)), later, delivered("p1", day(5)), deliver_by=day(6).date()
    )
    assert life.sent("new_delivery_date") == []


@pytest.mark.parametrize("promise", ["ship_by", "deliver_by"])
def test_an_order_that_was_not_shipped_as_promised_is_excused_the_next_morning(promise: str) -> None:
    life = after(*(shipped("p1", day(6)), delivered("p1", day(8))), **{promise: day(3).date()})
    assert life.at("not_shipped_yet") == day(4, 8)


def test_a_new_ship_date_moves_the_excuse() -> None:
    changed = OrderChanged(fact_id="u1", at=day(2), ship_by=day(7).date())
    life = after(changed, *(shipped("p1", day(9)), delivered("p1", day(10))), ship_by=day(3).date())
    assert life.at("not_shipped_yet") == day(8, 8)


def test_a_silent_carriers_parcel_is_asked_after_and_not_rated_the_day_after() -> None:
    life = example("silent_carrier")
    assert life.sent("did_it_arrive") == ["did_it_arrive/p1"]
    assert life.sent("delivered") == []
    assert "survey" not in life.state.outcomes
    assert life.at("feedback_request") - life.at("did_it_arrive/p1") == timedelta(days=30)


def test_a_parcel_at_the_pickup_point_is_never_assumed_to_be_collected() -> None:
    life = after(shipped("p1", day(1)), moved("p1", CarrierStatus.READY_FOR_PICKUP, day(3)))
    assert life.sent("did_it_arrive") == []
    assert life.sent("ready_for_pickup") == ["ready_for_pickup/p1"]


def test_a_letter_that_comes_too_late_is_recorded_and_not_sent() -> None:
    placed = an_order()
    told = [
        (day(12), fact) for fact in (shipped("p1", day(1)), moved("p1", CarrierStatus.HANDED_OVER, day(1)))
    ]
    life = live(placed, told)
    result, reason = life.why("shipping_confirmation/p1")
    assert (result, reason[:15]) == (Result.EXPIRED, "too late to say")
    assert life.why("handed_over/p1")[0] is Result.EXPIRED


def test_facts_in_the_wrong_order_make_no_letter_that_contradicts_an_earlier_one() -> None:
    letters = example("out_of_order").letters()
    assert letters[:5] == [
        "order_confirmation",
        "shipping_confirmation/p1",
        "handed_over/p1",
        "delivered/p1",
        "survey",
    ]
    assert "out_for_delivery/p1" not in letters


def test_a_first_order_is_welcomed_and_a_second_is_not() -> None:
    assert after(*ARRIVED, first_order=True).sent("welcome") == ["welcome"]
    assert after(*ARRIVED).why("welcome") == (Result.SUPPRESSED, "only if first_order")


def test_a_cancelled_order_says_so_and_stops_all_promotions_with_the_reason_kept() -> None:
    life = example("cancelled")
    assert life.letters()[-1] == "order_cancelled"
    for step in ("survey", "feedback_request", "complementary_goods", "next_purchase_offer"):
        assert life.why(step) == (Result.STOPPED, "cancelled")
    assert life.ended_at == life.at("order_cancelled")


def test_a_complaint_holds_the_survey_until_it_is_answered() -> None:
    life = example("low_rating")
    assert life.at("survey") == datetime(2026, 8, 22, 11, 0, tzinfo=UTC)
    assert life.why("survey")[1].endswith("later: open_complaint ended")


def test_a_survey_held_longer_than_it_is_worth_is_given_up() -> None:
    life = after(*ARRIVED, ComplaintOpened(fact_id="t", at=day(4, 9), complaint_id="t1"))
    assert life.why("survey") == (Result.EXPIRED, "held too long: open_complaint")
    assert life.at("survey") == day(18, 14)


def test_a_low_rating_is_followed_up_and_nothing_is_advertised_afterwards() -> None:
    life = example("low_rating")
    assert life.letters()[-1] == "low_rating_follow_up"
    for step in ("complementary_goods", "next_purchase_offer", "next_purchase_reminder"):
        assert life.why(step) == (Result.STOPPED, "low_rating")


def test_a_low_rater_with_an_open_complaint_hears_from_the_service_first() -> None:
    opened = ComplaintOpened(fact_id="t", at=day(20), complaint_id="t1")
    closed = ComplaintClosed(fact_id="t-", at=day(24, 12), complaint_id="t1")
    life = after(*ARRIVED, FeedbackGiven(fact_id="f", at=day(20, 11), rating=1), opened, closed)
    assert life.at("low_rating_follow_up") == day(24, 12)


def test_who_answered_the_survey_is_still_asked_for_a_review_after_a_month() -> None:
    life = after(*ARRIVED, FeedbackGiven(fact_id="f", at=day(10), rating=5))
    assert life.why("feedback_request")[0] is Result.SENT


def test_buying_one_line_again_stops_the_replenishment_of_that_line_only() -> None:
    life = example("consumable")
    assert life.why("replenishment/l1") == (Result.STOPPED, "reordered")
    assert life.sent("replenishment") == ["replenishment/l2"]
    assert life.why("next_purchase_offer") == (Result.STOPPED, "reordered")


def test_the_reminder_to_buy_again_counts_every_unit() -> None:
    life = example("out_of_order")
    assert life.at("replenishment/l3") == datetime(2026, 7, 28, 11, 22, tzinfo=ZoneInfo("Asia/Tokyo"))


def test_a_line_that_is_never_used_up_has_no_reminder_at_all() -> None:
    assert not [key for key in after(*ARRIVED).state.outcomes if key == "replenishment/l1"]


def test_an_open_return_holds_promotions_and_a_refund_stops_them() -> None:
    life = example("returned")
    assert life.why("next_purchase_offer") == (Result.STOPPED, "returned")
    assert life.at("next_purchase_offer") == datetime(2026, 9, 28, 9, 40, tzinfo=UTC)


def test_a_return_that_is_called_off_lets_everything_go_on() -> None:
    opened = ReturnOpened(fact_id="r", at=day(4, 9), return_id="r1")
    closed = ReturnClosed(fact_id="r-", at=day(9, 12), return_id="r1", outcome=ReturnOutcome.CANCELLED)
    life = after(*ARRIVED, opened, closed)
    assert life.at("survey") == day(9, 12)
    assert life.sent("next_purchase_offer") == ["next_purchase_offer"]


def test_the_return_of_one_line_leaves_the_replenishment_of_another() -> None:
    part = (LineQuantity(line_id="l1", quantity=1),)
    opened = ReturnOpened(fact_id="r", at=day(6), return_id="r1", lines=part)
    closed = ReturnClosed(fact_id="r-", at=day(9), return_id="r1", outcome=ReturnOutcome.REFUNDED)
    life = after(*ARRIVED, opened, closed)
    assert life.sent("replenishment") == ["replenishment/l2"]


def test_a_new_order_of_the_same_thing_stops_complementary_goods() -> None:
    rated = FeedbackGiven(fact_id="f", at=day(10), rating=5)
    again = Reordered(fact_id="o2", at=day(11), skus=("SKU-l3",))
    assert after(*ARRIVED, rated, again).why("complementary_goods") == (Result.STOPPED, "reordered")


def test_an_order_that_waits_for_stock_for_months_is_still_told_when_it_ships() -> None:
    life = after(shipped("p1", day(150)), delivered("p1", day(153)))
    assert life.sent("shipping_confirmation") == ["shipping_confirmation/p1"]


def test_a_cancellation_after_shipping_stops_promotions_but_not_the_news_of_the_parcel() -> None:
    life = after(shipped("p1", day(1)), OrderCancelled(fact_id="c", at=day(2)), delivered("p1", day(3)))
    assert life.sent("delivered") == ["delivered/p1"]
    assert life.why("survey") == (Result.STOPPED, "cancelled")


def test_a_letter_that_quiet_hours_hold_goes_out_when_they_end() -> None:
    until = day(0, 12)

    def quiet(step: PlannedStep, now: datetime) -> Result | datetime:
        return until if now < until else Result.SENT

    life = live(an_order(), [], mailer=quiet)
    assert life.at("order_confirmation") == until


def test_a_parked_letter_is_tried_again_at_once_when_an_operator_says_so() -> None:
    state, now = begun(an_order()), day(0, 11)
    (confirmation, *_) = plan(state, DEFAULT, now)
    state = with_outcome(state, confirmation.outcome(Result.PARKED, now, "the letter does not render"))
    assert plan_of(state, "order_confirmation", now).standing is Standing.PARKED
    state = retried(state, "order_confirmation", day(0, 15))
    assert plan_of(state, "order_confirmation", day(0, 15)).is_due(day(0, 15))


def test_a_parked_letter_that_nobody_resumes_is_given_up_when_it_expires() -> None:
    life = live(an_order(), [], mailer=lambda step, now: Result.PARKED)
    result, reason = life.why("order_confirmation")
    assert (result, reason[:26]) == (Result.EXPIRED, "nobody resumed it in time:")


def plan_of(state: JourneyState, key: str, now: datetime) -> PlannedStep:
    return next(step for step in plan(state, DEFAULT, now) if step.key == key)


def test_two_steps_that_are_due_at_once_of_which_one_stops_the_other_do_not_wait_for_ever() -> None:
    book = Playbook.model_validate(
        {
            "name": "two",
            "steps": [
                {"name": "first", "class": "care", "after": "placed"},
                {"name": "second", "class": "care", "after": "placed", "unless_sent": ["first"]},
            ],
        }
    )
    assert live(an_order(), [], book).letters() == ["first"]
    never = live(an_order(), [], book, lambda step, now: Result(["sent", "suppressed"][step.key == "first"]))
    assert never.letters() == ["second"]


def test_a_step_whose_hours_come_after_its_end_waits_for_its_own_time_before_it_is_given_up() -> None:
    book = Playbook.model_validate(
        {
            "name": "tight",
            "steps": [
                {
                    "name": "evening",
                    "class": "care",
                    "after": "placed",
                    "wait": "2 days",
                    "expires": "1 hour",
                    "window": "20:00-21:00",
                }
            ],
        }
    )
    life = live(an_order(), [], book)
    assert life.why("evening")[0] is Result.EXPIRED
    assert life.at("evening") == PLACED_AT + timedelta(days=2)
