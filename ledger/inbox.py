"""The inbox: what was acknowledged is here until it has had its effect, once."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Integer, Select, Update, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from journey.facts import Model
from journey.times import Instant
from ledger.database import insert_into
from ledger.door_tables import inbox, parcels, provider_events
from ledger.incoming import ERASE, TEST_ORDER, Acceptance, Deed, Incoming
from ledger.missing import Missing
from ledger.money_tables import payments
from ledger.orders import keep_orders
from ledger.people import keep_people
from ledger.tables import Moment
from ledger.whom import keep_until_told


class InboxState(StrEnum):
    """Where an event is in its life."""

    RECEIVED = "received"
    DISPATCHED = "dispatched"
    PARKED = "parked"
    CLOSED = "closed"
    """Parked, and ended by a person without an effect."""
    KNOWN = "known"
    """Ended long ago: only what a repetition is known by is kept of it."""


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


class Inbox(Missing):
    """The inbox's rows."""

    async def accept(self, incoming: Sequence[Incoming], now: datetime) -> list[Acceptance]:
        """Commit events, all of them or none, with what they tell of customers and providers.

        A statement costs far more than a row, so there is one for all rows of a table.
        """
        values = [_new_row(each, now) for each in incoming]
        async with self.writing() as db:
            rows = await db.execute(_unless_known(self.is_sqlite), values)
            fresh = {(str(row[0]), str(row[1])) for row in rows}
            # Of several with one id in the same batch, the first is the one that was written.
            new = {key: each for each in reversed(incoming) if (key := (each.source, each.event_id)) in fresh}
            await self._keep_what_they_tell(db, list(new.values()), now)
            written = set(map(id, new.values()))
            return [_accepted(each) if id(each) in written else await _known(db, each) for each in incoming]

    async def _keep_what_they_tell(self, db: AsyncConnection, new: list[Incoming], now: datetime) -> None:
        people = [each.person.by(now) for each in new if each.person is not None]
        await keep_people(self, db, people)
        wishes = [each.wish for each in new if each.wish is not None and each.wish.kind == ERASE]
        await keep_until_told(self, db, wishes, now)
        pointers = [
            (each.pointer, min(each.person.at, now) if each.person else now)
            for each in new
            if each.pointer is not None
        ]
        await keep_orders(self, db, pointers)
        paid = [each.payment.model_dump() for each in new if each.payment is not None]
        if paid:
            await db.execute(self.insert(payments).on_conflict_do_nothing(), paid)
        shipped = [values for each in new for values in _parcels(each, now)]
        if shipped:
            await db.execute(self.insert(parcels).on_conflict_do_nothing(), shipped)
        events = [each.provider_event.model_dump() for each in new if each.provider_event is not None]
        if events:
            await db.execute(self.insert(provider_events).on_conflict_do_nothing(), events)
        if pointers:
            await _wake(db, [pointer.order_id for pointer, _ in pointers], now)

    async def claim_inbox(self, most: int, now: datetime, lease: timedelta) -> list[InboxRow]:
        """Take undelivered rows, the oldest first; nobody else gets them before the lease ends."""
        taken = {"now": now, "most": most, "until": now + lease}
        async with self.writing() as db:
            rows = await db.execute(_CLAIM, taken)
        found = [InboxRow.model_validate(row._asdict()) for row in rows]
        return sorted(found, key=lambda row: row.number)

    async def settle_inbox(self, verdicts: Iterable[Verdict], now: datetime) -> None:
        """Write down what came of deliveries. A row that another attempt has ended keeps its end."""
        async with self.writing() as db:
            for statement, rows in _settled(list(verdicts), now):
                await db.execute(statement, rows)

    async def wake_inbox(self, order_id: str, now: datetime) -> None:
        """Let events that wait for an order be tried at once."""
        async with self.writing() as db:
            await _wake(db, [order_id], now)

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

    async def inbox_event(self, source: str, event_id: str) -> InboxRow | None:
        """The row of one event, by its sender's own name for it."""
        query = select(inbox).where(inbox.c.source == source, inbox.c.event_id == event_id)
        async with self.reading() as db:
            row = (await db.execute(query)).one_or_none()
        return InboxRow.model_validate(row._asdict()) if row else None

    async def count_inbox(self) -> dict[str, int]:
        """How many rows are in each state. It reads all that ever came in: `count_open_inbox` does not."""
        return await self._counted(select(inbox.c.state, func.count()))

    async def count_open_inbox(self) -> dict[str, int]:
        """How many rows wait for their journey, and how many for a person."""
        states = [InboxState.RECEIVED.value, InboxState.PARKED.value]
        return await self._counted(select(inbox.c.state, func.count()).where(inbox.c.state.in_(states)))

    async def _counted(self, query: Select[Any]) -> dict[str, int]:
        async with self.reading() as db:
            rows = await db.execute(query.group_by(inbox.c.state))
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
            await self._keep_what_they_tell(db, [again], now)
        return True

    async def is_test_order(self, order_id: str) -> bool:
        """Whether an order came in as one that was placed to try the shop, and had no effect."""
        query = select(inbox.c.number).where(
            inbox.c.order_id == order_id,
            inbox.c.state == InboxState.DISPATCHED,
            inbox.c.reason == TEST_ORDER,
        )
        async with self.reading() as db:
            return (await db.execute(query.limit(1))).first() is not None


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
        "reason": each.problem or each.ignored or ("" if each.deeds else "nothing to dispatch"),
        "order_id": each.order_id,
        "tracking_number": each.tracking_number,
        "deeds": [deed.model_dump(mode="json") for deed in each.deeds],
        "raw": each.raw if each.problem else None,
        "received_at": now,
        "due_at": now,
        "attempts": 0,
        "ended_at": None if state is InboxState.RECEIVED else now,
    }


