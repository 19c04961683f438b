"""Hours of the day and calendar days, in every zone, at the moments when its clocks are changed."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from journey.times import LATEST, Duration, Instant, When, deadline, fit, later, span, within
from tests.strategies import quick, thorough

ALL_ZONES = sorted(available_timezones())
FIRST, LAST = datetime(2025, 12, 1, tzinfo=UTC), datetime(2028, 4, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

zones = st.sampled_from(ALL_ZONES)
clock = st.times().map(lambda t: t.replace(second=0, microsecond=0))
windows = st.tuples(clock, clock).map(lambda ends: f"{ends[0]:%H:%M}-{ends[1]:%H:%M}")


@cache
def clock_changes(zone: str) -> tuple[datetime, ...]:
    """The minutes at which the zone's offset changes, between FIRST and LAST."""
    place, changes, hour = ZoneInfo(zone), [], FIRST
    while hour < LAST:
        after = hour + timedelta(hours=6)
        if hour.astimezone(place).utcoffset() != after.astimezone(place).utcoffset():
            while hour.astimezone(place).utcoffset() == (hour + MINUTE).astimezone(place).utcoffset():
                hour += MINUTE
            changes.append(hour + MINUTE)
        hour = after
    return tuple(changes)


@st.composite
def zones_near_a_change(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and a moment within two days of a change of its clocks, if it changes them at all."""
    zone = draw(zones)
    near = draw(st.sampled_from(clock_changes(zone) or (datetime(2028, 2, 29, 23, 0, tzinfo=UTC),)))
    return zone, near + timedelta(minutes=draw(st.integers(-2 * 1440, 2 * 1440)))


def first_minute_within(at: datetime, window: str, zone: str) -> datetime:
    """What `fit` should give, found the slow way."""
    minute = at
    while not within(minute, window, zone):
        minute = (minute + MINUTE).replace(second=0, microsecond=0)
    return minute


@thorough
@given(zones_near_a_change(), windows)
def test_a_letter_waits_for_the_first_minute_of_its_hours_and_no_longer(
    place: tuple[str, datetime], window: str
) -> None:
    zone, at = place
    fitted = fit(at, window, zone)
    assert within(fitted, window, zone)
    assert fitted == first_minute_within(at, window, zone)


def test_every_zone_has_a_morning_on_the_days_around_each_change_of_its_clocks() -> None:
    for zone in ALL_ZONES:
        for change in clock_changes(zone)[:2]:
            for hours in (-20, -1, 0, 1, 20):
                at = change + timedelta(hours=hours)
                fitted = fit(at, "09:00-20:00", zone)
                assert at <= fitted <= at + timedelta(hours=14)
                assert time(9) <= fitted.astimezone(ZoneInfo(zone)).time() < time(20)


@thorough
@given(zones_near_a_change(), st.integers(-400, 400))
def test_so_many_days_later_is_the_same_hour_of_that_day(place: tuple[str, datetime], days: int) -> None:
    zone, at = place
    local = at.astimezone(ZoneInfo(zone))
    moved = later(at, f"{days} days", zone).astimezone(ZoneInfo(zone))
    wanted = local.replace(tzinfo=None) + timedelta(days=days)
    back = wanted.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))
    exists = back.replace(tzinfo=None) == wanted
    assert moved.replace(tzinfo=None) == wanted if exists else abs(moved - back) <= timedelta(hours=3)


@quick
@given(zones_near_a_change(), st.integers(0, 500), st.integers(0, 500))
def test_hours_and_minutes_are_exact(place: tuple[str, datetime], hours: int, minutes: int) -> None:
    zone, at = place
    assert later(at, f"{hours} hours {minutes} minutes", zone) - at == timedelta(hours=hours, minutes=minutes)


@quick
@given(zones_near_a_change())
def test_a_promised_day_ends_when_the_next_begins(place: tuple[str, datetime]) -> None:
    zone, at = place
    day = at.astimezone(ZoneInfo(zone)).date()
    end = deadline(day, zone).astimezone(ZoneInfo(zone))
    assert end.date() > day
    assert (end - timedelta(seconds=1)).astimezone(UTC).astimezone(ZoneInfo(zone)).date() <= end.date()


@pytest.mark.parametrize(
    ("at", "duration", "zone", "then"),
    [
        ("2026-03-28T10:15:00+01:00", "1 day", "Europe/Berlin", "2026-03-29T10:15:00+02:00"),
        ("2026-10-24T10:15:00+02:00", "30 days", "Europe/Berlin", "2026-11-23T10:15:00+01:00"),
        ("2026-04-04T12:00:00+11:00", "2 days", "Australia/Sydney", "2026-04-06T12:00:00+10:00"),
        ("2028-02-28T18:00:00-03:00", "1 day", "America/Santiago", "2028-02-29T18:00:00-03:00"),
        ("2027-02-28T18:00:00+09:00", "1 day", "Asia/Tokyo", "2027-03-01T18:00:00+09:00"),
        ("2026-12-31T23:30:00+03:00", "1 day 1 hour", "Asia/Kuwait", "2027-01-02T00:30:00+03:00"),
        ("2026-03-30T10:15:00+02:00", "-1 week", "Europe/Berlin", "2026-03-23T10:15:00+01:00"),
    ],
)
def test_days_keep_the_hour_over_summer_time_leap_days_and_year_ends(
    at: str, duration: str, zone: str, then: str
) -> None:
    assert later(datetime.fromisoformat(at), duration, zone) == datetime.fromisoformat(then)


@pytest.mark.parametrize(
    ("at", "window", "zone", "then"),
    [
        # 02:30 does not exist on 29 March 2026 in Berlin: the hours begin at 03:00.
        ("2026-03-29T00:30:00+01:00", "02:30-20:00", "Europe/Berlin", "2026-03-29T03:00:00+02:00"),
        # 02:45 comes twice on 25 October: the second 02:00 is within the hours again.
        ("2026-10-25T02:45:00+02:00", "01:30-02:30", "Europe/Berlin", "2026-10-25T02:00:00+01:00"),
        ("2026-05-01T21:00:00+02:00", "09:00-20:00", "Europe/Berlin", "2026-05-02T09:00:00+02:00"),
        ("2026-05-01T12:00:00+02:00", "20:00-06:00", "Europe/Berlin", "2026-05-01T20:00:00+02:00"),
        ("2026-05-01T03:00:00+02:00", "20:00-06:00", "Europe/Berlin", "2026-05-01T03:00:00+02:00"),
        # Samoa had no 30 December 2011.
        ("2011-12-29T21:00:00-10:00", "09:00-20:00", "Pacific/Apia", "2011-12-31T09:00:00+14:00"),
    ],
)
def test_hours_of_the_day_over_changed_clocks(at: str, window: str, zone: str, then: str) -> None:
    assert fit(datetime.fromisoformat(at), window, zone) == datetime.fromisoformat(then)


def test_a_promised_date_is_broken_at_the_customers_midnight() -> None:
    assert deadline(date(2026, 3, 28), "Europe/Berlin") == datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
    assert deadline(date(2026, 12, 31), "Asia/Tokyo") == datetime(2026, 12, 31, 15, 0, tzinfo=UTC)
    moment = datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert deadline(moment, "Asia/Tokyo") == moment


def test_a_paced_day_is_as_short_as_the_playbook_says() -> None:
    at = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert later(at, "30 days 12 hours", "Europe/Berlin", 1.0) - at == timedelta(seconds=30.5)


def test_what_lasts_for_ever_never_runs_out_and_never_overflows() -> None:
    at = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert later(at, "365000000 days", "Asia/Tokyo") == LATEST
    assert later(at, "365000000 days", "Asia/Tokyo", 1.0) > at
    assert later(LATEST, "-99999 days", "Asia/Tokyo") < LATEST


@pytest.mark.parametrize("text", ["30 days", "1 day 6 hours", "2 weeks", "-7 days", "90 minutes"])
def test_a_duration_reads_as_it_is_said(text: str) -> None:
    assert TypeAdapter(Duration).validate_python(text) == text
    assert span(text) != (0, 0)


@pytest.mark.parametrize(
    "text", ["", "30", "days", "1 month", "1 day, 2 hours", "P1D", "999999 days", "1.5 days"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-05-01T10:00:00"]
)
def test_a_moment_without_a_zone_or_beyond_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Instant).validate_python(text)


@pytest.mark.parametrize("text", ["soon", "2026-05-01T10:00:00", "9999-12-31", "", 1e308])
def test_a_promise_that_is_no_date_is_refused_in_one_sentence(text: object) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(When).validate_python(text)
    assert refused.value.error_count() == 1
