"""Forgetting a customer."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import ColumnElement, Delete, Text, Update, cast, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from journey.facts import Model
from journey.names import Code, OpaqueId
from journey.times import Instant
from ledger.belongings import (
    addresses_of,
    is_own_order,
    is_own_send,
    own_orders,
    own_references,
    rows_of_the_inbox,
    unread_about,
)
from ledger.door_tables import customer_details, erasures, inbox
from ledger.permissions import Permissions, lock_customer
from ledger.return_tables import asked, papers
from ledger.send_tables import consents, suppressions
from ledger.tables import customers, late_facts, letters, orders, sends

_EMPTIED = (
    "customers, customer_details, orders, letters, late_facts, inbox, papers, asked, erasures, consents"
)


class Busy(Exception):
    """The database is read by somebody so that traces cannot be wiped now; ask again."""


class Closing(Model):
    """A person gave up what the mail provider never accepted. Nothing personal is in it."""

    by: OpaqueId
    at: Instant
    why: Code
    addresses: int = Field(description="So many were not confirmed to be forgotten by the provider.")
    answer: str = Field(description="What the provider answered last.")


class Erasure(Model):
    """The receipt: how many rows were emptied, by table, and what the mail provider was told."""

    customer_id: str
    requested_at: Instant
    done_at: Instant | None
    receipt: dict[str, int]
    mailer: str = ""
    scrubbed_at: Instant | None = None
    closings: tuple[Closing, ...] = Field(default=(), description="The oldest first; kept for ever.")


class Pending(Model):
    """What is left to do about somebody who is being forgotten. Personal while there are addresses."""

    addresses: tuple[str, ...]
    busy_until: Instant | None
    """Until then letters to them may still be on their way to the provider."""


class Erasures(Permissions):
    """Each step is one transaction, is done whole or not at all, and may be repeated."""

    async def erase_customer(self, customer_id: str, now: datetime) -> Erasure:
        """Empty everything personal of a customer. What stays are opaque ids, times and outcomes; the
        addresses stay only until the mail provider was told of them.

        From now on no letter is claimed for them, and nothing older than this moment is taken in again.
        """
        async with self.writing() as db:
            await lock_customer(db, customer_id)
            kept = await earlier(db, customer_id)
            is_open = kept is not None and kept["done_at"] is None
            found = await addresses_of(db, customer_id)
            addresses = sorted({*found, *(kept["addresses"] if kept else [])})
            await self._keep_suppressed(db, customer_id, addresses)
            parts = await _parts(db, customer_id, addresses)
            counts = {name: await _count(db, each) for name, each in parts.items()}
            emptied = dict.fromkeys(("birthday", "birthday_at", "told_at"))
            details = {"customer_id": customer_id, "forgotten_at": now, **emptied}
            await db.execute(self.upsert(customer_details, details, [customer_details.c.customer_id]))
            before = kept["receipt"] if kept else {}
            row = {
                "customer_id": customer_id,
                "requested_at": kept["requested_at"] if kept and is_open else now,
                "done_at": None,
                "receipt": {name: before.get(name, 0) + count for name, count in counts.items()},
                "addresses": addresses,
                "mailer": kept["mailer"] if kept and not found else "",
                "scrubbed_at": None,
                "closings": kept["closings"] if kept else [],
            }
            await db.execute(self.upsert(erasures, row, [erasures.c.customer_id]))
        return _receipt(row)

    async def pending_erasure(self, customer_id: str, now: datetime) -> Pending:
        """What the mail provider is still to be told, and whether it may be told now."""
        # What a dead worker had claimed is given up with its lease.
        flying = select(func.max(sends.c.leased_until)).where(
            sends.c.customer_id == customer_id, sends.c.state == "claimed", sends.c.leased_until > now
        )
        query = select(erasures.c.addresses).where(erasures.c.customer_id == customer_id)
        async with self.reading() as db:
            addresses = (await db.execute(query)).scalar_one_or_none() or []
            busy = (await db.execute(flying)).scalar_one()
        return Pending(addresses=tuple(addresses), busy_until=busy)

    async def note_mailer(self, customer_id: str, told: str, *, taken: Collection[str] = ()) -> None:
        """Write into the receipt what came of telling the mail provider, without the addresses that it has
        taken. What was asked for meanwhile stays."""
        async with self.writing() as db:
            await lock_customer(db, customer_id)
            if kept := await earlier(db, customer_id):
                left = [each for each in kept["addresses"] if each not in taken]
                which = erasures.c.customer_id == customer_id
                await db.execute(update(erasures).where(which).values(mailer=told, addresses=left))

    async def finish_erasure(self, customer_id: str, now: datetime) -> bool:
        """Wipe what the database itself still holds of emptied rows, and close the receipt; False where
        something is left to do first. Raises `Busy`."""
        await self._leave_no_trace()
        done = (erasures.c.customer_id == customer_id) & (func.length(_as_text(erasures.c.addresses)) <= 2)
        statement = update(erasures).where(done, erasures.c.done_at.is_(None)).values(done_at=now)
        async with self.writing() as db:
            await db.execute(statement)
            query = select(erasures.c.done_at).where(erasures.c.customer_id == customer_id)
            return (await db.execute(query)).scalar_one_or_none() is not None

    async def erasure(self, customer_id: str) -> Erasure | None:
        """The receipt of the last time that a customer was forgotten."""
        found = await self.erasures(erasures.c.customer_id == customer_id)
        return found[0] if found else None

    async def erasures(self, *wanted: ColumnElement[bool]) -> list[Erasure]:
        """Receipts, the oldest first; without `done_at` something is left to do."""
        query = select(erasures).where(*wanted).order_by(erasures.c.requested_at, erasures.c.customer_id)
        async with self.reading() as db:
            return [_receipt(row._asdict()) for row in await db.execute(query)]

    async def scrub(self, now: datetime) -> list[str]:
        """Write the tables anew that held persons, so that nothing of the emptied rows is in the database's
        files; what could not be done, in words. On PostgreSQL each table is locked meanwhile."""
        left = [] if self.is_sqlite else await self._rewrite()
        if self.is_sqlite:
            async with self.bare() as db:
                await db.execute(text("VACUUM"))
            await self._leave_no_trace()
        done = erasures.c.done_at.is_not(None) & erasures.c.scrubbed_at.is_(None)
        async with self.writing() as db:
            await db.execute(update(erasures).where(done).values(scrubbed_at=now))
        return left

    async def _rewrite(self) -> list[str]:
        async with self.bare() as db:
            await db.execute(text(f"VACUUM (FULL) {_EMPTIED}"))
        left = []
        for statement, purpose in (
            ("CHECKPOINT", "the old files go with the next checkpoint"),
            ("SELECT pg_switch_wal()", "the log's current file is kept until it is full"),
            ("CHECKPOINT", ""),
        ):
            try:
                async with self.bare() as db:
                    await db.execute(text(statement))
            except Exception:
                left += [purpose] if purpose else []
        return left

    async def _leave_no_trace(self) -> None:
        """Deleted rows are overwritten by SQLite; what its log still holds of them is written over here.
        PostgreSQL gives up the rows' old versions."""
        async with self.bare() as db:
            if not self.is_sqlite:
                await db.execute(text(f"VACUUM (INDEX_CLEANUP ON) {_EMPTIED}"))
                return
            busy = (await db.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))).scalar_one()
        if busy:
            raise Busy

    async def _keep_suppressed(self, db: AsyncConnection, customer_id: str, addresses: list[str]) -> None:
        """Who must not be written to stays so at that address, under whatever name they come back."""
        query = select(suppressions).where(
            suppressions.c.customer_id == customer_id, suppressions.c.address_key == ""
        )
        rows = [row._asdict() for row in await db.execute(query)]
        bound = [row | {"address_key": self.addresses.of(each)} for row in rows for each in addresses]
        if bound:
            await db.execute(self.insert(suppressions).on_conflict_do_nothing(), bound)


