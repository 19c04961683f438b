"""The claims on sends: a message is claimed here, once and for ever, before it is handed to a provider."""

import secrets
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from journey import names
from journey.facts import Model
from journey.messages import SendRequest, SendResult
from journey.permission import Verdict
from journey.playbook import MessageClass
from journey.times import Instant
from ledger.database import Database
from ledger.permissions import barred, lock_customer
from ledger.send_rules import Bid, verdict_on
from ledger.tables import sends


class SendState(StrEnum):
    """Where a send is in its life. `planned` waits for its time; `claimed` is being handed over; from
    `accepted` on the provider has it and tells the rest; of `unknown` nobody can tell yet."""

    PLANNED = "planned"
    CLAIMED = "claimed"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DROPPED = "dropped"
    COMPLAINED = "complained"
    UNKNOWN = "unknown"
    PARKED = "parked"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"


IN_DOUBT = frozenset({SendState.CLAIMED, SendState.UNKNOWN})
"""An attempt was begun and its end is not known."""

TOLD = frozenset({SendState.DELIVERED, SendState.BOUNCED, SendState.DROPPED, SendState.COMPLAINED})
"""The provider has told what became of it."""

FAILED = frozenset({SendState.PARKED, SendState.BOUNCED, SendState.DROPPED})
"""What an operator may have tried again."""

_NOT_NOW = {
    SendResult.HELD: SendState.PLANNED,
    SendResult.SUPPRESSED: SendState.SUPPRESSED,
    SendResult.EXPIRED: SendState.EXPIRED,
}


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
    not_before: Instant | None
    counted_at: Instant | None
    told_at: Instant | None
    address_key: str | None

    def reopened_by(self, retried_at: datetime | None) -> bool:
        """Whether an operator's retry is newer than the one that this row has seen."""
        if self.state not in FAILED or retried_at is None:
            return False
        return self.retried_at is None or retried_at > self.retried_at


class Claim(NamedTuple):
    """`granted`: this attempt, and no other, may hand the message over before the lease ends. `verdict`
    says why it may not go to this customer now."""

    send: Send
    granted: bool
    verdict: Verdict | None = None


class AttemptEnd(NamedTuple):
    """How an attempt ended. What was certainly `not_taken` counts for no cap; it is not tried again before
    the moment that the provider named."""

    state: SendState
    reason: str
    not_taken: bool = False
    not_before: datetime | None = None


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

    async def sends_in_doubt(self, now: datetime) -> list[Send]:
        """Those whose attempt is over, or has lost its lease, and of which nobody can tell."""
        lost = (sends.c.state == SendState.CLAIMED) & (sends.c.leased_until <= now)
        return await self.sends((sends.c.state == SendState.UNKNOWN) | lost)

    async def list_sends(
        self,
        *,
        customer_id: str | None = None,
        order_id: str | None = None,
        state: SendState | None = None,
        limit: int = 1_000,
    ) -> list[Send]:
        """The newest sends of a customer, of an order, in a state; the oldest of them first."""
        chosen = ((sends.c.customer_id, customer_id), (sends.c.order_id, order_id), (sends.c.state, state))
        wanted = [column == value for column, value in chosen if value is not None]
        query = select(sends).where(*wanted).order_by(sends.c.created_at.desc(), sends.c.business_key)
        async with self.reading() as db:
            rows = (await db.execute(query.limit(limit))).all()
        return [read_send(row) for row in reversed(rows)]

    async def sends(self, *wanted: ColumnElement[bool]) -> list[Send]:
        async with self.reading() as db:
            rows = await db.execute(select(sends).where(*wanted).order_by(sends.c.created_at))
        return [read_send(row) for row in rows]

    async def claim_send(self, request: SendRequest, bid: Bid) -> Claim:
        """Commit the intent to send. It is granted to the first that asks, after a definite refusal, and
        once for each time that an operator has a failed message tried again; and only if this customer may
        be written to now, which is decided here, in the same transaction, while nobody else decides
        anything about this customer."""
        key = names.send_key(request.order_id, request.key)
        async with self.writing() as db:
            await lock_customer(db, request.order.customer_id)
            send = await locked_send(db, key)
            if send is not None and not _claimable(send, request, bid.now):
                return Claim(send, granted=False)
            refusal = await verdict_on(db, request, bid)
            values = _attempt(bid) if refusal is None else _not_now(refusal, bid)
            if send is not None:
                again = _again(send, refusal) | {"retried_at": request.retried_at}
                return Claim(await change_send(db, send, **values, **again), refusal is None, refusal)
            attempts = {"attempts": int(refusal is None)}
            if fresh := await self._begin(db, request, bid.now, values | attempts):
                return Claim(fresh, refusal is None, refusal)
            return Claim(await _surely_locked(db, key), granted=False)

    async def reclaim_send(self, doubtful: Send, bid: Bid) -> Claim:
        """Claim a message once more whose earlier attempt nobody could tell the end of: it is recorded as
        resent, under the reference it has. Not granted if another attempt was quicker, nor if the customer
        is written to no more."""
        async with self.writing() as db:
            await lock_customer(db, doubtful.customer_id)
            send = await _surely_locked(db, doubtful.business_key)
            if not _same_doubt(send, doubtful, bid.now):
                return Claim(send, granted=False)
            reason = await barred(db, send.customer_id, send.message_class, bid.address_keys)
            if reason:
                given_up = {"state": SendState.PARKED, "reason": f"not sent again: {reason}"}
                return Claim(await change_send(db, send, **given_up, ended_at=bid.now), granted=False)
            values = _attempt(bid) | {"attempts": send.attempts + 1, "resent": send.resent + 1}
            return Claim(await change_send(db, send, **values), granted=True)

    async def accept_send(self, send: Send, provider_id: str | None, now: datetime) -> Send:
        """The provider has the message. True whoever says so, and however late; what it has told of the
        message's further way stays."""
        async with self.writing() as db:
            kept = await _surely_locked(db, send.business_key)
            values: dict[str, Any] = {"provider_id": provider_id or kept.provider_id}
            if kept.state not in TOLD:
                values |= {"state": SendState.ACCEPTED, "reason": "", "ended_at": now}
            return await change_send(db, kept, **values)

    async def end_attempt(self, send: Send, end: AttemptEnd, now: datetime) -> Send:
        """This attempt was refused, is unclear or is given up. Nothing is written if there has been another
        attempt since, or if this one's end is known."""
        values: dict[str, Any] = {"state": end.state, "reason": end.reason, "not_before": end.not_before}
        async with self.writing() as db:
            kept = await _surely_locked(db, send.business_key)
            if kept.attempts != send.attempts or kept.state not in IN_DOUBT:
                return kept
            taken = {"counted_at": None} if end.not_taken else {}
            return await change_send(db, kept, **values, **taken, ended_at=now)

    async def settle_send(self, request: SendRequest, state: SendState, reason: str, now: datetime) -> Send:
        """Record that a message is not even tried. A message that was tried keeps what became of it."""
        ending: dict[str, Any] = {"state": state, "reason": reason, "ended_at": now}
        async with self.writing() as db:
            if fresh := await self._begin(db, request, now, ending | {"attempts": 0}):
                return fresh
            send = await _surely_locked(db, names.send_key(request.order_id, request.key))
            if send.reopened_by(request.retried_at) or send.state in (SendState.REFUSED, SendState.PLANNED):
                return await change_send(db, send, **ending, retried_at=request.retried_at)
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
        return read_send(fresh) if fresh else None


