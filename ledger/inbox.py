"""The inbox: what was acknowledged is here until it has had its effect, once."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Update, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from journey.facts import Model
from journey.times import Instant
from ledger.database import Database
from ledger.door_tables import inbox, parcels, provider_events
from ledger.incoming import Acceptance, Deed, Incoming
from ledger.people import keep_person
from ledger.tables import orders


class InboxState(StrEnum):
    """Where an event is in its life."""

    RECEIVED = "received"
    DISPATCHED = "dispatched"
    PARKED = "parked"


class InboxRow(Model):
    """An event as it lies in the inbox. `raw` is personal, and only kept while it is parked unread."""

    number: int
    source: str
    event_id: str
    body_hash: str
    topic: str
    state: InboxState
    reason: str
    order_id: str | None
    tracking_number: str | None
    deeds: tuple[Deed, ...]
    raw: str | None
    received_at: Instant
    due_at: Instant
    leased_until: Instant | None
    attempts: int
    ended_at: Instant | None


class Verdict(Model):
    """What came of an attempt to deliver a row. `received` means: again at `due_at`."""

    number: int
    state: InboxState
    reason: str
    due_at: Instant | None = None
    counts: bool = False
    """Whether it counts as one of the attempts after which a row is parked."""


class Inbox(Database):
    """The inbox's rows."""

    async def accept(self, incoming: Sequence[Incoming], now: datetime) -> list[Acceptance]:
        """Commit events, all of them or none, with what they tell of customers and providers."""
        async with self.writing() as db:
            return [await self._accept(db, each, now) for each in incoming]

    async def _accept(self, db: AsyncConnection, each: Incoming, now: datetime) -> Acceptance:
        statement = self.insert(inbox).values(_new_row(each, now)).on_conflict_do_nothing()
        if (await db.execute(statement.returning(inbox.c.number))).one_or_none() is None:
            return await _known(db, each)
        await self._keep_what_it_tells(db, each)
        if each.pointer is not None:
            await _wake(db, inbox.c.order_id == each.pointer.order_id, now)
        return Acceptance.PARKED if each.problem else Acceptance.NEW

    async def _keep_what_it_tells(self, db: AsyncConnection, each: Incoming) -> None:
        if each.person is not None:
            await keep_person(self, db, each.person)
        if each.pointer is not None:
            values = {**each.pointer.model_dump(), "address": list(each.pointer.address)}
            await db.execute(self.upsert(orders, values, [orders.c.order_id]))
        for values in _parcels(each):
            await db.execute(self.insert(parcels).values(values).on_conflict_do_nothing())
        if each.provider_event is not None:
            values = each.provider_event.model_dump() | {"handled_at": None}
            await db.execute(self.insert(provider_events).values(values).on_conflict_do_nothing())

    async def claim_inbox(self, most: int, now: datetime, lease: timedelta) -> list[InboxRow]:
        """Take undelivered rows, the oldest first; nobody else gets them before the lease ends."""
        free = or_(inbox.c.leased_until.is_(None), inbox.c.leased_until <= now)
        due = select(inbox.c.number).where(inbox.c.state == InboxState.RECEIVED, inbox.c.due_at <= now, free)
        chosen = due.order_by(inbox.c.number).limit(most).with_for_update(skip_locked=True)
        statement = update(inbox).where(inbox.c.number.in_(chosen)).values(leased_until=now + lease)
        async with self.writing() as db:
            rows = await db.execute(statement.returning(*inbox.c))
        found = [InboxRow.model_validate(row._asdict()) for row in rows]
        return sorted(found, key=lambda row: row.number)

    async def settle_inbox(self, verdicts: Iterable[Verdict], now: datetime) -> None:
        """Write down what came of deliveries. A row that another attempt has ended keeps its end."""
        async with self.writing() as db:
            for verdict in verdicts:
                await db.execute(_settled(verdict, now))

    async def wake_inbox(self, order_id: str, now: datetime) -> None:
        """Let events that wait for an order be tried at once."""
        async with self.writing() as db:
            await _wake(db, inbox.c.order_id == order_id, now)

    async def inbox_rows(
        self, state: InboxState | None = None, *, number: int | None = None, most: int = 100
    ) -> list[InboxRow]:
        """Rows in a state, or one row, or the newest of all."""
        query = select(inbox).order_by(inbox.c.number.desc()).limit(most)
        if state is not None:
            query = query.where(inbox.c.state == state)
        if number is not None:
            query = query.where(inbox.c.number == number)
        async with self.reading() as db:
            rows = await db.execute(query)
        return [InboxRow.model_validate(row._asdict()) for row in rows]

    async def count_inbox(self) -> dict[str, int]:
        """How many rows are in each state."""
        query = select(inbox.c.state, func.count()).group_by(inbox.c.state)
        async with self.reading() as db:
            rows = await db.execute(query)
        return {str(row[0]): int(row[1]) for row in rows}

    async def replay_inbox(self, numbers: Sequence[int] | None, now: datetime) -> list[int]:
        """Send parked rows, or all of them, on their way again; which ones."""
        parked = (inbox.c.state == InboxState.PARKED) & inbox.c.raw.is_(None)
        statement = update(inbox).where(parked)
        if numbers is not None:
            statement = statement.where(inbox.c.number.in_(numbers))
        values = {"state": InboxState.RECEIVED, "due_at": now, "attempts": 0, "reason": "", "ended_at": None}
        async with self.writing() as db:
            rows = await db.execute(statement.values(values).returning(inbox.c.number))
        return sorted(int(row[0]) for row in rows)

    async def reread_inbox(self, number: int, again: Incoming, now: datetime) -> bool:
        """Put the new reading of a parked row in the place of what could not be read; whether it was read."""
        if again.problem:
            return False
        values = _new_row(again, now)
        kept = {name: values[name] for name in ("state", "reason", "order_id", "tracking_number", "deeds")}
        kept |= {"topic": again.topic, "raw": None, "due_at": now, "attempts": 0, "ended_at": None}
        async with self.writing() as db:
            where = (inbox.c.number == number) & (inbox.c.state == InboxState.PARKED)
            await db.execute(update(inbox).where(where).values(kept))
            await self._keep_what_it_tells(db, again)
        return True

    async def parcel_of(self, tracking_number: str) -> tuple[str, str] | None:
        """The order and parcel that a carrier's number belongs to."""
        query = select(parcels.c.order_id, parcels.c.parcel_id).where(
            parcels.c.tracking_number == tracking_number
        )
        async with self.reading() as db:
            row = (await db.execute(query.limit(1))).one_or_none()
        return (str(row[0]), str(row[1])) if row else None


