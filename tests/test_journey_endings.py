"""How a journey ends, and what a shop still learns of it afterwards."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

from journey.endings import Ending
from journey.state import Result
from runtime.embedded import Server
from runtime.orders import Reported, UnknownOrder
from tests.world import World, dev_world, outcome, paced, short_playbook


@pytest_asyncio.fixture
async def world(server: Server, tmp_path: Path) -> AsyncIterator[World]:
    async with dev_world(server, tmp_path) as stage:
        yield stage


BRIEF = short_playbook({"name": "order_confirmation", "after": "placed"}).model_copy(
    update={"give_up_after": "1 day"}
)


async def test_an_order_placed_twice_gets_one_confirmation(world: World) -> None:
    order = await world.place_order("ann")
    await world.until_sent(order, "order_confirmation")
    await world.place_order("ann", order_id=order, again=True)
    await world.days(2)
    assert await world.letters_to("ann") == ["order_confirmation"]


async def test_an_order_placed_again_after_its_end_stays_over(world: World) -> None:
    order = await world.place_order("ann", playbook=BRIEF)
    await world.until_over(order)
    await world.place_order("ann", order_id=order, playbook=BRIEF, again=True)
    description = await world.journey(order).describe()
    assert description.status is WorkflowExecutionStatus.COMPLETED
    assert await world.letters_to("ann") == ["order_confirmation"]


async def test_the_server_refuses_a_second_journey_even_if_the_ledger_forgot_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await world.place_order("ann", playbook=BRIEF)
    await world.until_over(order)

    async def forgets(order_id: str) -> None:
        return None

    with monkeypatch.context() as patched:
        patched.setattr(world.ledger, "journey", forgets)
        await world.place_order("ann", order_id=order, playbook=BRIEF, again=True)


async def test_a_fact_after_the_end_is_kept_once_and_answered(world: World) -> None:
    order = await world.place_order("ann", playbook=BRIEF)
    over = await world.until_over(order)
    late = {"fact_id": "late-1", "return_id": "r1"}
    assert await world.tell(order, "return_opened", **late) is Reported.TOO_LATE
    assert await world.tell(order, "return_opened", **late) is Reported.REPEATED
    [kept] = await world.ledger.late_facts(order)
    assert (kept.kind, kept.fact_id, kept.body["return_id"]) == ("return_opened", "late-1", "r1")
    assert await world.status(order) == over


async def test_what_was_signalled_to_nobody_is_refused_by_name(world: World) -> None:
    with pytest.raises(UnknownOrder, match="nosuch"):
        await world.tell("nosuch", "order_cancelled")
    with pytest.raises(UnknownOrder, match="nosuch"):
        await world.status("nosuch")


async def test_an_order_cancelled_before_shipping_gets_its_letter_and_ends(world: World) -> None:
    order = await world.place_order("ann", playbook=paced())
    await world.until_sent(order, "order_confirmation")
    await world.tell(order, "order_cancelled", reason="changed_mind")
    over = await world.until_over(order)
    assert over.ending is Ending.ORDER_CANCELLED
    assert await world.letters_to("ann") == ["order_confirmation", "order_cancelled"]
    result = await world.journey(order).result()
    assert (result.ending, result.counts["sent"]) == ("order_cancelled", 2)
    kept = await world.ledger.journey(order)
    assert kept is not None
    assert kept.state.facts.cancelled_at is not None


async def test_a_journey_that_an_operator_cancels_leaves_its_state_behind(world: World) -> None:
    order = await world.place_order("ann")
    await world.until_sent(order, "order_confirmation")
    await world.journey(order).cancel()
    with pytest.raises(WorkflowFailureError):
        await world.journey(order).result()
    over = await world.status(order)
    assert over.ending is Ending.STOPPED
    assert outcome(over, "order_confirmation") == (Result.SENT, "on placed")
    assert await world.tell(order, "order_cancelled") is Reported.TOO_LATE


async def test_the_answer_after_the_end_is_the_answer_before_it(world: World) -> None:
    order = await world.place_order("ann")
    await world.ship(order)
    await world.deliver(order)
    over = await world.until_over(order)
    assert over.ending is Ending.COMPLETED
    assert [h.kind for h in over.happened] == ["order_placed", "parcel_shipped", "parcel_moved"]
    assert [done.key for done in over.done] == ["order_confirmation", "survey"]
    from_server = await world.journey(order).query("status", result_type=type(over))
    assert from_server.done == over.done
    assert from_server.happened == over.happened
