"""What in the ledger is a customer's: the one answer for forgetting it and for telling it."""

import json
from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.door_tables import customer_details, erasures, inbox
from ledger.send_tables import consents, suppressions
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


async def knows(db: AsyncConnection, customer_id: str) -> bool:
    """Whether anything is kept under an id, or was until it was forgotten."""
    by_id = (customers, customer_details, consents, suppressions, erasures)
    own = [select(table).where(table.c.customer_id == customer_id) for table in by_id]
    own += [select(orders).where(is_own_order(customer_id)), select(sends).where(is_own_send(customer_id))]
    if (await db.execute(select(or_(*(each.exists() for each in own))))).scalar_one():
        return True
    return bool(await unread_about(db, customer_id, ()))


async def unread_about(db: AsyncConnection, customer_id: str, addresses: Collection[str]) -> list[int]:
    """The rows of the inbox with a body that nobody could read and that may have them in it. Loosely, so that
    nothing of the forgotten is left: `Peter` is found in `Petersen`. To tell it to them would be wrong.

    Compared here and not by the database: each order is a word, and SQLite takes less than a thousand.
    """
    words = await _words(db, customer_id, addresses)
    folded = {word.casefold() for word in words}
    found: list[int] = []
    last = 0
    while rows := (await db.execute(_UNREAD, {"last": last})).all():
        found += [number for number, raw in rows if _has(raw, words) or _has(raw.casefold(), folded)]
        last = rows[-1][0]
    return found


def rows_of_the_inbox(numbers: Collection[int]) -> ColumnElement[bool]:
    """However many they are: a database takes some ten thousand parameters."""
    return inbox.c.number.in_(bindparam("numbers", sorted(numbers), expanding=True, literal_execute=True))


_UNREAD = (
    # Only what is parked has a body, and there is an index for it.
    select(inbox.c.number, inbox.c.raw)
    .where(inbox.c.state == "parked", inbox.c.raw.is_not(None), inbox.c.number > bindparam("last"))
    .order_by(inbox.c.number)
    .limit(20)
)
"""A few at a time, since a body may have a megabyte."""


async def _words(db: AsyncConnection, customer_id: str, addresses: Collection[str]) -> set[str]:
    """By which they are recognised, as text and as JSON may have it: with `\\u00e9` for an é."""
    query = select(customers.c.email, customers.c.phone, customers.c.name)
    row = (await db.execute(query.where(customers.c.customer_id == customer_id))).one_or_none()
    told = [word for word in {*(row or ()), *addresses} if word and len(word) > 4]
    own = [str(each[0]) for each in await db.execute(own_orders(customer_id))]
    ids = [word for word in (*own, customer_id.partition("-")[2]) if len(word) >= _TELLING]
    return {form for word in (*told, *ids) for form in (word, json.dumps(word)[1:-1])}


def _has(body: str, words: Collection[str]) -> bool:
    return any(word in body for word in words)
