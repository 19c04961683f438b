"""Our adapter against a Stripe that others wrote (npm `stripe-stateful-mock`), where Node is there.

It pages and keeps keys by itself, but knows neither PaymentIntents nor refunds that fail later: those are
proved on our own fake.
"""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from activities.attempts import Refused
from activities.providers.stripe import StripePayments
from journey.refunds import Purpose, RefundState
from ledger import Ledger
from ledger.payments import Payment, Refund
from tests.refunding import PAYMENT, ask, refunds
from tests.sending import NOON

FOLDER = Path(__file__).parent / "npm"
MOCK = FOLDER / "node_modules" / "stripe-stateful-mock" / "dist" / "cli.js"
NODE = shutil.which("node")
KEY = "sk_test_thereafter"

pytestmark = pytest.mark.skipif(
    NODE is None or not MOCK.exists(), reason="Node, or tests/npm (`make contracts`), is not installed"
)


@contextmanager
def running_mock() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PORT": str(port), "LOG_LEVEL": "silent"}
    process = subprocess.Popen([str(NODE), str(MOCK)], cwd=FOLDER, env=environment)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    with running_mock() as host:
        yield host


async def charged(host: str, amount: int = 10_000, currency: str = "eur") -> Payment:
    """A payment that was captured there."""
    form = {"amount": str(amount), "currency": currency, "source": "tok_visa"}
    async with httpx.AsyncClient() as client:
        for _ in range(100):
            try:
                made = await client.post(
                    f"{host}/v1/charges", data=form, headers={"Authorization": f"Bearer {KEY}"}
                )
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.1)
    made.raise_for_status()
    changes = {"provider_id": made.json()["id"], "captured": amount, "currency": currency.upper()}
    return PAYMENT.model_copy(update=changes)


def a_refund(amount: int, reference: str) -> Refund:
    return Refund(
        business_key="1001/r1",
        reference=reference,
        order_id="1001",
        key="r1",
        provider="stripe",
        purpose=Purpose.REFUND,
        why="return",
        currency="EUR",
        requested=amount,
        amount=amount,
        state=RefundState.CLAIMED,
        reason="",
        provider_id=None,
        cures=None,
        attempts=1,
        created_at=NOON,
        claimed_at=NOON,
        leased_until=NOON,
        ended_at=None,
    )


@pytest_asyncio.fixture
async def stripe(mock: str) -> AsyncIterator[StripePayments]:
    adapter = StripePayments(KEY, mock)
    yield adapter
    await adapter.close()


async def test_the_same_key_is_the_same_refund(mock: str, stripe: StripePayments) -> None:
    payment = await charged(mock)
    first, second = [await stripe.refund(payment, a_refund(4_000, "a" * 32)) for _ in range(2)]
    assert first == second
    assert (first.amount, first.state, first.reference) == (4_000, RefundState.SUCCEEDED, "a" * 32)
    assert await stripe.list_refunds(payment) == [first]


async def test_more_than_is_left_is_refused(mock: str, stripe: StripePayments) -> None:
    payment = await charged(mock)
    await stripe.refund(payment, a_refund(6_000, "b" * 32))
    with pytest.raises(Refused) as refusal:
        await stripe.refund(payment, a_refund(4_001, "c" * 32))
    assert refusal.value.permanent


async def test_an_order_is_refunded_in_parts_up_to_what_was_captured(
    ledger: Ledger, mock: str, stripe: StripePayments
) -> None:
    payment = await charged(mock)
    await ledger.keep_payment(payment)
    activity = refunds(ledger, stripe)
    parts = [await activity.refund_payment(ask(4_000, key)) for key in ("r1", "r2", "r2", "r3")]
    states = [part.state for part in parts]
    assert states == [RefundState.SUCCEEDED] * 3 + [RefundState.PARKED]
    listed = await stripe.list_refunds(payment)
    assert sum(seen.amount for seen in listed) == 8_000
