"""Orders, facts and moments as hypothesis draws them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from journey.facts import (
    CarrierStatus,
    ComplaintClosed,
    ComplaintOpened,
    ExpectedDateChanged,
    Fact,
    FeedbackGiven,
    Line,
    LineQuantity,
    NotUnderstood,
    Order,
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
from tests.simulate import Reported

PLACED_AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ZONES = ["Europe/Berlin", "America/Santiago", "Asia/Tokyo", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]

quick = settings(max_examples=60, deadline=None, print_blob=True)
thorough = settings(max_examples=200, deadline=None, print_blob=True)

parcel_ids = st.sampled_from(["p1", "p2", "p3"])
line_ids = st.sampled_from(["l1", "l2", "l3"])
moments = st.integers(0, 100 * 24 * 60).map(lambda minutes: PLACED_AT + timedelta(minutes=minutes))
promises = moments | moments.map(lambda at: at.date())
parts = st.lists(
    st.builds(LineQuantity, line_id=line_ids, quantity=st.integers(1, 3)),
    max_size=2,
    unique_by=lambda p: p.line_id,
).map(tuple)


def a_line(line_id: str, **fields: Any) -> Line:
    given = {"sku": f"SKU-{line_id}", "title": "A thing", "quantity": 1, "unit_price": 1000}
    return Line(line_id=line_id, **{**given, **fields})


def an_order(**fields: Any) -> OrderPlaced:
    """An order of three lines, of which the second is used up in thirty days."""
    lines = (a_line("l1", quantity=2), a_line("l2", lifespan_days=30), a_line("l3"))
    given = {"order_id": "1001", "customer_id": "c1", "currency": "EUR", "country": "DE"}
    order = Order(**{**given, "zone": "Europe/Berlin", "lines": lines, **fields})
    return OrderPlaced(fact_id="placed:1001", at=PLACED_AT, order=order)


orders = st.builds(
    an_order,
    zone=st.sampled_from(ZONES),
    first_order=st.booleans(),
    ship_by=st.none() | promises,
    deliver_by=st.none() | promises,
)

_DRAWN: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    OrderChanged: {"zone": st.none() | st.sampled_from(ZONES), "deliver_by": st.none() | promises},
    OrderCancelled: {},
    ParcelShipped: {"parcel_id": parcel_ids, "lines": parts, "expected": st.none() | promises},
    ParcelMoved: {"parcel_id": parcel_ids, "status": st.sampled_from(CarrierStatus)},
    ExpectedDateChanged: {"parcel_id": st.none() | parcel_ids, "expected": promises},
    FeedbackGiven: {"rating": st.integers(1, 5)},
    ReturnOpened: {"return_id": st.sampled_from(["r1", "r2"]), "lines": parts},
    ReturnClosed: {
        "return_id": st.sampled_from(["r1", "r2"]),
        "outcome": st.sampled_from(ReturnOutcome),
        "lines": parts,
    },
    Reordered: {"skus": line_ids.map(lambda line_id: (f"SKU-{line_id}",))},
    ComplaintOpened: {"complaint_id": st.sampled_from(["t1", "t2"])},
    ComplaintClosed: {"complaint_id": st.sampled_from(["t1", "t2"])},
    NotUnderstood: {"kind": st.just("gift_wrapped"), "problem": st.just("this kind of fact is not known")},
}
_LIKELY: list[type[Any]] = [ParcelShipped, ParcelMoved, ParcelMoved, *_DRAWN]


@st.composite
def facts(draw: st.DrawFn, number: int) -> Fact:
    kind = draw(st.sampled_from(_LIKELY))
    fields = {name: draw(strategy) for name, strategy in _DRAWN[kind].items()}
    fact: Fact = kind(fact_id=f"f{number}", at=draw(moments), **fields)
    return fact


@st.composite
def histories(draw: st.DrawFn, longest: int = 14) -> list[Fact]:
    """Distinct facts, in no order."""
    return [draw(facts(number)) for number in range(draw(st.integers(0, longest)))]


@st.composite
def reports(draw: st.DrawFn) -> list[Reported]:
    """Facts and when each is reported: at once, days late, or twice."""
    told: list[Reported] = []
    for fact in draw(histories()):
        for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
            late = timedelta(hours=draw(st.sampled_from([0, 0, 0, 1, 30, 24 * 12])))
            told.append((max(fact.at, PLACED_AT) + late, fact))
    return told
