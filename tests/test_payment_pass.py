"""What Stripe says of refunds, by webhook or when it is asked, reaches the same rows and the same returns."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from temporalio.service import RPCError, RPCStatusCode

from activities.mailer import Accepted, Mailer
from activities.payments import RefundLister
from activities.providers.demo_payments import DemoPayments
from activities.providers.stripe import StripePayments
from activities.reconciling import Reconciling
from journey.reconciling import PassKind, PassName, PassRequest
from journey.refunds import RefundState
from ledger import Ledger
from ledger.inbox import InboxState
from ledger.incoming import Acceptance
from ledger.refund_reports import Waiting
from ledger.returns import ReturnRow
from service.sources.all import SOURCES, translate
from service.sources.source import Post, read
from tests import payloads
from tests.fakes.stripe import FakeStripe
from tests.refunding import PAYMENT, ask, refunds
from tests.sending import BID, NOON, Clock, introduce_ann, request_for

STRIPE = PassName(kind=PassKind.PAYMENTS, provider="stripe")


class Told(list[Waiting]):
    """The returns that were told of their refund."""

    async def __call__(self, waiting: Waiting) -> None:
        self.append(waiting)


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    fake = FakeStripe(created=int(NOON.timestamp()))
    fake.start()
    yield fake
    fake.stop()


@pytest_asyncio.fixture
async def provider(stripe: FakeStripe) -> AsyncIterator[StripePayments]:
    opened = StripePayments("sk_test", stripe.host, timeout=2)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def paid(ledger: Ledger) -> Ledger:
    await ledger.keep_payment(PAYMENT)
    return ledger


def asking(ledger: Ledger, provider: RefundLister, told: Told, clock: Clock | None = None) -> Reconciling:
    return Reconciling(ledger, translate, {}, {"stripe": provider}, {}, clock or Clock(), told)


def run(number: int = 1) -> PassRequest:
    return PassRequest(name=STRIPE, token=f"run-{number}")


async def open_return(ledger: Ledger, key: str = "r1", state: str = "pending") -> None:
    """A return that waits for its refund, and knows it as `state`."""
    case: dict[str, Any] = {"money_key": key, "money": {"key": key, "state": state, "amount": 4_000}}
    row = ReturnRow(
        order_id="1001", return_id="r1", kind="return", stage="settling", case=case, opened_at=NOON
    )
    await ledger.keep_return(row)


async def state_of(ledger: Ledger, key: str = "r1") -> RefundState:
    refund = await ledger.refund("1001", key)
    assert refund is not None
    return refund.state


async def test_a_refund_that_ended_without_a_word_is_found_and_its_return_told_once(
    paid: Ledger, stripe: FakeStripe, provider: StripePayments
) -> None:
    stripe.status = "pending"
    await refunds(paid, provider).refund_payment(ask())
    await open_return(paid)
    told = Told()
    report = await asking(paid, provider, told).reconcile_payments(run())
    assert (report.seen, report.filled, told) == (1, 0, [])
    stripe.turn("succeeded")
    report = await asking(paid, provider, told).reconcile_payments(run(2))
    assert (report.filled, await state_of(paid)) == (1, RefundState.SUCCEEDED)
    assert told == [Waiting("1001", "r1")]
    await open_return(paid, state="succeeded")
    await asking(paid, provider, told).reconcile_payments(run(3))
    assert len(told) == 1


async def test_a_signal_that_a_crash_swallowed_is_given_by_the_next_pass(
    paid: Ledger, stripe: FakeStripe, provider: StripePayments
) -> None:
    stripe.status = "pending"
    await refunds(paid, provider).refund_payment(ask())
    await open_return(paid)
    stripe.turn("succeeded")

    async def crash(_: Waiting) -> None:
        raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")

    desk = Reconciling(paid, translate, {}, {"stripe": provider}, {}, Clock(), crash)
    with pytest.raises(Exception, match="RPCError in payments:stripe"):
        await desk.reconcile_payments(run())
    told = Told()
    await asking(paid, provider, told).reconcile_payments(run())
    assert told == [Waiting("1001", "r1")]


async def test_what_was_refunded_in_the_dashboard_counts_against_what_is_left(
    paid: Ledger, stripe: FakeStripe, provider: StripePayments
) -> None:
    stripe.in_dashboard(3_000)
    report = await asking(paid, provider, Told()).reconcile_payments(run())
    assert (report.seen, report.filled) == (1, 1)
    assert (await paid.balance("1001")).left == 7_000
    assert (await asking(paid, provider, Told()).reconcile_payments(run(2))).filled == 0


async def test_a_refund_that_a_bank_sent_back_weeks_later_is_noticed(
    paid: Ledger, stripe: FakeStripe, provider: StripePayments
) -> None:
    await refunds(paid, provider).refund_payment(ask())
    stripe.turn("failed", "lost_or_stolen_card")
    clock = Clock()
    clock.turn(days=20)
    report = await asking(paid, provider, Told(), clock).reconcile_payments(run())
    assert (report.filled, await state_of(paid)) == (1, RefundState.FAILED)


async def test_a_refund_that_stays_open_for_months_is_asked_for_by_itself(
    paid: Ledger, stripe: FakeStripe, provider: StripePayments
) -> None:
    stripe.status = "requires_action"
    await refunds(paid, provider).refund_payment(ask())
    stripe.turn("succeeded")
    clock = Clock()
    clock.turn(days=90)
    report = await asking(paid, provider, Told(), clock).reconcile_payments(run())
    assert (report.seen, report.filled, await state_of(paid)) == (0, 1, RefundState.SUCCEEDED)


async def test_many_refunds_are_read_page_by_page_and_strangers_passed_by(
    paid: Ledger, stripe: FakeStripe, provider: StripePayments
) -> None:
    stripe.captured["ch_2"] = 10_000
    for number in range(5):
        stripe.in_dashboard(100 + number, "ch_1" if number % 2 else "ch_2")
    report = await asking(paid, provider, Told()).reconcile_payments(run())
    assert (report.seen, report.filled) == (5, 2)
    assert [each.get("starting_after") for each in stripe.asked] == [None, "re_4", "re_2"]


async def test_a_provider_that_is_away_is_asked_again(paid: Ledger) -> None:
    nobody = StripePayments("sk_test", "http://127.0.0.1:9", timeout=1)
    with pytest.raises(Exception, match="the exchange with stripe broke"):
        await asking(paid, nobody, Told()).reconcile_payments(run())
    [row] = await paid.last_passes()
    assert row.problem.startswith("the exchange with stripe broke")
    await nobody.close()


async def test_only_a_provider_with_a_list_can_be_asked(ledger: Ledger) -> None:
    assert not isinstance(DemoPayments(ledger), RefundLister)


async def settle(ledger: Ledger, event: dict[str, Any]) -> tuple[str | None, list[Waiting]]:
    """An event that came by webhook, up to where the dispatcher delivers it."""
    post = Post(headers={}, body=json.dumps(event).encode(), at=NOON)
    [incoming] = read(SOURCES["stripe"], post)
    assert await ledger.accept([incoming], NOON) == [Acceptance.NEW]
    [row] = await ledger.inbox_rows(InboxState.RECEIVED)
    return await ledger.settle_refund(row.deeds[0].body, NOON)


async def test_a_refund_s_webhook_takes_the_same_path(
    paid: Ledger, stripe: FakeStripe, provider: StripePayments
) -> None:
    stripe.status = "pending"
    await refunds(paid, provider).refund_payment(ask())
    await open_return(paid)
    refund = await paid.refund("1001", "r1")
    assert refund is not None
    metadata = {"reference": refund.reference}
    event = payloads.stripe_event(
        id="re_1", amount=4_000, currency="eur", charge="ch_1", payment_intent=None, metadata=metadata
    )
    assert await settle(paid, event) == ("taken over", [Waiting("1001", "r1")])
    assert await state_of(paid) == RefundState.SUCCEEDED


async def test_a_webhook_about_somebody_else_s_payment_changes_nothing(paid: Ledger) -> None:
    assert await settle(paid, payloads.stripe_event()) == (None, [])


async def test_letters_in_doubt_are_settled_by_the_mail_pass(ledger: Ledger) -> None:
    await introduce_ann(ledger)
    claim = await ledger.claim_send(request_for(), BID)
    assert claim.granted

    class Provider:
        name = "scripted"

        async def send(self, mail: Any, reference: str) -> Accepted:
            raise AssertionError("nothing is sent again")

        async def find(self, reference: str) -> Accepted | None:
            return Accepted("m1") if reference == claim.send.reference else None

    clock = Clock()
    clock.turn(hours=1)
    mailer: Mailer = Provider()
    desk = Reconciling(ledger, translate, {}, {}, {mailer.name: mailer}, clock)
    name = PassName(kind=PassKind.MAIL, provider="scripted")
    report = await desk.reconcile_mail(PassRequest(name=name, token="run-1"))
    assert (report.seen, report.filled) == (1, 1)
    assert [send.state for send in await ledger.sends_of("1001")] == ["accepted"]
