"""The outbox: letters that were carried no further than here, where people can read them."""

from datetime import datetime

from pydantic import Field
from sqlalchemy import ColumnElement, select

from journey.facts import Model
from journey.playbook import MessageClass
from journey.times import Instant
from ledger.database import Database
from ledger.tables import letters, sends


class OutboxLetter(Model):
    """A letter as it lies in the outbox. Personal."""

    reference: str
    at: Instant
    recipient: str
    recipient_name: str | None = None
    sender: str
    subject: str
    html: str
    text: str
    headers: dict[str, str] = Field(default_factory=dict)
    message_class: MessageClass


class Outbox(Database):
    """The letters' rows."""

    async def keep_letter(self, letter: OutboxLetter) -> bool:
        """Put a letter down under its reference, once; whether it was new."""
        statement = self.insert(letters).values(letter.model_dump()).on_conflict_do_nothing()
        async with self.writing() as db:
            row = (await db.execute(statement.returning(letters.c.reference))).one_or_none()
        return row is not None

    async def outbox_letter(self, reference: str) -> OutboxLetter | None:
        found = await self._letters(letters.c.reference == reference)
        return found[0] if found else None

    async def outbox(
        self, *, order_id: str | None = None, customer_id: str | None = None, since: datetime | None = None
    ) -> list[OutboxLetter]:
        """The letters of an order, of a customer or of everybody, oldest first."""
        wanted: list[ColumnElement[bool]] = []
        for column, value in ((sends.c.order_id, order_id), (sends.c.customer_id, customer_id)):
            if value is not None:
                chosen = select(sends.c.reference).where(column == value)
                wanted.append(letters.c.reference.in_(chosen))
        if since is not None:
            wanted.append(letters.c.at >= since)
        return await self._letters(*wanted)

    async def _letters(self, *wanted: ColumnElement[bool]) -> list[OutboxLetter]:
        async with self.reading() as db:
            rows = await db.execute(
                select(letters).where(*wanted).order_by(letters.c.at, letters.c.reference)
            )
        return [OutboxLetter.model_validate(row._asdict()) for row in rows]
