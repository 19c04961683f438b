"""Asking for returns, and acting on them, by whoever stands at a door."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from journey.endings import JourneyEnding
from journey.names import TASK_QUEUE, return_workflow_id
from journey.playbook import Playbook
from journey.return_case import ReturnCase, ReturnEnd, ReturnStart, ReturnStatus
from journey.return_contract import Refusal, ReturnDecision, ReturnRequest
from journey.returning import answer, closed_alone, return_start, with_case
from journey.state import JourneyState
from ledger import Ledger
from ledger.returns import ReturnRow
from runtime.orders import ANSWER_WITHIN, RPC_TIMEOUT, UnknownOrder, answered, answering, handle
from workflows.return_journey import ReturnJourney


class Refused(Exception):
    """The policy does not allow it; `rule` names why."""

    def __init__(self, text: str, rule: str | None) -> None:
        super().__init__(text)
        self.rule = rule


class UnknownReturn(Exception):
    """There is no such return."""


def return_handle(client: Client, order_id: str, return_id: str) -> WorkflowHandle[ReturnJourney, ReturnEnd]:
    return client.get_workflow_handle_for(ReturnJourney.run, return_workflow_id(order_id, return_id))


async def request_return(  # noqa: PLR0913, PLR0917
    client: Client,
    ledger: Ledger,
    order_id: str,
    request: ReturnRequest,
    playbook: Playbook,
    now: datetime | None = None,
) -> ReturnDecision:
    """Ask for a return, a claim or a refund. While the order's journey lives it answers; afterwards the
    return stands alone, `playbook` is the policy, and `now` is the time unless this machine's clock tells it.

    Raises `Refused` with the rule, `UnknownOrder`, and `ConnectionError` when no worker answers: then the
    request may have been granted all the same, and asking again with the same id tells.
    """
    ended = await ledger.journey(order_id)
    if ended is None:
        try:
            return await _of_its_journey(client, order_id, request)
        except UnknownOrder:
            # It may have closed since we looked.
            ended = await ledger.journey(order_id)
            if ended is None:
                raise
    return await _alone(client, ledger, ended, _Asked(request, playbook, now or datetime.now(UTC)))


async def _of_its_journey(client: Client, order_id: str, request: ReturnRequest) -> ReturnDecision:
    with answering(order_id), _refusing():
        decision: ReturnDecision = await handle(client, order_id).execute_update(
            "request_return", request, result_type=ReturnDecision, rpc_timeout=ANSWER_WITHIN
        )
    return decision


@contextmanager
def _refusing() -> Iterator[None]:
    """Say in our words that a journey refuses."""
    try:
        yield
    except WorkflowUpdateFailedError as error:
        rule = error.cause.type if isinstance(error.cause, ApplicationError) else None
        raise Refused(_said(error), rule) from None


def _said(error: WorkflowUpdateFailedError) -> str:
    return error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)


class _Asked(NamedTuple):
    request: ReturnRequest
    playbook: Playbook
    now: datetime


async def _alone(client: Client, ledger: Ledger, ended: JourneyEnding, asked: _Asked) -> ReturnDecision:
    """For an order whose journey is over: what was opened before is in the ledger, and locked."""
    request, playbook, now = asked
    starts: list[ReturnStart] = []

    def decide(rows: list[ReturnRow]) -> ReturnRow | None:
        state = _known(ended.state, rows)
        decision = answer(state, playbook, request, now)
        state = with_case(state, request, decision, now)
        starts.append(return_start(state, playbook, decision.return_id))
        if any(row.return_id == decision.return_id for row in rows):
            return None
        case = ReturnCase(request=request, decision=decision, opened_at=now)
        return ReturnRow(
            order_id=ended.order_id,
            return_id=decision.return_id,
            kind=str(decision.kind),
            stage=str(case.stage),
            request_id=request.request_id,
            case=case.model_dump(mode="json", exclude_defaults=True),
            opened_at=now,
        )

    try:
        await ledger.claim_return(ended.order_id, decide)
    except Refusal as refusal:
        raise Refused(str(refusal), str(refusal.rule)) from None
    await _start(client, starts[0])
    return starts[0].decision


def _known(state: JourneyState, rows: list[ReturnRow]) -> JourneyState:
    """What the order knew at its end, and the returns that were opened since."""
    for row in rows:
        case = ReturnCase.model_validate(row.case)
        state = with_case(state, case.request, case.decision, case.opened_at)
        if case.outcome is not None and case.closed_at is not None:
            state = closed_alone(state, row.return_id, case.outcome, case.accepted, case.closed_at)
    return state


async def start_again(client: Client, ledger: Ledger, row: ReturnRow, playbook: Playbook) -> None:
    """Start a return that stands alone and is as it was opened: whoever opened it may have died before.

    One that has, or had, a journey of its own is left alone, and so is one that its order's journey starts.
    """
    case = ReturnCase.model_validate(row.case)
    opened = ReturnCase(request=case.request, decision=case.decision, opened_at=case.opened_at)
    ended = await ledger.journey(row.order_id)
    if case != opened or ended is None:
        return
    state = _known(ended.state, await ledger.returns_of(row.order_id))
    await _start(client, return_start(state, playbook, row.return_id))


async def _start(client: Client, start: ReturnStart) -> None:
    order_id = start.order.order_id
    try:
        await client.start_workflow(
            ReturnJourney.run,
            start,
            id=return_workflow_id(order_id, start.return_id),
            task_queue=TASK_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=f"{start.decision.kind} of order {order_id}",
            rpc_timeout=RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        return


async def update_return(  # noqa: PLR0913, PLR0917
    client: Client, order_id: str, return_id: str, name: str, request: Any, update_id: str | None = None
) -> ReturnStatus:
    """`decide_return`, `cancel_return`, `cure_refund`, `retry_step` or `skip_step`; the same `update_id` is
    the same request, as long as the run lasts.

    Raises `Refused`, `UnknownReturn`, and `ConnectionError` when no worker answers.
    """
    with _known_return(order_id, return_id), _refusing():
        status: ReturnStatus = await return_handle(client, order_id, return_id).execute_update(
            name, request, id=update_id, result_type=ReturnStatus, rpc_timeout=ANSWER_WITHIN
        )
    return status


async def report_return_fact(
    client: Client, order_id: str, return_id: str, kind: str, body: dict[str, Any]
) -> None:
    """Signal a fact to a return. Raises `UnknownReturn`, for one that is over as well."""
    with _known_return(order_id, return_id):
        await return_handle(client, order_id, return_id).signal(kind, body, rpc_timeout=RPC_TIMEOUT)


async def return_status(client: Client, order_id: str, return_id: str) -> ReturnStatus:
    """Raises `UnknownReturn`, and `ConnectionError` when no worker answers."""
    with _known_return(order_id, return_id):
        journey = return_handle(client, order_id, return_id)
        return await answered(lambda: journey.query(ReturnJourney.status, rpc_timeout=ANSWER_WITHIN))


@contextmanager
def _known_return(order_id: str, return_id: str) -> Iterator[None]:
    """Say in our words that a return is not there, or that nobody works."""
    try:
        with answering(order_id):
            yield
    except UnknownOrder:
        raise UnknownReturn(f"order {order_id} has no open return {return_id}") from None
