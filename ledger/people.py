"""Customers as checkouts tell of them: merged by the shop's customer id, the newer word over the older."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from journey.playbook import MessageClass
from ledger.database import Database, insert_into
from ledger.door_tables import customer_details
from ledger.incoming import Person
from ledger.permissions import Consent, lock_customer
from ledger.send_tables import consents
from ledger.tables import customers
from ledger.words import merged, newest_words

_FIELDS = ("email", "name", "phone", "locale", "zone", "country")
_TIMES = tuple((name, f"{name}_at") for name in _FIELDS)


async def keep_people(database: Database, db: AsyncConnection, people: list[Person]) -> list[Person]:
    """Merge what events tell into the customers' rows, within the caller's transaction.

    Each field is the newest word on it: an older one fills what is missing, and what is absent leaves what is
    there. Consents are all kept, since each has its own time; who brings a consent alone is no word on the
    profile. What is older than a wish to be forgotten changes nothing; the others are given back.
    """
    kept: list[Person] = []
    for each_once in _rounds(people):
        welcome = await _not_forgotten(database, db, each_once)
        if rows := [_words(person) for person in welcome if not person.is_consent_alone]:
            merging = newest_words(database.is_sqlite, customers, customers.c.customer_id, _TIMES)
            await db.execute(merging, rows)
        await _keep_consents(database, db, welcome)
        kept += welcome
    return kept


def _words(person: Person) -> dict[str, Any]:
    """Only what was said has a time: a default is nobody's word."""
    said = person.profile.model_dump(exclude_unset=True, exclude_none=True)
    times = {f"{name}_at": person.at if name in said else None for name in _FIELDS}
    return person.profile.model_dump() | times


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


def _rounds(people: list[Person]) -> Iterator[list[Person]]:
    """No statement may change a row twice, so each round has every customer at most once."""
    left = people
    while left:
        once = {person.profile.customer_id: person for person in reversed(left)}
        taken = set(map(id, once.values()))
        yield list(once.values())
        left = [person for person in left if id(person) not in taken]


async def _not_forgotten(database: Database, db: AsyncConnection, people: list[Person]) -> list[Person]:
    """Those who did not ask to be forgotten since. Their birthdays are written with the same statement."""
    rows = [
        {
            "customer_id": person.profile.customer_id,
            "told_at": person.at,
            "birthday": person.birthday,
            "birthday_at": person.at if person.birthday else None,
        }
        for person in people
    ]
    found = await db.execute(_unless_forgotten(database.is_sqlite), rows)
    welcome = {str(row[0]) for row in found}
    return [person for person in people if person.profile.customer_id in welcome]


@cache
def _unless_forgotten(is_sqlite: bool) -> ReturningInsert[Any]:
    details = customer_details.c
    statement = insert_into(customer_details, is_sqlite)
    written = merged(statement, customer_details, (("birthday", "birthday_at"), ("told_at", "told_at")))
    welcome = or_(details.forgotten_at.is_(None), details.forgotten_at < statement.excluded.told_at)
    key = details.customer_id
    return statement.on_conflict_do_update(index_elements=[key], set_=written, where=welcome).returning(key)


class People(Database):
    """Reading and writing what is known of customers beside their profile."""

    async def keep_person(self, person: Person) -> bool:
        """Merge what is told of a customer; False, and nothing is kept, if they were forgotten since."""
        async with self.writing() as db:
            return bool(await keep_people(self, db, [person]))

    async def details(self, customer_id: str) -> dict[str, Any]:
        """Birthday, and when a customer was last told of or forgotten."""
        query = select(customer_details).where(customer_details.c.customer_id == customer_id)
        async with self.reading() as db:
            row = (await db.execute(query)).one_or_none()
        return row._asdict() if row else {}
