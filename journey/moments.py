"""When the moments happened (or will) that steps count from, and which named conditions hold."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from journey.facts import CarrierStatus, Line, Order
from journey.playbook import Anchor, Condition, Per, Playbook
from journey.state import JourneyState, OrderState, Parcel, Promise, Result
from journey.times import DAY, LATEST, deadline, later

_NOT_ASSUMED = {
    CarrierStatus.RETURNING,
    CarrierStatus.LOST,
    CarrierStatus.READY_FOR_PICKUP,
    CarrierStatus.ATTEMPT_FAILED,
}


@dataclass(frozen=True)
class View:
    """A state seen through a playbook: the questions that `plan` asks."""

    state: JourneyState
    playbook: Playbook
    order: Order

    @property
    def facts(self) -> OrderState:
        return self.state.facts

    def later(self, at: datetime, duration: str) -> datetime:
        return later(at, duration, self.order.zone, self.playbook.day_seconds)

    def subjects(self, per: Per, after: str) -> list[str | None]:
        """What a step is done once for, each; what is never used up has no replenishment."""
        match per:
            case Per.ORDER:
                return [None]
            case Per.PARCEL:
                return [*sorted(self.facts.parcels)]
            case Per.LINE:
                return [
                    line.line_id
                    for line in self.order.lines
                    if after != Anchor.RUNS_OUT or line.lifespan_days
                ]

    def moment(self, after: str, per: Per, subject: str | None) -> datetime | None:
        """The moment that `after` names, or None while it is not known."""
        if after.startswith("sent "):
            return self._sent(after.removeprefix("sent "), subject)
        anchor = Anchor(after)
        if per is Per.PARCEL and subject:
            return self._of_parcel(anchor, self.facts.parcels[subject])
        if per is Per.LINE and subject:
            return self._of_line(anchor, self.line(subject))
        return self._of_order(anchor)

    def line(self, line_id: str) -> Line:
        return self._lines[line_id]

    @cached_property
    def _lines(self) -> dict[str, Line]:
        return {line.line_id: line for line in self.order.lines}

    @cached_property
    def horizon(self) -> datetime:
        """Beyond it, nothing is planned."""
        placed_at = self.facts.placed.at if self.facts.placed else LATEST
        return later(placed_at, self.playbook.horizon, self.order.zone, self.playbook.day_seconds)

    @cached_property
    def _delivered(self) -> dict[str, datetime]:
        return lines_delivered(self.order, self.facts, self.delivered_at)

    def never_sent(self, after: str, subject: str | None) -> str | None:
        """Why the step that `after` names will never have been sent, if it ended in another way."""
        if not after.startswith("sent "):
            return None
        step = after.removeprefix("sent ")
        for key in (f"{step}/{subject}", step):
            outcome = self.state.outcomes.get(key)
            if outcome and outcome.result not in (Result.SENT, Result.PARKED):
                return f"{step} was {outcome.result}"
        return None

    def _sent(self, step: str, subject: str | None) -> datetime | None:
        for key in (f"{step}/{subject}", step):
            outcome = self.state.outcomes.get(key)
            if outcome and outcome.result is Result.SENT:
                return outcome.at
        return None

    def _of_order(self, anchor: Anchor) -> datetime | None:
        facts = self.facts
        match anchor:
            case Anchor.PLACED:
                return facts.placed.at if facts.placed else None
            case Anchor.SHIP_PROMISE:
                promised = self.order.ship_by or self.order.deliver_by
                return deadline(promised, self.order.zone) if promised else None
            case Anchor.CANCELLED:
                return facts.cancelled_at
            case Anchor.SHIPPED:
                return min((p.shipped_at for p in facts.sent if p.shipped_at), default=None)
            case Anchor.DELIVERED:
                return _all(self.order, self._delivered)
            case Anchor.DELIVERY_REPORTED:
                return all_reported(self.order, facts)
            case Anchor.FEEDBACK:
                return facts.rating.at if facts.rating else None
            case Anchor.DELIVERED_AND_FEEDBACK:
                delivered = _all(self.order, self._delivered)
                return max(delivered, facts.rating.at) if delivered and facts.rating else None
            case Anchor.EXPECTED_MOVED:
                return self._moved(facts.deliver_by, None)
            case _:
                return self._of_cases(anchor)

    def _of_cases(self, anchor: Anchor) -> datetime | None:
        facts = self.facts
        match anchor:
            case Anchor.RETURN_OPENED:
                return max((r.opened_at for r in facts.returns.values() if r.opened_at), default=None)
            case Anchor.RETURN_CLOSED:
                return max((r.closed.at for r in facts.returns.values() if r.closed), default=None)
            case Anchor.COMPLAINT_CLOSED:
                answered = (c.closed_at for c in facts.complaints.values() if not c.open)
                return max((at for at in answered if at), default=None)
            case _:
                return None

    def _of_parcel(self, anchor: Anchor, parcel: Parcel) -> datetime | None:
        if parcel.called_off:
            return None
        match anchor:
            case Anchor.SHIPPED:
                return parcel.shipped_at
            case Anchor.HANDED_OVER:
                reached = (
                    parcel.reached.get(s) for s in (CarrierStatus.HANDED_OVER, CarrierStatus.IN_TRANSIT)
                )
                return min((at for at in reached if at), default=None)
            case Anchor.EXPECTED:
                return self.expected_at(parcel)
            case Anchor.EXPECTED_MOVED:
                return self._moved(self._last_promise(parcel), parcel.first_promise)
            case Anchor.LAST_MOVED:
                return parcel.last_moved_at
            case Anchor.DELIVERY_REPORTED:
                return parcel.delivered_at
            case Anchor.DELIVERY_ASSUMED:
                return self._assumed_at(parcel)
            case Anchor.DELIVERED:
                return self.delivered_at(parcel)
            case _:
                return parcel.reached.get(CarrierStatus(anchor.value))

    def _of_line(self, anchor: Anchor, line: Line) -> datetime | None:
        delivered = self._delivered.get(line.line_id)
        if delivered is None or anchor is Anchor.DELIVERED:
            return delivered
        if line.lifespan_days is None:
            return None
        return self.later(delivered, f"{line.lifespan_days * line.quantity} days")

    def expected_at(self, parcel: Parcel) -> datetime | None:
        """When the parcel's promise is broken: by the date that was named last, for it or for the order."""
        promise = self._last_promise(parcel)
        promised = promise.expected if promise else self.order.deliver_by
        return deadline(promised, self.order.zone) if promised else None

    def _last_promise(self, parcel: Parcel) -> Promise | None:
        named = [promise for promise in (parcel.promise, self.facts.deliver_by) if promise]
        return max(named, key=lambda promise: promise.rank, default=None)

    def _moved(self, last: Promise | None, first: Promise | None) -> datetime | None:
        """When a later date was named than the one that the customer knew first."""
        promised = self.facts.placed.order.deliver_by if self.facts.placed else None
        known = promised or (first.expected if first else None)
        if last is None or known is None or last == first:
            return None
        zone = self.order.zone
        return last.at if deadline(last.expected, zone) > deadline(known, zone) else None

    def delivered_at(self, parcel: Parcel) -> datetime | None:
        """When it was delivered, by the carrier's word or by our assumption."""
        return parcel.delivered_at or self._assumed_at(parcel)

    def _assumed_at(self, parcel: Parcel) -> datetime | None:
        if parcel.shipped_at is None or parcel.delivered_at or parcel.called_off:
            return None
        if parcel.checkpoint and parcel.checkpoint.status in _NOT_ASSUMED:
            return None
        expected = self.expected_at(parcel) or self.later(parcel.shipped_at, self.playbook.usual_delivery)
        return self.later(max(expected, parcel.last_moved_at or expected), self.playbook.assume_delivered)

    def holds(self, condition: Condition, per: Per, subject: str | None) -> bool:
        """Whether the condition is true of the order, the parcel or the line."""
        facts = self.facts
        match condition:
            case Condition.FIRST_ORDER:
                # Nobody told an older run, and nobody looked for it.
                return self.order.first_order is True
            case Condition.CANCELLED:
                called_off = per is Per.PARCEL and subject and facts.parcels[subject].called_off
                return facts.cancelled_at is not None or bool(called_off)
            case Condition.RETURNED:
                return any(
                    r.kept_nothing and _about(per, subject, r.concerns) for r in facts.returns.values()
                )
            case Condition.OPEN_RETURN:
                return any(r.open and _about(per, subject, r.concerns) for r in facts.returns.values())
            case Condition.OPEN_COMPLAINT:
                return any(complaint.open for complaint in facts.complaints.values())
            case Condition.REORDERED:
                return self._reordered(per, subject)
            case Condition.FEEDBACK_GIVEN:
                return facts.rating is not None
            case Condition.LOW_RATING:
                return facts.rating is not None and facts.rating.stars <= self.playbook.low_rating
            case _:
                return self._reached(condition, per, subject)

    def _reordered(self, per: Per, subject: str | None) -> bool:
        lines = [self.line(subject)] if per is Per.LINE and subject else self.order.lines
        placed_at = self.facts.placed.at if self.facts.placed else LATEST
        bought = (self.facts.reordered.get(line.sku) for line in lines)
        return any(at is not None and at > placed_at for at in bought)

    def _reached(self, condition: Condition, per: Per, subject: str | None) -> bool:
        if condition is Condition.DELIVERED and per is not Per.PARCEL:
            return all_reported(self.order, self.facts) is not None
        parcels = (
            [self.facts.parcels[subject]] if per is Per.PARCEL and subject else self.facts.parcels.values()
        )
        if condition is Condition.SHIPPED:
            return any(parcel.shipped_at for parcel in parcels if not parcel.called_off)
        status = CarrierStatus(condition.value)
        if status in (CarrierStatus.LOST, CarrierStatus.RETURNING):
            return any(p.checkpoint and p.checkpoint.status is status for p in parcels)
        return any(status in parcel.reached for parcel in parcels)

    def released_at(self, condition: Condition) -> datetime | None:
        """When a hold ended last, if it ever held."""
        anchor = {
            Condition.OPEN_RETURN: Anchor.RETURN_CLOSED,
            Condition.OPEN_COMPLAINT: Anchor.COMPLAINT_CLOSED,
        }[condition]
        return self._of_order(anchor)

    @property
    def paced(self) -> bool:
        return self.playbook.day_seconds != DAY


