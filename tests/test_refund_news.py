"""A return that waits for its refund goes on when the provider's word comes, not six hours later."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

import worker as production
from activities.providers.stripe import StripePayments
from journey.reconciling import PassKind, PassName
from journey.return_case import ReturnStatus
from journey.return_contract import Stage
from ledger.payments import Payment
from runtime.embedded import Server
from runtime.schedule import reconcile_now
from tests import payloads
from tests.doors import open_world
from tests.fakes.stripe import FakeStripe
from tests.world import World, dev_world, new_order_id


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    fake = FakeStripe(created=int(datetime.now(UTC).timestamp()))
    fake.start()
    yield fake
    fake.stop()


@pytest_asyncio.fixture
async def world(
    server: Server, stripe: FakeStripe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    provider = StripePayments("sk_test", stripe.host)
    monkeypatch.setattr(production, "build_payments", lambda *_: {"stripe": provider})
    async with dev_world(server, tmp_path) as stage:
        yield stage
    await provider.close()


async def waiting_refund(world: World, stripe: FakeStripe) -> str:
    """An order with a refund of which Stripe has only said that it is on its way."""
    order_id, charge = new_order_id(), f"ch_{new_order_id()}"
    stripe.captured[charge], stripe.status = 990, "pending"
    paid = Payment(
        order_id=order_id,
        provider="stripe",
        provider_id=charge,
        currency="EUR",
        captured=990,
        created_at=datetime.now(UTC),
    )
    await world.ledger.keep_payment(paid)
    await world.place_order("ann", order_id=order_id)
    await world.ask(order_id, kind="goodwill", amount=300, by="maria")
    await world.until_return(order_id, lambda status: status.waits_for == "a refund that is pending")
    return order_id


def is_over(status: ReturnStatus) -> bool:
    return status.case.stage is Stage.CLOSED


async def test_a_webhook_wakes_the_return_that_waits(world: World, stripe: FakeStripe) -> None:
    order_id = await waiting_refund(world, stripe)
    stripe.turn("succeeded")
    async with open_world(world.ledger, lambda: world.client, world.playbook) as doors:
        event = payloads.stripe_event(**(stripe.refunds[0] | {"payment_intent": None}))
        assert (await doors.post("stripe", event)).json() == {"result": "accepted"}
        over = await world.until_return(order_id, is_over)
    assert over.case.money is not None
    assert over.case.money.amount == 300


async def test_a_pass_wakes_it_when_the_webhook_never_came(world: World, stripe: FakeStripe) -> None:
    order_id = await waiting_refund(world, stripe)
    stripe.turn("succeeded")
    name = PassName(kind=PassKind.PAYMENTS, provider="stripe")
    end = await (await reconcile_now(world.client, (name,))).result()
    assert [(each.seen, each.filled) for each in end.passes] == [(1, 1)]
    await world.until_return(order_id, is_over)
