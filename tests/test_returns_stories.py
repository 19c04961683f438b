"""Returns as customers and operators live through them, each way and each outcome, on the skipping clock."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import update

from journey.facts import ReturnOutcome
from journey.playbook import Playbook
from journey.refunds import RefundState
from journey.return_case import ReturnStatus
from journey.return_contract import (
    CancelRequest,
    CaseKind,
    Cure,
    CureRequest,
    DecisionRequest,
    ReturnDecision,
    ReturnRequest,
    Verdict,
)
from journey.return_policy import ReturnPolicy
from journey.state import Result
from ledger.money_tables import payments
from runtime.returns import Refused, update_return
from tests.world import DEFAULT, PATIENCE, World, line, outcome, sent, skipping_world


def policy(**changes: Any) -> Playbook:
    return DEFAULT.model_copy(update={"returns": ReturnPolicy.model_validate(changes)})


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with skipping_world(tmp_path) as world:
        yield world


def two_teas() -> tuple[Any, ...]:
    return line("l1", quantity=3, unit_price=1000), line("l2", unit_price=2500)


async def given_back(world: World, order_id: str) -> dict[str, int]:
    """What was given back, by key."""
    refunds = await world.ledger.refunds_of(order_id)
    return {each.key: each.amount for each in refunds if each.state is RefundState.SUCCEEDED}


async def closed(world: World, order_id: str, return_id: str = "r1") -> ReturnStatus:
    """The return once it is over: its letters are written, and the order knows."""
    async with asyncio.timeout(PATIENCE):
        while True:
            rows = {row.return_id: row for row in await world.ledger.returns_of(order_id)}
            if return_id in rows and rows[return_id].closed_at:
                return await world.return_status(order_id, return_id)
            await asyncio.sleep(0.05)


async def comes_back(world: World, order_id: str, return_id: str = "r1", **inspected: Any) -> None:
    """The goods are scanned, arrive and are inspected within four days."""
    await world.until_return(order_id, lambda s: s.waits_for == "the first scan", return_id)
    await world.tell_return(order_id, "return_moved", return_id, status="in_transit")
    await world.days(2)
    await world.tell_return(order_id, "return_received", return_id)
    await world.days(2)
    await world.tell_return(order_id, "return_inspected", return_id, **inspected)


@pytest.mark.parametrize("way", ["pickup", "drop_off", "printerless", "boxless"])
async def test_goods_come_back_by_each_way_and_the_money_goes_back(world: World, way: str) -> None:
    world.playbook = policy(ways=["pickup", "drop_off", "printerless", "boxless"])
    order_id = await world.delivered_order("ann", *two_teas())
    decision = await world.ask(order_id, way=way, lines=[{"line_id": "l1", "quantity": 2}])
    assert (decision.verdict, decision.way, decision.sums.refund) == (Verdict.APPROVED, way, 2000)
    await comes_back(world, order_id)
    status = await closed(world, order_id)
    assert status.case.outcome is ReturnOutcome.REFUNDED
    assert await given_back(world, order_id) == {"r1": 2000}
    await world.days(1)
    letters = await world.letters_to("ann")
    assert [name for name in letters if name.startswith("return_")] == [
        "return_approved/r1",
        "return_received/r1",
        "return_refunded/r1",
    ]
    [paper] = await world.ledger.papers_of(order_id)
    assert paper.kind == way
    assert paper.content is not None and paper.content.startswith(b"%PDF")
    assert paper.code is not None and paper.code.startswith(b"\x89PNG")


async def test_what_is_worth_little_is_kept_and_refunded_at_once(world: World) -> None:
    world.playbook = policy(keep_below={"EUR": 1500})
    order_id = await world.delivered_order("ann")
    decision = await world.ask(order_id)
    assert decision.ways == ("keep",)
    assert (await closed(world, order_id)).case.outcome is ReturnOutcome.REFUNDED
    assert await given_back(world, order_id) == {"r1": 990}
    assert await world.ledger.papers_of(order_id) == []


async def test_store_credit_and_its_limit_are_one_purse_with_refunds(world: World) -> None:
    order_id = await world.delivered_order("ann", *two_teas())
    await world.ask(order_id, settlement="credit", lines=[{"line_id": "l2", "quantity": 1}])
    await comes_back(world, order_id)
    assert (await closed(world, order_id)).case.outcome is ReturnOutcome.CREDITED
    [credit] = await world.ledger.refunds_of(order_id)
    assert (credit.provider, credit.amount) == ("store_credit", 2500)
    assert (await world.ledger.balance(order_id)).left == 3000


async def test_a_cheaper_exchange_gives_the_difference_back_once(world: World) -> None:
    order_id = await world.delivered_order("ann", *two_teas())
    wanted = [line("n1", sku="TEA-SMALL", unit_price=1800).model_dump(exclude_unset=True)]
    await world.ask(
        order_id, settlement="exchange", exchange_for=wanted, lines=[{"line_id": "l2", "quantity": 1}]
    )
    await comes_back(world, order_id)
    assert (await closed(world, order_id)).case.outcome is ReturnOutcome.EXCHANGED
    assert await given_back(world, order_id) == {"r1": 700}
    [dispatch] = await world.ledger.dispatches_of(order_id)
    assert (dispatch.kind, [each.sku for each in dispatch.lines]) == ("exchange", ["TEA-SMALL"])


@pytest.mark.parametrize("paid", [True, False])
async def test_a_dearer_exchange_waits_for_the_difference_or_becomes_a_refund(
    world: World, paid: bool
) -> None:
    order_id = await world.delivered_order("ann", *two_teas())
    wanted = [line("n1", sku="TEA-BIG", unit_price=3000).model_dump(exclude_unset=True)]
    decision = await world.ask(
        order_id, settlement="exchange", exchange_for=wanted, lines=[{"line_id": "l2", "quantity": 1}]
    )
    assert decision.sums.due == 500
    await comes_back(world, order_id)
    await world.until_return(order_id, lambda status: status.waits_for == "the difference")
    if paid:
        await world.tell_return(order_id, "difference_paid")
    await world.days(8)
    status = await closed(world, order_id)
    assert status.case.outcome is (ReturnOutcome.EXCHANGED if paid else ReturnOutcome.REFUNDED)
    assert await given_back(world, order_id) == ({} if paid else {"r1": 2500})
    assert len(await world.ledger.dispatches_of(order_id)) == paid


async def test_a_label_that_is_never_used_is_remembered_then_runs_out(world: World) -> None:
    order_id = await world.delivered_order("ann")
    await world.ask(order_id)
    await world.days(8)
    assert "return_reminder/r1" in await world.letters_to("ann")
    await world.days(14)
    assert (await closed(world, order_id)).case.outcome is ReturnOutcome.EXPIRED
    assert await given_back(world, order_id) == {}
    again = await world.ask(order_id)
    assert (again.return_id, again.sums.refund) == ("r2", 990)


async def test_two_returns_race_for_the_same_line_and_one_gets_it(world: World) -> None:
    order_id = await world.delivered_order("ann")
    answers = await asyncio.gather(*(world.ask(order_id) for _ in range(4)), return_exceptions=True)
    refusals = [each for each in answers if isinstance(each, Refused)]
    assert len(refusals) == 3
    assert {each.rule for each in refusals} == {"nothing_left"}


async def test_two_returns_race_for_the_same_line_of_an_order_long_finished(world: World) -> None:
    world.playbook = DEFAULT.model_copy(update={"returns": ReturnPolicy(window="900 days")})
    order_id = await world.delivered_order("ann", zone="UTC")
    await world.days(400)
    assert (await world.status(order_id)).ending
    asked = [{"line_id": "l1", "quantity": 1}]
    answers = await asyncio.gather(
        *(world.ask(order_id, lines=asked) for _ in range(3)), return_exceptions=True
    )
    assert sorted(str(getattr(each, "rule", "granted")) for each in answers) == [
        "already_returned",
        "already_returned",
        "granted",
    ]
    await comes_back(world, order_id)
    await closed(world, order_id)
    assert await given_back(world, order_id) == {"r1": 990}
    assert [fact.kind for fact in await world.ledger.late_facts(order_id)] == ["return_closed"]
    with pytest.raises(Refused, match="nothing_left"):
        await world.ask(order_id)


async def test_the_same_request_gets_the_same_answer(world: World) -> None:
    order_id = await world.delivered_order("ann", *two_teas())
    first = await world.ask(order_id, request_id="web-1", lines=[{"line_id": "l1", "quantity": 1}])
    again = await world.ask(order_id, request_id="web-1", lines=[{"line_id": "l1", "quantity": 1}])
    assert again == first


async def test_a_return_holds_the_replenishment_until_it_is_cancelled(world: World) -> None:
    order_id = await world.delivered_order("ann", line("l1", lifespan_days=20))
    await world.days(12)
    await world.ask(order_id)
    await world.days(2)
    held = await world.status(order_id)
    assert outcome(held, "replenishment/l1") is None
    assert "open_return" in next(step.why for step in held.ahead if step.key == "replenishment/l1")
    cancel = CancelRequest(by="customer")
    await update_return(world.client, order_id, "r1", "cancel_return", cancel)
    assert (await closed(world, order_id)).case.outcome is ReturnOutcome.CANCELLED
    await world.days(1)
    assert outcome(await world.status(order_id), "replenishment/l1") == (
        Result.SENT,
        "7 days before runs_out; later: open_return ended",
    )


async def test_a_refunded_line_is_never_replenished(world: World) -> None:
    order_id = await world.delivered_order("ann", line("l1", lifespan_days=20), line("l2", lifespan_days=20))
    await world.ask(order_id, lines=[{"line_id": "l1", "quantity": 1}])
    await comes_back(world, order_id)
    await closed(world, order_id)
    await world.days(40)
    status = await world.status(order_id)
    assert outcome(status, "replenishment/l1") == (Result.STOPPED, "returned")
    assert "replenishment/l2" in sent(status)


async def test_only_what_is_accepted_is_refunded(world: World) -> None:
    order_id = await world.delivered_order("ann", *two_teas(), shipping=490)
    decision = await world.ask(order_id)
    assert decision.sums.refund == 5990
    await comes_back(world, order_id, accepted=[{"line_id": "l1", "quantity": 2}])
    await closed(world, order_id)
    assert await given_back(world, order_id) == {"r1": 2000}
    rest = await world.ask(order_id)
    assert {part.line_id: part.quantity for part in rest.lines} == {"l1": 1, "l2": 1}


async def test_the_wrong_item_is_not_refunded(world: World) -> None:
    order_id = await world.delivered_order("ann")
    await world.ask(order_id)
    await world.until_return(order_id, lambda s: s.waits_for == "the first scan")
    wrong = [{"line_id": "l1", "quantity": 1, "condition": "wrong_item"}]
    await world.tell_return(order_id, "return_received", lines=wrong)
    await world.tell_return(order_id, "return_inspected")
    assert (await closed(world, order_id)).case.outcome is ReturnOutcome.REFUSED
    await world.days(1)
    assert "return_not_accepted/r1" in await world.letters_to("ann")
    assert await given_back(world, order_id) == {}


async def test_what_arrives_and_is_not_looked_at_alerts_an_operator(world: World) -> None:
    order_id = await world.delivered_order("ann")
    await world.ask(order_id)
    await world.until_return(order_id, lambda s: s.waits_for == "the first scan")
    await world.tell_return(order_id, "return_received")
    await world.days(6)
    assert (await world.return_status(order_id)).case.attention == "inspection"


@pytest.mark.parametrize("approve", [True, False])
async def test_above_the_limit_a_person_decides(world: World, approve: bool) -> None:
    world.playbook = policy(approve_up_to={"EUR": 900})
    order_id = await world.delivered_order("ann")
    decision = await world.ask(order_id)
    assert decision.verdict is Verdict.NEEDS_PERSON
    await world.until_return(order_id, lambda status: status.case.attention == "decision")
    request = DecisionRequest(approve=approve, by="maria")
    await update_return(world.client, order_id, "r1", "decide_return", request)
    if approve:
        await comes_back(world, order_id)
    status = await closed(world, order_id)
    assert status.case.outcome is (ReturnOutcome.REFUNDED if approve else ReturnOutcome.REFUSED)
    assert await given_back(world, order_id) == ({"r1": 990} if approve else {})


async def test_goodwill_above_the_limit_needs_a_second_person_and_stops_no_letters(world: World) -> None:
    world.playbook = policy(second_person_above={"EUR": 500})
    order_id = await world.delivered_order("ann")
    small = await world.ask(order_id, kind="goodwill", amount=500, by="maria")
    assert small.verdict is Verdict.APPROVED
    await closed(world, order_id)
    large = await world.ask(order_id, kind="goodwill", amount=600, by="maria")
    assert large.verdict is Verdict.NEEDS_SECOND_PERSON
    await world.until_return(order_id, lambda status: status.case.attention == "decision", "r2")
    for by in ("maria", "otto"):
        request = DecisionRequest(approve=True, by=by)
        try:
            await update_return(world.client, order_id, "r2", "decide_return", request)
        except Refused as refusal:
            assert "a second person" in str(refusal)
            assert by == "maria"
    await world.until_return(order_id, lambda status: status.case.attention == "refund_failed", "r2")
    [parked] = await world.ledger.refunds_in(RefundState.PARKED)
    assert parked.reason == "more than is left of what was captured"
    assert await given_back(world, order_id) == {"r1": 500}
    await world.days(2)
    assert outcome(await world.status(order_id), "survey") is not None


@pytest.mark.parametrize("how", list(Cure))
async def test_a_refund_that_failed_is_cured_by_a_person_and_only_then_told(world: World, how: Cure) -> None:
    order_id = await world.delivered_order("ann")
    async with world.ledger.writing() as db:
        await db.execute(update(payments).values(provider="gone"))
    await world.ask(order_id, kind="damaged", evidence="photo-1")
    await world.until_return(order_id, lambda status: status.case.attention == "refund_failed")
    assert "return_refunded/r1" not in await world.letters_to("ann")
    async with world.ledger.writing() as db:
        await db.execute(update(payments).values(provider="demo"))
    await update_return(world.client, order_id, "r1", "cure_refund", CureRequest(how=how, by="maria"))
    await closed(world, order_id)
    await world.days(1)
    again = how is Cure.MAKE_AGAIN
    assert await given_back(world, order_id) == ({"r1/2": 990} if again else {})
    assert (await world.ledger.balance(order_id)).left == 0
    assert "return_refunded/r1" in await world.letters_to("ann")


async def test_what_never_arrived_is_replaced_after_the_wait(world: World) -> None:
    order_id = await world.place_order("ann", deliver_by="2029-01-10")
    with pytest.raises(Refused, match="has not been shipped yet"):
        await world.ask(order_id, kind="never_arrived", settlement="replacement")
    now = await world.now()
    await world.ship(order_id, expected=now.isoformat())
    with pytest.raises(Refused, match="too_early"):
        await world.ask(order_id, kind="never_arrived", settlement="replacement")
    await world.days(4)
    decision = await world.ask(order_id, kind="never_arrived", settlement="replacement")
    assert decision.ways == ("keep",)
    assert (await closed(world, order_id)).case.outcome is ReturnOutcome.REPLACED
    [dispatch] = await world.ledger.dispatches_of(order_id)
    assert dispatch.kind == "replacement"
    assert await given_back(world, order_id) == {}


async def test_a_lost_parcel_is_refunded_at_once_and_a_stolen_one_after_delivery(world: World) -> None:
    lost = await world.place_order("ann")
    await world.ship(lost)
    await world.move(lost, "lost")
    await world.ask(lost, kind="lost")
    assert (await closed(world, lost)).case.outcome is ReturnOutcome.REFUNDED
    stolen = await world.delivered_order("bob")
    with pytest.raises(Refused, match="it may have been stolen"):
        await world.ask(stolen, kind="never_arrived")
    await world.ask(stolen, kind="stolen")
    assert (await closed(world, stolen)).case.outcome is ReturnOutcome.REFUNDED


async def test_a_signal_that_cannot_be_read_is_in_the_story_and_harms_nobody(world: World) -> None:
    order_id = await world.delivered_order("ann")
    await world.ask(order_id)
    await world.until_return(order_id, lambda s: s.waits_for == "the first scan")
    await world.tell_return(order_id, "return_received", lines="all of it")
    await world.tell_return(order_id, "return_blessed")
    status = await world.return_status(order_id)
    assert [each.note for each in status.case.story if each.kind == "not_understood"] == [
        "lines: should be a list",
        "this kind of fact is not known",
    ]
    assert status.case.received_at is None


async def test_no_refusal_without_a_rule(world: World) -> None:
    order_id = await world.delivered_order("ann")
    for request, rule in (
        ({"reason": "bored"}, "unknown_reason"),
        ({"reason": "defective"}, "evidence_missing"),
        ({"lines": [{"line_id": "x", "quantity": 1}]}, "unknown_line"),
        ({"lines": [{"line_id": "l1", "quantity": 2}]}, "already_returned"),
        ({"way": "pickup"}, "way_not_offered"),
        ({"settlement": "exchange"}, "exchange_incomplete"),
        ({"kind": "goodwill"}, "amount_missing"),
    ):
        with pytest.raises(Refused) as refusal:
            await world.ask(order_id, **request)
        assert refusal.value.rule == rule
    await world.days(40)
    with pytest.raises(Refused, match="could be returned until"):
        await world.ask(order_id)


async def test_a_return_that_is_stopped_by_force_lets_its_order_go_on(world: World) -> None:
    order_id = await world.delivered_order("ann")
    await world.ask(order_id)
    await world.until_return(order_id, lambda s: s.waits_for == "the first scan")
    await world.return_(order_id).cancel()
    status = await world.until(order_id, lambda status: "return_closed" in [h.kind for h in status.happened])
    assert [each.note for each in status.happened if each.kind == "return_closed"] == ["cancelled"]
    await world.days(2)
    assert outcome(await world.status(order_id), "survey") is not None


@pytest.mark.parametrize(("name", "kind"), [("goodwill_refund", "goodwill"), ("refund", "refund")])
async def test_an_operators_refund_has_an_update_of_its_own(world: World, name: str, kind: str) -> None:
    order_id = await world.delivered_order("ann")
    request = ReturnRequest(amount=300, by="maria")
    answer = await world.journey(order_id).execute_update(name, request, result_type=ReturnDecision)
    decision = ReturnDecision.model_validate(answer)
    assert (decision.kind, decision.verdict) == (CaseKind(kind), Verdict.APPROVED)
    await closed(world, order_id)
    assert await given_back(world, order_id) == {"r1": 300}
