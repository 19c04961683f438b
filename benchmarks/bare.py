"""The standard journey, written by hand for nothing but itself: no playbook, no plan, no questions, no
search attributes, facts taken in the one order in which they come."""

from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.messages import Messages
    from journey.facts import Model, OrderPlaced
    from journey.messages import ParcelContent, SendRequest
    from journey.playbook import MessageClass
    from workflows import policies


class BareStart(Model):
    """Starts it."""

    placed: OrderPlaced
    day_seconds: float


@workflow.defn
class BareJourney:
    """Nine letters, three facts, four waits."""

    def __init__(self) -> None:
        self._facts: list[dict[str, Any]] = []

    @workflow.run
    async def run(self, start: BareStart) -> None:
        self._start = start
        await self._send("order_confirmation")
        await self._send("welcome")
        for letter in ("shipping_confirmation", "out_for_delivery", "delivered"):
            await workflow.wait_condition(lambda: bool(self._facts))
            self._facts.pop(0)
            await self._send(letter, parcel=True)
        delivered = workflow.now()
        for days, letter in (
            (10, "survey"),
            (30, "feedback_request"),
            (50, "replenishment"),
            (70, "next_purchase_offer"),
        ):
            await self._sleep_until(delivered + timedelta(seconds=days * start.day_seconds))
            await self._send(letter, line=letter == "replenishment")

    @workflow.signal
    def parcel_shipped(self, fact: dict[str, Any]) -> None:
        self._facts.append(fact)

    @workflow.signal
    def parcel_moved(self, fact: dict[str, Any]) -> None:
        self._facts.append(fact)

    async def _sleep_until(self, moment: datetime) -> None:
        if (left := moment - workflow.now()) > timedelta():
            await workflow.sleep(left)

    async def _send(self, letter: str, *, parcel: bool = False, line: bool = False) -> None:
        placed = self._start.placed
        key = f"{letter}/p1" if parcel else f"{letter}/l1" if line else letter
        request = SendRequest(
            order_id=placed.order.order_id,
            key=key,
            step=letter,
            letter=letter,
            message_class=MessageClass.TRANSACTIONAL,
            order=placed.order,
            placed_at=placed.at,
            parcel=ParcelContent(parcel_id="p1") if parcel else None,
            line=placed.order.lines[0] if line else None,
            due=workflow.now(),
        )
        await workflow.execute_local_activity_method(Messages.send_message, request, **policies.AT_ONCE)
