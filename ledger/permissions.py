"""What customers chose, and who is not written to. Both are read where a send is claimed."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import StringConstraints
from sqlalchemy import Select, delete, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from journey.facts import Model
from journey.names import Code, OpaqueId
from journey.playbook import MessageClass
from journey.times import Instant
from ledger.database import Database
from ledger.door_tables import customer_details
from ledger.send_tables import consents, suppressions
from ledger.tables import customers

EMAIL = "email"

FORGOTTEN = "the customer asked to be forgotten"

_CUSTOMER_LOCK = 7_468
"""The space of PostgreSQL's advisory locks in which each customer has one."""


class Consent(Model):
    """A customer's yes or no to a class of letters; all of them are kept, and the latest counts."""

    customer_id: OpaqueId
    message_class: MessageClass
    granted: bool
    at: Instant
    source: Code
    channel: Code = EMAIL


class SuppressionReason(StrEnum):
    """Why a customer or an address is not written to. A customer who unsubscribes is a `Consent` that is
    not granted, since a later yes undoes it."""

    BOUNCE = "bounce"
    SPAM_REPORT = "spam_report"
    MANUAL = "manual"


_IN_WORDS = {
    SuppressionReason.BOUNCE: "the address bounced",
    SuppressionReason.SPAM_REPORT: "reported as spam",
    SuppressionReason.MANUAL: "suppressed by an operator",
}
CONCERNED = {
    SuppressionReason.BOUNCE: tuple(MessageClass),
    SuppressionReason.SPAM_REPORT: (MessageClass.CARE, MessageClass.MARKETING),
    SuppressionReason.MANUAL: tuple(MessageClass),
}
"""The classes of letters that a reason ends."""


class Suppression(Model):
    """A class of letters that a customer gets no more; with an `address_key`, only at that address, and
    then whoever has it."""

    customer_id: OpaqueId
    message_class: MessageClass
    reason: SuppressionReason
    address_key: Annotated[str, StringConstraints(max_length=64)] = ""
    at: Instant
    source: Code


class Permissions(Database):
    """The rows of consents and suppressions."""

    async def keep_consent(self, consent: Consent) -> None:
        """Write down a yes or a no. A claim that commits after this has seen it."""
        async with self.writing() as db:
            await lock_customer(db, consent.customer_id)
            await self.write_consent(db, consent)

    async def write_consent(self, db: AsyncConnection, consent: Consent) -> None:
        """The same, within a transaction that holds the customer's lock."""
        await db.execute(self.insert(consents).values(consent.model_dump()).on_conflict_do_nothing())

    async def opt_out(
        self, customer_id: str, message_class: MessageClass, source: str, at: datetime
    ) -> Consent:
        """The customer wants no more letters of this class: no send is claimed after this is committed."""
        no = Consent(
            customer_id=customer_id, message_class=message_class, granted=False, at=at, source=source
        )
        await self.keep_consent(no)
        return no

    async def consents_of(self, customer_id: str) -> list[Consent]:
        """Everything that the customer ever said, the oldest first."""
        query = select(consents).where(consents.c.customer_id == customer_id)
        async with self.reading() as db:
            rows = await db.execute(query.order_by(consents.c.at, consents.c.message_class))
        return [Consent.model_validate(row._asdict()) for row in rows]

    async def suppress(
        self,
        customer_id: str,
        reason: SuppressionReason,
        source: str,
        at: datetime,
        *classes: MessageClass,
    ) -> None:
        """Write to this customer no more: the classes that the reason concerns, or only these. A bounce is
        of the address that the customer has now."""
        async with self.writing() as db:
            await lock_customer(db, customer_id)
            bound = reason is SuppressionReason.BOUNCE
            key = await self.known_address(db, customer_id) if bound else ""
            for each in classes or CONCERNED[reason]:
                row = Suppression(
                    customer_id=customer_id,
                    message_class=each,
                    reason=reason,
                    address_key=key,
                    at=at,
                    source=source,
                )
                await self.write_suppression(db, row)

    async def known_address(self, db: AsyncConnection, customer_id: str) -> str:
        """By what the address is compared that the customer has now; nothing without one."""
        email = select(customers.c.email).where(customers.c.customer_id == customer_id)
        found = (await db.execute(email)).scalar_one_or_none()
        return self.addresses.of(found) if found else ""

    async def write_suppression(self, db: AsyncConnection, row: Suppression) -> None:
        """The same, row by row, within a transaction that holds the customer's lock."""
        await db.execute(self.insert(suppressions).values(row.model_dump()).on_conflict_do_nothing())

    async def lift(self, customer_id: str, reason: SuppressionReason) -> int:
        """The reason is gone; how many suppressions there were."""
        where = (suppressions.c.customer_id == customer_id, suppressions.c.reason == reason)
        async with self.writing() as db:
            await lock_customer(db, customer_id)
            return (await db.execute(delete(suppressions).where(*where))).rowcount

    async def suppressions_of(self, customer_id: str) -> list[Suppression]:
        query = select(suppressions).where(suppressions.c.customer_id == customer_id)
        async with self.reading() as db:
            rows = await db.execute(query.order_by(suppressions.c.at, suppressions.c.message_class))
        return [Suppression.model_validate(row._asdict()) for row in rows]


async def lock_customer(db: AsyncConnection, customer_id: str) -> None:
    """What is decided about a customer is decided one after the other. SQLite has one writer anyhow."""
    if db.dialect.name == "postgresql":
        await db.execute(select(func.pg_advisory_xact_lock(_CUSTOMER_LOCK, func.hashtext(customer_id))))


async def last_word(db: AsyncConnection, customer_id: str, message_class: MessageClass) -> bool | None:
    """The customer's latest yes or no; of two at the same time, the no."""
    query = (
        select(consents.c.granted)
        .where(
            consents.c.customer_id == customer_id,
            consents.c.message_class == message_class,
            consents.c.channel == EMAIL,
        )
        .order_by(consents.c.at.desc(), consents.c.granted)
        .limit(1)
    )
    return (await db.execute(query)).scalar_one_or_none()


async def barred(
    db: AsyncConnection, customer_id: str, message_class: MessageClass, keys: Sequence[str]
) -> str | None:
    """Why this customer, or this address, gets no letters of this class; None if they may. `keys` are what
    the address is compared by."""
    of_customer = (suppressions.c.customer_id == customer_id) & (suppressions.c.address_key == "")
    of_address = suppressions.c.address_key.in_(keys) if keys else of_customer
    suppressed = select(suppressions.c.reason, suppressions.c.at).where(
        suppressions.c.message_class == message_class, or_(of_customer, of_address)
    )
    # Somebody else's statement for each letter would cost more than this one does.
    query = suppressed.union_all(_forgotten(customer_id)).order_by("at").limit(1)
    row = (await db.execute(query)).one_or_none()
    if row is None:
        return None
    return FORGOTTEN if row.reason == FORGOTTEN else _in_words(SuppressionReason(row.reason), row.at)


def _in_words(reason: SuppressionReason, at: datetime) -> str:
    return f"{_IN_WORDS[reason]} on {at:%Y-%m-%d}"


def _forgotten(customer_id: str) -> Select[Any]:
    """A row if the customer was forgotten, and has told nothing new since."""
    known = select(customers.c.customer_id).where(customers.c.customer_id == customer_id)
    return select(literal(FORGOTTEN), customer_details.c.forgotten_at).where(
        customer_details.c.customer_id == customer_id,
        customer_details.c.forgotten_at.is_not(None),
        ~known.exists(),
    )
