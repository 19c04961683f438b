"""Public holidays by country."""

from datetime import date, datetime, timedelta
from functools import lru_cache

import holidays

AHEAD = timedelta(days=40)
"""No run of holidays is longer, so the first working day is among these dates."""


def holidays_around(country: str, moment: datetime) -> frozenset[date]:
    """The national public holidays from the day before `moment` on, whatever the zone. None are known of a
    country that nobody keeps a calendar of."""
    first, last = (moment - timedelta(days=1)).date(), (moment + AHEAD).date()
    days = _holidays(country, first.year) | _holidays(country, last.year)
    return frozenset(day for day in days if first <= day <= last)


@lru_cache(maxsize=512)
def _holidays(country: str, year: int) -> frozenset[date]:
    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except NotImplementedError:
        return frozenset()