def _parcels(each: Incoming, now: datetime) -> list[dict[str, object]]:
    """Whose parcel each carrier's number is: later, a carrier tells of nothing but the number."""
    shipped = [deed.body for deed in each.deeds if deed.kind == "parcel_shipped" and each.order_id]
    return [
        {
            "tracking_number": str(body["tracking_number"]),
            "order_id": str(each.order_id),
            "parcel_id": str(body["parcel_id"]),
            "told_at": now,
        }
        for body in shipped
        if body.get("tracking_number") and body.get("parcel_id")
    ]


async def _known(db: AsyncConnection, each: Incoming) -> Acceptance:
    query = select(inbox.c.body_hash).where(inbox.c.source == each.source, inbox.c.event_id == each.event_id)
    row = (await db.execute(query)).one_or_none()
    same = row is None or row[0] == each.body_hash
    return Acceptance.REPEATED if same else Acceptance.CONFLICT


async def _wake(db: AsyncConnection, order_ids: list[str], now: datetime) -> None:
    await db.execute(_WAKE, {"now": now, "orders": order_ids})


def _settled(verdicts: list[Verdict], now: datetime) -> Iterator[tuple[Update, list[dict[str, object]]]]:
    """One statement for the rows that have come to an end, and one for those that are tried again."""
    ended = [each for each in verdicts if each.state is not InboxState.RECEIVED]
    waiting = [each for each in verdicts if each.state is InboxState.RECEIVED]
    if ended:
        yield (
            _END,
            [{"row": each.number, "told": each.reason, "to": each.state, "now": now} for each in ended],
        )
    if waiting:
        yield _WAIT, [_again(each, now) for each in waiting]


def _again(verdict: Verdict, now: datetime) -> dict[str, object]:
    told = {"row": verdict.number, "told": verdict.reason}
    return {**told, "due": verdict.due_at or now, "more": int(verdict.counts)}


@cache
def _unless_known(is_sqlite: bool) -> ReturningInsert[Any]:
    statement = insert_into(inbox, is_sqlite).on_conflict_do_nothing()
    return statement.returning(inbox.c.source, inbox.c.event_id)


def _claim() -> ReturningUpdate[Any]:
    free = or_(inbox.c.leased_until.is_(None), inbox.c.leased_until <= _NOW)
    due = select(inbox.c.number).where(inbox.c.state == InboxState.RECEIVED, inbox.c.due_at <= _NOW, free)
    first = due.order_by(inbox.c.number).limit(bindparam("most", type_=Integer))
    chosen = first.with_for_update(skip_locked=True)
    leased = {"leased_until": bindparam("until", type_=Moment)}
    return update(inbox).where(inbox.c.number.in_(chosen)).values(leased).returning(*inbox.c)


_NOW: BindParameter[datetime] = bindparam("now", type_=Moment)
_ROW = (inbox.c.number == bindparam("row")) & (inbox.c.state == InboxState.RECEIVED)
_TOLD: dict[str, Any] = {"reason": bindparam("told"), "leased_until": None}

# To build a statement costs more than to run it, so each of the busy ones is built once.
_CLAIM = _claim()
_WAKE = (
    update(inbox)
    .where(inbox.c.state == InboxState.RECEIVED, inbox.c.due_at > _NOW)
    .where(inbox.c.order_id.in_(bindparam("orders", expanding=True)))
    .values(due_at=_NOW)
)
_END = update(inbox).where(_ROW).values(_TOLD | {"state": bindparam("to"), "ended_at": _NOW})
_WAIT = (
    update(inbox)
    .where(_ROW)
    .values(_TOLD | {"due_at": bindparam("due"), "attempts": inbox.c.attempts + bindparam("more")})
)


def _accepted(each: Incoming) -> Acceptance:
    return Acceptance.PARKED if each.problem else Acceptance.NEW
