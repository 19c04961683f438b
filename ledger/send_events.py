"""What providers tell of letters after they took them: the rest of a send's life."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from journey.facts import Model
from journey.playbook import MessageClass
from journey.times import Instant
from ledger.permissions import (
    CONCERNED,
    Consent,
    Permissions,
    Suppression,
    SuppressionReason,
    lock_customer,
)
from ledger.send_tables import send_events
from ledger.sends import FAILED, IN_DOUBT, Send, Sends, SendState, change_send, locked_send, read_send
from ledger.tables import sends


class SendEventKind(StrEnum):
    """What became of a letter."""

    ACCEPTED = "accepted"
    DROPPED = "dropped"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    UNSUBSCRIBED = "unsubscribed"
    COMPLAINED = "complained"


class SendEvent(Model):
    """One thing that a provider told. Nothing personal is in it.

    `event_id` is the provider's own name for it and counts once. `permanent` is whether a bounce or a drop
    is for good: a full mailbox is not.
    """

    provider: str = Field(min_length=1, max_length=40)
    event_id: str = Field(min_length=1, max_length=200)
    reference: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    kind: SendEventKind
    at: Instant
    permanent: bool = True


CLOCKS_DIFFER = timedelta(minutes=1)
"""How far a provider's clock may be behind ours."""

_RANK = list(SendEventKind)
"""What a letter went through last; of several events the one furthest on counts, whatever their order. A
letter that was sent twice may be dropped and delivered: then the customer has it."""

_STATES = {
    SendEventKind.ACCEPTED: SendState.ACCEPTED,
    SendEventKind.DROPPED: SendState.DROPPED,
    SendEventKind.DELIVERED: SendState.DELIVERED,
    SendEventKind.BOUNCED: SendState.BOUNCED,
    SendEventKind.COMPLAINED: SendState.COMPLAINED,
    # Who unsubscribes has it.
    SendEventKind.UNSUBSCRIBED: SendState.DELIVERED,
}
_REASONS = {SendState.BOUNCED: "the address bounced", SendState.DROPPED: "the provider dropped it"}
_MAY_CHANGE = frozenset(_STATES.values()) | IN_DOUBT | FAILED | {SendState.REFUSED}
_SUPPRESSES = {
    SendEventKind.BOUNCED: SuppressionReason.BOUNCE,
    SendEventKind.COMPLAINED: SuppressionReason.SPAM_REPORT,
}


class SendEvents(Sends, Permissions):
    """The events' rows, and what follows from them."""

    async def record_send_event(self, event: SendEvent, now: datetime) -> bool:
        """Write an event down, once; move its send on; keep who bounced, complained or unsubscribed from
        being written to. Whether the event was new. One whose reference is not ours is kept all the same."""
        async with self.writing() as db:
            send = await self._send_of(db, event.reference)
            if send is not None:
                await lock_customer(db, send.customer_id)
            row = event.model_dump() | {"recorded_at": now}
            statement = self.insert(send_events).values(row).on_conflict_do_nothing()
            new = (await db.execute(statement.returning(send_events.c.event_id))).one_or_none()
            if new is None or send is None:
                return new is not None
            await self._follow(db, send, event)
            await self._move_on(db, send, now)
            return True

    async def send_events_of(self, reference: str) -> list[SendEvent]:
        """What was told of a letter, in the order in which it happened."""
        query = select(send_events).where(send_events.c.reference == reference)
        async with self.reading() as db:
            rows = (await db.execute(query.order_by(send_events.c.at, send_events.c.event_id))).all()
        return [_event(row._asdict()) for row in rows]

    async def move_on_from_events(self, send: Send, now: datetime) -> Send:
        """The send as the events have it that are kept; for what was restored or written by others."""
        async with self.writing() as db:
            await lock_customer(db, send.customer_id)
            return await self._move_on(db, send, now)

    async def _send_of(self, db: AsyncConnection, reference: str) -> Send | None:
        row = (await db.execute(select(sends).where(sends.c.reference == reference))).one_or_none()
        return read_send(row) if row else None

    async def _move_on(self, db: AsyncConnection, send: Send, now: datetime) -> Send:
        kept = await locked_send(db, send.business_key)
        assert kept is not None, "a send is never deleted"
        query = select(send_events).where(send_events.c.reference == send.reference)
        events = _of_this_try([_event(row._asdict()) for row in await db.execute(query)], kept)
        if not events or kept.state not in _MAY_CHANGE:
            return kept
        last = max(events, key=lambda event: (_RANK.index(event.kind), event.at, event.event_id))
        state = _STATES[last.kind]
        ended = {"ended_at": now} if kept.state in IN_DOUBT else {}
        reason = _REASONS.get(state, "")
        return await change_send(db, kept, state=state, reason=reason, told_at=last.at, **ended)

    async def _follow(self, db: AsyncConnection, send: Send, event: SendEvent) -> None:
        """Whoever bounced, complained or unsubscribed is written to no more, or less."""
        if event.kind is SendEventKind.UNSUBSCRIBED and send.message_class is not MessageClass.TRANSACTIONAL:
            no = Consent(
                customer_id=send.customer_id,
                message_class=send.message_class,
                granted=False,
                at=event.at,
                source="provider",
            )
            await self.write_consent(db, no)
        reason = _SUPPRESSES.get(event.kind)
        if reason is None or not event.permanent:
            return
        for message_class in CONCERNED[reason]:
            row = Suppression(
                customer_id=send.customer_id,
                message_class=message_class,
                reason=reason,
                address_key=(send.address_key or "") if reason is SuppressionReason.BOUNCE else "",
                at=event.at,
                source="provider",
            )
            await self.write_suppression(db, row)


def _of_this_try(events: list[SendEvent], send: Send) -> list[SendEvent]:
    """After an operator's retry, what was told of the time before counts no more."""
    if send.retried_at is None or send.claimed_at is None:
        return events
    return [event for event in events if event.at >= send.claimed_at - CLOCKS_DIFFER]


def _event(row: dict[str, Any]) -> SendEvent:
    return SendEvent.model_validate({key: value for key, value in row.items() if key != "recorded_at"})
