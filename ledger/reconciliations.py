"""Passes of reconciliation: how far each is, what it found, and how it stands with those who are asked."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from journey.facts import Model
from journey.reconciling import Gaps, PassReport, PassRequest, Standing
from journey.times import Instant
from ledger.database import Database
from ledger.door_tables import inbox
from ledger.reconciliation_tables import passes, standings

RECONCILED = "reconciled"
"""How the ids of events begin that a pass took in."""

GIVEN_UP_AFTER = timedelta(hours=1)
"""A pass that has not ended by then is tried no more (`workflows/policies.py`); the next one takes it up."""

KEPT_FOR = timedelta(days=90)
"""How long the figures of a pass are kept."""

_COUNTS = {"expected", "seen", "filled", "unread", "overdue", "overdue_since", "problem"}


class Pass(Model):
    """One pass. Nothing personal is in it: `cursor` is the shop's own mark of a page."""

    number: int
    token: str
    name: str
    began_at: Instant
    ended_at: Instant | None
    since: Instant | None
    watermark: Instant = Field(description="Up to when everything is known, once it has ended.")
    cursor: str | None
    expected: int | None = Field(description="How many there are to look at, where that is known.")
    seen: int
    filled: int
    unread: int
    overdue: int = Field(description="Of those filled, how many a webhook should have brought by then.")
    overdue_since: Instant | None
    warnings: tuple[str, ...]
    problem: str

    @property
    def gaps(self) -> Gaps:
        return Gaps(self.overdue, self.overdue_since)

    def report(self) -> PassReport:
        return PassReport.model_validate(self.model_dump(include=set(PassReport.model_fields)))


class Reconciliations(Database):
    """The passes' rows, and one standing for each who is asked."""

    async def open_pass(self, request: PassRequest, since: datetime | None, now: datetime) -> Pass:
        """Begin a pass, or take it up where an earlier attempt left it; or, if the last pass came to no end
        in its time, where that one was, so that a list which takes longer is read to its end as well."""
        named = passes.c.name == str(request.name)
        async with self.writing() as db:
            if known := await _newest(db, named, passes.c.token == request.token):
                return known
            last = await _newest(db, named)
            values = _begun(request, since, now)
            if last is not None and request.since is None:
                values |= _left_by(last, now)
            return _pass((await db.execute(self.insert(passes).values(values).returning(*passes.c))).one())

    async def advance_pass(self, going: Pass) -> None:
        """Write how far a pass is. What it counts is in the ledger by then."""
        async with self.writing() as db:
            await _write(db, going, **going.model_dump(include=_COUNTS | {"cursor"}))

    async def note_pass(self, going: Pass, problem: str) -> None:
        """Write what an attempt met with; the next one goes on from where the row says."""
        async with self.writing() as db:
            await _write(db, going, problem=problem)

    async def end_pass(self, ended: Pass, standing: Standing, now: datetime) -> Pass:
        """Close a pass and write down how it stands, both or neither. A watermark never goes back."""
        async with self.writing() as db:
            kept = await _standing(db, standing.name)
            marks = [mark for mark in (kept.watermark, standing.watermark) if mark is not None]
            standing = standing.model_copy(update={"watermark": max(marks, default=None)})
            values = {"watermark": standing.watermark, "standing": standing.model_dump(mode="json")}
            row = {"name": standing.name, **values}
            await db.execute(self.upsert(standings, row, [standings.c.name]))
            closing = {"ended_at": now, "warnings": standing.warnings(), "cursor": None}
            ended = ended.model_copy(update=closing)
            await _write(db, ended, **ended.model_dump(include=_COUNTS | set(closing)))
            await db.execute(delete(passes).where(passes.c.began_at < now - KEPT_FOR))
        return ended

    async def standing(self, name: str) -> Standing:
        """How it stands with one who is asked; a blank one before the first pass."""
        async with self.reading() as db:
            return await _standing(db, name)

    async def reconcile_warnings(self) -> tuple[str, ...]:
        """What a person should look at, by the last pass of each who is asked."""
        last = select(func.max(passes.c.number)).group_by(passes.c.name)
        stuck = select(passes).where(passes.c.number.in_(last), passes.c.ended_at.is_(None))
        async with self.reading() as db:
            rows = await db.execute(select(standings.c.standing).order_by(standings.c.name))
            told = [line for row in rows for line in Standing.model_validate(row[0]).warnings()]
            unfinished = [_pass(row) for row in await db.execute(stuck.order_by(passes.c.name))]
        told += [f"{each.name}: {each.problem}" for each in unfinished if each.problem]
        return tuple(dict.fromkeys(told))

    async def last_passes(self, most: int = 20, *, token: str | None = None) -> list[Pass]:
        """The newest first; those of one run only, if there is a `token`."""
        query = select(passes).order_by(passes.c.number.desc()).limit(most)
        if token is not None:
            query = query.where(passes.c.token == token)
        async with self.reading() as db:
            return [_pass(row) for row in await db.execute(query)]

    async def heard_since(self, source: str, number: int) -> tuple[dict[str, datetime], int]:
        """When each topic of a source last came by webhook, of the inbox's rows after `number`; and the
        number of the last row, to begin with the next time."""
        own = (inbox.c.source == source) & (inbox.c.number > number)
        by_webhook = own & inbox.c.event_id.not_like(f"{RECONCILED}/%")
        latest = select(inbox.c.topic, func.max(inbox.c.received_at).label("at"))
        async with self.reading() as db:
            rows = await db.execute(latest.where(by_webhook).group_by(inbox.c.topic))
            heard = {str(row[0]): row[1] for row in rows}
            last = (await db.execute(select(func.max(inbox.c.number)))).scalar_one()
        return heard, int(last or number)


def _begun(request: PassRequest, since: datetime | None, now: datetime) -> dict[str, Any]:
    return {
        "token": request.token,
        "name": str(request.name),
        "began_at": now,
        "since": since,
        "watermark": now,
        **{"seen": 0, "filled": 0, "unread": 0, "overdue": 0, "warnings": [], "problem": ""},
    }


def _left_by(last: Pass, now: datetime) -> dict[str, Any]:
    """Where a pass was that nobody goes on with."""
    if last.ended_at is not None or last.cursor is None or last.began_at > now - GIVEN_UP_AFTER:
        return {}
    kept = {"since", "watermark", "cursor", "expected", "overdue", "overdue_since"}
    return last.model_dump(include=kept)


async def _newest(db: AsyncConnection, *wanted: ColumnElement[bool]) -> Pass | None:
    query = select(passes).where(*wanted).order_by(passes.c.number.desc()).limit(1)
    row = (await db.execute(query)).one_or_none()
    return _pass(row) if row else None


def _pass(row: Any) -> Pass:
    return Pass.model_validate(row._asdict())


async def _write(db: AsyncConnection, each: Pass, **values: Any) -> None:
    await db.execute(update(passes).where(passes.c.number == each.number).values(values))


async def _standing(db: AsyncConnection, name: str) -> Standing:
    query = select(standings.c.standing).where(standings.c.name == name)
    row = (await db.execute(query)).one_or_none()
    return Standing.model_validate(row[0]) if row else Standing(name=name)
