"""When a customer may be written to: hours, caps and holidays, in every zone and over every clock change."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.calendars import holidays_around
from journey.messages import SendRequest, SendResult
from journey.permission import Recipient, verdict
from journey.playbook import Cap, Limits, MessageClass, Playbook
from journey.times import reverse, spread, within
from tests.sending import NOON, request_for

CARE, MARKETING, TRANSACTIONAL = MessageClass.CARE, MessageClass.MARKETING, MessageClass.TRANSACTIONAL
ZONES = sorted(available_timezones() - {"localtime", "posixrules"})
HOURS = st.tuples(st.integers(0, 23), st.sampled_from([0, 15, 30, 45]))
MOMENTS = st.floats(0, 20 * 365.25).map(lambda days: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=days))
HALF_A_DAY = timedelta(hours=12)


def _window(ends: tuple[tuple[int, int], tuple[int, int]]) -> str:
    (h1, m1), (h2, m2) = ends
    return f"{h1:02}:{m1:02}-{h2:02}:{m2:02}"


def _clock_changes() -> list[tuple[str, datetime]]:
    """Every change of any zone's clock from 2025 to 2027, to the hour."""
    found = []
    for zone in ZONES:
        place, day = ZoneInfo(zone), datetime(2025, 1, 1, tzinfo=UTC)
        while day.year < 2028:
            if day.astimezone(place).utcoffset() != (day + timedelta(days=1)).astimezone(place).utcoffset():
                found.append((zone, day + HALF_A_DAY))
            day += timedelta(days=1)
    return found


def first_moment(request: SendRequest, recipient: Recipient, now: datetime) -> datetime:
    """When the letter goes, as the journey does it: it comes again at the moment that it is held until."""
    moment = now
    for _ in range(10):
        refusal = verdict(request, recipient, moment)
        if refusal is None:
            return moment
        assert refusal.result is SendResult.HELD
        assert refusal.until is not None and refusal.until > moment
        moment = refusal.until
    raise AssertionError("held for ever")


def _never_in_quiet_hours(zone: str, now: datetime, quiet: str) -> None:
    request = request_for(MARKETING, limits=Limits(caps=(), quiet=quiet))
    recipient = Recipient(zone=zone, agreed=True)
    moment = first_moment(request, recipient, now)
    assert not within(moment, quiet, zone) or reverse(quiet) == quiet
    assert moment == now or within(moment - timedelta(seconds=1), quiet, zone), "held no longer than needed"


