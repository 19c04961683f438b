"""Moving an order and its facts to another time: the demo paces them, a rehearsal shifts them."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from journey.facts import Order, OrderPlaced
from journey.times import When, deadline

Moved = Callable[[datetime | date], datetime | date]

_ISO = re.compile(r"^\d{4}-\d\d-\d\d(T.+)?$")
_TIMES = ("at", "expected", "ship_by", "deliver_by")


def retimed_fact(body: dict[str, Any], moved: Moved) -> dict[str, Any]:
    """A fact as it was reported, with each of its times moved; what is no time stays as it is."""
    return {key: _moved(value, moved) if key in _TIMES else value for key, value in body.items()}


def _moved(value: Any, moved: Moved) -> Any:
    if not isinstance(value, str) or not _ISO.match(value):
        return value
    try:
        when = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    except ValueError:
        return value
    if isinstance(when, datetime) and when.tzinfo is None:
        return value
    return moved(when).isoformat()


def retimed_order(placed: OrderPlaced, moved: Moved) -> OrderPlaced:
    """The order placed at another time, its promises with it."""
    at = moved(placed.at)
    order = placed.order.model_copy(
        update={
            name: moved(when)
            for name in ("ship_by", "deliver_by")
            if (when := getattr(placed.order, name)) is not None
        }
    )
    return placed.model_copy(update={"at": at, "order": order})


def pacing(origin: datetime, start: datetime, day_seconds: float, order: Order) -> Moved:
    """From the calendar of the files, in which the story began at `origin`, to a fast one that began at
    `start`. A date becomes the moment at which it ends."""

    def moved(when: When) -> datetime:
        return start + (deadline(when, order.zone) - origin) * (day_seconds / 86_400)

    return moved


CALENDAR_CYCLE = 28
"""Years after which, until 2100, dates fall on the same weekdays and daylight saving on the same dates."""


def shifting(placed_at: datetime, now: datetime) -> tuple[Moved, Moved]:
    """A shift by as many calendar cycles as it takes to be in the future, and the way back."""
    cycles = 0
    while _by_years(placed_at, cycles * CALENDAR_CYCLE) < now.astimezone(UTC):
        cycles += 1
    years = cycles * CALENDAR_CYCLE
    return (lambda when: _by_years(when, years)), (lambda when: _by_years(when, -years))


def _by_years(when: Any, years: int) -> Any:
    return when.replace(year=when.year + years)
