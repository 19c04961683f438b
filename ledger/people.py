"""Customers as checkouts tell of them: merged by the shop's customer id, the newer word over the older."""

from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from journey.playbook import MessageClass
from ledger.customers import Profile
from ledger.database import Database, insert_into, overwriting
from ledger.door_tables import customer_details
from ledger.incoming import Person
from ledger.permissions import Consent, lock_customer
from ledger.send_tables import consents
from ledger.tables import customers


async def keep_people(database: Database, db: AsyncConnection, people: list[Person]) -> None:
    """Merge what events tell into the customers' rows, within the caller's transaction.

    What is absent leaves what is there. What is older than the last word, or than a wish to be forgotten,
    changes nothing. Who brings a consent alone is no word on the profile: of those the latest counts, in
    whatever order they and the checkouts come.
    """
    for each_once in _rounds([person for person in people if not person.is_consent_alone]):
        news = await _news(database, db, each_once)
        await _keep_profiles(database, db, [person.profile for person in news])
        rows = [{"customer_id": p.profile.customer_id, "birthday": p.birthday} for p in news if p.birthday]
        await database.upsert_all(db, customer_details, rows, [customer_details.c.customer_id])
        await _keep_consents(database, db, news)
    agreed = [person for person in people if person.is_consent_alone]
    await _keep_consents(database, db, await _not_forgotten(db, agreed))


async def _keep_consents(database: Database, db: AsyncConnection, people: list[Person]) -> None:
    """A shop's consent to marketing is one to everything that is no part of the order itself."""
    rows = []
    for person in people:
        if person.consent is not None:
            customer_id = person.profile.customer_id
            await lock_customer(db, customer_id)
            for each in (MessageClass.CARE, MessageClass.MARKETING):
                said = Consent(customer_id=customer_id, message_class=each, **person.consent.model_dump())
                rows.append(said.model_dump())
    if rows:
        await db.execute(database.insert(consents).on_conflict_do_nothing(), rows)


async def _not_forgotten(db: AsyncConnection, people: list[Person]) -> list[Person]:
    """Those who have not been forgotten since they said it."""
    if not people:
        return []
    who = sorted({person.profile.customer_id for person in people})
    for customer_id in who:
        await lock_customer(db, customer_id)
    about = select(customer_details.c.customer_id, customer_details.c.forgotten_at)
    found = await db.execute(about.where(customer_details.c.customer_id.in_(who)))
    forgotten = {str(name): at for name, at in found if at is not None}
    return [
        person
        for person in people
        if (at := forgotten.get(person.profile.customer_id)) is None or at < person.at
    ]


def _rounds(people: list[Person]) -> Iterator[list[Person]]:
    """No statement may change a row twice, so each round has every customer at most once."""
    left = people
    while left:
        once = {person.profile.customer_id: person for person in reversed(left)}
        taken = set(map(id, once.values()))
        yield list(once.values())
        left = [person for person in left if id(person) not in taken]


async def _news(database: Database, db: AsyncConnection, people: list[Person]) -> list[Person]:
    """Those of whom nothing newer is known; from now on, this is the last word on them."""
    rows = [{"customer_id": person.profile.customer_id, "told_at": person.at} for person in people]
    found = await db.execute(_unless_newer(database.is_sqlite), rows)
    known = {str(row[0]) for row in found}
    return [person for person in people if person.profile.customer_id in known]


@cache
def _unless_newer(is_sqlite: bool) -> ReturningInsert[Any]:
    told, forgotten = customer_details.c.told_at, customer_details.c.forgotten_at
    statement = insert_into(customer_details, is_sqlite)
    at = statement.excluded.told_at
    newer = or_(told.is_(None), told <= at) & or_(forgotten.is_(None), forgotten < at)
    key = customer_details.c.customer_id
    written = statement.on_conflict_do_update(index_elements=[key], set_={"told_at": at}, where=newer)
    return written.returning(key)


async def _keep_profiles(database: Database, db: AsyncConnection, profiles: list[Profile]) -> None:
    """Only what was said is written over what is there: a default is nobody's word."""
    alike: defaultdict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
    for profile in profiles:
        said = frozenset(profile.model_dump(exclude_unset=True, exclude_none=True))
        alike[said].append(profile.model_dump())
    for names, rows in alike.items():
        key = (customers.c.customer_id,)
        await db.execute(overwriting(database.is_sqlite, customers, names, key), rows)


class People(Database):
    """Reading and writing what is known of customers beside their profile."""

    async def keep_person(self, person: Person) -> None:
        """Merge what is told of a customer."""
        async with self.writing() as db:
            await keep_people(self, db, [person])

    async def details(self, customer_id: str) -> dict[str, Any]:
        """Birthday, and when a customer was last told of or forgotten."""
        query = select(customer_details).where(customer_details.c.customer_id == customer_id)
        async with self.reading() as db:
            row = (await db.execute(query)).one_or_none()
        return row._asdict() if row else {}
