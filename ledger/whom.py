"""Whose wish it is, where an address is all that is known: ids in the place of the address."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.database import Database
from ledger.door_tables import erasures
from ledger.incoming import Deed, Incoming, Wish
from ledger.tables import customers


async def keep_until_told(
    database: Database, db: AsyncConnection, wishes: Sequence[Wish], now: datetime
) -> None:
    """Keep the addresses that are to be forgotten until that is done, within the transaction that takes the
    wishes in: one that is known already opens nothing again."""
    rows: list[dict[str, Any]] = [
        {
            "customer_id": _address_id(database, wish.email),
            "requested_at": now,
            "done_at": None,
            "receipt": {},
            "addresses": [wish.email],
            "mailer": "",
            "scrubbed_at": None,
        }
        for wish in wishes
    ]
    await database.upsert_all(db, erasures, rows, [erasures.c.customer_id])


class Whom(Database):
    """Finds people by their addresses."""

    async def named(self, incoming: Incoming) -> Incoming:
        """The event about every customer who has the address. The address itself is also somebody: it may
        stand in what nobody could read, and the mail provider may know it."""
        wish = incoming.wish
        if wish is None:
            return incoming
        found = await self.customers_at(wish.email)
        ids = (*found, _address_id(self, wish.email))
        told = [Deed(kind=wish.kind, body={"customer_id": each}) for each in ids]
        return incoming.model_copy(update={"deeds": (*incoming.deeds, *told)})

    async def customers_at(self, email: str) -> list[str]:
        """Every customer id under which an address is known, in whatever letters."""
        query = select(customers.c.customer_id).where(func.lower(customers.c.email) == email.lower())
        async with self.reading() as db:
            return sorted(str(row[0]) for row in await db.execute(query))


def _address_id(database: Database, email: str) -> str:
    return f"address-{database.addresses.of(email)[2:34]}"
