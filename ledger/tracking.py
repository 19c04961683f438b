"""Whose parcel a carrier's number is: of all that a carrier tells, often nothing else is known."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from journey import names
from journey.facts import Model
from journey.times import Instant
from ledger.database import Database
from ledger.door_tables import parcels
from ledger.return_tables import papers, returns
from ledger.tables import journeys

REUSED_AFTER = timedelta(days=120)
"""For how long a number is a parcel's own, from when it was told. Our own rule: carriers promise little, and
120 days is for how long the United States' mail is commonly said to keep a number to one parcel."""


class Tracked(Model):
    """A parcel of an order, or with a `return_id` one that comes back with a label of ours."""

    order_id: str
    parcel_id: str | None = None
    return_id: str | None = None
    told_at: Instant
    is_over: bool
    """Whether its journey has ended."""


class Tracking(Database):
    """Reads only."""

    async def tracked(self, tracking_number: str, now: datetime) -> list[Tracked]:
        """The parcels that have this number, the newest first: several where a shipment is combined. One
        whose journey is over is only told of if there is no other, so that nothing is lost."""
        since = now - REUSED_AFTER
        async with self.reading() as db:
            found = [
                *await _sent(db, tracking_number, since),
                *await _coming_back(db, tracking_number, since),
            ]
        found.sort(key=lambda each: (each.told_at, each.order_id), reverse=True)
        return [each for each in found if not each.is_over] or found[:1]


async def _sent(db: AsyncConnection, tracking_number: str, since: datetime) -> list[Tracked]:
    query = (
        select(parcels.c.order_id, parcels.c.parcel_id, parcels.c.told_at, journeys.c.closed_at)
        .outerjoin(journeys, journeys.c.order_id == parcels.c.order_id)
        .where(parcels.c.tracking_number == tracking_number, parcels.c.told_at > since)
    )
    return [
        Tracked(order_id=order_id, parcel_id=parcel_id, told_at=told_at, is_over=closed_at is not None)
        for order_id, parcel_id, told_at, closed_at in await db.execute(query)
    ]


async def _coming_back(db: AsyncConnection, tracking_number: str, since: datetime) -> list[Tracked]:
    """By the labels that were made, each of which is kept as a paper of its return."""
    query = select(papers.c.order_id, papers.c.business_key, papers.c.created_at).where(
        papers.c.tracking_number == tracking_number, papers.c.created_at > since
    )
    found = []
    for order_id, key, created_at in (await db.execute(query)).all():
        return_id = names.return_of_label(order_id, key)
        its = (returns.c.order_id == order_id) & (returns.c.return_id == return_id)
        closed = (await db.execute(select(returns.c.closed_at).where(its))).scalar_one_or_none()
        found.append(
            Tracked(order_id=order_id, return_id=return_id, told_at=created_at, is_over=closed is not None)
        )
    return found
