"""Keeping the inbox small, beside the dispatcher: a little at a time, and never in anybody's way."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from ledger import Ledger
from ledger.ended import AT_ONCE

EVERY = 3600.0
"""Seconds between two looks."""

PAUSE = 1.0
"""Seconds between two transactions while there is more to do."""


class Tidying:
    """Drops what events told that had their effect more than `keep` ago."""

    def __init__(
        self, ledger: Ledger, keep: timedelta, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._ledger = ledger
        self._keep = keep
        self._now = now
        self._log = structlog.get_logger("thereafter.tidying")

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            more = await self.step()
            await asyncio.sleep(PAUSE if more else EVERY)

    async def step(self) -> bool:
        """One transaction; whether there is more to do."""
        try:
            return await self._ledger.thin_inbox(self._now() - self._keep) == AT_ONCE
        except Exception as error:
            # It has a year's time: whatever is wrong with the ledger, others say so sooner.
            self._log.warning("the inbox was not tidied", problem=type(error).__name__)
            return False
