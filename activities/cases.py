"""What a return writes down: how far it is, goods that the shop is to send, a refund that a person paid."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from temporalio import activity

from journey.facts import Line, Model
from journey.names import OpaqueId
from journey.times import Instant
from ledger import Ledger
from ledger.journeys import LateFact
from ledger.returns import Dispatch, ReturnRow


class GoodsRequest(Model):
    """Send these goods, once: an exchange, or a replacement."""

    order_id: OpaqueId
    return_id: OpaqueId
    kind: str
    lines: tuple[Line, ...]


class PaidRequest(Model):
    """A person paid a failed refund in another way."""

    order_id: OpaqueId
    key: str
    by: OpaqueId


class Late(Model):
    """A fact for an order whose journey is over."""

    order_id: OpaqueId
    fact_id: str
    kind: str
    body: dict[str, Any]
    at: Instant


class Cases:
    """The activities and what they need. Each may be repeated."""

    def __init__(self, ledger: Ledger, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._ledger = ledger
        self._now = now

    @activity.defn
    async def keep_return(self, row: ReturnRow) -> None:
        """Write down how far a return is."""
        await self._ledger.keep_return(row)

    @activity.defn
    async def dispatch_goods(self, request: GoodsRequest) -> None:
        """Put the goods on the shop's list of what is to be sent."""
        key = f"{request.return_id}/{request.kind}"
        values = request.model_dump() | {"key": key, "created_at": self._now()}
        await self._ledger.keep_dispatch(Dispatch.model_validate(values))

    @activity.defn
    async def mark_refund_paid(self, request: PaidRequest) -> bool:
        """Note that a failed refund was paid otherwise; false if that cannot be."""
        reason = f"paid otherwise by {request.by}"
        try:
            await self._ledger.mark_paid(request.order_id, request.key, reason, self._now())
        except ValueError:
            return False
        return True

    @activity.defn
    async def keep_result(self, late: Late) -> None:
        """Keep a return's result for an order whose journey is over."""
        values = late.model_dump(exclude={"at"}) | {"recorded_at": late.at}
        await self._ledger.keep_late_fact(LateFact.model_validate(values))
