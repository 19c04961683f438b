"""Placing orders, reporting facts and asking about them, by whoever stands at a door."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from journey.contract import JourneyEnd, JourneyStart, JourneyStatus, Standpoint, describe_ending
from journey.facts import Fact, OrderPlaced, understand
from journey.names import GUEST, TASK_QUEUE, order_workflow_id
from journey.own_returns import TOLD_BY_US, check_source, run_here
from journey.plan import plan
from journey.playbook import Playbook
from journey.proration import paid_in_all
from journey.record import begun, seen_as
from ledger import Ledger
from ledger.customers import Profile
from ledger.incoming import Person
from ledger.journeys import LateFact
from ledger.orders import OrderPointer
from ledger.payments import Payment
from ledger.permissions import Consent
from workflows import visibility
from workflows.order_journey import OrderJourney

RPC_TIMEOUT = timedelta(seconds=10)
"""How long one call to Temporal may take."""

ANSWER_WITHIN = timedelta(seconds=25)
"""How long a journey may take to answer: after a worker was killed, the server waits ten seconds for it
before it asks another one."""

T = TypeVar("T")

MOST_ASKS, ASK_AFTER = 60, 0.25
"""Of a query that was refused, and the seconds between two."""

NO_WORKER = "no worker answers; `python worker.py` starts one"
NOT_READY = (
    "the journey cannot be asked right now: its worker stopped in the middle of a step. Another takes over "
    "within ten seconds or so; if it stays like this, the Temporal UI shows what is wrong"
)
"""Temporal refuses a query while a workflow task has failed or timed out several times in a row; our sandbox
refuses one that would make the journey decide at a wrong time."""


class UnknownOrder(Exception):
    """Nobody placed this order here."""


class Reported(StrEnum):
    """What became of a fact."""

    RECORDED = "recorded"
    TOO_LATE = "kept, but the journey is over"
    REPEATED = "known already"


def handle(client: Client, order_id: str) -> WorkflowHandle[OrderJourney, JourneyEnd]:
    return client.get_workflow_handle_for(OrderJourney.run, order_workflow_id(order_id))


async def place_order(  # noqa: PLR0913, PLR0917
    client: Client,
    ledger: Ledger,
    placed: OrderPlaced,
    profile: Profile,
    playbook: Playbook,
    consents: Iterable[Consent] = (),
    payment: Payment | None = None,
) -> bool:
    """Keep the customer, what they said yes to with this order and its payment, and start the journey; False,
    and nothing is kept, if the order had been placed before. Without a payment, now or before, all of it
    counts as paid through the demo's provider. Of somebody who was forgotten since, only ids are kept."""
    order = placed.order
    if await _known(client, ledger, order.order_id):
        return False
    is_welcome = await ledger.keep_person(Person(profile=profile, at=placed.at))
    pointer = OrderPointer(order_id=order.order_id, customer_id=order.customer_id, placed_at=placed.at)
    await ledger.keep_order(pointer)
    await ledger.keep_payment(payment or demo_payment(placed))
    for consent in consents if is_welcome else ():
        await ledger.keep_consent(consent)
    return await start_journey(client, await knowing_if_first(ledger, placed), playbook)


async def knowing_if_first(ledger: Ledger, placed: OrderPlaced) -> OrderPlaced:
    """The fact that says whether it is the customer's first order. Looked up where nobody told, before the
    journey begins: it lives with the answer, whatever the ledger learns later. A guest's may be any."""
    order = placed.order
    if order.first_order is not None:
        return placed
    before = order.customer_id.startswith(GUEST) or await ledger.bought_before(
        order.customer_id, order.order_id, placed.at
    )
    return placed.model_copy(update={"order": order.model_copy(update={"first_order": not before})})


