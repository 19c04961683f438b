"""Processes that refund once and die on the way, at a named point."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from httpcore._backends.anyio import AnyIOStream
from temporalio.exceptions import ApplicationError

from activities.providers.stripe import StripePayments
from activities.refunds import Refunds
from journey.refunds import RefundRequest
from ledger import Ledger
from ledger.payments import Payment, Refund, RefundClaim, Seen
from tests.dying import Point, die, dies
from tests.refunding import LEASE


@dataclass(frozen=True)
class Attempt:
    """One process: what it refunds, at what time, and where it dies."""

    ledger_url: str
    host: str
    request: RefundRequest
    now: datetime
    point: Point


class MortalLedger(Ledger):
    """A ledger whose process dies around its transactions."""

    point: Point
    claimed = False

    async def claim_refund(
        self, request: RefundRequest, provider: str, step: int, now: datetime, lease: timedelta
    ) -> RefundClaim:
        if self.point is Point.BEFORE_INTENT:
            die()
        claim = await super().claim_refund(request, provider, step, now, lease)
        self.claimed = claim.granted
        if claim.granted and self.point is Point.AFTER_INTENT:
            die()
        return claim

    async def observe_refunds(self, order_id: str, seen: Iterable[Seen], now: datetime) -> None:
        await super().observe_refunds(order_id, seen, now)
        if self.claimed and self.point is Point.AFTER_ACCEPTED_ROW:
            die()


class MortalStripe(StripePayments):
    """An adapter whose process dies as soon as it has the answer."""

    point: Point

    async def refund(self, payment: Payment, refund: Refund) -> Seen:
        seen = await super().refund(payment, refund)
        if self.point is Point.AFTER_ANSWER:
            die()
        return seen


class UnclaimedRefunds(Refunds):
    """The control: what a shop writes that trusts its retries. A new key for each attempt."""

    async def _refund(self, request: RefundRequest) -> Any:
        payment = await self._ledger.payment(request.order_id)
        assert payment is not None
        claim = await self._ledger.claim_refund(
            request.model_copy(update={"key": os.urandom(8).hex()}), "stripe", 1, self._now(), LEASE
        )
        return await self._providers["stripe"].refund(payment, claim.refund)


def _die_on_the_wire(point: Point) -> None:
    """Let the process die when half of the request's body, or all of it, is with the kernel."""
    write = AnyIOStream.write

    async def mortal_write(stream: AnyIOStream, buffer: bytes, **patience: Any) -> None:
        if b"amount=" not in buffer:
            return await write(stream, buffer, **patience)
        half = len(buffer) // 2
        await write(stream, buffer[:half], **patience)
        if point is Point.WHILE_WRITING:
            die()
        await write(stream, buffer[half:], **patience)
        if point is Point.AFTER_WRITING:
            die()
        return None

    AnyIOStream.write = mortal_write  # type: ignore[method-assign, assignment]


async def _refund(attempt: Attempt, activity: type[Refunds]) -> None:
    ledger = await MortalLedger.open(attempt.ledger_url)
    ledger.point = attempt.point
    _die_on_the_wire(attempt.point)
    stripe = MortalStripe("key", attempt.host, timeout=5)
    stripe.point = attempt.point
    refunds = activity(ledger, {"stripe": stripe}, lambda: attempt.now, LEASE)
    try:
        await refunds.refund_payment(attempt.request)
    except ApplicationError:
        # Temporal would try again at once.
        await refunds.refund_payment(attempt.request)
    if attempt.point is Point.BEFORE_REPORT:
        die()
    await ledger.close()


def crash(attempt: Attempt, activity: type[Refunds] = Refunds) -> bool:
    """Refund in a process of its own; whether it died at its point."""
    return dies(_refund, attempt, activity)
