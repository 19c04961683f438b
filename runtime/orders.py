"""Placing orders, reporting facts and asking about them, by whoever stands at a door."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import ValidationError
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from journey.contract import JourneyEnd, JourneyStart, JourneyStatus, describe_ending
from journey.facts import OrderPlaced
from journey.names import TASK_QUEUE, order_workflow_id
from journey.plan import plan
from journey.playbook import Playbook
from journey.record import begun
from ledger import Ledger
from ledger.customers import Profile
from ledger.journeys import LateFact
from ledger.orders import OrderPointer
from workflows import visibility
from workflows.order_journey import OrderJourney

RPC_TIMEOUT = timedelta(seconds=10)
"""How long one call to Temporal may take."""


class UnknownOrder(Exception):
    """Nobody placed this order here."""


class NotBegun(UnknownOrder):
    """The order was placed here, and its journey is yet to begin."""


class Reported(StrEnum):
    """What became of a fact."""

    RECORDED = "recorded"
    TOO_LATE = "kept, but the journey is over"
    REPEATED = "known already"


def handle(client: Client, order_id: str) -> WorkflowHandle[OrderJourney, JourneyEnd]:
    return client.get_workflow_handle_for(OrderJourney.run, order_workflow_id(order_id))


async def place_order(
    client: Client, ledger: Ledger, placed: OrderPlaced, profile: Profile, playbook: Playbook
) -> bool:
    """Keep the customer and start the journey; False if the order had been placed before."""
    order = placed.order
    if await ledger.journey(order.order_id) is not None:
        return False
    await ledger.keep_customer(profile)
    pointer = OrderPointer(order_id=order.order_id, customer_id=order.customer_id, placed_at=placed.at)
    await ledger.keep_order(pointer)
    return await start_journey(client, placed, playbook)


async def start_journey(
    client: Client, placed: OrderPlaced, playbook: Playbook, first: tuple[str, dict[str, Any]] | None = None
) -> bool:
    """Start an order's journey, with a first fact if there is one; False if there had been a journey.

    A fact reaches a journey that runs already, too: it is signal-with-start.
    """
    state = begun(placed)
    # What is due at once will be over when the first search attributes could be seen.
    ahead = [step for step in plan(state, playbook, placed.at) if not step.is_due(placed.at)]
    kind, body = first or (None, None)
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


async def report_fact(  # noqa: PLR0913
    client: Client, ledger: Ledger, order_id: str, kind: str, body: dict[str, Any], *, patient: bool = False
) -> Reported:
    """Signal a fact to its journey; one that comes after the end is kept in the ledger.

    Raises `UnknownOrder`; if `patient`, also `NotBegun` where Temporal knows no journey and the ledger no
    end of one. Otherwise such a journey is taken to be long over.
    """
    if await ledger.journey(order_id) is None:
        try:
            await handle(client, order_id).signal(kind, body, rpc_timeout=RPC_TIMEOUT)
            return Reported.RECORDED
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        if await ledger.order(order_id) is None:
            raise UnknownOrder(order_id)
        if patient:
            raise NotBegun(order_id)
    return await _keep_late(ledger, order_id, kind, body, datetime.now(UTC))


async def _keep_late(
    ledger: Ledger, order_id: str, kind: str, body: dict[str, Any], now: datetime
) -> Reported:
    fact_id = str(body.get("fact_id") or f"unnamed-{now:%Y%m%dT%H%M%S.%f}")
    try:
        late = LateFact(order_id=order_id, fact_id=fact_id, kind=kind, body=body, recorded_at=now)
    except ValidationError:
        late = LateFact(order_id=order_id, fact_id=fact_id[:200], kind="unreadable", body={}, recorded_at=now)
    return Reported.TOO_LATE if await ledger.keep_late_fact(late) else Reported.REPEATED


async def order_status(client: Client, ledger: Ledger, order_id: str) -> JourneyStatus:
    """The status, from the ledger once the journey is over. Raises `UnknownOrder`."""
    if (ended := await ledger.journey(order_id)) is not None:
        return describe_ending(ended)
    try:
        return await handle(client, order_id).query(OrderJourney.status)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise UnknownOrder(order_id) from None
        raise
