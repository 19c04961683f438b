"""Returns that were granted and never began: Temporal was away, or a process died between the two."""

from datetime import datetime, timedelta

import structlog
from temporalio.client import Client

from journey.playbook import Playbook
from ledger import Ledger
from runtime.delivery import is_away
from runtime.returns import start_again

LEFT_ALONE = timedelta(seconds=30)
"""For so long whoever granted a return may still be about to begin it."""

EVERY = timedelta(seconds=30)
"""Between two looks for such returns."""


async def begin_returns(client: Client, ledger: Ledger, playbook: Playbook, now: datetime) -> None:
    """Begin every return that stands alone, was opened a while ago, and is as it was opened. One that has, or
    had, a journey of its own is not begun again, so any number of processes may do this. One that cannot be
    begun keeps no other from it; while Temporal is away, all wait."""
    log = structlog.get_logger("thereafter.dispatch")
    for row in await ledger.returns_unbegun(now - LEFT_ALONE):
        try:
            await start_again(client, ledger, row, playbook)
        except Exception as error:
            if is_away(error):
                return
            told = {"order_id": row.order_id, "return_id": row.return_id}
            log.warning("a return could not be begun; tried again", problem=type(error).__name__, **told)
