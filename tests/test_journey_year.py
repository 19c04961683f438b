"""A year and more of one order, day by day, on the server that skips time."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest_asyncio

from journey.endings import Ending
from journey.state import Result
from tests.world import World, line, outcome, sent, skipping_world

BERLIN = ZoneInfo("Europe/Berlin")


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with skipping_world(tmp_path) as stage:
        await until_nine(stage)
        yield stage


async def until_nine(world: World) -> None:
    """Wait for the next nine o'clock in the morning in Berlin."""
    now = (await world.now()).astimezone(BERLIN)
    nine = (now + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
    await world.days((nine - now) / timedelta(days=1))


def day_by_day(start: datetime, letters: dict[str, datetime]) -> dict[int, set[str]]:
    """The letters by the number of calendar days after the start, in Berlin."""
    days: dict[int, set[str]] = {}
    for key, at in letters.items():
        number = (at.astimezone(BERLIN).date() - start.astimezone(BERLIN).date()).days
        days.setdefault(number, set()).add(key)
    return days


async def test_a_year_and_more_of_letters_each_on_its_day_and_none_twice(world: World) -> None:
    filters = line("l1", lifespan_days=210, quantity=2)
    start = await world.now()
    order = await world.place_order("ann", filters, line("l2"), first_order=True)
    await world.days(1)
    await world.ship(order)
    await world.move(order, "handed_over")
    await world.days(2)
    await world.move(order, "out_for_delivery")
    await world.days(0.1)
    await world.deliver(order)
    await world.days(35)
    await world.tell(order, "feedback_given", rating=5)
    await world.days(450)

    status = await world.status(order)
    assert status.ending is Ending.COMPLETED
    assert day_by_day(start, sent(status)) == {
        0: {"order_confirmation", "welcome"},
        1: {"shipping_confirmation/p1", "handed_over/p1"},
        3: {"out_for_delivery/p1", "delivered/p1"},
        4: {"survey"},
        33: {"feedback_request"},
        # five stars on the 38th day
        41: {"complementary_goods"},
        63: {"next_purchase_offer"},
        77: {"next_purchase_reminder"},
        # two filters last 420 days
        416: {"replenishment/l1"},
    }
    assert status.ended_at is not None
    assert (status.ended_at - start).days == 446
    letters = await world.letters_to("ann")
    assert len(letters) == len(set(letters)) == 12


async def test_no_letter_leaves_its_hours_of_the_day(world: World) -> None:
    order = await world.place_order("ann", zone="Pacific/Auckland", country="NZ")
    await world.ship(order)
    await world.deliver(order)
    await world.days(130)
    hours = {
        key: at.astimezone(ZoneInfo("Pacific/Auckland")).hour
        for key, at in sent(await world.status(order)).items()
    }
    windows = {step.name: step.window for step in world.playbook.steps}
    for key, hour in hours.items():
        if window := windows[key.split("/")[0]]:
            opens, closes = (int(part[:2]) for part in window.split("-"))
            assert opens <= hour < closes, key
    assert {"survey", "feedback_request", "next_purchase_offer"} <= set(hours)


async def test_a_pause_of_forty_days_keeps_its_place(world: World) -> None:
    order = await world.place_order("ann")
    await world.ship(order)
    await world.deliver(order)
    await world.days(20)
    await world.journey(order).execute_update("pause")
    await world.days(25)
    assert "feedback_request" not in sent(await world.status(order))
    resumed_at = await world.now()
    await world.journey(order).execute_update("resume")
    await world.days(2)
    asked = sent(await world.status(order))["feedback_request"]
    assert timedelta() <= asked - resumed_at < timedelta(days=1)


async def test_what_a_pause_outlasts_is_recorded_and_not_sent(world: World) -> None:
    order = await world.place_order("ann")
    await world.ship(order)
    await world.deliver(order)
    await world.days(0.2)
    await world.journey(order).execute_update("pause")
    await world.days(20)
    status = await world.status(order)
    assert outcome(status, "survey") == (Result.EXPIRED, "held too long: paused by an operator")
    assert "survey" not in await world.letters_to("ann")


async def test_a_year_without_a_word_from_the_carrier_ends_by_itself(world: World) -> None:
    order = await world.place_order("ann", ship_by="2020-01-01")
    await world.days(1)
    await world.ship(order)
    await world.days(400)
    status = await world.status(order)
    assert status.ending is Ending.COMPLETED
    assert "did_it_arrive/p1" in sent(status)
    assert "survey" not in sent(status)
    letters = await world.letters_to("ann")
    assert len(letters) == len(set(letters))


async def test_an_early_reorder_stops_the_offers_and_the_reason_is_kept(world: World) -> None:
    tea = line("l1", lifespan_days=60)
    order = await world.place_order("ann", tea)
    await world.ship(order)
    await world.deliver(order)
    await world.days(40)
    await world.tell(order, "reordered", skus=[tea.sku])
    await world.days(380)
    status = await world.status(order)
    for key in ("replenishment/l1", "next_purchase_offer", "complementary_goods"):
        assert outcome(status, key) == (Result.STOPPED, "reordered")
    assert status.ending is Ending.COMPLETED
