"""Forgetting a customer, by whoever stands at a door."""

from datetime import UTC, datetime

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from journey.forgetting import ErasureRequest
from journey.names import TASK_QUEUE, erasure_workflow_id
from ledger import Ledger
from ledger.erasure import Erasure as Receipt
from runtime.orders import RPC_TIMEOUT
from workflows.erasure import Erasure


async def forget(client: Client | None, ledger: Ledger, customer_id: str) -> Receipt:
    """Empty the ledger's rows at once, so that no letter is written any more, and begin the rest: it goes
    on by itself, and the receipt tells how far it is.

    Raises `ConnectionError` when Temporal is away: then the rows are empty, and the rest is to be asked for
    again.
    """
    receipt = await ledger.erase_customer(customer_id, datetime.now(UTC))
    if client is None:
        raise ConnectionError("Temporal is away; the rows are empty, the mail provider is not told yet")
    try:
        await client.start_workflow(
            Erasure.run,
            ErasureRequest(customer_id=customer_id),
            id=erasure_workflow_id(customer_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="ask_again",
            static_summary=f"forget {customer_id}",
            rpc_timeout=RPC_TIMEOUT,
        )
    except RPCError as error:
        raise ConnectionError(f"Temporal says: {error.status.name.lower()}") from None
    return receipt
