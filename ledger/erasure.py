"""Forgetting a customer, and telling them what is known."""

from datetime import datetime
from typing import Any

from sqlalchemy import Delete, Update, delete, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from journey.facts import Model
from journey.times import Instant
from ledger.database import Database
from ledger.door_tables import customer_details, erasures, inbox
from ledger.return_tables import papers, returns
from ledger.send_tables import consents
from ledger.tables import customers, late_facts, letters, orders, sends


class Erasure(Model):
    """The receipt: how many rows were emptied, by table. It is all that stays."""

    customer_id: str
    requested_at: Instant
    done_at: Instant | None
    receipt: dict[str, int]


class Erasures(Database):
    """Forgetting is one transaction, so that it is done whole or not at all, and may be repeated."""

    async def erase_customer(self, customer_id: str, now: datetime) -> Erasure:
        """Empty everything personal of a customer. What stays are opaque ids, times and outcomes.

        From now on nothing older than this moment is taken in again about them.
        """
        async with self.writing() as db:
            counts = {name: await _count(db, each) for name, each in (await _parts(db, customer_id)).items()}
            details = {"customer_id": customer_id, "forgotten_at": now, "birthday": None, "told_at": None}
            await db.execute(self.upsert(customer_details, details, [customer_details.c.customer_id]))
            row = {"customer_id": customer_id, "requested_at": now, "done_at": now, "receipt": counts}
            await db.execute(self.upsert(erasures, row, [erasures.c.customer_id]))
        await self._leave_no_trace()
        return Erasure.model_validate(row)

    async def erasure(self, customer_id: str) -> Erasure | None:
        """The receipt of the last time that a customer was forgotten."""
        query = select(erasures).where(erasures.c.customer_id == customer_id)
        async with self.reading() as db:
            row = (await db.execute(query)).one_or_none()
        return Erasure.model_validate(row._asdict()) if row else None

    async def export_customer(self, customer_id: str) -> dict[str, list[dict[str, Any]]]:
        """Everything that is kept about a customer, table by table."""
        references = select(sends.c.reference).where(sends.c.customer_id == customer_id)
        own_orders = select(orders.c.order_id).where(orders.c.customer_id == customer_id)
        wanted = {
            "profile": select(customers).where(customers.c.customer_id == customer_id),
            "details": select(customer_details).where(customer_details.c.customer_id == customer_id),
            "consents": select(consents).where(consents.c.customer_id == customer_id),
            "orders": select(orders).where(orders.c.customer_id == customer_id),
            "returns": select(returns).where(returns.c.order_id.in_(own_orders)),
            "papers": select(papers).where(papers.c.order_id.in_(own_orders)),
            "messages": select(sends).where(sends.c.customer_id == customer_id),
            "letters": select(letters).where(letters.c.reference.in_(references)),
        }
        async with self.reading() as db:
            return {
                name: [row._asdict() for row in await db.execute(query)] for name, query in wanted.items()
            }

    async def _leave_no_trace(self) -> None:
        """Deleted rows are overwritten by SQLite; what its log still holds of them is written over here."""
        if self.is_sqlite:
            async with self.bare() as db:
                await db.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


async def _parts(db: AsyncConnection, customer_id: str) -> dict[str, Delete | Update]:
    own = orders.c.customer_id == customer_id
    order_ids = select(orders.c.order_id).where(own)
    references = select(sends.c.reference).where(sends.c.customer_id == customer_id)
    return {
        # While it is known who it is: what was parked unread may name them.
        "inbox": await _unread(db, customer_id),
        "letters": delete(letters).where(letters.c.reference.in_(references)),
        "late_facts": update(late_facts).where(late_facts.c.order_id.in_(order_ids)).values(body={}),
        "orders": update(orders).where(own).values(recipient=None, address=[]),
        # Emptied, not removed: a paper that is there is not bought again.
        "papers": update(papers).where(papers.c.order_id.in_(order_ids)).values(content=b"", code=b""),
        "consents": delete(consents).where(consents.c.customer_id == customer_id),
        "customers": delete(customers).where(customers.c.customer_id == customer_id),
    }


async def _unread(db: AsyncConnection, customer_id: str) -> Update:
    row = (await db.execute(select(customers).where(customers.c.customer_id == customer_id))).one_or_none()
    shop_s = customer_id.partition("-")[2]
    words = [word for word in (row.email, row.phone, row.name) if word and len(word) > 4] if row else []
    words += [shop_s] if len(shop_s) > 4 else []
    named = or_(*(inbox.c.raw.contains(word, autoescape=True) for word in words), inbox.c.number < 0)
    values: dict[str, Any] = {
        "raw": None,
        "deeds": [],
        "reason": "its customer is forgotten",
        "state": "dispatched",
    }
    return update(inbox).where(inbox.c.raw.is_not(None), named).values(values)


async def _count(db: AsyncConnection, statement: Delete | Update) -> int:
    return int((await db.execute(statement)).rowcount)
