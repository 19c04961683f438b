"""Customers as checkouts tell of them: merged by the shop's customer id, the newer word over the older."""

from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.customers import Profile
from ledger.database import Database
from ledger.door_tables import consents, customer_details
from ledger.incoming import Consent, Person
from ledger.tables import customers


async def keep_person(database: Database, db: AsyncConnection, person: Person) -> None:
    """Merge what an event tells into the customer's rows, within the caller's transaction.

    What is absent leaves what is there. What is older than the last word, or than a wish to be forgotten,
    changes nothing.
    """
    customer_id = person.profile.customer_id
    if not await _is_news(database, db, customer_id, person.at):
        return
    values = _told(person.profile)
    whole = person.profile.model_dump()
    statement = database.insert(customers).values(whole)
    changed = {name: value for name, value in values.items() if name != "customer_id"} or {
        "customer_id": customer_id
    }
    await db.execute(statement.on_conflict_do_update(index_elements=[customers.c.customer_id], set_=changed))
    if person.birthday is not None:
        details = {"customer_id": customer_id, "birthday": person.birthday}
        await db.execute(database.upsert(customer_details, details, [customer_details.c.customer_id]))
    if person.consent is not None:
        row = {"customer_id": customer_id, **person.consent.model_dump()}
        await db.execute(database.insert(consents).values(row).on_conflict_do_nothing())


async def _is_news(database: Database, db: AsyncConnection, customer_id: str, at: datetime) -> bool:
    told, forgotten = customer_details.c.told_at, customer_details.c.forgotten_at
    newer = or_(told.is_(None), told <= at) & or_(forgotten.is_(None), forgotten < at)
    values = {"customer_id": customer_id, "told_at": at}
    statement = database.upsert(customer_details, values, [customer_details.c.customer_id], where=newer)
    row = (await db.execute(statement.returning(customer_details.c.customer_id))).one_or_none()
    return row is not None


def _told(profile: Profile) -> dict[str, Any]:
    """Only what was said: a default is nobody's word."""
    return profile.model_dump(exclude_unset=True, exclude_none=True)


class People(Database):
    """Reading and writing what is known of customers beside their profile."""

    async def keep_person(self, person: Person) -> None:
        """Merge what is told of a customer."""
        async with self.writing() as db:
            await keep_person(self, db, person)

    async def consents(self, customer_id: str) -> list[Consent]:
        """What a customer said about marketing, the latest word last."""
        query = select(consents.c.granted, consents.c.at, consents.c.source).where(
            consents.c.customer_id == customer_id
        )
        async with self.reading() as db:
            rows = await db.execute(query.order_by(consents.c.at))
        return [Consent.model_validate(row._asdict()) for row in rows]

    async def details(self, customer_id: str) -> dict[str, Any]:
        """Birthday, and when a customer was last told of or forgotten."""
        query = select(customer_details).where(customer_details.c.customer_id == customer_id)
        async with self.reading() as db:
            row = (await db.execute(query)).one_or_none()
        return row._asdict() if row else {}

    async def customers_with_email(self, email: str) -> list[str]:
        """Every customer id under which an address is known."""
        query = select(customers.c.customer_id).where(customers.c.email == email)
        async with self.reading() as db:
            rows = await db.execute(query)
        return [str(row[0]) for row in rows]
