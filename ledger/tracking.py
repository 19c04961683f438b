"""Whose parcel a carrier's number is: of all that a carrier tells, often nothing else is known."""

from datetime import datetime, timedelta

from sqlalchemy import select

from journey.facts import Model
from journey.times import Instant
from ledger.database import Database
from ledger.door_tables import parcels
from ledger.tables import journeys

REUSED_AFTER = timedelta(days=120)
"""For how long a number is a parcel's own, from when it was told. Our own rule: carriers promise little, and
120 days is for how long the United States' mail is commonly said to keep a number to one parcel."""


class Tracked(Model):
    """A parcel of an order."""

    order_id: str
    parcel_id: str
    told_at: Instant
    is_over: bool
    """Whether its journey has ended."""


class Tracking(Database):
    """Reads only."""

    async def tracked(self, tracking_number: str, now: datetime) -> list[Tracked]:
        """The parcels that have this number, the newest first: several where a shipment is combined. One
        whose journey is over is only told of if there is no other, so that nothing is lost."""
        known = parcels.c.tracking_number == tracking_number
        query = (
            select(parcels.c.order_id, parcels.c.parcel_id, parcels.c.told_at, journeys.c.closed_at)
            .outerjoin(journeys, journeys.c.order_id == parcels.c.order_id)
            .where(known, parcels.c.told_at > now - REUSED_AFTER)
            .order_by(parcels.c.told_at.desc(), parcels.c.order_id)
        )
        async with self.reading() as db:
            rows = (await db.execute(query)).all()
        found = [Tracked(order_id=a, parcel_id=b, told_at=c, is_over=d is not None) for a, b, c, d in rows]
        return [each for each in found if not each.is_over] or found[:1]