def read_send(row: Row[Any]) -> Send:
    return Send.model_validate(row._asdict())


def _claimable(send: Send, request: SendRequest, now: datetime) -> bool:
    match send.state:
        case SendState.PLANNED:
            return True
        case SendState.REFUSED:
            return send.not_before is None or send.not_before <= now
        case _:
            return send.reopened_by(request.retried_at)


def _attempt(bid: Bid) -> dict[str, Any]:
    return {
        "state": SendState.CLAIMED,
        "reason": "",
        "provider": bid.provider,
        "claimed_at": bid.now,
        "leased_until": bid.now + bid.lease,
        "ended_at": None,
        "not_before": None,
        "counted_at": bid.counted_at,
        "address_key": bid.address_key,
    }


def _not_now(refusal: Verdict, bid: Bid) -> dict[str, Any]:
    state = _NOT_NOW[refusal.result]
    ended_at = None if state is SendState.PLANNED else bid.now
    return {"state": state, "reason": refusal.reason, "not_before": refusal.until, "ended_at": ended_at}


def _again(send: Send, refusal: Verdict | None) -> dict[str, Any]:
    """A failed message may have gone out: then this sends it again, and we say so."""
    if refusal is not None:
        return {}
    resent = send.state in FAILED and send.counted_at is not None
    return {"attempts": send.attempts + 1, "resent": send.resent + resent}


def _same_doubt(send: Send, doubtful: Send, now: datetime) -> bool:
    if send.attempts != doubtful.attempts or send.state not in IN_DOUBT:
        return False
    return send.state is SendState.UNKNOWN or send.leased_until is None or send.leased_until <= now


async def locked_send(db: AsyncConnection, business_key: str) -> Send | None:
    """The row, which nobody else can change until this transaction ends."""
    query = select(sends).where(sends.c.business_key == business_key).with_for_update()
    row = (await db.execute(query)).one_or_none()
    return read_send(row) if row else None


async def _surely_locked(db: AsyncConnection, business_key: str) -> Send:
    send = await locked_send(db, business_key)
    assert send is not None, "a send is never deleted"
    return send


async def change_send(db: AsyncConnection, send: Send, **values: Any) -> Send:
    where = sends.c.business_key == send.business_key
    statement = update(sends).where(where).values(values).returning(*sends.c)
    return read_send((await db.execute(statement)).one())
