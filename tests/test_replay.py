"""Journeys that were begun by an older version go on with the code of the day."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory

from activities.messages import Messages
from journey.plan import PlannedStep
from tests.histories import record
from tests.replaying import replay
from tests.world import ROOT
from workflows import order_journey, policies
from workflows.order_journey import OrderJourney

HISTORIES = sorted((ROOT / "tests" / "histories").glob("v*/*.json"))
EXAMPLES = sorted(folder.parent.name for folder in (ROOT / "examples" / "orders").glob("*/order.json"))
NAMES = [f"{path.parent.name}/{path.stem}" for path in HISTORIES]


def read(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text())


@pytest.mark.parametrize("path", HISTORIES, ids=NAMES)
async def test_a_journey_of_then_replays_today(path: Path) -> None:
    await replay(read(path))


def events(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["events"]
    return found


@pytest.mark.parametrize(
    ("story", "rule"),
    [("parcel_called_off", "parcels-called-off"), ("return_closed_twice", "return-ends-ranked")],
)
def test_a_run_of_today_is_marked_where_an_older_one_decided_otherwise(story: str, rule: str) -> None:
    marked = {path.parent.name for path in HISTORIES if path.stem == story and rule in patches(path)}
    assert marked == {"v3"}


def patches(path: Path) -> set[str]:
    markers = [event.get("markerRecordedEventAttributes", {}) for event in events(path)]
    details = [marker["details"] for marker in markers if marker.get("markerName") == "core_patch"]
    told = [b64decode(each["patch-data"]["payloads"][0]["data"]) for each in details]
    return {json.loads(data)["id"] for data in told}


def test_every_example_is_in_the_corpus() -> None:
    assert set(EXAMPLES) <= {path.stem for path in HISTORIES if path.parent.name == "v1"}


def test_the_corpus_has_what_happens_to_few_journeys() -> None:
    kinds = {event["eventType"].removeprefix("EVENT_TYPE_") for path in HISTORIES for event in events(path)}
    assert kinds >= {
        "WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
        "WORKFLOW_EXECUTION_CANCELED",
        "WORKFLOW_EXECUTION_UPDATE_COMPLETED",
        "ACTIVITY_TASK_COMPLETED",
        "TIMER_CANCELED",
        "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES",
    }


async def upsert_after_the_timer(self: OrderJourney, wake: Any, ahead: list[PlannedStep]) -> None:
    self._alarm.set(wake, "")
    await asyncio.sleep(0)
    show(self, ahead)
    await workflow.wait_condition(lambda: self._news or self._alarm.rang)
    self._now = workflow.now()


show = OrderJourney._show


def never_show(self: OrderJourney, ahead: list[PlannedStep]) -> None:
    return None


async def keep_nothing(self: OrderJourney, ending: Any) -> None:
    return None


async def always_patiently(request: Any) -> Any:
    return await workflow.execute_activity_method(Messages.send_message, request, **policies.PATIENTLY)


async def nap_first(self: OrderJourney, due: list[PlannedStep]) -> None:
    if due:
        await workflow.sleep(1)
    await send(self, due)


send = OrderJourney._send


MUTANTS: dict[str, list[tuple[Any, str, Callable[..., Any]]]] = {
    "commands in another order": [
        (OrderJourney, "_news_or", upsert_after_the_timer),
        (OrderJourney, "_show", never_show),
    ],
    "nothing kept at the end": [(OrderJourney, "_keep", keep_nothing)],
    "regular activities first": [(order_journey, "_try_at_once", always_patiently)],
    "a timer before each letter": [(OrderJourney, "_send", nap_first)],
    "no search attributes": [(OrderJourney, "_show", never_show)],
}
EVERY_TIME = [path for path in HISTORIES if path.parent.name == "v1" and path.stem in EXAMPLES]


@pytest.mark.parametrize("mutations", MUTANTS.values(), ids=MUTANTS.keys())
async def test_a_changed_workflow_is_caught_by_every_example(
    monkeypatch: pytest.MonkeyPatch, mutations: list[tuple[Any, str, Callable[..., Any]]]
) -> None:
    for owner, name, mutation in mutations:
        monkeypatch.setattr(owner, name, mutation)
    for path in EVERY_TIME:
        with pytest.raises(workflow.NondeterminismError):
            await replay(read(path))


async def test_histories_are_never_written_again() -> None:
    with pytest.raises(FileExistsError, match="v1 has histories, and they are never written again"):
        await record.record(ROOT / "tests" / "histories" / "v1")


@pytest.mark.parametrize("path", HISTORIES, ids=NAMES)
def test_a_kept_history_names_no_machine(path: Path) -> None:
    found = json.loads(path.read_text())
    assert found == record.nameless(found)
