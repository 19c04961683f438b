"""`refund_payment`: an amount is claimed once and for ever, and asked for under a key that never changes.

Before every attempt the provider is asked which refunds it has: an answer that was lost is found there, and
what was refunded in its dashboard counts.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.attempts import Refused, Unclear
from activities.payments import PaymentProvider
from journey.refunds import IN_DOUBT, Purpose, RefundReceipt, RefundRequest, RefundState
from ledger import Ledger
from ledger.payments import CREDIT, Payment, Refund

LEASE = timedelta(seconds=60)
"""How long an attempt has a refund to itself: more than any provider's timeout."""

POLL = timedelta(hours=6)
"""When a refund that the provider has not ended is looked at again, if none of its events came."""


class Refunds:
    """The activity and what it needs; `now` is the clock."""

    def __init__(
        self,
        ledger: Ledger,
        providers: Mapping[str, PaymentProvider],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        lease: timedelta = LEASE,
    ) -> None:
        self._ledger = ledger
        self._providers = providers
        self._now = now
        self._lease = lease

    @activity.defn
    async def refund_payment(self, request: RefundRequest) -> RefundReceipt:
        """Refund at most once, or say what is known of it. May be called again for ever.

        Raises a retryable `ApplicationError` when the provider cannot be asked or did not answer.
        """
        try:
            return await self._refund(request)
        except ApplicationError:
            raise
        except (Refused, Unclear) as error:
            raise _again(error) from None
        except Exception as error:
            # The text of a driver's error may quote what it was given, so only its name goes on.
            raise ApplicationError(f"{type(error).__name__} while refunding", type="RefundFailed") from None

    async def _refund(self, request: RefundRequest) -> RefundReceipt:
        payment = await self._ledger.payment(request.order_id)
        if payment is None:
            return await self._parked(request, "no payment is known for this order")
        if payment.currency != request.currency:
            return await self._parked(request, f"the payment is in {payment.currency}")
        if request.purpose is Purpose.CREDIT:
            return await self._credit(request)
        provider = self._providers.get(payment.provider)
        if provider is None:
            return await self._parked(request, f"no adapter is set up for {payment.provider}")
        return await self._through(provider, payment, request)

    async def _parked(self, request: RefundRequest, reason: str) -> RefundReceipt:
        return _receipt(await self._ledger.park_refund(request, reason, self._now()), request)

    async def _credit(self, request: RefundRequest) -> RefundReceipt:
        """Credit is the shop's own promise: with its row it is given."""
        claim = await self._ledger.claim_refund(request, CREDIT, 1, self._now(), timedelta())
        if claim.refund.state in IN_DOUBT:
            ended = RefundState.SUCCEEDED
            return _receipt(
                await self._ledger.end_refund_attempt(claim.refund, ended, "", self._now()), request
            )
        return _receipt(claim.refund, request)

    async def _through(
        self, provider: PaymentProvider, payment: Payment, request: RefundRequest
    ) -> RefundReceipt:
        await self._look(provider, payment)
        step = provider.step(payment.currency)
        claim = await self._ledger.claim_refund(request, provider.name, step, self._now(), self._lease)
        if not claim.granted:
            return _receipt(claim.refund, request)
        try:
            seen = await provider.refund(payment, claim.refund)
        except (Refused, Unclear) as error:
            return await self._not_made(provider, payment, claim.refund, error, request)
        await self._ledger.observe_refunds(
            payment.order_id, [seen._replace(reference=claim.refund.reference)], self._now()
        )
        return await self._known(request)

    async def _not_made(
        self,
        provider: PaymentProvider,
        payment: Payment,
        refund: Refund,
        error: Refused | Unclear,
        request: RefundRequest,
    ) -> RefundReceipt:
        final = isinstance(error, Refused) and error.permanent
        if final:
            # A refusal may mean that it had been made already.
            await self._look(provider, payment)
        state = RefundState.PARKED if final else RefundState.UNCLEAR
        kept = await self._ledger.end_refund_attempt(refund, state, error.reason, self._now())
        if kept.state in IN_DOUBT:
            raise _again(error)
        return _receipt(kept, request)

    async def _look(self, provider: PaymentProvider, payment: Payment) -> None:
        seen = await provider.list_refunds(payment)
        await self._ledger.observe_refunds(payment.order_id, seen, self._now())

    async def _known(self, request: RefundRequest) -> RefundReceipt:
        refund = await self._ledger.refund(request.order_id, request.key)
        assert refund is not None, "it was claimed"
        return _receipt(refund, request)


def _receipt(refund: Refund, request: RefundRequest) -> RefundReceipt:
    if refund.requested != request.amount:
        reason = f"this key is frozen with {refund.requested} {refund.currency}, not {request.amount}"
        return RefundReceipt(key=refund.key, state=RefundState.PARKED, amount=refund.amount, reason=reason)
    return RefundReceipt(
        key=refund.key,
        state=refund.state,
        amount=refund.amount,
        reason=refund.reason,
        until=_until(refund),
    )


def _until(refund: Refund) -> datetime | None:
    match refund.state:
        case RefundState.CLAIMED | RefundState.UNCLEAR:
            return refund.leased_until
        case RefundState.PENDING | RefundState.REQUIRES_ACTION:
            return (refund.ended_at or refund.created_at) + POLL
        case _:
            return None


def _again(error: Refused | Unclear) -> ApplicationError:
    wait = error.retry_after if isinstance(error, Refused) else None
    delay = None if wait is None else timedelta(seconds=wait)
    return ApplicationError(error.reason, type="RefundNotMade", next_retry_delay=delay)
