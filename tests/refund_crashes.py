"""Processes that refund once and die on the way, at a named point."""

import asyncio
import multiprocessing
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from httpcore._backends.anyio import AnyIOStream
from temporalio.exceptions import ApplicationError

from activities.providers.stripe import StripePayments
from activities.refunds import Refunds
from journey.refunds import RefundRequest
from ledger import Ledger
from ledger.payments import Payment, Refund, RefundClaim, Seen
from tests.refunding import LEASE

DIED = 86


class Point(StrEnum):
    """Where a process dies."""

    BEFORE_INTENT = "before_intent"
    AFTER_INTENT = "after_intent"
    WHILE_WRITING = "while_writing"
    AFTER_WRITING = "after_writing"
    AFTER_ANSWER = "after_answer"
    AFTER_ACCEPTED_ROW = "after_accepted_row"
    BEFORE_REPORT = "before_report"


@dataclass(frozen=True)
class Attempt:
    """One process: what it refunds, at what time, and where it dies."""

    ledger_url: str
    host: str
    request: RefundRequest
    now: datetime
    point: Point


def die() -> None:
    os._exit(DIED)


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


def _main(attempt: Attempt, activity: type[Refunds]) -> None:
    asyncio.run(_refund(attempt, activity))
    # Nothing of the parent's is to be cleaned up from here.
    os._exit(0)


_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.crashes", "tests.refund_crashes"])


def crash(attempt: Attempt, activity: type[Refunds] = Refunds) -> bool:
    """Refund in a process of its own; whether it died at its point (it may not have come that far)."""
    process = _PROCESSES.Process(target=_main, args=(attempt, activity))
    process.start()
    process.join(30)
    assert process.exitcode in (0, DIED), process.exitcode
    return process.exitcode == DIED
