"""The sandbox in which workflows run: the SDK's, without what it costs and gives us nothing."""

from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
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
    return ContextFreeRunner(restrictions=restrictions)


class ContextFreeRunner(SandboxedWorkflowRunner):
    """Runs workflows in the SDK's sandbox, whose payloads are all converted alike.

    For each payload of a command the SDK enters the sandbox up to four times to ask in which context it is
    to be converted. Our converter has no use for a context, and these questions are a third of what a
    journey costs the worker (docs/adr/0005-context-free-sandbox.md).
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _ContextFree(super().create_instance(det))


class _ContextFree(WorkflowInstance):
    """A workflow that is not asked for the context of its payloads."""

    def __init__(self, sandboxed: WorkflowInstance) -> None:
        self._sandboxed = sandboxed

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        return self._sandboxed.activate(act)

    def get_serialization_context(self, command_info: Any) -> None:
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> Info:
        return self._sandboxed.get_info()

    def get_thread_id(self) -> int | None:
        return self._sandboxed.get_thread_id()
