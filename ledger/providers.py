"""What providers told of what we asked of them: mails that arrived or bounced, refunds that went through."""

from datetime import datetime

from sqlalchemy import select, update

from ledger.door_tables import provider_events
from ledger.incoming import ProviderEvent
from ledger.sends import IN_DOUBT, Sends
from ledger.tables import sends

_COLUMNS = (
    *(provider_events.c.provider, provider_events.c.event_id, provider_events.c.reference),
    *(provider_events.c.event, provider_events.c.at, provider_events.c.reason, provider_events.c.details),
)


class ProviderEvents(Sends):
    """The events' rows. Whoever acts on an event marks it handled; until then it stays in line."""

    async def provider_events(
        self, provider: str | None = None, *, reference: str | None = None, unhandled: bool = False
    ) -> list[ProviderEvent]:
        """Events in the order in which they happened."""
        query = select(*_COLUMNS).order_by(provider_events.c.at, provider_events.c.event_id)
        if provider is not None:
            query = query.where(provider_events.c.provider == provider)
        if reference is not None:
            query = query.where(provider_events.c.reference == reference)
        if unhandled:
            query = query.where(provider_events.c.handled_at.is_(None))
        async with self.reading() as db:
            rows = await db.execute(query)
        return [ProviderEvent.model_validate(row._asdict()) for row in rows]

    async def handled(self, event: ProviderEvent, now: datetime) -> None:
        """Take an event out of the line."""
        which = (provider_events.c.provider == event.provider) & (
            provider_events.c.event_id == event.event_id
        )
        async with self.writing() as db:
            await db.execute(update(provider_events).where(which).values(handled_at=now))

    async def settle_mail(self, reference: str, now: datetime) -> str:
        """A provider that tells of a mail has it: an attempt that nobody could tell the end of is settled.

        Bounces, drops and complaints stay in line for whoever keeps the suppression list.
        """
        found = await self.sends(sends.c.reference == reference)
        if not found:
            return "no letter has this reference"
        if found[0].state not in IN_DOUBT:
            return "kept"
        await self.accept_send(found[0], None, now)
        return "kept; the letter was in doubt and is settled"
