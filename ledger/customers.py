"""Who the customers are. The only place where a person has a name and an address."""

from typing import Annotated

from pydantic import AfterValidator, EmailStr, Field
from sqlalchemy import select

from journey.facts import Model, Zone
from journey.names import OpaqueId
from ledger.database import Database
from ledger.tables import customers


def _one_line(text: str) -> str:
    if any(not char.isprintable() for char in text):
        raise ValueError("should be one line without control characters")
    return text


OneLine = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
"""Text that is safe in a mail's header."""


class Profile(Model):
    """A customer, as the shop knows them. Personal: it never leaves the ledger but for a letter."""

    customer_id: OpaqueId
    email: EmailStr | None = None
    name: OneLine | None = None
    phone: Annotated[OneLine, Field(max_length=40)] | None = None
    locale: str = Field(
        default="en", pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", description="BCP 47."
    )
    zone: Zone = "UTC"
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$", description="ISO 3166-1.")


_PROFILE = [customers.c[name] for name in Profile.model_fields]


class Customers(Database):
    """The customers' rows."""

    async def keep_customer(self, profile: Profile) -> None:
        """Write a profile, over an older one if there is one."""
        values = profile.model_dump()
        async with self.writing() as db:
            await db.execute(self.upsert(customers, values, [customers.c.customer_id]))

    async def profile(self, customer_id: str) -> Profile | None:
        """The profile, or `None` for one who was never told or is forgotten."""
        query = select(*_PROFILE).where(customers.c.customer_id == customer_id)
        async with self.reading() as db:
            row = (await db.execute(query)).one_or_none()
        return Profile.model_validate(row._asdict()) if row else None
