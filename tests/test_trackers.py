"""Trackers, as EasyPost and AfterShip tell of them: when a parcel moved, and what each word means."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from journey.facts import CarrierStatus, ParcelMoved, read_fact
from journey.fold import fold
from journey.state import OrderState, Parcel
from service.sources.all import translate
from tests import payloads

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Details = list[tuple[str, str]]
"""Each checkpoint's status in EasyPost's words, and its day in November."""

TAGS = {"in_transit": "InTransit", "out_for_delivery": "OutForDelivery", "delivered": "Delivered"}


def event(source: str, number: int, details: Details) -> dict[str, Any]:
    """What the tracker posts once it knows these checkpoints, of which the last one is the present."""
    times = [(word, f"2026-11-{day}T09:00:00Z") for word, day in details]
    status = details[-1][0]
    if source == "easypost":
        seen = [{"status": word, "datetime": time} for word, time in times]
        return payloads.easypost_event(status=status, tracking_details=seen) | {"id": f"evt_{number}"}
    checkpoints = [{"tag": TAGS[word], "checkpoint_time": time} for word, time in times]
    changes = {"tag": TAGS[status], "subtag": f"{TAGS[status]}_001", "checkpoints": checkpoints}
    return payloads.aftership_event(**changes) | {"event_id": f"event-{number}"}


def moved(source: str, body: dict[str, Any]) -> ParcelMoved:
    (incoming,) = translate(source, json.dumps(body).encode(), NOW)
    fact = read_fact({**incoming.deeds[0].body, "kind": incoming.deeds[0].kind})
    assert isinstance(fact, ParcelMoved)
    return fact


def folded(facts: list[ParcelMoved]) -> Parcel:
    state = OrderState()
    for fact in facts:
        state = fold(state, fact)
    return state.parcels["pending"].model_copy(update={"checkpoint": None})


STORY: Details = [
    ("in_transit", "10"),
    ("in_transit", "15"),
    ("out_for_delivery", "16"),
    ("in_transit", "17"),
    ("out_for_delivery", "18"),
    ("in_transit", "19"),
]


@pytest.mark.parametrize("source", ["easypost", "aftership"])
def test_a_parcel_that_is_scanned_daily_moves_daily(source: str) -> None:
    facts = [moved(source, event(source, number, STORY[:number])) for number in range(1, len(STORY) + 1)]
    assert [fact.at.day for fact in facts] == [10, 15, 16, 17, 18, 19]
    parcel = folded(facts)
    assert parcel.last_moved_at == facts[-1].at
    assert parcel.reached[CarrierStatus.OUT_FOR_DELIVERY].day == 16


@pytest.mark.parametrize("source", ["easypost", "aftership"])
def test_shuffled_checkpoints_and_repeated_events_in_any_order_are_the_same_parcel(source: str) -> None:
    facts = [moved(source, event(source, number, STORY[:number])) for number in range(1, len(STORY) + 1)]
    expected = folded(facts)
    for seed in range(20):
        rng, told = random.Random(seed), []
        for number in rng.choices(range(1, len(STORY) + 1), k=5) + list(range(1, len(STORY) + 1)):
            body = event(source, number, STORY[:number])
            listed = (
                body["result"]["tracking_details"] if source == "easypost" else body["msg"]["checkpoints"]
            )
            rng.shuffle(listed)
            told.append(moved(source, body))
        rng.shuffle(told)
        assert folded(told) == expected


@pytest.mark.parametrize("source", ["easypost", "aftership"])
def test_an_event_that_was_lost_is_made_up_for_by_the_next(source: str) -> None:
    fact = moved(source, event(source, 1, STORY))
    assert (fact.status, fact.at) == (CarrierStatus.IN_TRANSIT, datetime(2026, 11, 19, 9, tzinfo=UTC))


@pytest.mark.parametrize("source", ["easypost", "aftership"])
def test_a_delivery_is_as_old_as_its_first_scan(source: str) -> None:
    details = [("in_transit", "10"), ("delivered", "11"), ("delivered", "13")]
    assert moved(source, event(source, 1, details)).at.day == 11


def test_a_status_without_a_checkpoint_is_as_old_as_the_tracker_says() -> None:
    body = payloads.easypost_event(status="failure", updated_at="2026-11-20T09:00:00Z")
    assert moved("easypost", body).at - timedelta(hours=9) == datetime(2026, 11, 20, tzinfo=UTC)


STATUSES = {
    "unknown": "unknown",
    "pre_transit": "label_made",
    "in_transit": "in_transit",
    "out_for_delivery": "out_for_delivery",
    "delivered": "delivered",
    "available_for_pickup": "ready_for_pickup",
    "return_to_sender": "returning",
    "failure": "unknown",
    "cancelled": "unknown",
    "error": "unknown",
}
DETAIL_WORDS = """address_correction arrived_at_destination arrived_at_facility arrived_at_pickup_location
awaiting_information cancelled damaged delayed delivery_exception departed_facility departed_origin_facility
expired failure held in_transit label_created lost missorted out_for_delivery received_at_destination_facility
received_at_origin_facility refused return status_update transferred_to_destination_carrier transit_exception
unknown weather_delay a_word_of_next_year"""
DETAILS = DETAIL_WORDS.split()
LATE = {"delayed", "weather_delay", "held", "missorted", "awaiting_information"}
LATE |= {"transit_exception", "delivery_exception"}


def easypost_means(status: str, detail: str) -> str:
    going = status in {"in_transit", "out_for_delivery", "unknown"}
    if going and detail in LATE:
        return "delayed"
    if going or status in {"failure", "error"}:
        finer = {"refused": "returning", "return": "returning", "lost": "lost"}
        if detail in finer:
            return finer[detail]
    if (status, detail) == ("in_transit", "received_at_origin_facility"):
        return "handed_over"
    return STATUSES[status]


@pytest.mark.parametrize("status", STATUSES)
def test_each_of_easypost_s_statuses_with_each_detail(status: str) -> None:
    for detail in DETAILS:
        body = payloads.easypost_event(status=status, status_detail=detail)
        fact = moved("easypost", body)
        assert fact.status == easypost_means(status, detail), detail
        assert fact.raw == f"{status}/{detail}"


AFTERSHIP = {
    "label_made": "InfoReceived_001 Pending_001 Pending_002 Pending_003 Pending_004 Pending_005 Pending_006",
    "handed_over": "InTransit_002",
    "in_transit": "InTransit_001 InTransit_003 InTransit_004 InTransit_005 InTransit_006 InTransit_007 "
    "InTransit_008 InTransit_009 InTransit_999 OutForDelivery_003 OutForDelivery_004",
    "out_for_delivery": "OutForDelivery_001",
    "attempt_failed": "AttemptFail_001 AttemptFail_002 AttemptFail_003 Exception_002 Exception_007",
    "ready_for_pickup": "AvailableForPickup_001",
    "delivered": "Delivered_001 Delivered_002 Delivered_003 Delivered_004 Delivered_005",
    "delayed": "Exception_004 Exception_005 Exception_006 Exception_016 Exception_017 Exception_018",
    "returning": "Exception_003 Exception_009 Exception_010 Exception_011",
    "lost": "Exception_013",
    "unknown": "Exception_001 Exception_008 Exception_012 Exception_999 Expired_001",
}


@pytest.mark.parametrize("status", AFTERSHIP)
def test_each_of_aftership_s_sub_statuses(status: str) -> None:
    for subtag in AFTERSHIP[status].split():
        body = payloads.aftership_event(tag=subtag.rpartition("_")[0], subtag=subtag)
        assert moved("aftership", body).status == status, subtag
