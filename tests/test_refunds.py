"""A refund is made once, never above what was captured, under a key that never changes."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from activities.providers.demo_payments import DemoPayments
from activities.providers.stripe import StripePayments
from activities.stripe_words import from_stripe, to_stripe
from journey.refunds import RefundState
from ledger import Ledger
from tests.fakes.stripe import FakeStripe, Fault
from tests.refunding import PAYMENT, ask, finish, refunds
from tests.sending import NOON, Clock


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


NEVER_ENDS = (Fault.SILENT_BEFORE, Fault.SILENT_AFTER, Fault.DRIP_AFTER)


def adapter(stripe: FakeStripe) -> StripePayments:
    """It waits long only for what will come: the fake shares a busy machine with it."""
    return StripePayments("key", stripe.host, timeout=0.5 if set(stripe.faults) & set(NEVER_ENDS) else 5)


async def test_a_refund_is_made_once_however_often_it_is_asked_for(paid: Ledger, stripe: FakeStripe) -> None:
    activity = refunds(paid, adapter(stripe))
    receipts = [await activity.refund_payment(ask()) for _ in range(3)]
    assert {receipt.state for receipt in receipts} == {RefundState.SUCCEEDED}
    assert stripe.given_back() == 4_000
    assert list(stripe.made().values()) == [1]


async def test_the_amount_of_a_key_is_frozen(paid: Ledger, stripe: FakeStripe) -> None:
    activity = refunds(paid, adapter(stripe))
    await activity.refund_payment(ask(4_000))
    second = await activity.refund_payment(ask(4_001))
    assert second.state is RefundState.PARKED
    assert "frozen with 4000" in second.reason
    assert stripe.given_back() == 4_000


async def test_more_than_was_captured_is_never_asked_for(paid: Ledger, stripe: FakeStripe) -> None:
    activity = refunds(paid, adapter(stripe))
    await activity.refund_payment(ask(6_001, "r1"))
    receipt = await activity.refund_payment(ask(4_000, "r2"))
    assert (receipt.state, receipt.reason) == (RefundState.PARKED, "more than is left of what was captured")
    assert len(stripe.log) == 1


async def test_what_was_refunded_in_the_dashboard_counts(paid: Ledger, stripe: FakeStripe) -> None:
    for amount in (3_000, 2_000, 1_001):
        stripe.in_dashboard(amount)
    receipt = await refunds(paid, adapter(stripe)).refund_payment(ask(4_000))
    assert receipt.state is RefundState.PARKED
    assert stripe.log == []
    balance = await paid.balance("1001")
    assert (balance.elsewhere, balance.left) == (6_001, 3_999)


async def test_two_workers_race_for_the_last_of_the_money(paid: Ledger, stripe: FakeStripe) -> None:
    workers = [refunds(paid, adapter(stripe)) for _ in range(4)]
    receipts = await asyncio.gather(
        *(worker.refund_payment(ask(3_000, f"r{n}")) for n, worker in enumerate(workers * 2))
    )
    paid_out = [receipt for receipt in receipts if receipt.state is RefundState.SUCCEEDED]
    assert len(paid_out) == 3
    assert stripe.given_back() == 9_000
    assert not any(entry.made is None for entry in stripe.log), (
        "no request above the cap reached the provider"
    )


async def test_two_workers_race_for_the_same_refund(paid: Ledger, stripe: FakeStripe) -> None:
    workers = [refunds(paid, adapter(stripe)) for _ in range(5)]
    await asyncio.gather(*(worker.refund_payment(ask()) for worker in workers))
    assert list(stripe.made().values()) == [1]
    assert len(stripe.keys()) == 1


WITHOUT_LOSS = [fault for fault in Fault if fault not in (Fault.REFUSED, Fault.ERROR_BEFORE)]


@pytest.mark.parametrize("fault", WITHOUT_LOSS)
async def test_whatever_the_provider_does_the_customer_gets_it_exactly_once(
    paid: Ledger, stripe: FakeStripe, fault: Fault
) -> None:
    stripe.faults.append(fault)
    clock = Clock()
    receipt = await finish(refunds(paid, adapter(stripe), clock), ask(), clock)
    assert receipt.state is RefundState.SUCCEEDED
    assert list(stripe.made().values()) == [1]
    assert len(stripe.keys()) == 1


async def test_an_answer_that_was_lost_is_found_in_the_list_after_the_key_is_forgotten(
    paid: Ledger, stripe: FakeStripe
) -> None:
    stripe.faults.append(Fault.RESET_AFTER)
    clock = Clock()
    activity = refunds(paid, adapter(stripe), clock)
    with pytest.raises(Exception, match="the exchange with stripe broke"):
        await activity.refund_payment(ask())
    stripe.answers.clear()
    clock.turn(days=2)
    assert (await activity.refund_payment(ask())).state is RefundState.SUCCEEDED
    assert list(stripe.made().values()) == [1]


async def test_a_500_that_the_provider_repeats_is_waited_out_under_the_same_key(
    paid: Ledger, stripe: FakeStripe
) -> None:
    stripe.faults.append(Fault.ERROR_BEFORE)
    clock = Clock()
    activity = refunds(paid, adapter(stripe), clock)
    for _ in range(3):
        with pytest.raises(Exception, match="stripe answered 500"):
            await activity.refund_payment(ask())
        clock.turn(hours=8)
    stripe.answers.clear()
    assert (await activity.refund_payment(ask())).state is RefundState.SUCCEEDED
    assert len(stripe.keys()) == 1
    assert list(stripe.made().values()) == [1]


async def test_a_refusal_is_parked_and_a_person_can_order_another(paid: Ledger, stripe: FakeStripe) -> None:
    stripe.faults.append(Fault.REFUSED)
    activity = refunds(paid, adapter(stripe))
    receipt = await activity.refund_payment(ask())
    assert (receipt.state, receipt.reason) == (RefundState.PARKED, "stripe answered 400: charge_disputed")
    assert (await activity.refund_payment(ask())).state is RefundState.PARKED
    cure = await activity.refund_payment(ask(key="r1/2", cures="r1"))
    assert cure.state is RefundState.SUCCEEDED
    again = await activity.refund_payment(ask(key="r1/3", cures="r1"))
    assert (again.state, again.reason) == (RefundState.PARKED, "r1 has been made again")
    assert stripe.given_back() == 4_000


async def test_a_pending_refund_that_fails_frees_its_amount(paid: Ledger, stripe: FakeStripe) -> None:
    stripe.status = "pending"
    activity = refunds(paid, adapter(stripe))
    receipt = await activity.refund_payment(ask(10_000))
    assert receipt.state is RefundState.PENDING
    assert receipt.until is not None
    assert (await activity.refund_payment(ask(1, "r2"))).state is RefundState.PARKED
    stripe.turn("failed", "expired_or_canceled_card")
    failed = await activity.refund_payment(ask(10_000))
    assert (failed.state, failed.reason) == (RefundState.FAILED, "stripe: expired_or_canceled_card")
    assert (await paid.balance("1001")).left == 10_000
    await paid.mark_paid("1001", "r1", "by bank transfer", NOON)
    assert (await activity.refund_payment(ask(10_000))).state is RefundState.PAID_OTHERWISE
    assert (await paid.balance("1001")).left == 0


async def test_a_refund_that_fails_after_it_succeeded_is_told(paid: Ledger, stripe: FakeStripe) -> None:
    activity = refunds(paid, adapter(stripe))
    assert (await activity.refund_payment(ask())).state is RefundState.SUCCEEDED
    [seen] = await adapter(stripe).list_refunds(PAYMENT)
    failed = seen._replace(state=RefundState.FAILED, reason="stripe: lost_or_stolen_card")
    await paid.observe_refunds("1001", [failed, seen, seen], NOON)
    assert [refund.state for refund in await paid.refunds_of("1001")] == [RefundState.FAILED]


async def test_credit_counts_against_what_was_captured(paid: Ledger) -> None:
    activity = refunds(paid, DemoPayments(paid))
    credit = await activity.refund_payment(ask(7_000, purpose="credit"))
    assert credit.state is RefundState.SUCCEEDED
    assert (await paid.balance("1001")).left == 3_000


async def test_an_order_without_a_payment_waits_for_a_person(ledger: Ledger) -> None:
    receipt = await refunds(ledger, DemoPayments(ledger)).refund_payment(ask())
    assert (receipt.state, receipt.reason) == (RefundState.PARKED, "no payment is known for this order")


async def test_the_demo_s_money_keeps_the_same_contract(ledger: Ledger) -> None:
    demo = DemoPayments(ledger)
    payment = PAYMENT.model_copy(update={"provider": "demo"})
    await ledger.keep_payment(payment)
    activity = refunds(ledger, demo)
    await asyncio.gather(*(activity.refund_payment(ask(6_000, key)) for key in ("r1", "r1", "r2")))
    assert [seen.amount for seen in await demo.list_refunds(payment)] == [6_000]


@pytest.mark.parametrize(
    ("currency", "minor", "at_stripe"),
    [
        ("EUR", 1_234, 1_234),
        ("JPY", 1_234, 1_234),
        ("KWD", 1_230, 1_230),
        ("ISK", 12, 1_200),
        ("UGX", 5, 500),
    ],
)
def test_amounts_are_counted_as_stripe_counts_them(currency: str, minor: int, at_stripe: int) -> None:
    assert to_stripe(minor, currency) == at_stripe
    assert from_stripe(at_stripe, currency) == minor


async def test_fils_move_in_tens_and_never_above_what_was_captured(
    ledger: Ledger, stripe: FakeStripe
) -> None:
    stripe.captured["ch_1"] = 9_990
    await ledger.keep_payment(PAYMENT.model_copy(update={"currency": "KWD", "captured": 9_990}))
    activity = refunds(ledger, adapter(stripe))
    parts = [await activity.refund_payment(ask(3_333, f"r{n}", currency="KWD")) for n in (1, 2)]
    assert [part.amount for part in parts] == [3_340, 3_340]
    rest = await activity.refund_payment(ask(3_310, "r3", currency="KWD"))
    assert rest.state is RefundState.SUCCEEDED
    assert stripe.given_back() == 9_990
