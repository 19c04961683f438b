"""What came in long ago, and had its effect: of it only what a repetition is known by is kept."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, select, update

from ledger.database import Database
from ledger.door_tables import inbox
from ledger.inbox import InboxState

_ENDED = (InboxState.DISPATCHED.value, InboxState.CLOSED.value)

AT_ONCE = 200
"""Rows in one transaction, so that nobody waits long for it."""


class Ended(Database):
    """Makes rows small. None is deleted: a replay has no second effect, ever."""

    async def thin_inbox(self, before: datetime, most: int = AT_ONCE) -> int:
        """Drop what rows tell that ended before a moment; how many. Source, id and hash of an event stay, and
        the ids of its facts, by which a reconciliation knows that they came in."""
        thinned = 0
        async with self.writing() as db:
            # One state after the other: so the index has them in their order, and nothing is sorted.
            for state in _ENDED:
                found = await db.execute(_old(state, before, most - thinned))
                rows = [
                    {"row": number, "left": [_identity(deed) for deed in deeds]}
                    for number, deeds in found.all()
                ]
                if rows:
                    await db.execute(_THINNED, rows)
                thinned += len(rows)
        return thinned


def _old(state: str, before: datetime, most: int) -> Select[Any]:
    """By the time at which a row was last due, which is never after its end and has an index."""
    query = select(inbox.c.number, inbox.c.deeds).where(inbox.c.state == state)
    old = query.where(inbox.c.due_at < before, inbox.c.ended_at < before)
    return old.order_by(inbox.c.due_at).limit(most).with_for_update(skip_locked=True)


def _identity(deed: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in deed["body"].items() if name == "fact_id"}
    return {"kind": deed["kind"], "body": known}


_THINNED = (
    update(inbox)
    .where(inbox.c.number == bindparam("row"))
    .values(
        state=InboxState.KNOWN.value,
        reason="",
        deeds=bindparam("left"),
        tracking_number=None,
        raw=None,
        leased_until=None,
    )
)
