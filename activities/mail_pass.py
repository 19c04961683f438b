"""One pass over the letters in doubt: asked again, of the kept events and of the provider."""

from collections.abc import Callable
from datetime import datetime

from activities.mailer import Mailer
from activities.passes import Alive, PassOver, whole
from activities.reconciliation import STILL_UNKNOWN, reconcile_send
from ledger import Ledger
from ledger.reconciliations import Pass


class MailPass(PassOver):
    """Asks one mail provider."""

    def __init__(self, ledger: Ledger, mailer: Mailer, now: Callable[[], datetime], alive: Alive) -> None:
        super().__init__(ledger, now, alive)
        self._mailer = mailer

    async def go_on(self, going: Pass) -> Pass:
        """To the last letter. One that is settled is in doubt no more, so another attempt passes it by."""
        going = going.model_copy(update={"seen": going.filled})
        for send in await self._ledger.sends_in_doubt(self._now()):
            end = await reconcile_send(self._ledger, self._mailer, send, self._now())
            settled = end != STILL_UNKNOWN
            going = going.model_copy(
                update={"seen": going.seen + 1, "filled": going.filled + settled, "problem": ""}
            )
            await self._advance(going)
        return await self._end(going, whole(await self._ledger.standing(going.name), going))
