"""`keep_journey`: what is left of a journey when the server forgets it."""

from temporalio import activity

from journey.endings import JourneyEnding
from ledger import Ledger


class Journeys:
    """The activity and what it needs."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn
    async def keep_journey(self, ending: JourneyEnding) -> None:
        """Write down how a journey ended. Repeating it changes nothing."""
        await self._ledger.keep_journey(ending)