def _new_row(each: Incoming, now: datetime) -> dict[str, object]:
    state = InboxState.RECEIVED if each.deeds else InboxState.DISPATCHED
    if each.problem:
        state = InboxState.PARKED
    return {
        "source": each.source,
        "event_id": each.event_id,
        "body_hash": each.body_hash,
        "topic": each.topic,
        "state": state,
        "reason": each.problem or ("" if each.deeds else "nothing to dispatch"),
        "order_id": each.order_id,
        "tracking_number": each.tracking_number,
        "deeds": [deed.model_dump(mode="json") for deed in each.deeds],
        "raw": each.raw if each.problem else None,
        "received_at": now,
        "due_at": now,
        "attempts": 0,
        "ended_at": None if state is InboxState.RECEIVED else now,
    }


def _parcels(each: Incoming) -> list[dict[str, str]]:
    """Whose parcel each carrier's number is: later, a carrier tells of nothing but the number."""
    shipped = [deed.body for deed in each.deeds if deed.kind == "parcel_shipped" and each.order_id]
    return [
        {
            "tracking_number": str(body["tracking_number"]),
            "order_id": str(each.order_id),
            "parcel_id": str(body["parcel_id"]),
        }
        for body in shipped
        if body.get("tracking_number") and body.get("parcel_id")
    ]


async def _known(db: AsyncConnection, each: Incoming) -> Acceptance:
    query = select(inbox.c.body_hash).where(inbox.c.source == each.source, inbox.c.event_id == each.event_id)
    row = (await db.execute(query)).one_or_none()
    same = row is None or row[0] == each.body_hash
    return Acceptance.REPEATED if same else Acceptance.CONFLICT


async def _wake(db: AsyncConnection, which: ColumnElement[bool], now: datetime) -> None:
    waiting = (inbox.c.state == InboxState.RECEIVED) & (inbox.c.due_at > now)
    await db.execute(update(inbox).where(waiting, which).values(due_at=now))


def _settled(verdict: Verdict, now: datetime) -> Update:
    statement = update(inbox).where(inbox.c.number == verdict.number, inbox.c.state == InboxState.RECEIVED)
    values: dict[str, object] = {"state": verdict.state, "reason": verdict.reason, "leased_until": None}
    if verdict.state is InboxState.RECEIVED:
        values["due_at"] = verdict.due_at or now
        values["attempts"] = inbox.c.attempts + int(verdict.counts)
    else:
        values["ended_at"] = now
    return statement.values(values)
