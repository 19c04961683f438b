"""What waits for a person in the inbox, and how a person ends it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import literal, select, update

from ledger.database import Database
from ledger.door_tables import inbox
from ledger.inbox import InboxState
from ledger.incoming import EXPORT, Deed


def to_hand_over(deeds: Iterable[Deed]) -> str:
    """Why a wish for what is known of somebody waits for a person."""
    return f"{', '.join(str(deed.body['customer_id']) for deed in deeds)}: hand over what is known of them"


class Parked(Database):
    """Ends rows. A row that is not parked keeps its state, so two people do no harm to each other."""

    async def close_inbox(self, numbers: Sequence[int], by: str, why: str, now: datetime) -> list[int]:
        """End parked rows without an effect; which ones. Who, when and why is kept beside the reason for
        which they were parked; what nobody could read is dropped, since it may be personal. The event
        itself stays known: sent again, it is a repetition."""
        told = literal(f"closed by {by}: {why}; it was parked since: ") + inbox.c.reason
        values = {"state": InboxState.CLOSED, "reason": told, "raw": None, "ended_at": now}
        where = inbox.c.number.in_(numbers) & (inbox.c.state == InboxState.PARKED)
        async with self.writing() as db:
            rows = await db.execute(update(inbox).where(where).values(values).returning(inbox.c.number))
            return sorted(int(row[0]) for row in rows)

    async def handed_over(self, customer_id: str, now: datetime) -> int:
        """A person told a customer what is known of them, or that nothing is: their wishes for it are
        fulfilled; how many. The row stays parked while it asks for somebody else."""
        wish = Deed(kind=EXPORT, body={"customer_id": customer_id})
        query = select(inbox.c.number, inbox.c.deeds).where(inbox.c.state == InboxState.PARKED)
        fulfilled = 0
        async with self.writing() as db:
            for number, told in (await db.execute(query.with_for_update())).all():
                deeds = [Deed.model_validate(each) for each in told]
                if wish not in deeds:
                    continue
                left = [each for each in deeds if each != wish]
                values = {"deeds": [each.model_dump(mode="json") for each in left]}
                ended = {"state": InboxState.DISPATCHED, "reason": "handed over", "ended_at": now}
                changes = values | {"reason": to_hand_over(left)} if left else ended
                await db.execute(update(inbox).where(inbox.c.number == number).values(changes))
                fulfilled += 1
        return fulfilled
