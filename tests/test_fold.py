"""What is known of an order does not depend on how it came to be known."""

import random
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey.facts import (
    CarrierStatus,
    Fact,
    NotUnderstood,
    OrderCancelled,
    OrderPlaced,
    ParcelMoved,
    ParcelShipped,
    ReturnClosed,
    ReturnOutcome,
    believable,
    understand,
)
from journey.fold import fold
from journey.state import _PROGRESS, OrderState, Return
from runtime.orderfiles import read_facts, read_order
from tests.simulate import ROOT
from tests.strategies import PLACED_AT, an_order, histories, orders, quick, thorough


def known(facts: list[Fact]) -> OrderState:
    state = OrderState()
    for fact in facts:
        state = fold(state, fact)
    return state


@thorough
@given(orders, histories(), st.randoms(use_true_random=False), st.data())
def test_any_order_and_any_repetition_of_the_same_facts_tell_the_same(
    placed: OrderPlaced, history: list[Fact], shuffler: random.Random, data: st.DataObject
) -> None:
    facts = [placed, *history]
    repeated = facts + data.draw(st.lists(st.sampled_from(facts), max_size=6))
    shuffler.shuffle(repeated)
    assert known(repeated) == known(facts)


@quick
@given(orders, histories(), st.data())
def test_what_two_reporters_tell_interleaved_is_what_they_tell_one_after_the_other(
    placed: OrderPlaced, history: list[Fact], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(history)))
    shop, carrier = history[:cut], history[cut:]
    interleaved: list[Fact] = [placed]
    while shop or carrier:
        interleaved.append((shop if shop and (not carrier or data.draw(st.booleans())) else carrier).pop(0))
    assert known(interleaved) == known([placed, *history])


@pytest.mark.parametrize("name", ["on_time", "three_parcels", "out_of_order", "low_rating", "returned"])
def test_two_hundred_orderings_of_an_example_tell_the_same(name: str) -> None:
    folder = ROOT / "examples" / "orders" / name
    facts: list[Fact] = [read_order(folder / "order.json").placed()]
    for f in read_facts(folder / "facts.jsonl"):
        facts.append(understand(f.kind, f.body, PLACED_AT))
    told = known(facts)
    shuffler = random.Random(1001)
    for _ in range(200):
        shuffler.shuffle(facts)
        assert known(facts) == told


ENDS = [
    ReturnClosed(fact_id=str(outcome), at=PLACED_AT + timedelta(days=days), return_id="x", outcome=outcome)
    for days, outcome in enumerate((ReturnOutcome.REFUNDED, ReturnOutcome.REFUSED, ReturnOutcome.EXCHANGED))
]


@pytest.mark.parametrize(("by_the_latest", "counts"), [(False, "refunded"), (True, "exchanged")])
@pytest.mark.parametrize("told", list(permutations(ENDS)))
def test_of_several_ends_of_a_return_one_counts_whichever_is_told_first(
    told: tuple[ReturnClosed, ...], by_the_latest: bool, counts: str
) -> None:
    state = OrderState(returns={"x": Return(return_id="x", latest_end_counts=by_the_latest)})
    for fact in (*told, told[0]):
        state = fold(state, fact)
    assert state.returns["x"].closed is not None
    assert state.returns["x"].closed.outcome == counts


@quick
@given(histories(longest=25))
def test_a_parcel_never_moves_backwards(history: list[Fact]) -> None:
    state, reached = OrderState(), dict[str, int]()
    for fact in history:
        state = fold(state, fact)
        for parcel_id, parcel in state.parcels.items():
            progress = _PROGRESS[parcel.checkpoint.status] if parcel.checkpoint else -1
            assert progress >= reached.get(parcel_id, -1)
            reached[parcel_id] = progress


@quick
@given(orders, histories())
def test_a_state_survives_being_carried_as_json(placed: OrderPlaced, history: list[Fact]) -> None:
    state = known([placed, *history])
    assert OrderState.model_validate_json(state.model_dump_json()) == state


