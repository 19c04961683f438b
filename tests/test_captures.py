"""What Stripe says was captured, after the order was told: what can be given back grows with it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from ledger import Ledger
from ledger.inbox import InboxState
from ledger.payments import Payment
from runtime.delivery import ORDER_PATIENCE, Delivery
from runtime.dispatch import Dispatcher
from tests import payloads
from tests.doors import DEFAULT, World, open_world

Told = Callable[[dict[str, Any]], Awaitable[str]]


@pytest_asyncio.fixture
async def world(ledger: Ledger) -> AsyncIterator[World]:
    async with open_world(ledger) as opened:
        yield opened


@pytest.fixture
def told(world: World, ledger: Ledger) -> Told:
    """Posts an event and delivers it; what came of it. Nothing of it needs Temporal."""
    nobody: Any = object()
    dispatcher = Dispatcher(Delivery(ledger, DEFAULT), lambda: nobody)

    async def tell(event: dict[str, Any]) -> str:
        await world.post("stripe", event)
        await dispatcher.sweep()
        (row, *_) = await ledger.inbox_rows()
        assert row.state is InboxState.DISPATCHED
        return row.reason

    return tell


async def pay(ledger: Ledger, provider_id: str, captured: int = 0, currency: str = "EUR") -> None:
    payment = Payment(
        order_id="1001",
        provider="stripe",
        provider_id=provider_id,
        currency=currency,
        captured=captured,
        created_at=datetime.now(UTC),
    )
    assert await ledger.keep_payment(payment)


def charge(amount: int, number: int = 1, **changes: Any) -> dict[str, Any]:
    thing = {
        "id": "ch_1",
        "object": "charge",
        "amount": 5000,
        "amount_captured": amount,
        "amount_refunded": 0,
        "captured": True,
        "currency": "eur",
        "payment_intent": "pi_1",
        "status": "succeeded",
        "metadata": None,
    } | changes
    event = payloads.stripe_event("charge.captured") | {"id": f"evt_{number}"}
    return event | {"data": {"object": thing}}


def intent(amount: int, **changes: Any) -> dict[str, Any]:
    thing = {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 5000,
        "amount_received": amount,
        "currency": "eur",
        "latest_charge": "ch_1",
        "status": "succeeded",
        "metadata": {},
    } | changes
    event = payloads.stripe_event("payment_intent.succeeded") | {"id": "evt_intent"}
    return event | {"data": {"object": thing}}


@pytest.mark.parametrize("known_as", ["ch_1", "pi_1"])
@pytest.mark.parametrize("event", [charge(3000), intent(3000)])
async def test_what_is_captured_later_can_be_given_back(
    ledger: Ledger, told: Told, known_as: str, event: dict[str, Any]
) -> None:
    await pay(ledger, known_as)
    assert (await ledger.balance("1001")).left == 0
    assert await told(event) == "taken over"
    assert (await ledger.balance("1001")).left == 3000
    assert await ledger.provider_events("stripe", unhandled=True) == []


async def test_it_never_falls_in_whatever_order_the_captures_come(ledger: Ledger, told: Told) -> None:
    await pay(ledger, "pi_1", captured=1000)
    reasons = [await told(charge(amount, amount)) for amount in (3000, 2000, 3000)]
    assert reasons == ["taken over", "known already", "known already"]
    payment = await ledger.payment("1001")
    assert payment is not None and payment.captured == 3000


@pytest.mark.parametrize(
    ("currency", "amount", "captured"), [("JPY", 500, 500), ("KWD", 1500, 1500), ("ISK", 50000, 500)]
)
async def test_it_is_in_the_currency_s_own_minor_units(
    ledger: Ledger, told: Told, currency: str, amount: int, captured: int
) -> None:
    await pay(ledger, "ch_1", currency=currency)
    assert await told(charge(amount, currency=currency.lower())) == "taken over"
    payment = await ledger.payment("1001")
    assert payment is not None and payment.captured == captured


async def test_a_capture_that_is_nobody_s_or_of_other_money_changes_nothing(
    world: World, ledger: Ledger, told: Told
) -> None:
    await pay(ledger, "ch_1", captured=100)
    assert await told(charge(4000, 2, currency="usd")) == "it is in another currency than the payment"
    await world.post("stripe", charge(3000, 3, id="ch_2", payment_intent="pi_2"))
    assert await swept(ledger) == (InboxState.RECEIVED, "waits for its payment")
    assert len(await ledger.provider_events("stripe", unhandled=True)) == 1
    later = ORDER_PATIENCE + timedelta(hours=1)
    assert await swept(ledger, later) == (InboxState.DISPATCHED, "no order here was paid by it")
    assert await ledger.provider_events("stripe", unhandled=True) == []
    payment = await ledger.payment("1001")
    assert payment is not None and payment.captured == 100


async def test_a_capture_that_comes_before_its_payment_waits_for_it(world: World, ledger: Ledger) -> None:
    await world.post("stripe", charge(5000))
    assert await swept(ledger) == (InboxState.RECEIVED, "waits for its payment")
    await pay(ledger, "pi_1", captured=0)
    assert await swept(ledger, timedelta(hours=30)) == (InboxState.DISPATCHED, "taken over")
    assert (await ledger.balance("1001")).left == 5000


async def test_a_refund_at_stripe_that_comes_before_its_payment_waits_for_it_and_counts(
    world: World, ledger: Ledger
) -> None:
    refund = payloads.stripe_event(amount=1000, currency="eur", payment_intent="pi_1", charge="ch_1")
    await world.post("stripe", refund)
    assert await swept(ledger) == (InboxState.RECEIVED, "waits for its payment")
    await pay(ledger, "pi_1", captured=5000)
    assert await swept(ledger, timedelta(hours=30)) == (InboxState.DISPATCHED, "taken over")
    assert (await ledger.balance("1001")).left == 4000


async def swept(ledger: Ledger, later: timedelta = timedelta(0)) -> tuple[InboxState, str]:
    """What became of the newest event, so much later."""
    nobody: Any = object()
    delivery = Delivery(ledger, DEFAULT, now=lambda: datetime.now(UTC) + later)
    await Dispatcher(delivery, lambda: nobody).sweep()
    (row, *_) = await ledger.inbox_rows()
    return row.state, row.reason


async def test_a_refund_without_metadata_is_read(world: World, ledger: Ledger) -> None:
    await world.post("stripe", payloads.stripe_event(metadata=None))
    assert await ledger.inbox_rows(InboxState.PARKED) == []
    (event,) = await ledger.provider_events("stripe")
    assert event.reference == "re_1Nispe2eZvKYlo2Cd31jOCgZ"
