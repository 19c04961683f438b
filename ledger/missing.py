"""What of an event's facts never came in, by whatever way: the question of every reconciliation.

A fact is known by its id, which is made of the shop's own ids and times and is therefore the same in a
webhook and in a list. Where a platform counts a change more than once, a fact that says nothing new is known
as well.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select

from ledger.database import Database
from ledger.door_tables import inbox
from ledger.incoming import OF_RETURN, Deed, Incoming

_AT_ONCE = 500
"""Orders in one question: a statement of SQLite may have 32,766 parameters."""

_OF_A_LINE = ("line_id", "quantity", "unit_price", "discount")

Known = dict[str, list[dict[str, Any]]]
"""The bodies of an order's known facts, by their kinds."""


class Missing(Database):
    """Asks the inbox."""

    async def missing(self, incoming: Sequence[Incoming]) -> list[Incoming]:
        """Those of which something never came in; and those that could not be read."""
        known = await self._known({each.order_id for each in incoming if each.order_id})
        return [each for each in incoming if each.problem or _is_missing(each, known[each.order_id or ""])]

    async def _known(self, order_ids: set[str]) -> defaultdict[str, Known]:
        found: defaultdict[str, Known] = defaultdict(lambda: defaultdict(list))
        wanted = sorted(order_ids)
        async with self.reading() as db:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                query = select(inbox.c.order_id, inbox.c.deeds).where(inbox.c.order_id.in_(some))
                for order_id, deeds in await db.execute(query):
                    for deed in deeds:
                        found[order_id][deed["kind"]].append(deed["body"])
        return found


def _is_missing(each: Incoming, known: Known) -> bool:
    ids = {body.get("fact_id") for bodies in known.values() for body in bodies}
    return any(not (deed.body.get("fact_id") in ids or _says_nothing_new(deed, known)) for deed in each.deeds)


def _says_nothing_new(deed: Deed, known: Known) -> bool:
    match deed.kind:
        case "order_changed":
            told = [*known.get("order_placed", ()), *known.get("order_changed", ())]
            # Of what ended long ago only its id is kept; who has nothing else is an order of long ago.
            kept = [body for body in told if body.get("at")]
            newest = max(kept, key=lambda body: str(body["at"]), default=None)
            return bool(told) and (newest is None or _lines(newest) == _lines(deed.body))
        case "parcel_moved":
            same = [body for body in known.get("parcel_moved", ()) if _moved(body) == _moved(deed.body)]
            return any(str(body.get("at")) >= str(deed.body.get("at")) for body in same)
        case "return_closed" if _was_told_without_its_return(deed, known):
            return True
        case kind:
            return _words(deed.body) in [_words(body) for body in known.get(kind, ())]


def _was_told_without_its_return(deed: Deed, known: Known) -> bool:
    """Whether this refund came in without the return that it is for, as all did before they named it. It is
    news all the same where that return was opened and still waits for its end."""
    refund, named, _ = str(deed.body.get("fact_id")).partition(OF_RETURN)
    ends = known.get("return_closed", ())
    if not named or refund not in [body.get("fact_id") for body in ends]:
        return False
    return_id = deed.body.get("return_id")
    ended, opened = (
        return_id in [body.get("return_id") for body in bodies]
        for bodies in (ends, known.get("return_opened", ()))
    )
    return ended or not opened


def _lines(body: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What an order consists of; how a line is worded is no change of it."""
    lines: Iterable[dict[str, Any]] = body.get("lines") or (body.get("order") or {}).get("lines") or ()
    return sorted(tuple(line.get(name) or 0 for name in _OF_A_LINE) for line in lines)


def _moved(body: dict[str, Any]) -> tuple[Any, ...]:
    return body.get("parcel_id"), body.get("status")


def _words(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "fact_id"}
