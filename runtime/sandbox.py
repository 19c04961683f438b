"""The sandbox in which workflows run: the SDK's, less what costs and gives nothing, and a guard more."""

from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import StorageDriverStoreContext
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import Info

OUR_MODULES = ("activities", "journey", "ledger", "workflows")


def build_sandbox(*more_modules: str) -> SandboxedWorkflowRunner:
    """The sandbox of production. Our own modules pass through it, which makes a new workflow three times
    cheaper; a test keeps clocks and chance out of them instead."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*OUR_MODULES, *more_modules)
    return Runner(restrictions=restrictions)


class Runner(SandboxedWorkflowRunner):
    """The SDK's sandbox, less needless questions, and with a guard against a clock that stands still."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return Guarded(super().create_instance(det))


class ClockStandsStill(Exception):
    """What happened was handed to a workflow without the time at which a workflow task took it up."""


class Guarded(WorkflowInstance):
    """A workflow in the sandbox.

    For each payload of a command the SDK enters the sandbox up to four times to ask in which context it is
    to be converted. Our converter has no use for a context, and these questions are a third of what a
    journey costs the worker (docs/adr/0005-context-free-sandbox.md).
    """

    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed
        self._seen: tuple[int, int] | None = None

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Raises `ClockStandsStill`, upon which the SDK forgets the run and replays it when there is a task.

        A query that had waited for a killed worker makes SDK 1.35 apply events that no workflow task has
        taken up yet, at the time of the last task; the run would go on from what it decided at that wrong
        time, and no replay would ever agree (docs/adr/0010-queries-and-the-clock.md).
        """
        moment = (act.timestamp.ToNanoseconds(), act.history_size_bytes)
        if moment == self._seen and act.history_size_bytes and any(map(_of_a_new_task, act.jobs)):
            raise ClockStandsStill("asked between two workflow tasks; ask again")
        self._seen = moment
        return self._sandboxed.activate(act)

    def get_serialization_context(self, command_info: Any) -> None:
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()


_OF_HISTORY = {
    "fire_timer",
    "signal_workflow",
    "cancel_workflow",
    "resolve_child_workflow_execution_start",
    "resolve_child_workflow_execution",
    "resolve_signal_external_workflow",
}


def _of_a_new_task(job: WorkflowActivationJob) -> bool:
    """Whether a job stems from an event that only a workflow task of its own can bring, with a time and a
    size of the history of its own. A local activity ends within a task."""
    kind = job.WhichOneof("variant")
    return kind in _OF_HISTORY or (kind == "resolve_activity" and not job.resolve_activity.is_local)
