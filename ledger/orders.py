"""Whose an order is, and where it goes: what a journey only points to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from journey.facts import Model
from journey.names import OpaqueId
from journey.times import Instant
from ledger.customers import OneLine
from ledger.database import Database
from ledger.door_tables import customer_details
from ledger.tables import orders


class OrderPointer(Model):
    """The personal part of an order: who receives it, and where."""

    order_id: OpaqueId
    customer_id: OpaqueId
    placed_at: Instant
    recipient: OneLine | None = None
    address: Annotated[tuple[OneLine, ...], Field(max_length=10)] = ()


async def keep_orders(
    database: Database, db: AsyncConnection, told: Sequence[tuple[OrderPointer, datetime]]
) -> None:
    """Write pointers, each with when it was true, over older ones, within the caller's transaction.

    Of who was forgotten since then, only the ids are written.
    """
    personal = {each.customer_id for each, _ in told if each.recipient is not None or each.address}
    found = await db.execute(_FORGOTTEN, {"customers": sorted(personal)}) if personal else ()
    forgotten = {str(row[0]): row[1] for row in found}
    rows = []
    for pointer, at in told:
        row = {**pointer.model_dump(), "address": list(pointer.address)}
        since = forgotten.get(pointer.customer_id)
        is_late = since is not None and since >= at
        rows.append(row | {"recipient": None, "address": []} if is_late else row)
    await database.upsert_all(db, orders, rows, [orders.c.order_id])


_FORGOTTEN = select(customer_details.c.customer_id, customer_details.c.forgotten_at).where(
    customer_details.c.forgotten_at.is_not(None),
    customer_details.c.customer_id.in_(bindparam("customers", expanding=True)),
)


class Orders(Database):
    """The orders' rows."""

    async def keep_order(self, order: OrderPointer) -> None:
        """Write the pointer, over an older one if there is one; as true as of when the order was placed."""
        async with self.writing() as db:
            await keep_orders(self, db, [(order, order.placed_at)])

    async def order(self, order_id: str) -> OrderPointer | None:
        async with self.reading() as db:
            row = (await db.execute(select(orders).where(orders.c.order_id == order_id))).one_or_none()
        return OrderPointer.model_validate(row._asdict()) if row else None

    async def bought_before(self, customer_id: str, order_id: str, placed_at: datetime) -> bool:
        """Whether the customer placed an earlier order, as far as this ledger goes back. Of two at one
        instant the smaller id is the earlier, so that only one of them is the first."""
        earlier = (orders.c.placed_at < placed_at) | (
            (orders.c.placed_at == placed_at) & (orders.c.order_id < order_id)
        )
        asked = select(orders.c.order_id).where(orders.c.customer_id == customer_id, earlier).limit(1)
        async with self.reading() as db:
            return (await db.execute(asked)).one_or_none() is not None
