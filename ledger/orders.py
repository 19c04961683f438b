"""Whose an order is, and where it goes: what a journey only points to."""

from typing import Annotated

from pydantic import Field
from sqlalchemy import select

from journey.facts import Model
from journey.names import OpaqueId
from journey.times import Instant
from ledger.customers import OneLine
from ledger.database import Database
from ledger.tables import orders


class OrderPointer(Model):
    """The personal part of an order: who receives it, and where."""

    order_id: OpaqueId
    customer_id: OpaqueId
    placed_at: Instant
    recipient: OneLine | None = None
    address: Annotated[tuple[OneLine, ...], Field(max_length=10)] = ()


class Orders(Database):
    """The orders' rows."""

    async def keep_order(self, order: OrderPointer) -> None:
        """Write the pointer, over an older one if there is one."""
        values = {**order.model_dump(), "address": list(order.address)}
        async with self.writing() as db:
            await db.execute(self.upsert(orders, values, [orders.c.order_id]))

    async def order(self, order_id: str) -> OrderPointer | None:
        async with self.reading() as db:
            row = (await db.execute(select(orders).where(orders.c.order_id == order_id))).one_or_none()
        return OrderPointer.model_validate(row._asdict()) if row else None
