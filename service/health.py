"""Whether it lives, and whether it can do its work."""

import asyncio

from fastapi import APIRouter, HTTPException
from pydantic import Field

from journey.facts import Model
from service.answers import errors
from service.doors import TheDoors

router = APIRouter(tags=["health"])


class Live(Model):
    """The process answers."""

    live: bool = True


class Ready(Model):
    """Events can be taken in. They can while Temporal is away: then they wait in the inbox."""

    ready: bool = True
    temporal: str = Field(description="connected or away")
    waiting: int = Field(description="Events in the inbox that have not had their effect.")
    parked: int = Field(description="Events that wait for an operator.")
    warnings: tuple[str, ...] = Field(
        default=(), description="What a person should look at, such as a shop that tells nothing any more."
    )


@router.get("/", include_in_schema=False)
async def start() -> dict[str, str]:
    """For whoever looks whether anybody is there."""
    return {"service": "Thereafter", "docs": "/docs", "live": "/livez", "ready": "/readyz"}


@router.get("/livez", summary="The process answers")
async def live() -> Live:
    return Live()


@router.get("/readyz", summary="Events can be taken in", responses=errors(503))
async def ready(doors: TheDoors) -> Ready:
    try:
        async with asyncio.timeout(3):
            counts = await doors.ledger.count_open_inbox()
            warnings = await doors.ledger.reconcile_warnings() + await doors.ledger.erasure_warnings()
    except Exception:
        raise HTTPException(503, "the ledger does not answer") from None
    return Ready(
        temporal="connected" if doors.reach() else "away",
        waiting=counts.get("received", 0),
        parked=counts.get("parked", 0),
        warnings=warnings,
    )
