"""What in the ledger is a customer's: the one answer for forgetting it and for telling it."""

import json
from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.door_tables import inbox
from ledger.tables import customers, letters, orders, sends

GUEST = "guest-"
"""Before an order's id: who bought it without an account."""

_TELLING = 8
"""Letters of an id from which on it is nobody else's number by chance."""


def is_own_order(customer_id: str) -> ColumnElement[bool]:
    """Of the table of orders."""
    return or_(orders.c.customer_id == customer_id, orders.c.order_id == _guest_s_order(customer_id))


def is_own_send(customer_id: str) -> ColumnElement[bool]:
    """Of the table of sends."""
    return or_(sends.c.customer_id == customer_id, sends.c.order_id == _guest_s_order(customer_id))


def own_orders(customer_id: str) -> Select[tuple[str]]:
    """The ids of their orders."""
    return select(orders.c.order_id).where(is_own_order(customer_id))


def own_references(customer_id: str) -> Select[tuple[str]]:
    """By what letters to them are known."""
    return select(sends.c.reference).where(is_own_send(customer_id))


def _guest_s_order(customer_id: str) -> str:
    """The order behind a guest's id; a customer with an account may have placed it after all."""
    return customer_id.removeprefix(GUEST) if customer_id.startswith(GUEST) else ""


async def addresses_of(db: AsyncConnection, customer_id: str) -> set[str]:
    """Where letters to them went, as far as it is known."""
    now = select(customers.c.email).where(customers.c.customer_id == customer_id)
    references = select(sends.c.reference).where(sends.c.customer_id == customer_id)
    before = select(letters.c.recipient).where(letters.c.reference.in_(references))
    found = [row[0] for query in (now, before) for row in await db.execute(query)]
    return {address for address in found if address}


async def names_them(
    db: AsyncConnection, customer_id: str, addresses: Collection[str]
) -> ColumnElement[bool]:
    """Of the table of the inbox: whether a body that nobody could read may have them in it. Loosely, so that
    nothing of the forgotten is left: `Peter` is found in `Petersen`. To tell it to them would be wrong."""
    query = select(customers.c.email, customers.c.phone, customers.c.name)
    row = (await db.execute(query.where(customers.c.customer_id == customer_id))).one_or_none()
    told = list(row) if row else []
    own = [str(each[0]) for each in await db.execute(own_orders(customer_id))]
    ids = {word for word in (*own, customer_id.partition("-")[2]) if len(word) >= _TELLING}
    words = [word for word in {*told, *addresses} if word and len(word) > 4] + sorted(ids)
    # As JSON may have it, too: with `\u00e9` for an é.
    written = sorted({form for word in words for form in (word, json.dumps(word)[1:-1])})
    exactly = (inbox.c.raw.contains(word, autoescape=True) for word in written)
    anyhow = (func.lower(inbox.c.raw).contains(word.lower(), autoescape=True) for word in written)
    return inbox.c.raw.is_not(None) & or_(*exactly, *anyhow, inbox.c.number < 0)
