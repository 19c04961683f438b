"""What every pass of reconciliation has: it begins or goes on, and it ends with how things stand."""

from collections.abc import Callable
from datetime import datetime

import structlog

from journey.reconciling import PassRequest, Standing
from ledger import Ledger
from ledger.reconciliations import Pass

Alive = Callable[[], None]
"""Called after every step: the pass is under way."""


class PassOver:
    """A pass over somebody's list."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime], alive: Alive) -> None:
        self._ledger = ledger
        self._now = now
        self._alive = alive
        self._log = structlog.get_logger("thereafter.reconciliation")

    async def begin(self, request: PassRequest) -> Pass:
        """The pass, new or as an earlier attempt left it."""
        now = self._now()
        standing = await self._ledger.standing(str(request.name))
        return await self._ledger.open_pass(request, self._since(request, standing, now), now)

    def _since(self, request: PassRequest, standing: Standing, now: datetime) -> datetime | None:
        """From when on to look; for those who have such a moment."""
        return None

    async def give_up(self, going: Pass, problem: str) -> Pass:
        """It cannot be asked at all: that is a result, which a person should see. The next pass begins where
        this one did."""
        standing = await self._ledger.standing(going.name)
        return await self._end(going, standing.model_copy(update={"problem": problem}))

    async def _advance(self, going: Pass) -> None:
        await self._ledger.advance_pass(going)
        self._alive()

    async def _end(self, going: Pass, standing: Standing) -> Pass:
        going = going.model_copy(update={"problem": standing.problem})
        ended = await self._ledger.end_pass(going, standing, self._now())
        told = {"seen": ended.seen, "filled": ended.filled, "unread": ended.unread}
        self._log.info("pass ended", name=ended.name, **told)
        for warning in ended.warnings:
            self._log.warning("reconciliation warns", name=ended.name, warning=warning)
        return ended


def whole(standing: Standing, going: Pass) -> Standing:
    """The standing after a pass that reached its end."""
    return standing.model_copy(update={"watermark": going.watermark, "problem": ""})
