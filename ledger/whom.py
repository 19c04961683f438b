"""Whose wish it is, where an address is all that is known: ids in the place of the address."""

from datetime import datetime

from sqlalchemy import func, select

from ledger.database import Database
from ledger.door_tables import erasures
from ledger.incoming import ERASE, Deed, Incoming
from ledger.tables import customers


class Whom(Database):
    """Finds people by their addresses."""

    async def named(self, incoming: Incoming, now: datetime) -> Incoming:
        """The event about every customer who has the address. The address itself is also somebody: it may
        stand in what nobody could read, and the mail provider may know it. It stays until that is done."""
        wish = incoming.wish
        if wish is None:
            return incoming
        address_id = f"address-{self.addresses.of(wish.email)[2:34]}"
        found = await self.customers_at(wish.email)
        if wish.kind == ERASE:
            await self._keep_until_told(address_id, wish.email, now)
        told = [Deed(kind=wish.kind, body={"customer_id": each}) for each in (*found, address_id)]
        return incoming.model_copy(update={"deeds": (*incoming.deeds, *told), "wish": None})

    async def customers_at(self, email: str) -> list[str]:
        """Every customer id under which an address is known, in whatever letters."""
        query = select(customers.c.customer_id).where(func.lower(customers.c.email) == email.lower())
        async with self.reading() as db:
            return sorted(str(row[0]) for row in await db.execute(query))

    async def _keep_until_told(self, address_id: str, email: str, now: datetime) -> None:
        row = {
            "customer_id": address_id,
            "requested_at": now,
            "done_at": None,
            "receipt": {},
            "addresses": [email],
            "mailer": "",
            "scrubbed_at": None,
        }
        async with self.writing() as db:
            await db.execute(self.upsert(erasures, row, [erasures.c.customer_id]))
