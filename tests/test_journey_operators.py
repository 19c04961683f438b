"""What operators can do with a running journey, and what they are told when it cannot be done."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowUpdateFailedError

from activities.providers.outbox import OutboxMailer
from journey.contract import Standpoint, StepRequest
from journey.plan import Standing
from journey.said_before import step_was_said
from journey.state import Result
from ledger import Ledger
from runtime.embedded import Server
from runtime.settings import Settings
from tests.world import FlakyMailer, World, a_profile, activities_with, dev_world, outcome


@pytest_asyncio.fixture
async def world(server: Server, tmp_path: Path) -> AsyncIterator[World]:
    async with dev_world(server, tmp_path) as stage:
        yield stage


async def update(world: World, order: str, name: str, *args: StepRequest) -> Standpoint:
    answer = await world.journey(order).execute_update(name, args=args, result_type=Standpoint)
    return Standpoint.model_validate(answer)


async def test_a_paused_order_gets_no_letter_until_it_is_resumed(world: World) -> None:
    order = await world.place_order("ann")
    await world.until_sent(order, "order_confirmation")
    status = await update(world, order, "pause")
    assert (status.paused, status.attention) == (True, "paused")
    await world.ship(order)
    await world.deliver(order)
    await world.days(3)
    held = await world.until(order, lambda s: s.ahead[0].standing is Standing.PAUSED)
    assert held.ahead[0].key == "survey"
    resumed = await update(world, order, "resume")
    assert (resumed.paused, resumed.attention) == (False, None)
    await world.until_sent(order, "survey")
    assert await world.letters_to("ann") == ["order_confirmation", "survey"]


async def test_a_skipped_step_is_recorded_with_its_reason_and_never_sent(world: World) -> None:
    order = await world.place_order("ann")
    reason = "asked_by_phone"
    await update(world, order, "skip_step", StepRequest(key="survey", reason=reason))
    assert outcome(await world.status(order), "survey") == (Result.SKIPPED, reason)
    await world.ship(order)
    await world.deliver(order)
    over = await world.until_over(order)
    assert outcome(over, "survey") == (Result.SKIPPED, reason)
    # The same, said again after the end, is known to be done; anything else is too late.
    ended = await world.ledger.journey(order)
    assert ended is not None
    assert step_was_said(ended.state, "skip_step", StepRequest(key="survey", reason=reason))
    assert not step_was_said(ended.state, "skip_step", StepRequest(key="survey", reason="another"))
    assert not step_was_said(ended.state, "retry_step", StepRequest(key="survey"))
    assert await world.letters_to("ann") == ["order_confirmation"]


@pytest.mark.parametrize("name", ["skip_step", "retry_step"])
async def test_a_step_that_is_not_ahead_is_named_with_those_that_are(world: World, name: str) -> None:
    order = await world.place_order("ann")
    await world.until_sent(order, "order_confirmation")
    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await update(world, order, name, StepRequest(key="order_confirmation"))
    assert str(refusal.value.cause) == "key: no step order_confirmation is ahead; these are: survey"


async def test_a_step_that_is_not_parked_cannot_be_retried(world: World) -> None:
    order = await world.place_order("ann")
    with pytest.raises(WorkflowUpdateFailedError) as refusal:
        await update(world, order, "retry_step", StepRequest(key="survey"))
    assert str(refusal.value.cause) == "key: survey is not parked, so there is nothing to retry"


async def test_a_letter_to_an_unknown_customer_is_parked_and_resumed_after_the_cure(world: World) -> None:
    order = await world.place_order("ann", profile=a_profile("bob"))
    status = await world.until(order, lambda s: s.attention)
    assert status.attention == "parked"
    assert outcome(status, "order_confirmation") == (Result.PARKED, "the ledger does not know the customer")
    assert await world.letters_to("ann") == []

    await world.ledger.keep_customer(a_profile("ann"))
    await update(world, order, "retry_step", StepRequest(key="order_confirmation"))
    healed = await world.until_sent(order, "order_confirmation")
    assert healed.attention is None
    assert await world.letters_to("ann") == ["order_confirmation"]


async def test_a_broken_template_parks_its_letter_alone(server: Server, tmp_path: Path) -> None:
    own = tmp_path / "own" / "letters"
    own.mkdir(parents=True)
    broken = own / "order_confirmation.txt"
    broken.write_text("Hello {{ nobody.knows.this }}")

    async with dev_world(server, tmp_path, own_templates=tmp_path / "own", working=False) as world:
        async with world.worker():
            order = await world.place_order("ann")
            status = await world.until(order, lambda s: s.attention)
            reason = "letter order_confirmation: letters/order_confirmation.txt has no block subject"
            assert outcome(status, "order_confirmation") == (Result.PARKED, reason)
            await world.ship(order)
            await world.deliver(order)
            await world.until_sent(order, "survey")

        broken.unlink()
        async with world.worker():
            await update(world, order, "retry_step", StepRequest(key="order_confirmation"))
            await world.until_sent(order, "order_confirmation")
        assert await world.letters_to("ann") == ["survey", "order_confirmation"]


async def test_a_provider_that_is_down_is_seen_by_operators_and_the_letter_goes_out_once(
    server: Server, tmp_path: Path
) -> None:
    mailers: list[FlakyMailer] = []

    def activities(settings: Settings, ledger: Ledger) -> Sequence[Any]:
        mailers.append(FlakyMailer(OutboxMailer(ledger), down=True))
        return activities_with(mailers[0])(settings, ledger)

    async with dev_world(server, tmp_path, activities=activities) as world:
        order = await world.place_order("ann")
        await world.until(order, lambda s: mailers[0].refused >= 3)
        description = await world.journey(order).describe()
        [pending] = description.raw_description.pending_activities
        assert pending.activity_type.name == "send_message"
        assert pending.attempt >= 2
        assert pending.last_failure.message == "503: the provider is down"
        # Facts are still heard while a letter is on its way.
        await world.ship(order)
        await world.until(order, lambda s: len(s.happened) == 2)

        mailers[0].down = False
        await world.until_sent(order, "order_confirmation")
        assert await world.letters_to("ann") == ["order_confirmation"]
        [send] = await world.ledger.sends_of(order)
        assert (send.state, send.resent) == ("accepted", 0)
        events = await world.event_types(order)
        assert events["marker_recorded_event_attributes"] == 1
        assert events["activity_task_scheduled_event_attributes"] == 1
