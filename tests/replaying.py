"""A history, played again by the code of the day."""

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from runtime.convert import DATA_CONVERTER
from runtime.sandbox import build_sandbox
from workflows.erasure import Erasure
from workflows.order_journey import OrderJourney
from workflows.reconciliation import Reconciliation
from workflows.return_journey import ReturnJourney


async def replay(history: WorkflowHistory) -> None:
    """Raises what the code of the day does otherwise than it did then."""
    replayer = Replayer(
        workflows=[OrderJourney, ReturnJourney, Erasure, Reconciliation],
        data_converter=DATA_CONVERTER,
        workflow_runner=build_sandbox(),
        # Otherwise a workflow task that takes two seconds counts as a deadlock, on a busy machine as well.
        debug_mode=True,
    )
    await replayer.replay_workflow(history)
