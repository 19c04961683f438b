"""Times that are told at the doors. What is dated later than now cannot have happened: a yes from 2036 would
outweigh every no until then. Our own API refuses it and names the field; a platform, which cannot mend what
it sends, is understood to mean now."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

WORD_AHEAD = timedelta(minutes=5)
"""How far the clock of whoever noted a consent may be ahead of ours. Our own rule, as is the other one: what
is within it is taken as now."""

EVENT_AHEAD = timedelta(days=1)
"""The same of orders and facts, whose times decide nothing against others: a wrong zone is no reason to
refuse an order."""


class Dated(NamedTuple):
    """A time under the name of its field, and how far it may be ahead."""

    field: str
    at: datetime
    leeway: timedelta = EVENT_AHEAD


def ahead(times: Iterable[Dated], now: datetime) -> str:
    """What is wrong with times that are told to our own API; nothing if they are right."""
    late = [f"{field}: should not be later than now" for field, at, leeway in times if at > now + leeway]
    return "; ".join(late)
