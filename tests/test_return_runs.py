"""A return whose tasks take long, that goes on in new runs, and whose letters park."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from temporalio import activity, workflow
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from activities.cases import Cases
from journey.contract import StepRequest
from journey.facts import LineQuantity, Order, ReturnOutcome
from journey.names import TASK_QUEUE, return_workflow_id
from journey.refunds import RefundState
from journey.return_case import Label, ReturnCase, ReturnEnd, ReturnStart
from journey.return_contract import (
    Cure,
    CureRequest,
    DecisionRequest,
    ReturnDecision,
    ReturnRequest,
    Stage,
    Sums,
    Verdict,
)
from journey.return_policy import ReturnPolicy, Way
from journey.state import Result
from journey.times import later
from ledger import Ledger
from ledger.money_tables import payments
from ledger.returns import ReturnRow
from runtime.embedded import Server
from runtime.returns import Refused, update_return
from runtime.settings import Settings
from tests.replaying import replay
from tests.world import PATIENCE, Activities, World, a_profile, dev_world, line, paced, short_playbook
from worker import build_activities
from workflows import visibility
from workflows.clock import Clock
from workflows.return_journey import ReturnJourney

Return = WorkflowHandle[ReturnJourney, ReturnEnd]
TASK = timedelta(seconds=1)
"""The least that a server allows a task. After eight tenths of it a worker asks for more."""


class SlowCases(Cases):
    """A ledger that takes its time."""

    takes: float

    @activity.defn(name="keep_return")
    async def keep_return(self, row: ReturnRow) -> None:
        await asyncio.sleep(self.takes)
        await self._ledger.keep_return(row)


def slow_ledger(takes: float) -> Activities:
    """The activities of production on a ledger that takes so many seconds."""

    def build(settings: Settings, ledger: Ledger) -> Sequence[Any]:
        slow = SlowCases(ledger)
        slow.takes = takes
        known = [each for each in build_activities(settings, ledger) if each.__name__ != "keep_return"]
        return [*known, slow.keep_return]

    return build


def new_run(order: Order, now: datetime, **policy: Any) -> ReturnStart:
    """The start of a run that carries on: the label is with the customer, and a day lasts a fifth of a
    second."""
    parts = (LineQuantity(line_id="l1", quantity=3),)
    request = ReturnRequest(lines=parts, reason="changed_mind")
    sums = Sums(goods=2970, refund=2970)
    decision = ReturnDecision(
        return_id="r1", verdict=Verdict.APPROVED, lines=parts, way=Way.DROP_OFF, sums=sums
    )
    case = ReturnCase(
        request=request,
        decision=decision,
        opened_at=now,
        stage=Stage.ON_ITS_WAY,
        approved=True,
        label=Label(key="r1/label"),
        instructed_at=now,
    )
    return ReturnStart(
        return_id="r1",
        order=order,
        placed_at=now,
        policy=ReturnPolicy.model_validate(policy),
        day_seconds=0.2,
        request=request,
        decision=decision,
        opened_at=now,
        case=case,
    )


async def go_on(world: World, **policy: Any) -> Return:
    """A return in a new run that has nothing new to show to operators."""
    lines = (line(quantity=3),)
    order_id = await world.place_order("ann", *lines)
    now = await world.now()
    order = Order(
        order_id=order_id, customer_id="c_ann", lines=lines, currency="EUR", country="DE", zone="UTC"
    )
    start = new_run(order, now, **{"expire_after": "9000 days", **policy})
    due = later(now, start.policy.remind_after, order.zone, start.day_seconds)
    seen: list[SearchAttributePair[Any]] = [
        SearchAttributePair(visibility.STAGE, "on_its_way"),
        SearchAttributePair(visibility.NEXT_DUE, due),
    ]
    return await world.client.start_workflow(
        ReturnJourney.run,
        start,
        id=return_workflow_id(order_id, "r1"),
        task_queue=TASK_QUEUE,
        task_timeout=TASK,
        search_attributes=TypedSearchAttributes(seen),
    )


async def test_what_happens_while_a_first_task_takes_long_is_replayed_as_it_was(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dev_world(server, tmp_path, activities=slow_ledger(2.2)) as world:
        dates = [await go_on(world, remind_after=f"{days} days") for days in range(1, 5)]
        told = [await go_on(world, wait_for_rest=f"{days} days") for days in range(1, 5)]
        await asyncio.sleep(0.2)
        came = await one_of_three(world)
        await asyncio.gather(*(each.signal("return_received", came) for each in told))
        await asyncio.gather(*(until_letter(world, each, "return_reminder") for each in dates))
        await asyncio.gather(*(until_letter(world, each, "return_received") for each in told))
        histories = [await each.fetch_history() for each in (*dates, *told)]
        for history in histories:
            await replay(history)
        await asyncio.gather(*(each.terminate() for each in (*dates, *told)))
    monkeypatch.setattr(Clock, "now", lambda clock: workflow.now())
    for history in histories[: len(dates)]:
        with pytest.raises(workflow.NondeterminismError):
            await replay(history)


async def one_of_three(world: World) -> dict[str, Any]:
    lines = [{"line_id": "l1", "quantity": 1}]
    return {"fact_id": "f1", "at": (await world.now()).isoformat(), "lines": lines}


async def until_letter(world: World, journey: Return, name: str) -> None:
    """Wait until it lies in the outbox."""
    order_id = journey.id.split(":")[1]
    async with asyncio.timeout(PATIENCE):
        while f"{name}/r1" not in await world.letters_of(order_id):  # noqa: ASYNC110 a database tells nobody
            await asyncio.sleep(0.05)


async def test_without_a_cache_every_step_of_a_return_is_a_replay_and_nothing_changes(
    server: Server, tmp_path: Path
) -> None:
    # At fifty days a second, the label must not expire while a busy machine looks away.
    policy = ReturnPolicy(window="9000 days", expire_after="9000 days", wait_for_rest="1 day")
    book = BOOK.model_copy(update={"returns": policy})
    async with dev_world(server, tmp_path, book, max_cached_workflows=0) as world:
        order_id = await world.place_order("ann", line(quantity=3))
        await world.ship(order_id)
        await world.deliver(order_id)
        await world.until(order_id, lambda status: "parcel_moved" in {e.kind for e in status.happened})
        await world.ask(order_id)
        await world.until_return(order_id, lambda status: status.waits_for == "the first scan")
        await world.return_(order_id).signal("return_received", await one_of_three(world))
        await world.until_return(order_id, lambda status: status.waits_for == "the inspection")
        await world.tell_return(order_id, "return_inspected")
        end = await ended(world, order_id)
        assert (end.outcome, end.amount) == (ReturnOutcome.REFUNDED, 990)
        letters = await world.letters_of(order_id)
        assert set(letters.values()) == {1}
        assert {"return_approved/r1", "return_received/r1", "return_refunded/r1"} <= set(letters)


UNITS = 40
BOOK = paced(
    short_playbook({"name": "order_confirmation", "after": "placed"}).model_copy(
        update={
            "returns": ReturnPolicy(
                window="9000 days",
                approve_up_to={"EUR": 1},
                remind_after="9000 days",
                wait_for_rest="9000 days",
            )
        }
    )
)


async def test_a_return_that_goes_on_in_new_runs_loses_nothing_and_repeats_nothing(
    hasty_server: Server, tmp_path: Path
) -> None:
    async with dev_world(hasty_server, tmp_path, BOOK) as world:
        orders = await asyncio.gather(*(lived_through(world, f"c{number}") for number in range(2)))
        for number, order_id in enumerate(orders):
            runs = await world.until_listed(f'WorkflowId = "return:{order_id}:r1"', at_least=3)
            assert len(runs) >= 3
            case = (await world.return_status(order_id)).case
            assert sum(part.quantity for part in case.received) == UNITS
            assert case.outcome is ReturnOutcome.REFUNDED
            refunds = await world.ledger.refunds_of(order_id)
            assert {refund.key: refund.state for refund in refunds} == {
                "r1": RefundState.PARKED,
                "r1/2": RefundState.SUCCEEDED,
            }
            assert Counter(await world.letters_to(f"c{number}")) == {
                "order_confirmation": 1,
                "return_under_review/r1": 1,
                "return_approved/r1": 1,
                "return_received/r1": 1,
                "return_refunded/r1": 1,
            }


async def lived_through(world: World, customer: str) -> str:
    """A return amid so much noise that each of its stages begins a new run, with what matters in between."""
    order_id = await world.place_order(customer, line(quantity=UNITS))
    await world.ship(order_id)
    await world.deliver(order_id)
    await world.until(order_id, lambda status: "parcel_moved" in {each.kind for each in status.happened})
    await held_by(world, order_id, "gone")
    await world.ask(order_id)
    await world.until_return(order_id, lambda status: status.case.attention == "decision")
    decision = DecisionRequest(approve=True, by="maria")
    await asyncio.gather(
        noise(world, order_id), update_return(world.client, order_id, "r1", "decide_return", decision)
    )
    await world.until_return(order_id, lambda status: status.waits_for == "the first scan")
    one = [{"line_id": "l1", "quantity": 1}]
    await asyncio.gather(
        *(world.tell_return(order_id, "return_received", lines=one) for _ in range(UNITS)),
        noise(world, order_id),
    )
    await world.until_return(order_id, lambda status: status.waits_for == "the inspection")
    await asyncio.gather(noise(world, order_id), world.tell_return(order_id, "return_inspected"))
    await world.until_return(order_id, lambda status: status.case.attention == "refund_failed")
    await held_by(world, order_id, "demo")
    cure = CureRequest(how=Cure.MAKE_AGAIN, by="maria")
    await asyncio.gather(
        noise(world, order_id), update_return(world.client, order_id, "r1", "cure_refund", cure)
    )
    await ended(world, order_id)
    return order_id


async def ended(world: World, order_id: str) -> ReturnEnd:
    async with asyncio.timeout(PATIENCE):
        return await world.return_(order_id).result()


async def noise(world: World, order_id: str) -> None:
    """The carrier repeats that there is a label."""
    moved = {"status": "label_made"}
    await asyncio.gather(*(world.tell_return(order_id, "return_moved", **moved) for _ in range(50)))


async def held_by(world: World, order_id: str, provider: str) -> None:
    async with world.ledger.writing() as db:
        await db.execute(update(payments).where(payments.c.order_id == order_id).values(provider=provider))


async def test_a_parked_letter_of_a_return_is_seen_and_sent_or_left_out_by_an_operator(
    server: Server, tmp_path: Path
) -> None:
    async with dev_world(server, tmp_path, BOOK.model_copy(update={"returns": ReturnPolicy()})) as world:
        for name, result in (("retry_step", Result.SENT), ("skip_step", Result.SKIPPED)):
            order_id = await world.place_order(name[:4], profile=a_profile("bob"))
            await world.ship(order_id)
            await world.move(order_id, "lost")
            await world.until(order_id, lambda status: "parcel_moved" in {e.kind for e in status.happened})
            await world.ask(order_id, kind="lost")
            status = await world.until_return(order_id, lambda status: status.case.parked)
            [parked] = status.case.parked
            assert (status.case.needs, parked.reason) == ("parked", "the ledger does not know the customer")
            await world.until_listed(f'WorkflowId = "return:{order_id}:r1" AND Attention = "parked"')
            # The order goes on all the same.
            await world.until(order_id, lambda status: "return_closed" in {e.kind for e in status.happened})

            for key, problem in (
                (
                    "return_blessed/r1",
                    "key: no letter return_blessed/r1 is ahead; these are: return_refunded/r1",
                ),
                (
                    "return_refunded/r2",
                    "key: no letter return_refunded/r2 is ahead; these are: return_refunded/r1",
                ),
            ):
                with pytest.raises(Refused, match=problem):
                    await update_return(world.client, order_id, "r1", name, StepRequest(key=key))

            await world.ledger.keep_customer(a_profile(name[:4]))
            key = "return_refunded/r1"
            await update_return(world.client, order_id, "r1", name, StepRequest(key=key, reason="by_phone"))
            await ended(world, order_id)
            done = await world.return_status(order_id)
            assert done.case.letters["return_refunded"].result is result
            assert done.case.needs is None
            assert await world.letters_to(name[:4]) == ([key] if result is Result.SENT else [])


async def test_of_two_people_who_cure_a_refund_at_once_one_is_refused(server: Server, tmp_path: Path) -> None:
    async with dev_world(server, tmp_path, BOOK, working=False) as world:
        async with world.worker():
            order_id = await refund_that_failed(world)
        # Nobody works, so that one workflow task brings both.
        cures = [
            asyncio.create_task(cured(world, order_id, Cure.PAID_OTHERWISE, "maria")),
            asyncio.create_task(cured(world, order_id, Cure.MAKE_AGAIN, "otto")),
        ]
        await asyncio.sleep(0.5)
        async with world.worker():
            told = await asyncio.gather(*cures, return_exceptions=True)
            [refusal] = [each for each in told if each is not None]
            assert isinstance(refusal, Refused)
            await ended(world, order_id)
        paid = [
            each for each in await world.ledger.refunds_of(order_id) if each.state is RefundState.SUCCEEDED
        ]
        assert len(paid) == (told[0] is refusal)


async def refund_that_failed(world: World) -> str:
    order_id = await world.place_order("ann")
    await provided_by(world, "gone")
    await world.ask(order_id, kind="goodwill", amount=300, by="maria")
    await world.until_return(order_id, lambda status: status.case.attention == "refund_failed")
    await provided_by(world, "demo")
    return order_id


async def provided_by(world: World, provider: str) -> None:
    async with world.ledger.writing() as db:
        await db.execute(update(payments).values(provider=provider))


async def cured(world: World, order_id: str, how: Cure, by: str) -> None:
    await update_return(world.client, order_id, "r1", "cure_refund", CureRequest(how=how, by=by))
