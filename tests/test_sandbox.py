"""The sandbox of production: what it leaves out, and what it still holds back."""

from typing import Any

import pytest
from temporalio.bridge.proto.workflow_activation import (
    FireTimer,
    InitializeWorkflow,
    QueryWorkflow,
    ResolveActivity,
    SignalWorkflow,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import WorkflowHistory
from temporalio.converter import (
    ActivitySerializationContext,
    SerializationContext,
    WorkflowSerializationContext,
)
from temporalio.worker import Replayer, WorkflowInstance

from runtime.convert import DATA_CONVERTER
from runtime.sandbox import ClockStandsStill, Guarded, build_sandbox
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


def taken_up(at: int, size: int, **jobs: Any) -> WorkflowActivation:
    """What happened, handed over with the second and the history's size of the task that took it up."""
    act = WorkflowActivation(history_size_bytes=size, jobs=[WorkflowActivationJob(**jobs)])
    act.timestamp.seconds = at
    return act


class Listener(WorkflowInstance):
    """Does what it is told."""

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return WorkflowActivationCompletion()

    def get_serialization_context(self, command_info: Any) -> None: ...

    def get_external_store_context(self, command_info: Any) -> Any: ...

    def get_info(self) -> Any: ...


def test_what_no_task_has_taken_up_waits_for_one() -> None:
    told = Guarded(Listener())
    told.activate(taken_up(1, 184, initialize_workflow=InitializeWorkflow()))
    told.activate(taken_up(1, 184, resolve_activity=ResolveActivity(is_local=True)))
    told.activate(taken_up(1, 184, query_workflow=QueryWorkflow()))
    with pytest.raises(ClockStandsStill):
        told.activate(taken_up(1, 184, fire_timer=FireTimer()))
    with pytest.raises(ClockStandsStill):
        told.activate(taken_up(1, 184, resolve_activity=ResolveActivity(is_local=False)))
    told.activate(taken_up(2, 631, fire_timer=FireTimer()))


def test_a_server_that_tells_no_size_is_trusted() -> None:
    told = Guarded(Listener())
    for _ in range(2):
        told.activate(taken_up(1, 0, signal_workflow=SignalWorkflow()))
