"""Journeys that are over, and the facts that came after their end."""

from typing import Any

from pydantic import Field
from sqlalchemy import select

from journey.endings import JourneyEnding
from journey.facts import Model
from journey.names import OpaqueId
from journey.times import Instant
from ledger.database import Database
from ledger.tables import journeys, late_facts


class LateFact(Model):
    """A fact about an order whose journey is over, as it was reported. Nothing personal is in it."""

    order_id: OpaqueId
    fact_id: str = Field(min_length=1, max_length=200)
    kind: str = Field(min_length=1, max_length=64)
    body: dict[str, Any]
    recorded_at: Instant


class JourneyArchive(Database):
    """The rows of ended journeys."""

    async def keep_journey(self, ending: JourneyEnding) -> None:
        """Write how a journey ended; of two endings the later one stays, so repeating it is harmless."""
        values = ending.model_dump(exclude={"state"}) | {"state": ending.state.model_dump(mode="json")}
        older = journeys.c.closed_at <= ending.closed_at
        async with self.writing() as db:
            await db.execute(self.upsert(journeys, values, [journeys.c.order_id], where=older))

    async def journey(self, order_id: str) -> JourneyEnding | None:
        """How an order's journey ended; `None` while it goes on, and for an order nobody knows."""
        async with self.reading() as db:
            row = (await db.execute(select(journeys).where(journeys.c.order_id == order_id))).one_or_none()
        return JourneyEnding.model_validate(row._asdict()) if row else None

    async def keep_late_fact(self, fact: LateFact) -> bool:
        """Record a fact once; whether it was new."""
        statement = self.insert(late_facts).values(fact.model_dump()).on_conflict_do_nothing()
        async with self.writing() as db:
            row = (await db.execute(statement.returning(late_facts.c.fact_id))).one_or_none()
        return row is not None

    async def late_facts(self, order_id: str) -> list[LateFact]:
        """The facts that came too late, in the order in which they came."""
        query = select(late_facts).where(late_facts.c.order_id == order_id)
        async with self.reading() as db:
            rows = await db.execute(query.order_by(late_facts.c.recorded_at, late_facts.c.fact_id))
        return [LateFact.model_validate(row._asdict()) for row in rows]
