"""`reconcile_shop`, `reconcile_payments`, `reconcile_mail`: asking those who may have failed to tell us.

Each of them may be called again for ever. How far a pass is lies in the ledger, written after what it took
in was committed, so another attempt goes on from there; and what was taken in already is no gap any more.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempts import Refused, Unclear
from activities.mail_pass import MailPass
from activities.mailer import Mailer
from activities.payment_pass import PaymentPass, Tell
from activities.payments import RefundLister
from activities.shop_pass import ShopPass, Translate
from activities.shops import Shop, ShopBusy, ShopRefused
from journey.names import return_workflow_id
from journey.reconciling import PassReport, PassRequest
from ledger import Ledger
from ledger.refund_reports import Waiting


def utc_now() -> datetime:
    return datetime.now(UTC)


class Reconciling:
    """The activities and whom they ask; `translate` reads what a shop tells as its webhooks are read."""

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        ledger: Ledger,
        translate: Translate,
        shops: Mapping[str, Shop],
        payments: Mapping[str, RefundLister],
        mailers: Mapping[str, Mailer],
        now: Callable[[], datetime] = utc_now,
        tell: Tell | None = None,
    ) -> None:
        self._ledger = ledger
        self._translate = translate
        self._shops = shops
        self._payments = payments
        self._mailers = mailers
        self._now = now
        self._tell = tell if tell is not None else _signal

    @activity.defn
    async def reconcile_shop(self, request: PassRequest) -> PassReport:
        """Take in the orders that changed since the last pass and never came; look whether the shop still
        tells us. Raises a retryable `ApplicationError` when the shop does not answer."""
        shop = self._shops.get(request.name.provider)
        if shop is None:
            _nobody(request)
        looking = ShopPass(self._ledger, shop, self._translate, self._now, _alive)
        going = await looking.begin(request)
        try:
            return (await looking.go_on(going)).report()
        except ShopRefused as error:
            return (await looking.give_up(going, error.reason)).report()
        except ShopBusy as error:
            await self._ledger.note_pass(going, error.reason)
            raise _again(error.reason, error.retry_after) from None
        except Exception as error:
            # The text of an error may quote what is personal, so only its name goes on.
            await self._ledger.note_pass(going, f"{type(error).__name__} while it was asked")
            raise ApplicationError(f"{type(error).__name__} in {request.name}", type="PassFailed") from None

    @activity.defn
    async def reconcile_payments(self, request: PassRequest) -> PassReport:
        """Take over what a payment provider says of refunds, and tell the returns that wait for it."""
        provider = self._payments.get(request.name.provider)
        if provider is None:
            _nobody(request)
        looking = PaymentPass(self._ledger, provider, self._now, _alive, self._tell)
        going = await looking.begin(request)
        try:
            return (await looking.go_on(going)).report()
        except (Refused, Unclear) as error:
            await self._ledger.note_pass(going, error.reason)
            raise _again(error.reason, error.retry_after if isinstance(error, Refused) else None) from None
        except Exception as error:
            await self._ledger.note_pass(going, f"{type(error).__name__} while it was asked")
            raise ApplicationError(f"{type(error).__name__} in {request.name}", type="PassFailed") from None

    @activity.defn
    async def reconcile_mail(self, request: PassRequest) -> PassReport:
        """Settle the letters of which nobody can tell whether they went out."""
        mailer = self._mailers.get(request.name.provider)
        if mailer is None:
            _nobody(request)
        looking = MailPass(self._ledger, mailer, self._now, _alive)
        going = await looking.begin(request)
        try:
            return (await looking.go_on(going)).report()
        except Exception as error:
            await self._ledger.note_pass(going, f"{type(error).__name__} while it was asked")
            raise ApplicationError(f"{type(error).__name__} in {request.name}", type="PassFailed") from None


def _alive() -> None:
    """A sign of life after each page: a pass whose worker died goes on elsewhere within minutes."""
    if activity.in_activity():
        activity.heartbeat()


async def _signal(waiting: Waiting) -> None:
    """Let a return look at its refund now; by itself it looks every six hours."""
    name = return_workflow_id(waiting.order_id, waiting.return_id)
    await activity.client().get_workflow_handle(name).signal("refund_reported", {})


def _again(reason: str, seconds: float | None) -> ApplicationError:
    delay = None if seconds is None else timedelta(seconds=seconds)
    return ApplicationError(reason, type="NotNow", next_retry_delay=delay)


def _nobody(request: PassRequest) -> NoReturn:
    raise ApplicationError(f"{request.name} is not set up at this worker", type="NotHere", non_retryable=True)