@settings(max_examples=300, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    now=MOMENTS,
    ends=st.tuples(HOURS, HOURS).filter(lambda ends: ends[0] != ends[1]),
)
@example(zone="Europe/Berlin", now=datetime(2026, 3, 29, 0, 30, tzinfo=UTC), ends=((1, 0), (2, 30)))
@example(zone="Australia/Lord_Howe", now=datetime(2026, 4, 4, 14, tzinfo=UTC), ends=((21, 0), (1, 45)))
@example(zone="Pacific/Apia", now=datetime(2011, 12, 30, 6, tzinfo=UTC), ends=((21, 0), (8, 0)))
def test_nobody_is_written_to_in_quiet_hours_and_nobody_waits_longer(
    zone: str, now: datetime, ends: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    _never_in_quiet_hours(zone, now, _window(ends))


def test_nor_on_any_day_on_which_any_zone_changes_its_clocks() -> None:
    changes = _clock_changes()
    print(f"{len(changes)} changes of the clock in {len({zone for zone, _ in changes})} zones")  # noqa: T201
    for zone, day in changes:
        for hours in (-12, -3, 0, 5, 12):
            for quiet in ("21:00-08:00", "23:30-02:15"):
                _never_in_quiet_hours(zone, day + timedelta(hours=hours), quiet)


@settings(max_examples=200, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    now=MOMENTS,
    hours=st.lists(st.integers(0, 24 * 9), max_size=8),
    most=st.integers(1, 3),
    window=st.sampled_from([None, "09:00-20:00", "22:00-23:00"]),
    holidays=st.frozensets(st.integers(-1, 6), max_size=4),
)
def test_hours_caps_and_holidays_hold_together(  # noqa: PLR0917
    zone: str, now: datetime, hours: list[int], most: int, window: str | None, holidays: frozenset[int]
) -> None:
    today = now.astimezone(ZoneInfo(zone)).date()
    off = frozenset(today + timedelta(days=ahead) for ahead in holidays)
    written = tuple((MARKETING, now - timedelta(hours=ago)) for ago in hours)
    cap = Cap(classes=(MARKETING,), most=most, within="7 days")
    limits = Limits(caps=(cap,), quiet="02:00-05:00", holidays_for=(MARKETING,))
    request = request_for(MARKETING, limits=limits, window=window)
    recipient = Recipient(zone=zone, agreed=True, written=written, holidays=off)
    moment = first_moment(request, recipient, now)
    local = moment.astimezone(ZoneInfo(zone))
    assert local.date() not in off
    assert not within(moment, "02:00-05:00", zone)
    assert window is None or within(moment, window, zone)
    a_week = [at for _, at in written if at.astimezone(ZoneInfo(zone)) + timedelta(days=7) > local]
    assert len(a_week) < most


@pytest.mark.parametrize(
    ("message_class", "agreed", "reason"),
    [
        (TRANSACTIONAL, None, None),
        (TRANSACTIONAL, False, None),
        (CARE, True, None),
        (CARE, None, "no consent for care"),
        (CARE, False, "unsubscribed from care"),
        (MARKETING, None, "no consent for marketing"),
        (MARKETING, False, "unsubscribed from marketing"),
    ],
)
def test_who_said_nothing_gets_what_the_order_needs_and_no_more(
    message_class: MessageClass, agreed: bool | None, reason: str | None
) -> None:
    refusal = verdict(request_for(message_class), Recipient("UTC", agreed=agreed), NOON)
    assert (refusal and refusal.reason) == reason
    assert refusal is None or refusal.result is SendResult.SUPPRESSED


def test_a_shop_may_let_care_go_to_everybody_who_did_not_refuse() -> None:
    request = request_for(CARE, limits=Limits(need_consent=(MARKETING,)))
    assert verdict(request, Recipient("UTC"), NOON) is None
    refusal = verdict(request, Recipient("UTC", agreed=False), NOON)
    assert refusal is not None and refusal.reason == "unsubscribed from care"


def test_what_would_come_after_its_expiry_is_not_held_but_over() -> None:
    night = datetime(2026, 3, 1, 22, tzinfo=UTC)
    request = request_for(MARKETING, expires_at=night + timedelta(hours=3))
    refusal = verdict(request, Recipient("UTC", agreed=True), night)
    assert refusal is not None
    assert refusal.result is SendResult.EXPIRED
    assert refusal.reason == "quiet hours; too late to say after 2026-03-02 01:00 UTC"


def test_a_paced_demo_has_caps_but_no_nights() -> None:
    night = datetime(2026, 3, 1, 23, tzinfo=UTC)
    request = request_for(MARKETING, day_seconds=1.0, window="09:00-20:00")
    assert verdict(request, Recipient("UTC", agreed=True), night) is None
    recent = ((CARE, night - timedelta(seconds=0.25)),)
    refusal = verdict(request, Recipient("UTC", agreed=True, written=recent), night)
    assert refusal is not None
    assert refusal.until == night + timedelta(seconds=0.75)


def test_the_public_holidays_are_those_of_the_country() -> None:
    at = datetime(2026, 10, 2, 12, tzinfo=UTC)
    assert date(2026, 10, 3) in holidays_around("DE", at)
    assert date(2026, 10, 3) not in holidays_around("FR", at)
    assert holidays_around("XX", at) == frozenset()
    assert date(2027, 1, 1) in holidays_around("DE", datetime(2026, 12, 20, tzinfo=UTC))


@given(key=st.text(max_size=40))
def test_what_waits_for_nine_leaves_within_the_spread_always_at_its_own_time(key: str) -> None:
    nine = datetime(2026, 3, 1, 9, tzinfo=UTC)
    moment = spread(nine, key, "45 minutes", "09:00-20:00", "UTC")
    assert nine <= moment < nine + timedelta(minutes=45)
    assert moment == spread(nine, key, "45 minutes", "09:00-20:00", "UTC")


def test_a_thousand_letters_leave_no_wall_at_nine() -> None:
    nine = datetime(2026, 3, 1, 9, tzinfo=UTC)
    moments = [spread(nine, f"{n}/survey", "45 minutes", "09:00-20:00", "UTC") for n in range(1_000)]
    minutes = [(moment - nine) // timedelta(minutes=1) for moment in moments]
    assert max(minutes.count(minute) for minute in range(45)) < 60
    assert spread(nine, "k", "0 minutes", "09:00-20:00", "UTC") == nine


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"need_consent": ["transactional"]}, "need_consent: transactional letters"),
        ({"spread": "-5 minutes"}, "limits.spread"),
        ({"quiet": "25:00-08:00"}, "limits.quiet"),
        ({"caps": [{"classes": [], "most": 1, "within": "1 day"}]}, "limits.caps.0.classes"),
        ({"caps": [{"classes": ["care"], "most": 0, "within": "1 day"}]}, "limits.caps.0.most"),
        ({"quiet": "08:00-21:00"}, "steps.0.window: lies wholly in the quiet hours"),
    ],
)
def test_limits_that_make_no_sense_are_one_clear_error(limits: dict[str, object], problem: str) -> None:
    step = {"name": "survey", "class": "care", "after": "placed", "window": "09:00-20:00"}
    with pytest.raises(ValidationError) as wrong:
        Playbook.model_validate({"name": "odd", "steps": [step], "limits": limits})
    [error] = wrong.value.errors()
    assert problem in f"{'.'.join(map(str, error['loc']))} {error['msg']}"
