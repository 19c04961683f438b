"""The claims on sends: a message is claimed here, once and for ever, before it is handed to a provider."""

import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from journey import names
from journey.facts import Model
from journey.messages import SendRequest
from journey.playbook import MessageClass
from journey.times import Instant
from ledger.database import Database
from ledger.tables import sends


class SendState(StrEnum):
    """Where a send is in its life."""

    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCLEAR = "unclear"
    PARKED = "parked"
    SUPPRESSED = "suppressed"


IN_DOUBT = frozenset({SendState.CLAIMED, SendState.UNCLEAR})
"""An attempt was begun and its end is not known."""


class Send(Model):
    """One message's row. Nothing personal is in it."""

    business_key: str
    reference: str
    order_id: str
    customer_id: str
    key: str
    step: str
    letter: str
    message_class: MessageClass
    state: SendState
    reason: str
    provider: str | None
    provider_id: str | None
    attempts: int
    resent: int
    created_at: Instant
    claimed_at: Instant | None
    leased_until: Instant | None
    ended_at: Instant | None
    retried_at: Instant | None

    def reopened_by(self, retried_at: datetime | None) -> bool:
        """Whether an operator's retry is newer than the one that this row has seen."""
        if self.state is not SendState.PARKED or retried_at is None:
            return False
        return self.retried_at is None or retried_at > self.retried_at


class Claim(NamedTuple):
    """`granted`: this attempt, and no other, may hand the message over before the lease ends."""

    send: Send
    granted: bool


class Sends(Database):
    """The sends' rows."""

    async def send(self, order_id: str, key: str) -> Send | None:
        """What is known of a message."""
        found = await self.sends(sends.c.business_key == names.send_key(order_id, key))
        return found[0] if found else None

    async def sends_of(self, order_id: str) -> list[Send]:
        return await self.sends(sends.c.order_id == order_id)

    async def sends_in(self, state: SendState) -> list[Send]:
        """All sends in a state, the oldest first."""
        return await self.sends(sends.c.state == state)

    async def sends(self, *wanted: ColumnElement[bool]) -> list[Send]:
        async with self.reading() as db:
            rows = await db.execute(select(sends).where(*wanted).order_by(sends.c.created_at))
        return [_send(row) for row in rows]

    async def claim_send(self, request: SendRequest, provider: str, now: datetime, lease: timedelta) -> Claim:
        """Commit the intent to send. It is granted to the first that asks, after a definite refusal, and
        once for each time that an operator has a parked message tried again."""
        attempt = _attempt(provider, now, lease) | {"retried_at": request.retried_at}
        async with self.writing() as db:
            if fresh := await self._begin(db, request, now, attempt | {"attempts": 1}):
                return Claim(fresh, granted=True)
            send = await _locked(db, names.send_key(request.order_id, request.key))
            if send.reopened_by(request.retried_at):
                # A parked message may have gone out: then this sends it again, and we say so.
                again = {"resent": send.resent + (send.attempts > 0)}
                return Claim(await _change(db, send, **attempt, **_next(send), **again), granted=True)
            if send.state is SendState.REFUSED:
                return Claim(await _change(db, send, **attempt, **_next(send)), granted=True)
            return Claim(send, granted=False)

    async def reclaim_send(self, doubtful: Send, provider: str, now: datetime, lease: timedelta) -> Claim:
        """Claim a message once more whose earlier attempt nobody could tell the end of: it is recorded as
        resent, under the reference it has. Not granted if another attempt was quicker."""
        async with self.writing() as db:
            send = await _locked(db, doubtful.business_key)
            if not _same_doubt(send, doubtful, now):
                return Claim(send, granted=False)
            values = _attempt(provider, now, lease) | _next(send) | {"resent": send.resent + 1}
            return Claim(await _change(db, send, **values), granted=True)

    async def accept_send(self, send: Send, provider_id: str | None, now: datetime) -> Send:
        """The provider has the message. True whoever says so, and however late."""
        async with self.writing() as db:
            values = {"state": SendState.ACCEPTED, "reason": "", "provider_id": provider_id, "ended_at": now}
            return await _change(db, await _locked(db, send.business_key), **values)

    async def end_attempt(self, send: Send, state: SendState, reason: str, now: datetime) -> Send:
        """This attempt was refused, is unclear or is given up. Nothing is written if there has been another
        attempt since, or if this one's end is known."""
        async with self.writing() as db:
            kept = await _locked(db, send.business_key)
            if kept.attempts != send.attempts or kept.state not in IN_DOUBT:
                return kept
            return await _change(db, kept, state=state, reason=reason, ended_at=now)

    async def settle_send(self, request: SendRequest, state: SendState, reason: str, now: datetime) -> Send:
        """Record that a message is not even tried. A message that was tried keeps what became of it."""
        ending: dict[str, Any] = {"state": state, "reason": reason, "ended_at": now}
        async with self.writing() as db:
            if fresh := await self._begin(db, request, now, ending | {"attempts": 0}):
                return fresh
            send = await _locked(db, names.send_key(request.order_id, request.key))
            if send.reopened_by(request.retried_at) or send.state is SendState.REFUSED:
                return await _change(db, send, **ending, retried_at=request.retried_at)
            return send

    async def _begin(
        self, db: AsyncConnection, request: SendRequest, now: datetime, values: dict[str, Any]
    ) -> Send | None:
        row = {
            "business_key": names.send_key(request.order_id, request.key),
            "reference": secrets.token_hex(16),
            "order_id": request.order_id,
            "customer_id": request.order.customer_id,
            "key": request.key,
            "step": request.step,
            "letter": request.letter,
            "message_class": request.message_class,
            "reason": "",
            "resent": 0,
            "created_at": now,
            "retried_at": request.retried_at,
        }
        statement = self.insert(sends).values(row | values).on_conflict_do_nothing()
        fresh = (await db.execute(statement.returning(*sends.c))).one_or_none()
        return _send(fresh) if fresh else None


def _send(row: Row[Any]) -> Send:
    return Send.model_validate(row._asdict())


def _attempt(provider: str, now: datetime, lease: timedelta) -> dict[str, Any]:
    return {
        "state": SendState.CLAIMED,
        "reason": "",
        "provider": provider,
        "claimed_at": now,
        "leased_until": now + lease,
        "ended_at": None,
    }


def _next(send: Send) -> dict[str, Any]:
    return {"attempts": send.attempts + 1}


def _same_doubt(send: Send, doubtful: Send, now: datetime) -> bool:
    if send.attempts != doubtful.attempts or send.state not in IN_DOUBT:
        return False
    return send.state is SendState.UNCLEAR or send.leased_until is None or send.leased_until <= now


async def _locked(db: AsyncConnection, business_key: str) -> Send:
    """The row, which nobody else can change until this transaction ends."""
    query = select(sends).where(sends.c.business_key == business_key).with_for_update()
    return _send((await db.execute(query)).one())


async def _change(db: AsyncConnection, send: Send, **values: Any) -> Send:
    where = sends.c.business_key == send.business_key
    statement = update(sends).where(where).values(values).returning(*sends.c)
    return _send((await db.execute(statement)).one())
