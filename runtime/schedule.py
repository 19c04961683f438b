"""The schedule by which Temporal starts a reconciliation, and starting one now."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from journey.names import RECONCILIATION, TASK_QUEUE
from journey.reconciling import PassKind, PassName, ReconciliationEnd, ReconciliationRequest
from runtime.settings import MailerName, Settings
from workflows.reconciliation import Reconciliation


def passes_of(settings: Settings) -> tuple[PassName, ...]:
    """Whom the settings have asked: nobody, where nothing outside is set up."""
    asked = [
        (PassKind.SHOP, "shopify", settings.shopify_url),
        (PassKind.SHOP, "woocommerce", settings.woocommerce_url),
        (PassKind.PAYMENTS, "stripe", settings.stripe_api_key),
        # What the outbox has taken lies in the ledger itself: there is nobody to ask.
        (PassKind.MAIL, str(settings.mailer), settings.mailer is not MailerName.OUTBOX),
    ]
    return tuple(PassName(kind=kind, provider=provider) for kind, provider, there in asked if there)


async def keep_schedule(client: Client, settings: Settings) -> ScheduleHandle | None:
    """Make the schedule, or bring it in line with the settings; take it away where nobody is to be asked.
    Whoever paused it in the UI finds it paused. Any number of workers may do so at once."""
    passes, handle = passes_of(settings), client.get_schedule_handle(RECONCILIATION)
    if not passes or not settings.reconcile_minutes:
        await _removed(handle)
        return None
    wanted = _schedule(passes, timedelta(minutes=settings.reconcile_minutes))
    try:
        return await client.create_schedule(RECONCILIATION, wanted)
    except ScheduleAlreadyRunningError:
        await handle.update(lambda known: _updated(known, wanted))
        return handle


def _schedule(passes: tuple[PassName, ...], every: timedelta) -> Schedule:
    return Schedule(
        action=ScheduleActionStartWorkflow(
            Reconciliation.run,
            ReconciliationRequest(passes=passes),
            id=RECONCILIATION,
            task_queue=TASK_QUEUE,
            static_summary=", ".join(map(str, passes)),
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every)]),
        policy=SchedulePolicy(
            # A pass that is still under way will have seen what the next one would.
            overlap=ScheduleOverlapPolicy.SKIP,
            # After a night without a server, one pass makes up for all that were missed.
            catchup_window=max(every, timedelta(minutes=1)),
        ),
    )


def _updated(known: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate:
    return ScheduleUpdate(schedule=replace(wanted, state=known.description.schedule.state))


async def _removed(handle: ScheduleHandle) -> None:
    try:
        await handle.delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def reconcile_now(
    client: Client,
    passes: tuple[PassName, ...],
    since: datetime | None = None,
    waits: Callable[[], None] = lambda: None,
) -> WorkflowHandle[Reconciliation, ReconciliationEnd]:
    """Start a reconciliation; one that somebody else has started now is joined. Beside one of the schedule it
    does no harm: both find the same, and each thing counts once.

    One that looks back to `since` joins none, which would not look so far: it begins when that has ended, and
    `waits` is called before it is waited for.
    """
    request = ReconciliationRequest(passes=passes, since=since)
    while True:
        try:
            return await _start(client, request)
        except WorkflowAlreadyStartedError as running:
            waits()
            other = client.get_workflow_handle(running.workflow_id, run_id=running.run_id)
            # However it ends: what it found is for whoever started it.
            with suppress(WorkflowFailureError):
                await other.result()


async def _start(
    client: Client, request: ReconciliationRequest
) -> WorkflowHandle[Reconciliation, ReconciliationEnd]:
    """Raises `WorkflowAlreadyStartedError` where another one runs that is not to be joined."""
    joins = request.since is None
    return await client.start_workflow(
        Reconciliation.run,
        request,
        id=f"{RECONCILIATION}:now",
        task_queue=TASK_QUEUE,
        id_conflict_policy=(
            WorkflowIDConflictPolicy.USE_EXISTING if joins else WorkflowIDConflictPolicy.FAIL
        ),
        static_summary=", ".join(map(str, request.passes)),
    )


async def next_reconciliation(client: Client) -> tuple[datetime | None, bool]:
    """When the schedule starts the next one, and whether somebody paused it; nothing without a schedule."""
    try:
        described = await client.get_schedule_handle(RECONCILIATION).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None, False
        raise
    times = described.info.next_action_times
    return (times[0] if times else None), described.schedule.state.paused
