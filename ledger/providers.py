"""What providers told of what we asked of them: mails that arrived or bounced, refunds that went through."""

from datetime import datetime

from sqlalchemy import select, update

from ledger.door_tables import provider_events
from ledger.incoming import ProviderEvent
from ledger.send_events import SendEvent, SendEventKind, SendEvents

_MAIL = {
    **dict.fromkeys(("processed", "deferred"), SendEventKind.ACCEPTED),
    **dict.fromkeys(("delivered", "open", "click"), SendEventKind.DELIVERED),
    "bounce": SendEventKind.BOUNCED,
    "dropped": SendEventKind.DROPPED,
    "spamreport": SendEventKind.COMPLAINED,
    **dict.fromkeys(("unsubscribe", "group_unsubscribe"), SendEventKind.UNSUBSCRIBED),
}
"""SendGrid's words. Others, such as `group_resubscribe`, are kept and change nothing."""

_COLUMNS = (
    *(provider_events.c.provider, provider_events.c.event_id, provider_events.c.reference),
    *(provider_events.c.event, provider_events.c.at, provider_events.c.reason, provider_events.c.details),
)


class ProviderEvents(SendEvents):
    """The events' rows. Whoever acts on an event marks it handled; until then it stays in line."""

    async def provider_events(
        self,
        provider: str | None = None,
        *,
        reference: str | None = None,
        event_id: str | None = None,
        unhandled: bool = False,
    ) -> list[ProviderEvent]:
        """Events in the order in which they happened."""
        query = select(*_COLUMNS).order_by(provider_events.c.at, provider_events.c.event_id)
        if provider is not None:
            query = query.where(provider_events.c.provider == provider)
        if reference is not None:
            query = query.where(provider_events.c.reference == reference)
        if event_id is not None:
            query = query.where(provider_events.c.event_id == event_id)
        if unhandled:
            query = query.where(provider_events.c.handled_at.is_(None))
        async with self.reading() as db:
            rows = await db.execute(query)
        return [ProviderEvent.model_validate(row._asdict()) for row in rows]

    async def handled(self, event: ProviderEvent, now: datetime) -> None:
        """Take an event out of the line."""
        await self.provider_event_handled(event.provider, event.event_id, now)

    async def provider_event_handled(self, provider: str, event_id: str, now: datetime) -> None:
        """Take the event of this name out of the line."""
        which = (provider_events.c.provider == provider) & (provider_events.c.event_id == event_id)
        async with self.writing() as db:
            await db.execute(update(provider_events).where(which).values(handled_at=now))

    async def settle_mail(self, event_id: str, now: datetime) -> str:
        """Let what a mail provider told move its send on, and keep those from being written to whose address
        bounced or who complained."""
        found = await self.provider_events("sendgrid", event_id=event_id)
        if not found or (kind := _MAIL.get(found[0].event)) is None:
            return "kept; it moves nothing"
        told = found[0]
        event = SendEvent(
            provider=told.provider,
            event_id=told.event_id,
            reference=told.reference,
            kind=kind,
            at=told.at,
            permanent=told.details.get("type") != "blocked",
        )
        new = await self.record_send_event(event, now)
        await self.handled(told, now)
        return "recorded" if new else "known already"
