"""Whose an order is, and where it goes: what a journey only points to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

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
from ledger.words import newest_words


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
    """Merge pointers, each with when it was true, within the caller's transaction: the newest word counts,
    and a recipient or an address that is not told wipes nothing.

    Of who was forgotten since then, only the ids are written.
    """
    personal = {each.customer_id for each, _ in told if each.recipient is not None or each.address}
    found = await db.execute(_FORGOTTEN, {"customers": sorted(personal)}) if personal else ()
    forgotten = {str(row[0]): row[1] for row in found}
    rows = []
    for pointer, at in told:
        since = forgotten.get(pointer.customer_id)
        is_late = since is not None and since >= at
        rows.append(_row(pointer.model_copy(update=_NOBODY) if is_late else pointer, at))
    if rows:
        await db.execute(newest_words(database.is_sqlite, orders, orders.c.order_id, _TIMES), rows)


def _row(pointer: OrderPointer, at: datetime) -> dict[str, Any]:
    return {
        **pointer.model_dump(),
        "address": list(pointer.address),
        "told_at": at,
        "recipient_at": at if pointer.recipient is not None else None,
        "address_at": at if pointer.address else None,
    }


_NOBODY: dict[str, Any] = {"recipient": None, "address": ()}
_TIMES = (
    ("customer_id", "told_at"),
    ("placed_at", "told_at"),
    ("recipient", "recipient_at"),
    ("address", "address_at"),
)
_POINTER = [orders.c[name] for name in OrderPointer.model_fields]


_FORGOTTEN = select(customer_details.c.customer_id, customer_details.c.forgotten_at).where(
    customer_details.c.forgotten_at.is_not(None),
    customer_details.c.customer_id.in_(bindparam("customers", expanding=True)),
)


class Orders(Database):
    """The orders' rows."""

    async def keep_order(self, order: OrderPointer) -> None:
        """Merge the pointer with an older one if there is one; as true as of when the order was placed."""
        async with self.writing() as db:
            await keep_orders(self, db, [(order, order.placed_at)])

    async def order(self, order_id: str) -> OrderPointer | None:
        async with self.reading() as db:
            row = (await db.execute(select(*_POINTER).where(orders.c.order_id == order_id))).one_or_none()
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