def all_reported(order: Order, facts: OrderState) -> datetime | None:
    """When the last line was delivered by the carrier's word, or None while one is not."""
    return _all(order, lines_delivered(order, facts, lambda parcel: parcel.delivered_at))


def _all(order: Order, delivered: dict[str, datetime]) -> datetime | None:
    return max(delivered.values()) if len(delivered) == len(order.lines) else None


def lines_delivered(
    order: Order, facts: OrderState, delivered: Callable[[Parcel], datetime | None]
) -> dict[str, datetime]:
    """By line: when its last unit was delivered; lines of which some are missing are left out."""
    missing = {line.line_id: line.quantity for line in order.lines}
    complete: dict[str, datetime] = {}
    announced = any(parcel.shipment for parcel in facts.parcels.values())
    for at, parcel in sorted(
        ((at, parcel) for parcel in facts.parcels.values() if (at := delivered(parcel))),
        key=lambda arrival: (arrival[0], arrival[1].parcel_id),
    ):
        for line_id, units in _content(parcel, order, announced):
            if line_id in missing:
                missing[line_id] -= units
                if missing[line_id] <= 0:
                    complete.setdefault(line_id, at)
    return complete


def _content(parcel: Parcel, order: Order, announced: bool) -> list[tuple[str, int]]:
    """What is in a parcel. One that nobody announced holds everything, unless others were announced."""
    if parcel.shipment is None and announced:
        return []
    if parcel.shipment is None or not parcel.shipment.lines:
        return [(line.line_id, line.quantity) for line in order.lines]
    return [(part.line_id, part.quantity) for part in parcel.shipment.lines]


def _about(per: Per, subject: str | None, concerns: Callable[[str], bool]) -> bool:
    return concerns(subject) if per is Per.LINE and subject else True
