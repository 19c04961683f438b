"""Placing an order at the command line: who its customer is counts by its own time, as at the doors."""

from datetime import timedelta
from typing import Any

import pytest

from journey.facts import OrderPlaced
from journey.playbook import MessageClass
from ledger import Ledger
from ledger.customers import Profile
from ledger.incoming import Person
from ledger.payments import Payment
from ledger.permissions import Consent
from runtime import orders
from tests.doors import DEFAULT
from tests.sending import ANN, NOON, ORDER

CHARGED = Payment(
    order_id=ORDER.order_id,
    provider="stripe",
    provider_id="ch_1",
    currency=ORDER.currency,
    captured=100,
    created_at=NOON,
)
YES = Consent(
    customer_id="c_ann", message_class=MessageClass.MARKETING, granted=True, at=NOON, source="order"
)


@pytest.fixture
def journeys(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The orders whose journeys were started; Temporal is not needed to see what the ledger keeps."""
    started: set[str] = set()

    async def start(_: Any, placed: OrderPlaced, *__: Any) -> bool:
        started.add(placed.order.order_id)
        return True

    async def known(_: Any, __: Ledger, order_id: str) -> bool:
        return order_id in started

    monkeypatch.setattr(orders, "start_journey", start)
    monkeypatch.setattr(orders, "_known", known)
    return started


async def place(ledger: Ledger, profile: Profile = ANN, payment: Payment | None = None) -> bool:
    nobody: Any = object()
    placed = OrderPlaced(fact_id="placed:1", at=NOON, order=ORDER)
    return await orders.place_order(nobody, ledger, placed, profile, DEFAULT, [YES], payment)


@pytest.mark.usefixtures("journeys")
async def test_an_order_file_wipes_nothing_that_it_does_not_tell(ledger: Ledger) -> None:
    whole = ANN.model_copy(update={"phone": "+49 30 5550142"})
    await ledger.keep_person(Person(profile=Profile(**whole.model_dump()), at=NOON - timedelta(days=1)))
    moved = Profile(customer_id="c_ann", email="ann@new.example")
    assert await place(ledger, moved)
    assert await ledger.profile("c_ann") == whole.model_copy(update={"email": "ann@new.example"})


@pytest.mark.usefixtures("journeys")
async def test_an_order_file_of_before_is_no_newer_word_on_its_customer(ledger: Ledger) -> None:
    since = Profile(customer_id="c_ann", email="ann@new.example")
    await ledger.keep_person(Person(profile=since, at=NOON + timedelta(days=1)))
    assert await place(ledger)
    profile = await ledger.profile("c_ann")
    assert profile is not None and (profile.email, profile.name) == ("ann@new.example", ANN.name)


async def test_an_order_file_of_before_brings_nobody_back_who_was_forgotten(
    ledger: Ledger, journeys: set[str]
) -> None:
    await ledger.erase_customer("c_ann", NOON + timedelta(days=1))
    assert await place(ledger)
    assert journeys == {ORDER.order_id}
    assert await ledger.profile("c_ann") is None
    assert (await ledger.export_customer("c_ann"))["consents"] == []


async def test_an_order_that_was_placed_before_keeps_no_payment(ledger: Ledger, journeys: set[str]) -> None:
    journeys.add(ORDER.order_id)
    assert not await place(ledger, payment=CHARGED)
    assert await ledger.payment(ORDER.order_id) is None
    journeys.clear()
    assert await place(ledger, payment=CHARGED)
    assert await ledger.payment(ORDER.order_id) == CHARGED
