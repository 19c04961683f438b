"""What operators see in the Temporal UI, and what nobody may see there."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import WorkflowExecution

from ledger.customers import Profile
from ledger.orders import OrderPointer
from runtime import orders
from runtime.embedded import Server, connect_embedded, known_server
from tests.world import DEFAULT, World, a_profile, dev_world, paced
from workflows import visibility


@pytest_asyncio.fixture
async def world(server: Server, tmp_path: Path) -> AsyncIterator[World]:
    async with dev_world(server, tmp_path, DEFAULT) as stage:
        yield stage


def attribute(run: WorkflowExecution, name: str) -> object:
    [found] = [pair.value for pair in run.typed_search_attributes if pair.key.name == name]
    return found


async def test_journeys_are_found_by_what_they_wait_for(world: World) -> None:
    order = await world.place_order("ann", ship_by="2199-01-01", first_order=True)
    await world.until_sent(order, "order_confirmation")
    only = f'WorkflowId = "order:{order}"'
    [run] = await world.until_listed(f'{only} AND JourneyStage = "placed" AND CustomerId = "c_ann"')
    assert attribute(run, "Playbook") == "default"
    await world.ship(order)
    await world.deliver(order)
    [run] = await world.until_listed(f'{only} AND JourneyStage = "delivered" AND NextStep IS NOT NULL')
    status = await world.status(order)
    first = next(step for step in status.ahead if step.due)
    assert attribute(run, "NextStep") == first.key
    assert first.due is not None
    assert attribute(run, "NextDue") == first.due
    soon = (first.due + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    await world.until_listed(f'{only} AND NextDue < "{soon}"')
    overdue = f'{only} AND NextDue < "2020-01-01T00:00:00Z"'
    assert (await world.client.count_workflows(overdue)).count == 0


async def test_who_asks_a_temporal_that_does_not_answer_in_time_is_told_that_nobody_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await world.place_order("ann")
    monkeypatch.setattr(orders, "RPC_TIMEOUT", timedelta(microseconds=1))
    with pytest.raises(ConnectionError):
        await world.status(order)


async def test_journeys_that_need_a_person_are_found(world: World) -> None:
    parked = await world.place_order("ann", profile=a_profile("bob"))
    paused = await world.place_order("cleo")
    await world.journey(paused).execute_update("pause")
    for order, attention in ((parked, "parked"), (paused, "paused")):
        await world.until_listed(f'WorkflowId = "order:{order}" AND Attention = "{attention}"')
    await world.journey(paused).execute_update("resume")
    await world.until_listed(f'WorkflowId = "order:{paused}" AND Attention IS NULL')


async def test_the_ui_shows_the_plan_and_why_it_sleeps(world: World) -> None:
    order = await world.place_order("ann")
    await world.ship(order)
    await world.deliver(order)
    await world.until_sent(order, "delivered/p1")
    description = await world.journey(order).describe()
    assert await description.static_summary() == "1 items to DE, EUR"
    metadata = await world.journey(order).query("__temporal_workflow_metadata")
    details = metadata.current_details
    assert "| survey | " in details
    assert "1 day after delivery_reported" in details
    assert "| delivered/p1 | " in details.split("**Over**")[1]
    history = await world.journey(order).fetch_history()
    timers = [e for e in history.events if e.HasField("timer_started_event_attributes")]
    said = json.loads(timers[-1].user_metadata.summary.data)
    assert said.startswith("survey: 1 day after delivery_reported")


async def test_signals_updates_and_queries_explain_themselves(world: World) -> None:
    order = await world.place_order("ann")
    metadata = await world.journey(order).query("__temporal_workflow_metadata")
    described = {each.name: each.description for each in metadata.definition.update_definitions}
    assert set(described) >= {"pause", "resume", "skip_step", "retry_step"}
    assert all(described.values())


NAME, EMAIL, PHONE = "Wilhelmina Quartzpebble", "w.quartzpebble@secret-mail.example", "+44 7700 900123"
ADDRESS = ("17 Nightingale Passage", "ZQ9 4XX Hiddenham")
PLANTED = (
    "Wilhelmina",
    "Quartzpebble",
    "quartzpebble",
    "secret-mail",
    "7700 900123",
    "Nightingale",
    "Hiddenham",
)


async def test_no_name_and_no_address_reaches_temporal_or_a_log(
    server: Server,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with dev_world(server, tmp_path, paced()) as world:
        profile = Profile(customer_id="c_w", email=EMAIL, name=NAME, phone=PHONE)
        order = await world.place_order("w", profile=profile, first_order=True)
        pointer = OrderPointer(
            order_id=order, customer_id="c_w", placed_at=await world.now(), recipient=NAME, address=ADDRESS
        )
        await world.ledger.keep_order(pointer)
        broken = await world.place_order("w", profile=profile, zone="Asia/Tokyo")
        await world.journey(broken).execute_update("pause")
        await world.ship(order)
        await world.deliver(order)
        await world.tell(order, "feedback_given", rating=2)
        await world.until_over(order)
        assert len(await world.letters_of(order)) >= 4
        [letter, *_] = await world.ledger.outbox(order_id=order)
        assert (letter.recipient, letter.recipient_name) == (EMAIL, NAME)
        exported = [(await world.journey(each).fetch_history()).to_json() for each in (order, broken)]
    places = {f"history {number}": text.encode() for number, text in enumerate(exported)}
    bases = tmp_path_factory.getbasetemp().glob("server*")
    [home] = (base for base in bases if known_server(base) == server and not base.is_symlink())
    places |= files_of(home) | {"log": caplog.text.encode()}
    assert {"temporal.db", "temporal.db-wal", "temporal.log"} <= set(places)
    assert order.encode() in places["temporal.db"] + places["temporal.db-wal"]
    found = [(word, place) for place, content in places.items() for word in PLANTED if has(content, word)]
    assert found == []
    # The ledger is where they belong: what is looked for can be found.
    kept = b"".join(files_of(tmp_path).values())
    assert all(has(kept, word) for word in PLANTED)


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def has(content: bytes, word: str) -> bool:
    return any(word.encode(encoding) in content for encoding in ("utf-8", "utf-16-le"))


async def test_every_search_attribute_is_registered_on_the_server(server: Server) -> None:
    client = await connect_embedded(server)
    for key in visibility.ALL_KEYS:
        query = f"{key.name} IS NOT NULL AND WorkflowId = 'none'"
        assert (await client.count_workflows(query)).count == 0
