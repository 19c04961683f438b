"""Who is welcomed: a customer whose shop says that it is their first order, or says nothing and it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from journey.facts import OrderPlaced
from ledger import Ledger
from ledger.orders import OrderPointer
from runtime.embedded import Server
from runtime.orders import knowing_if_first
from tests.doors import DEFAULT, World, open_world, until
from tests.sending import ORDER
from tests.test_doors import order
from tests.world import dev_world, new_order_id

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def placed(order_id: str, at: datetime = NOON, **changes: Any) -> OrderPlaced:
    fields = {"order_id": order_id, "customer_id": "c_new", "first_order": None, **changes}
    return OrderPlaced(fact_id=f"placed:{order_id}", at=at, order=ORDER.model_copy(update=fields))


async def is_first(ledger: Ledger, told: OrderPlaced) -> bool | None:
    pointer = OrderPointer(
        order_id=told.order.order_id, customer_id=told.order.customer_id, placed_at=told.at
    )
    await ledger.keep_order(pointer)
    return (await knowing_if_first(ledger, told)).order.first_order


async def test_the_ledger_tells_a_first_order_from_a_second(ledger: Ledger) -> None:
    second = placed("a", NOON + timedelta(days=30))
    assert await is_first(ledger, second) is True
    assert await is_first(ledger, placed("b")) is True
    assert await is_first(ledger, second) is False
    assert await is_first(ledger, placed("c", customer_id="c_other")) is True


async def test_of_two_orders_at_one_instant_one_is_the_first(ledger: Ledger) -> None:
    both = [placed("a"), placed("b")]
    for each in both:
        await is_first(ledger, each)
    assert [await is_first(ledger, each) for each in both] == [True, False]


async def test_what_the_shop_says_counts(ledger: Ledger) -> None:
    assert await is_first(ledger, placed("a", first_order=False)) is False
    assert await is_first(ledger, placed("b", first_order=True)) is True


async def test_nobody_can_tell_what_a_guest_bought_before(ledger: Ledger) -> None:
    assert await is_first(ledger, placed("a", customer_id="guest-a")) is False


async def test_a_customer_is_welcomed_with_the_first_order_and_not_with_the_second(
    server: Server, tmp_path: Path
) -> None:
    async with (
        dev_world(server, tmp_path, DEFAULT) as shop,
        open_world(shop.ledger, lambda: shop.client, shop.playbook) as world,
    ):
        shop.orders += [first := new_order_id(), second := new_order_id()]
        for order_id in (first, second):
            body = order(order_id=order_id, first_order=None)
            body.pop("first_order")
            assert (await world.http.post("/v1/orders", json=body, headers=world.key)).status_code == 202
        assert "welcome" in await ahead(world, first)
        assert "welcome" not in await ahead(world, second)


async def ahead(world: World, order_id: str) -> set[str]:
    async def asked() -> Any:
        answer = await world.http.get(f"/v1/orders/{order_id}", headers=world.key)
        return answer.json() if answer.status_code == 200 else None

    return {step["key"] for step in (await until(asked))["ahead"]}