async def start_journey(
    client: Client, placed: OrderPlaced, playbook: Playbook, first: tuple[str, dict[str, Any]] | None = None
) -> bool:
    """Start an order's journey, with a first fact if there is one; False if there had been a journey.

    A fact reaches a journey that runs already, too: it is signal-with-start.
    """
    kind, body = first or (None, None)
    state = begun(placed)
    # What is due at once will be over when the first search attributes could be seen.
    ahead = [step for step in plan(state, playbook, placed.at) if not step.is_due(placed.at)]
    try:
        await client.start_workflow(
            OrderJourney.run,
            JourneyStart(placed=placed, playbook=playbook),
            id=order_workflow_id(placed.order.order_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=visibility.attributes(state, playbook, ahead),
            static_summary=visibility.summary(state),
            start_signal=kind,
            start_signal_args=[body] if kind else [],
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return False
    return True


def demo_payment(placed: OrderPlaced) -> Payment:
    """The whole order, paid through the provider that needs no account."""
    order = placed.order
    return Payment(
        order_id=order.order_id,
        provider="demo",
        provider_id=f"demo-{order.order_id}",
        currency=order.currency,
        captured=paid_in_all(order),
        created_at=placed.at,
    )


async def report_fact(
    client: Client, ledger: Ledger, order_id: str, kind: str, body: dict[str, Any]
) -> Reported:
    """Signal a fact from outside to its journey; one that comes after the end is kept in the ledger.

    Raises `UnknownOrder`, and `OursToTell` for what only a return that we run ourselves may say.
    """
    await check_ours(ledger, order_id, kind, body)
    return await tell_journey(client, ledger, order_id, kind, body)


async def tell_journey(
    client: Client, ledger: Ledger, order_id: str, kind: str, body: dict[str, Any]
) -> Reported:
    """Signal a fact that `check_ours` has let pass; what became ours to tell since then, the journey itself
    refuses. Raises `UnknownOrder`."""
    try:
        await handle(client, order_id).signal(kind, body, rpc_timeout=RPC_TIMEOUT)
        return Reported.RECORDED
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    if (ended := await ledger.journey(order_id)) is None:
        raise UnknownOrder(order_id)
    fact = understand(kind, body, datetime.now(UTC))
    if seen_as(fact) in ended.state.seen:
        return Reported.REPEATED
    return await _keep_late(ledger, order_id, fact)


async def check_ours(ledger: Ledger, order_id: str, kind: str, body: dict[str, Any]) -> None:
    """Raises `OursToTell` for a fact that only a return that we run ourselves may say of itself."""
    check_source(body)
    return_id = body.get("return_id") if kind in TOLD_BY_US else None
    if return_id and await ledger.return_row(order_id, str(return_id)) is not None:
        raise run_here(order_id, str(return_id))


async def _keep_late(ledger: Ledger, order_id: str, fact: Fact) -> Reported:
    late = LateFact(
        order_id=order_id,
        fact_id=fact.fact_id,
        kind=fact.kind,
        body=fact.model_dump(mode="json"),
        recorded_at=datetime.now(UTC),
    )
    return Reported.TOO_LATE if await ledger.keep_late_fact(late) else Reported.REPEATED


async def order_status(client: Client, ledger: Ledger, order_id: str) -> JourneyStatus:
    """The status, from the ledger once the journey is over.

    Raises `UnknownOrder`, and `ConnectionError` when no worker answers.
    """
    with answering(order_id):
        if not await runs(client, order_id):
            if (ended := await ledger.journey(order_id)) is None:
                raise UnknownOrder(order_id)
            return describe_ending(ended)
        journey = handle(client, order_id)
        return await answered(lambda: journey.query(OrderJourney.status, rpc_timeout=ANSWER_WITHIN))


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer to a query. One that comes between two workflow tasks is refused (`runtime/sandbox.py`) and
    asked again, for as long as another worker needs to take over. Raises `ConnectionError`."""
    for _ in range(MOST_ASKS):
        with suppress(WorkflowQueryFailedError):
            return await ask()
        await asyncio.sleep(ASK_AFTER)
    raise ConnectionError(NOT_READY)


async def request_update(client: Client, order_id: str, name: str, *arguments: Any) -> Standpoint:
    """An operator's request to a running journey.

    Raises `UnknownOrder`, `ConnectionError` when no worker answers, and
    `temporalio.client.WorkflowUpdateFailedError` with the journey's reason when it refuses.
    """
    with answering(order_id):
        answer: Standpoint = await handle(client, order_id).execute_update(
            name, args=arguments, result_type=Standpoint, rpc_timeout=ANSWER_WITHIN
        )
    return answer


@contextmanager
def answering(order_id: str) -> Iterator[None]:
    """Say in our words that an order is not there, or that nobody works."""
    try:
        yield
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise ConnectionError(NO_WORKER) from None
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise UnknownOrder(order_id) from None
        if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
            raise ConnectionError(NO_WORKER) from None
        if error.status is RPCStatusCode.FAILED_PRECONDITION:
            raise ConnectionError(NOT_READY) from None
        raise


async def runs(client: Client, order_id: str) -> bool:
    """Whether the order's journey is running. Asked without `WorkflowHandle.describe`, which cannot read the
    search attributes that the time-skipping server has unset."""
    request = DescribeWorkflowExecutionRequest(namespace=client.namespace)
    request.execution.workflow_id = order_workflow_id(order_id)
    try:
        described = await client.workflow_service.describe_workflow_execution(request, timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return described.workflow_execution_info.status == WorkflowExecutionStatus.RUNNING.value


async def _known(client: Client, ledger: Ledger, order_id: str) -> bool:
    """Whether the order was placed before: then nothing of it may be written over."""
    return await ledger.journey(order_id) is not None or await runs(client, order_id)
