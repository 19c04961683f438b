"""Return cases, what is to be sent in exchange or as a replacement, and the papers that were made."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, Row, select

from journey import names
from journey.facts import Line, Model
from journey.times import Instant
from ledger.database import Database
from ledger.return_tables import dispatches, papers, returns
from ledger.tables import journeys, orders


class ReturnRow(Model):
    """A return as the ledger knows it. Nothing personal is in it."""

    order_id: str
    return_id: str
    kind: str
    stage: str
    request_id: str | None = None
    case: dict[str, Any]
    opened_at: Instant
    closed_at: Instant | None = None


class Dispatch(Model):
    """Goods that the shop is to send: once for each key."""

    order_id: str
    return_id: str
    key: str
    kind: str
    lines: tuple[Line, ...]
    created_at: Instant


class Paper(Model):
    """A label, or a sheet for the packer. It carries an address: personal."""

    order_id: str
    key: str
    kind: str
    provider: str
    provider_id: str | None = None
    tracking_number: str | None = None
    carrier: str | None = None
    media_type: str | None = None
    content: bytes | None = Field(default=None, repr=False)
    code: bytes | None = Field(default=None, repr=False, description="The QR code, as a PNG.")
    created_at: Instant


class Returns(Database):
    """The returns' rows."""

    async def keep_return(self, row: ReturnRow) -> None:
        """Write how far a return is, over what was known of it."""
        values = row.model_dump()
        closed = returns.c.closed_at.is_(None)
        async with self.writing() as db:
            await db.execute(
                self.upsert(returns, values, [returns.c.order_id, returns.c.return_id], where=closed)
            )

    async def note_return(self, row: ReturnRow) -> None:
        """Write a return that has just been granted, unless its own journey has written it by now."""
        async with self.writing() as db:
            await db.execute(self.insert(returns).values(row.model_dump()).on_conflict_do_nothing())

    async def return_row(self, order_id: str, return_id: str) -> ReturnRow | None:
        found = await self.returns(returns.c.order_id == order_id, returns.c.return_id == return_id)
        return found[0] if found else None

    async def claim_return(
        self, order_id: str, decide: Callable[[list[ReturnRow]], ReturnRow | None]
    ) -> ReturnRow | None:
        """Open a return of an order whose journey is over: `decide` sees what was opened before, alone."""
        async with self.writing() as db:
            await db.execute(select(orders.c.order_id).where(orders.c.order_id == order_id).with_for_update())
            known = await db.execute(select(returns).where(returns.c.order_id == order_id))
            row = decide([_row(each) for each in known])
            if row is not None:
                await db.execute(self.insert(returns).values(row.model_dump()).on_conflict_do_nothing())
            return row

    async def returns_of(self, order_id: str) -> list[ReturnRow]:
        return await self.returns(returns.c.order_id == order_id)

    async def returns_unbegun(self, before: datetime) -> list[ReturnRow]:
        """Open returns of orders whose journey is over, opened before then, of which nothing is known but
        that they were asked for: those that began and are no further are among them."""
        ended = select(journeys.c.order_id)
        return await self.returns(
            returns.c.closed_at.is_(None),
            returns.c.stage == "asked",
            returns.c.opened_at < before,
            returns.c.order_id.in_(ended),
        )

    async def returns(self, *wanted: ColumnElement[bool]) -> list[ReturnRow]:
        """The oldest first."""
        query = select(returns).where(*wanted).order_by(returns.c.opened_at, returns.c.return_id)
        async with self.reading() as db:
            return [_row(row) for row in await db.execute(query)]

    async def keep_dispatch(self, dispatch: Dispatch) -> bool:
        """Order the goods, once; whether it was new."""
        values = dispatch.model_dump(exclude={"key", "lines"}) | {
            "business_key": names.send_key(dispatch.order_id, dispatch.key),
            "lines": [line.model_dump(mode="json", exclude_none=True) for line in dispatch.lines],
        }
        statement = self.insert(dispatches).values(values).on_conflict_do_nothing()
        async with self.writing() as db:
            return (await db.execute(statement.returning(dispatches.c.order_id))).one_or_none() is not None

    async def dispatches_of(self, order_id: str) -> list[Dispatch]:
        async with self.reading() as db:
            rows = await db.execute(select(dispatches).where(dispatches.c.order_id == order_id))
        return [Dispatch.model_validate(_keyed(row)) for row in rows]

    async def keep_paper(self, paper: Paper) -> None:
        """Write a paper, over an unfinished one of the same key."""
        values = paper.model_dump(exclude={"key"}) | {
            "business_key": names.send_key(paper.order_id, paper.key)
        }
        unfinished = papers.c.content.is_(None)
        async with self.writing() as db:
            await db.execute(self.upsert(papers, values, [papers.c.business_key], where=unfinished))

    async def paper(self, order_id: str, key: str) -> Paper | None:
        found = await self._papers(papers.c.business_key == names.send_key(order_id, key))
        return found[0] if found else None

    async def papers_of(self, order_id: str) -> list[Paper]:
        return await self._papers(papers.c.order_id == order_id)

    async def _papers(self, *wanted: ColumnElement[bool]) -> list[Paper]:
        query = select(papers).where(*wanted).order_by(papers.c.created_at, papers.c.business_key)
        async with self.reading() as db:
            return [Paper.model_validate(_keyed(row)) for row in await db.execute(query)]


def _row(row: Row[Any]) -> ReturnRow:
    return ReturnRow.model_validate(row._asdict())


def _keyed(row: Row[Any]) -> dict[str, Any]:
    values = row._asdict()
    business_key = values.pop("business_key")
    return {**values, "key": business_key.removeprefix(f"{values['order_id']}/")}
