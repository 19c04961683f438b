"""Durations, deadlines and hours of the day, reckoned in the customer's zone.

A day is a calendar day: thirty days after a delivery at 10:15 is 10:15 on the thirtieth day, whatever
daylight saving did in between. Hours and minutes are exact.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

DAY = 86_400.0
"""Seconds in a day, unless a paced playbook says otherwise."""

_SPAN = r"-?\d{1,5} (?:minute|hour|day|week)s?(?: \d{1,5} (?:minute|hour|day)s?)*"
_SECONDS = {"minute": 60, "hour": 3600}
_DAYS = {"day": 1, "week": 7}


EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2250, 1, 1, tzinfo=UTC)
"""What can be reckoned with: beyond these, calendars, zones and the server's own indexes overflow."""


def _utc(value: datetime) -> datetime:
    if not EARLIEST.year - 1 <= value.year <= LATEST.year or not EARLIEST <= value.astimezone(UTC) <= LATEST:
        raise ValueError(f"should be a year between {EARLIEST.year} and {LATEST.year}")
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A moment with a zone in its text, kept in UTC."""


def _when(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """One message for the two that a union gives."""
    try:
        when = read(value)
    except ValidationError:
        raise ValueError(
            "should be a date such as 2026-05-01, or a moment such as 2026-05-01T10:00:00+02:00"
        ) from None
    if not EARLIEST.year < when.year < LATEST.year:
        raise ValueError(f"should be a year between {EARLIEST.year} and {LATEST.year}")
    return when


When = Annotated[Instant | date, WrapValidator(_when)]
"""A promise: a moment, or a date, which lasts until the end of that day in the customer's zone."""

Duration = Annotated[
    str, Field(pattern=f"^{_SPAN}$", examples=["30 days", "2 hours", "-1 week", "1 day 6 hours"])
]
"""Whole minutes, hours, days or weeks; a leading minus means before."""

Length = Annotated[Duration, Field(pattern=f"^{_SPAN.removeprefix('-?')}$")]
"""A duration that is not negative."""

Window = Annotated[
    str,
    Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$", examples=["09:00-20:00"]),
]
"""Hours of the customer's day, `HH:MM-HH:MM`, the end not included."""


class Span(NamedTuple):
    """A parsed duration: calendar days, and seconds beside them."""

    days: int
    seconds: int


@lru_cache(maxsize=512)
def span(text: str) -> Span:
    """Parse a `Duration`."""
    days = seconds = 0
    for amount, unit in re.findall(r"(\d+) (minute|hour|day|week)", text):
        days += int(amount) * _DAYS.get(unit, 0)
        seconds += int(amount) * _SECONDS.get(unit, 0)
    return Span(-days, -seconds) if text.startswith("-") else Span(days, seconds)


def later(at: datetime, duration: str, zone: str, day: float = DAY) -> datetime:
    """The moment `duration` after `at`; `day` is how many seconds a day lasts (a paced playbook).

    What would be beyond `LATEST` is `LATEST`: goods that last for a million years never run out.
    """
    length = span(duration)
    try:
        if day != DAY:
            moment = at + timedelta(seconds=(length.days * DAY + length.seconds) * day / DAY)
        else:
            moment = _same_wall_time(at, length.days, zone) + timedelta(seconds=length.seconds)
    except OverflowError:
        return EARLIEST if length < (0, 0) else LATEST
    return max(EARLIEST, min(moment, LATEST))


def _same_wall_time(at: datetime, days: int, zone: str) -> datetime:
    if not days:
        return at.astimezone(UTC)
    local = at.astimezone(ZoneInfo(zone))
    return (local + timedelta(days=days)).astimezone(UTC)


def deadline(when: datetime | date, zone: str) -> datetime:
    """The moment a promise is broken: itself, or the midnight that ends the promised date."""
    if isinstance(when, datetime):
        return when
    midnight = datetime.combine(when + timedelta(days=1), time(), ZoneInfo(zone))
    return midnight.astimezone(UTC)


@lru_cache(maxsize=128)
def _hours(window: str) -> tuple[time, time]:
    start, end = window.split("-")
    return time.fromisoformat(start), time.fromisoformat(end)


def reverse(window: str) -> str:
    """The other hours of the day."""
    start, end = window.split("-")
    return f"{end}-{start}"


def windows_meet(one: str, other: str) -> bool:
    """Whether two windows have a minute in common."""
    return _opens_in(one, other) or _opens_in(other, one)


def _opens_in(one: str, other: str) -> bool:
    opening, _ = _hours(one)
    return _contains(other, opening)


def _contains(window: str, hour: time) -> bool:
    start, end = _hours(window)
    return start <= hour < end if start < end else hour >= start or hour < end


def within(at: datetime, window: str, zone: str) -> bool:
    """Whether the customer's clock shows an hour of the window; `20:00-06:00` goes over midnight."""
    return _contains(window, at.astimezone(ZoneInfo(zone)).time())


def fit(at: datetime, window: str | None, zone: str) -> datetime:
    """`at` itself if it lies in the window, otherwise the first moment after it that does.

    That is an opening, or the moment at which the clocks are changed to an hour of the window.
    """
    if window is None or within(at, window, zone):
        return at
    start, _ = _hours(window)
    local_date = at.astimezone(ZoneInfo(zone)).date()
    openings = [
        datetime.combine(local_date + timedelta(days=ahead), start, ZoneInfo(zone)).replace(fold=fold)
        for ahead in range(4)
        for fold in (0, 1)
    ]
    moments = [opening.astimezone(UTC) for opening in openings] + _clock_changes(at, zone)
    return min(moment for moment in moments if moment >= at and within(moment, window, zone))


def spread(opening: datetime, key: str, over: str, window: str, zone: str) -> datetime:
    """A moment up to `over` after an opening, always the same for a key, so that what waits for the same
    hour does not leave in the same second. The opening itself where the window is shorter than that."""
    length = span(over)
    seconds = int(length.days * DAY) + length.seconds
    if seconds <= 0:
        return opening
    digest = sha256(key.encode()).digest()
    moment = opening + timedelta(seconds=int.from_bytes(digest[:8]) % seconds)
    return moment if within(moment, window, zone) else opening


def _clock_changes(at: datetime, zone: str) -> list[datetime]:
    """The moments in the next three days at which the zone's offset changes, at most one for each day."""
    place = ZoneInfo(zone)
    starts = [at.astimezone(UTC).replace(microsecond=0) + timedelta(days=ahead) for ahead in range(4)]
    return [
        _clock_change(before, after, place)
        for before, after in pairwise(starts)
        if before.astimezone(place).utcoffset() != after.astimezone(place).utcoffset()
    ]


def _clock_change(before: datetime, after: datetime, place: ZoneInfo) -> datetime:
    offset = before.astimezone(place).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(place).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
