"""What a return has done in the world. Where it can go on without, `None` says that it did not work yet."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

from activities.cases import Cases, GoodsRequest, Late, PaidRequest
from activities.labels import LabelDesk, LabelRequest
from activities.messages import Messages
from activities.refunds import Refunds
from journey.messages import SendReceipt, SendRequest
from journey.names import order_workflow_id
from journey.refunds import RefundReceipt, RefundRequest
from journey.return_case import Label
from ledger.returns import ReturnRow
from workflows import policies
from workflows.clock import Clock

P = TypeVar("P")
R = TypeVar("R")


class Errands:
    """One verb for each activity."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def make_label(self, request: LabelRequest) -> Label | None:
        return await self._try(LabelDesk.make_label, request, "label")

    async def send(self, request: SendRequest) -> SendReceipt | None:
        return await self._try(Messages.send_message, request, request.key)

    async def refund(self, request: RefundRequest) -> RefundReceipt | None:
        return await self._try(Refunds.refund_payment, request, request.key)

    async def note_paid(self, request: PaidRequest) -> None:
        await self._do(Cases.mark_refund_paid, request)

    async def dispatch(self, goods: GoodsRequest) -> None:
        await self._do(Cases.dispatch_goods, goods)

    async def keep(self, row: ReturnRow) -> None:
        """Write how far it is; at once, if the ledger answers."""
        try:
            with self._clock.stopped():
                await workflow.execute_local_activity_method(Cases.keep_return, row, **policies.AT_ONCE)
        except FailureError as error:  # a local activity's own, which no ActivityError is around
            _unless_cancelled(error)
            await self._do(Cases.keep_return, row)

    async def tell_order(self, closed: Late) -> None:
        """Signal the end to the order's journey; where that is over, keep it."""
        self._clock.go()
        order = workflow.get_external_workflow_handle(order_workflow_id(closed.order_id))
        try:
            await order.signal(closed.kind, closed.body)
        except FailureError as error:
            _unless_cancelled(error)
            await self._do(Cases.keep_result, closed)

    async def _do(self, activity: Callable[[Any, P], Awaitable[Any]], request: P) -> None:
        self._clock.go()
        await workflow.execute_activity_method(activity, request, **policies.UNTIL_DONE)

    async def _try(self, activity: Callable[[Any, P], Awaitable[R]], request: P, summary: str) -> R | None:
        self._clock.go()
        try:
            return await workflow.execute_activity_method(
                activity, request, summary=summary, **policies.PATIENTLY
            )
        except ActivityError as error:
            _unless_cancelled(error)
            return None


def _unless_cancelled(error: BaseException) -> None:
    if is_cancelled_exception(error):
        raise error
