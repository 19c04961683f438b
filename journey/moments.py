"""When the moments happened (or will) that steps count from, and which named conditions hold."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from journey.facts import CarrierStatus, Line, Order
from journey.playbook import Anchor, Condition, Per, Playbook
from journey.state import JourneyState, OrderState, Parcel, Result
from journey.times import DAY, deadline, later

_NO_LONGER_COMING = {
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
        return next(line for line in self.order.lines if line.line_id == line_id)

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
                return min((p.shipped_at for p in facts.parcels.values() if p.shipped_at), default=None)
            case Anchor.DELIVERED:
                return all_delivered(self.order, facts, self.delivered_at)
            case Anchor.DELIVERY_REPORTED:
                return all_delivered(self.order, facts, reported)
            case Anchor.FEEDBACK:
                return facts.rating.at if facts.rating else None
            case Anchor.RETURN_OPENED:
                return max((r.opened_at for r in facts.returns.values() if r.opened_at), default=None)
            case Anchor.RETURN_CLOSED:
                return max((r.closed.at for r in facts.returns.values() if r.closed), default=None)
            case Anchor.COMPLAINT_CLOSED:
                return max(
                    (c.closed_at for c in facts.complaints.values() if c.closed_at and not c.open),
                    default=None,
                )
            case _:
                return None

    def _of_parcel(self, anchor: Anchor, parcel: Parcel) -> datetime | None:
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
                return self._expected_moved_at(parcel)
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
        delivered = line_delivered(line, self.facts, self.delivered_at)
        if delivered is None or anchor is Anchor.DELIVERED:
            return delivered
        if line.lifespan_days is None:
            return None
        return self.later(delivered, f"{line.lifespan_days * line.quantity} days")

    def expected_at(self, parcel: Parcel) -> datetime | None:
        """When the parcel's promise is broken: the carrier's date, else the shop's."""
        promised = parcel.promise.expected if parcel.promise else self.order.deliver_by
        return deadline(promised, self.order.zone) if promised else None

    def _expected_moved_at(self, parcel: Parcel) -> datetime | None:
        if parcel.promise is None or parcel.first_promise is None:
            return None
        zone = self.order.zone
        first = self.order.deliver_by or parcel.first_promise.expected
        moved = deadline(parcel.promise.expected, zone) > deadline(first, zone)
        return parcel.promise.at if moved and parcel.promise != parcel.first_promise else None

    def delivered_at(self, parcel: Parcel) -> datetime | None:
        """When it was delivered, by the carrier's word or by our assumption."""
        return parcel.delivered_at or self._assumed_at(parcel)

    def _assumed_at(self, parcel: Parcel) -> datetime | None:
        if parcel.shipped_at is None or parcel.delivered_at:
            return None
        if parcel.checkpoint and parcel.checkpoint.status in _NO_LONGER_COMING:
            return None
        expected = self.expected_at(parcel) or self.later(parcel.shipped_at, self.playbook.usual_delivery)
        return self.later(max(expected, parcel.last_moved_at or expected), self.playbook.assume_delivered)

    def holds(self, condition: Condition, per: Per, subject: str | None) -> bool:
        """Whether the condition is true of the order, the parcel or the line."""
        facts = self.facts
        match condition:
            case Condition.FIRST_ORDER:
                return self.order.first_order
            case Condition.CANCELLED:
                return facts.cancelled_at is not None
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
        if per is Per.LINE and subject:
            return self.line(subject).sku in self.facts.reordered
        return any(line.sku in self.facts.reordered for line in self.order.lines)

    def _reached(self, condition: Condition, per: Per, subject: str | None) -> bool:
        if condition is Condition.DELIVERED and per is not Per.PARCEL:
            return all_delivered(self.order, self.facts, reported) is not None
        parcels = (
            [self.facts.parcels[subject]] if per is Per.PARCEL and subject else self.facts.parcels.values()
        )
        if condition is Condition.SHIPPED:
            return any(parcel.shipped_at for parcel in parcels)
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


Delivered = Callable[[Parcel], datetime | None]


def reported(parcel: Parcel) -> datetime | None:
    """When a parcel was delivered by the carrier's word."""
    return parcel.delivered_at


def all_delivered(order: Order, facts: OrderState, delivered: Delivered) -> datetime | None:
    """When the last line was, or None while one is not."""
    moments = [line_delivered(line, facts, delivered) for line in order.lines]
    known = [at for at in moments if at]
    return max(known) if len(known) == len(moments) else None


def line_delivered(line: Line, facts: OrderState, delivered: Delivered) -> datetime | None:
    """When the line's last unit was, or None while one is not."""
    arrivals = sorted(
        (at, _units(parcel, line)) for parcel in facts.parcels.values() if (at := delivered(parcel))
    )
    missing = line.quantity
    for at, units in arrivals:
        missing -= units
        if missing <= 0:
            return at
    return None


def _units(parcel: Parcel, line: Line) -> int:
    if parcel.shipment is None or not parcel.shipment.lines:
        return line.quantity
    return sum(part.quantity for part in parcel.shipment.lines if part.line_id == line.line_id)


def _about(per: Per, subject: str | None, concerns: Callable[[str], bool]) -> bool:
    return concerns(subject) if per is Per.LINE and subject else True