def test_a_late_scan_does_not_take_a_delivered_parcel_back() -> None:
    delivered = ParcelMoved(fact_id="b", at=PLACED_AT, parcel_id="p1", status=CarrierStatus.DELIVERED)
    late_scan = ParcelMoved(
        fact_id="a", at=PLACED_AT + timedelta(hours=5), parcel_id="p1", status=CarrierStatus.IN_TRANSIT
    )
    checkpoint = known([delivered, late_scan]).parcels["p1"].checkpoint
    assert checkpoint is not None and checkpoint.status is CarrierStatus.DELIVERED


def test_what_is_not_understood_is_kept_and_shown_and_changes_nothing_else() -> None:
    strange = understand("gift_wrapped", {"fact_id": "g1", "paper": "asanoha"}, PLACED_AT)
    state = known([an_order(), strange])
    assert isinstance(strange, NotUnderstood)
    assert [(h.kind, h.fact_id, h.note) for h in state.story if h.fact_id == "g1"] == [
        ("gift_wrapped", "g1", "this kind of fact is not known")
    ]
    assert state.model_copy(update={"story": ()}) == known([an_order()]).model_copy(update={"story": ()})


@pytest.mark.parametrize(
    "data",
    [
        None,
        "text",
        [1, 2],
        {},
        {"fact_id": "a b"},
        {"fact_id": "x", "at": "yesterday"},
        {"fact_id": "x", "at": "9999-12-31T23:59:59-14:00"},
        {"fact_id": "x", "at": 1e308, "parcel_id": "p1", "status": "delivered"},
        {"fact_id": "x", "at": "2026-03-01T00:00:00Z", "parcel_id": "ann@example.com", "status": "delivered"},
        {"fact_id": "x", "at": "2026-03-01T00:00:00Z", "parcel_id": "p1", "status": "delivered", "odd": 1},
    ],
)
def test_a_report_that_cannot_be_read_is_recorded_without_the_values_in_it(data: object) -> None:
    fact = understand("parcel_moved", data, PLACED_AT)
    assert isinstance(fact, NotUnderstood)
    assert fact.problem and "example.com" not in fact.problem


def test_an_unknown_carriers_word_is_kept_beside_the_unknown_status() -> None:
    body = {"fact_id": "x", "at": PLACED_AT, "parcel_id": "p1", "status": "held_at_depot"}
    fact = understand("parcel_moved", body, PLACED_AT)
    assert isinstance(fact, ParcelMoved)
    assert (fact.status, fact.raw) == (CarrierStatus.UNKNOWN, "held_at_depot")


def test_a_carrier_with_a_space_in_its_name_is_understood() -> None:
    body = {
        "fact_id": "x",
        "at": PLACED_AT,
        "parcel_id": "p1",
        "carrier": "Royal Mail",
        "tracking_number": "4 5",
    }
    assert isinstance(understand("parcel_shipped", body, PLACED_AT), ParcelShipped)


def test_a_reporter_whose_clock_is_a_year_wrong_is_believed_about_the_fact_but_not_the_time() -> None:
    now = PLACED_AT + timedelta(days=3)
    for wrong in (PLACED_AT - timedelta(days=365), PLACED_AT + timedelta(days=365)):
        assert believable(OrderCancelled(fact_id="c", at=wrong), PLACED_AT, now).at == now
    right = OrderCancelled(fact_id="c", at=now - timedelta(hours=1))
    assert believable(right, PLACED_AT, now) == right


def test_an_order_with_hundreds_of_facts_lists_the_latest_and_keeps_what_all_of_them_changed() -> None:
    moves = [
        ParcelMoved(
            fact_id=f"m{n}",
            at=PLACED_AT + timedelta(minutes=n),
            parcel_id="p1",
            status=CarrierStatus.IN_TRANSIT,
        )
        for n in range(300)
    ]
    state = known([an_order(), *reversed(moves)])
    assert len(state.story) == 100
    assert state.story[-1].fact_id == "m299"
    assert state.parcels["p1"].reached[CarrierStatus.IN_TRANSIT] == PLACED_AT
