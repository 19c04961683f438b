"""A process dies at any point of a refund: what the customer has on the account afterwards."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
import pytest_asyncio

from activities.providers.stripe import StripePayments
from journey.refunds import RefundRequest, RefundState
from ledger import Ledger
from tests.dying import Point
from tests.fakes.stripe import FakeStripe
from tests.refund_crashes import Attempt, UnclaimedRefunds, crash
from tests.refunding import PAYMENT, ask, finish, refunds
from tests.sending import NOON, Clock

HOUR = timedelta(hours=1)


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    fake = FakeStripe()
    fake.start()
    yield fake
    fake.stop()


@pytest_asyncio.fixture
async def paid(ledger: Ledger) -> AsyncIterator[Ledger]:
    await ledger.keep_payment(PAYMENT)
    yield ledger


async def refund_in_the_end(ledger: Ledger, stripe: FakeStripe, request: RefundRequest) -> RefundState:
    clock = Clock(NOON + 30 * HOUR)
    receipt = await finish(refunds(ledger, StripePayments("key", stripe.host), clock), request, clock)
    return receipt.state


@pytest.mark.parametrize("keys", ["remembered", "forgotten"])
@pytest.mark.parametrize("point", list(Point))
async def test_the_customer_is_refunded_exactly_once(
    paid: Ledger, ledger_url: str, stripe: FakeStripe, point: Point, keys: str
) -> None:
    request = ask(6_000)
    died = 0
    for moment in (NOON, NOON + HOUR):
        died += crash(Attempt(ledger_url, stripe.host, request, moment, point))
        stripe.settle()
        if keys == "forgotten":
            stripe.answers.clear()
    assert died >= 1
    assert await refund_in_the_end(paid, stripe, request) is RefundState.SUCCEEDED
    assert list(stripe.made().values()) == [1]
    assert len(stripe.keys()) == 1
    assert stripe.given_back() <= stripe.captured["ch_1"]
    assert await refund_in_the_end(paid, stripe, ask(6_000, "r2")) is RefundState.PARKED
    assert stripe.given_back() == 6_000


@pytest.mark.parametrize("point", [Point.AFTER_WRITING, Point.AFTER_ANSWER, Point.BEFORE_REPORT])
async def test_with_a_new_key_for_each_attempt_the_same_deaths_refund_twice(
    paid: Ledger, ledger_url: str, stripe: FakeStripe, point: Point
) -> None:
    request = ask(4_000)
    assert crash(Attempt(ledger_url, stripe.host, request, NOON, point), UnclaimedRefunds)
    stripe.settle()
    control = UnclaimedRefunds(paid, {"stripe": StripePayments("key", stripe.host)}, Clock())
    await control.refund_payment(request)
    assert stripe.given_back() == 8_000
    assert len(stripe.keys()) == 2
