"""Whether a message may be claimed now: asked within the transaction that would claim it."""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from journey import names
from journey.messages import SendRequest, SendResult
from journey.permission import Recipient, Verdict, verdict
from journey.playbook import MessageClass
from journey.times import EARLIEST, later
from ledger.database import insert
from ledger.permissions import barred, last_word
from ledger.send_tables import mailer_rates
from ledger.tables import sends

BURST_SECONDS = 1.0
"""A provider that was idle takes that many seconds' worth at once."""


class Bid(NamedTuple):
    """Who wants to hand a message over, when, and what they know of the customer.

    `now` is the worker's clock, by which leases run; `moment` is the journey's, by which hours and caps are
    reckoned. `rate` is how many messages a second the provider takes; None is any number.
    """

    provider: str
    now: datetime
    lease: timedelta
    moment: datetime | None = None
    zone: str = "UTC"
    address_key: str | None = None
    earlier_address_keys: tuple[str, ...] = ()
    holidays: frozenset[date] = frozenset()
    rate: float | None = None

    @property
    def address_keys(self) -> tuple[str, ...]:
        """Everything that the address may be known by."""
        return (self.address_key, *self.earlier_address_keys) if self.address_key else ()

    @property
    def counted_at(self) -> datetime:
        return self.moment or self.now


async def verdict_on(db: AsyncConnection, request: SendRequest, bid: Bid) -> Verdict | None:
    """Why the message may not be sent now; None if it may. The customer is locked by the caller."""
    customer_id, message_class = request.order.customer_id, request.message_class
    recipient = Recipient(
        zone=bid.zone,
        agreed=await last_word(db, customer_id, message_class),
        barred=await barred(db, customer_id, message_class, bid.address_keys),
        written=await _written(db, request, bid),
        holidays=bid.holidays,
    )
    refusal = verdict(request, recipient, bid.counted_at)
    if refusal is not None or bid.rate is None:
        return refusal
    until = await _turn(db, bid, bid.rate, message_class)
    return None if until is None else Verdict(SendResult.HELD, "the mailer's rate limit", until)


async def _written(
    db: AsyncConnection, request: SendRequest, bid: Bid
) -> tuple[tuple[MessageClass, datetime], ...]:
    """The customer's letters that a cap may count: those that went out or may have."""
    caps = [cap for cap in request.limits.caps if request.message_class in cap.classes]
    if not caps:
        return ()
    since = min(_before(bid.counted_at, cap.within, request.day_seconds) for cap in caps)
    query = select(sends.c.message_class, sends.c.counted_at).where(
        sends.c.customer_id == request.order.customer_id,
        sends.c.counted_at > since,
        sends.c.message_class.in_({each for cap in caps for each in cap.classes}),
        sends.c.business_key != names.send_key(request.order_id, request.key),
    )
    rows = (await db.execute(query)).all()
    return tuple((MessageClass(row.message_class), row.counted_at) for row in rows)


def _before(moment: datetime, duration: str, day: float) -> datetime:
    """Early enough for every zone: a calendar day may last some hours more than 24."""
    length = later(EARLIEST, duration, "UTC", day) - EARLIEST
    try:
        return moment - length - timedelta(days=2)
    except OverflowError:
        return EARLIEST


async def _turn(db: AsyncConnection, bid: Bid, rate: float, message_class: MessageClass) -> datetime | None:
    """Take one of the provider's turns, or a place in the queue: None, or when to come again.

    One row for each provider keeps when its turns so far are used up (the generic cell rate algorithm).
    Half of what may come at once is kept for transactional letters, and while one of those waits the
    others wait behind it.
    """
    row = await _rate_row(db, bid)
    turn = timedelta(seconds=1 / rate)
    urgent = message_class is MessageClass.TRANSACTIONAL
    at_once = max(1.0, rate * BURST_SECONDS * (1 if urgent else 0.5))
    free = max(row["used_until"], bid.now)
    if free - bid.now <= (at_once - 1) * turn and (urgent or row["urgent_until"] <= bid.now):
        await _note(db, bid.provider, used_until=free + turn)
        return None
    queue = "urgent_until" if urgent else "queued_until"
    until: datetime = max(row["urgent_until"], row[queue], free) + turn
    await _note(db, bid.provider, **{queue: until})
    return until


async def _rate_row(db: AsyncConnection, bid: Bid) -> dict[str, Any]:
    fresh = {
        "provider": bid.provider,
        "used_until": bid.now,
        "urgent_until": bid.now,
        "queued_until": bid.now,
    }
    await db.execute(insert(db, mailer_rates).values(fresh).on_conflict_do_nothing())
    query = select(mailer_rates).where(mailer_rates.c.provider == bid.provider).with_for_update()
    return (await db.execute(query)).one()._asdict()


async def _note(db: AsyncConnection, provider: str, **values: datetime) -> None:
    await db.execute(update(mailer_rates).where(mailer_rates.c.provider == provider).values(values))