def _receipt(row: dict[str, Any]) -> Erasure:
    return Erasure.model_validate({name: row[name] for name in Erasure.model_fields})


def _as_text(column: ColumnElement[Any]) -> ColumnElement[str]:
    return cast(column, Text)


async def earlier(db: AsyncConnection, customer_id: str) -> dict[str, Any] | None:
    """The receipt as it is so far: what was emptied before stays in it."""
    query = select(erasures).where(erasures.c.customer_id == customer_id)
    row = (await db.execute(query)).one_or_none()
    return row._asdict() if row else None


async def _parts(db: AsyncConnection, customer_id: str, addresses: list[str]) -> dict[str, Delete | Update]:
    own, mine = is_own_order(customer_id), is_own_send(customer_id)
    order_ids, references = own_orders(customer_id), own_references(customer_id)
    # What is empty already is not counted again when a step is repeated.
    unread = await _unread(db, customer_id, addresses)
    return {
        # While it is known who it is: what was parked unread may name them.
        "inbox": unread,
        "letters": delete(letters).where(letters.c.reference.in_(references)),
        "sends": update(sends).where(mine, sends.c.address_key.is_not(None)).values(address_key=None),
        "late_facts": update(late_facts)
        .where(late_facts.c.order_id.in_(order_ids), _as_text(late_facts.c.body) != "{}")
        .values(body={}),
        "asked": update(asked)
        .where(asked.c.order_id.in_(order_ids), asked.c.words.is_not(None))
        .values(words=None),
        # Emptied, not removed: a paper that is there is not bought again.
        "papers": update(papers)
        .where(papers.c.order_id.in_(order_ids), or_(papers.c.content != b"", papers.c.code != b""))
        .values(content=b"", code=b""),
        "orders": update(orders)
        .where(own, or_(orders.c.recipient.is_not(None), _as_text(orders.c.address) != "[]"))
        .values(recipient=None, address=[], recipient_at=None, address_at=None),
        "consents": delete(consents).where(consents.c.customer_id == customer_id),
        "customers": delete(customers).where(customers.c.customer_id == customer_id),
    }


async def _unread(db: AsyncConnection, customer_id: str, addresses: list[str]) -> Update:
    named = rows_of_the_inbox(await unread_about(db, customer_id, addresses))
    values: dict[str, Any] = {
        "raw": None,
        "deeds": [],
        "reason": "its customer is forgotten",
        "state": "dispatched",
    }
    return update(inbox).where(named, inbox.c.raw.is_not(None)).values(values)


async def _count(db: AsyncConnection, statement: Delete | Update) -> int:
    return int((await db.execute(statement)).rowcount)
