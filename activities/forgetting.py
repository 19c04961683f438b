"""The verbs of forgetting a customer: the ledger's rows, the mail provider, the database's traces. Each may
be killed and repeated."""

from collections.abc import Callable
from datetime import UTC, datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempts import Refused, Unclear
from activities.mailer import Forgetting, Mailer
from journey.forgetting import Emptied, ErasureRequest
from ledger import Ledger
from ledger.erasure import Busy

BUSY_AGAIN = "the ledger is being read"


class Forget:
    """The activities and what they need; `now` is the clock."""

    def __init__(
        self, ledger: Ledger, mailer: Mailer, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._ledger = ledger
        self._mailer = mailer
        self._now = now

    @activity.defn
    async def empty_rows(self, request: ErasureRequest) -> Emptied:
        """Empty everything personal in the ledger. From then on no letter is claimed."""
        await self._ledger.erase_customer(request.customer_id, self._now())
        pending = await self._ledger.pending_erasure(request.customer_id, self._now())
        return Emptied(busy_until=pending.busy_until)

    @activity.defn
    async def tell_mailer(self, request: ErasureRequest) -> None:
        """Have the mail provider forget the addresses, which are forgotten here as well once it was told.

        Raises a retryable `ApplicationError` while it does not listen, and when it refuses, even for good:
        the receipt then says why, and the erasure is unfinished until a person has cured it.
        """
        addresses = (await self._ledger.pending_erasure(request.customer_id, self._now())).addresses
        if not addresses:
            return
        try:
            told = await self._told(addresses)
        except (Refused, Unclear) as error:
            await self._ledger.note_mailer(request.customer_id, error.reason)
            raise ApplicationError(error.reason, type="MailerNotTold") from None
        await self._ledger.note_mailer(request.customer_id, told, taken=addresses)

    async def _told(self, addresses: tuple[str, ...]) -> str:
        if not isinstance(self._mailer, Forgetting):
            return f"{self._mailer.name}: cannot be told; its logs and copies are for its operator to delete"
        return await self._mailer.forget(addresses)

    @activity.defn
    async def wipe_traces(self, request: ErasureRequest) -> bool:
        """Wipe what the database's files still hold, and close the receipt; false if somebody asked for the
        same meanwhile, so that something is left to do. Raises a retryable `ApplicationError`."""
        try:
            return await self._ledger.finish_erasure(request.customer_id, self._now())
        except Busy:
            raise ApplicationError(BUSY_AGAIN, type="LedgerBusy") from None
