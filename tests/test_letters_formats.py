"""Amounts, days and languages, as the letters write them."""

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from babel.core import get_global
from babel.numbers import list_currencies
from hypothesis import given
from hypothesis import strategies as st

from activities.letters.catalogs import spoken
from activities.letters.formats import day, decimal_amount, exponent, money, promised_day
from journey.times import deadline

LOCALES = ["en", "en_GB", "de", "de_AT", "ar", "he", "fr", "ja", "pt_BR", "hi", "tr", "sv"]
ZONES = [
    "UTC",
    "Pacific/Auckland",
    "Pacific/Kiritimati",
    "America/Los_Angeles",
    "Africa/Cairo",
    "Asia/Kolkata",
]


@given(
    st.integers(0, 10**12),
    st.sampled_from(sorted(list_currencies())),
    st.sampled_from([*LOCALES, "fa", "ur"]),
)
def test_no_digit_of_an_amount_is_lost_or_moved(amount: int, currency: str, locale: str) -> None:
    written = money(amount, currency, Locale.parse(locale))
    digits = exponent(currency)
    assert re.sub(r"\D", "", written) == str(amount).zfill(digits + 1)
    if digits:
        assert re.search(rf"[.,\u066b]\d{{{digits}}}(?!\d)", written)


@given(st.integers(0, 10**15), st.sampled_from(sorted(get_global("all_currencies"))))
def test_minor_units_are_exact(amount: int, currency: str) -> None:
    assert decimal_amount(amount, currency) * Decimal(10) ** exponent(currency) == amount


@given(st.dates(date(2020, 1, 2), date(2035, 12, 30)), st.sampled_from(ZONES))
def test_a_promised_day_is_shown_as_the_day_that_was_promised(promised: date, zone: str) -> None:
    assert promised_day(deadline(promised, zone), zone) == promised


@given(
    st.integers(0, 500_000_000).map(
        lambda seconds: datetime(2020, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)
    ),
    st.sampled_from(ZONES),
)
def test_a_moment_is_shown_on_the_customers_calendar(moment: datetime, zone: str) -> None:
    local = moment.astimezone(ZoneInfo(zone)).date()
    assert day(moment, zone, Locale("en")) == f"{local:%A}, {local:%B} {local.day}"


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("en", "Thursday, March 5"),
        ("en_GB", "Thursday 5 March"),
        ("de", "Donnerstag, 5. März"),
        ("ar", "الخميس، 5 مارس"),
        ("fr", "jeudi 5 mars"),
        ("ja", "3月5日(木曜日)"),
    ],
)
def test_days_read_as_people_write_them(locale: str, written: str) -> None:
    assert day(date(2026, 3, 5), "UTC", Locale.parse(locale)) == written
    noon = datetime.combine(date(2026, 3, 5), time(12), UTC) + timedelta(hours=1)
    assert day(noon, "UTC", Locale.parse(locale)) == written


@pytest.mark.parametrize(
    ("profile", "locale", "chain"),
    [
        ("de-AT", "de_AT", ["de"]),
        ("DE", "de", ["de"]),
        ("en-GB", "en_GB", ["en"]),
        ("ar-KW", "ar_KW", ["ar"]),
        ("pt-BR", "en", ["en"]),
        ("pt_PT", "pt_PT", ["pt_PT"]),
        ("xx", "en", ["en"]),
        ("zz-ZZ-ZZ", "en", ["en"]),
        ("de_nonsense", "de", ["de"]),
    ],
)
def test_the_language_is_the_nearest_that_we_speak(profile: str, locale: str, chain: list[str]) -> None:
    found, catalogs = spoken(profile, ["en", "ar", "de", "pt_PT"])
    assert (str(found), catalogs) == (locale, chain)
