"""The sandbox of production: what it leaves out, and what it still holds back."""

import pytest
from temporalio.client import WorkflowHistory
from temporalio.converter import (
    ActivitySerializationContext,
    SerializationContext,
    WorkflowSerializationContext,
)
from temporalio.worker import Replayer

from runtime.convert import DATA_CONVERTER
from runtime.sandbox import build_sandbox
from tests.clockwatcher import Clockwatcher
from tests.world import ROOT
from workflows.order_journey import OrderJourney
from workflows.return_journey import ReturnJourney

CONTEXTS: list[SerializationContext] = [
    WorkflowSerializationContext(namespace="default", workflow_id="order:1"),
    ActivitySerializationContext(
        namespace="default",
        workflow_id="order:1",
        workflow_type="OrderJourney",
        activity_type="send_message",
        activity_id="1",
        activity_task_queue="journeys",
        is_local=True,
    ),
]


@pytest.mark.parametrize("context", CONTEXTS, ids=["of a workflow", "of an activity"])
def test_our_converter_has_no_use_for_a_context_so_none_is_asked_for(context: SerializationContext) -> None:
    assert DATA_CONVERTER.with_context(context) is DATA_CONVERTER


async def replayed(*stories: type) -> Exception | None:
    replayer = Replayer(workflows=stories, data_converter=DATA_CONVERTER, workflow_runner=build_sandbox())
    path = ROOT / "tests" / "histories" / "v1" / "on_time.json"
    history = WorkflowHistory.from_json("on_time", path.read_text())
    return (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure


async def test_a_workflow_that_asks_the_machine_for_the_time_is_still_stopped() -> None:
    failure = await replayed(Clockwatcher)
    assert "datetime.datetime.now" in str(failure)
    assert await replayed(OrderJourney, ReturnJourney) is None
