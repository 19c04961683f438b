"""What a carrier's tracker tells of a parcel: how it stands, since when, and when it is expected.

A tracker's event brings all of its checkpoints again, and counts as one fact: the present status, at the
latest checkpoint that has it. One fact for each checkpoint would tell no more to a journey, which keeps first
and last times, and would cost a signal each, all of them at once for a tracker that is made late.
"""

from collections.abc import Iterable
from datetime import date, datetime

from journey.facts import CarrierStatus, ExpectedDateChanged, ParcelMoved
from service.sources.source import Told, deed


def reached_at(status: CarrierStatus, times: Iterable[datetime | None]) -> datetime | None:
    """When the present status was reached, from the checkpoints that have it, in whatever order they are.

    The latest of them: another scan in the same status is a movement, and a second attempt is later than what
    came between. Only delivered it was when it was first; what follows is the signature or the photograph.
    """
    known = [time for time in times if time is not None]
    if not known:
        return None
    return min(known) if status is CarrierStatus.DELIVERED else max(known)


def tracked(
    source: str,
    event_id: str,
    number: str,
    moved: tuple[CarrierStatus, str | None, datetime],
    expected: tuple[datetime | date | None, datetime],
) -> Told:
    """One event of a tracker: the status with the carrier's own word and its time, and the day on which the
    parcel is expected, with the time when that was said."""
    status, word, at = moved
    # The ledger names the parcel when it is delivered to its journey.
    whose = {"source": source, "parcel_id": "pending"}
    facts = [deed(ParcelMoved(fact_id=f"{source}:{event_id}", at=at, status=status, raw=word, **whose))]
    day, said_at = expected
    if day is not None:
        changed = ExpectedDateChanged(
            fact_id=f"{source}:{event_id}:expected", at=said_at, expected=day, **whose
        )
        facts.append(deed(changed))
    return Told(deeds=facts, tracking_number=number)
