"""An order at the returns desk: which units are free, until when they may come back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from journey.facts import Line, Order, ReturnOutcome
from journey.moments import View, lines_delivered
from journey.return_contract import BY_OPERATOR, ReturnDecision
from journey.return_policy import WITHDRAWAL_DAYS, ReturnPolicy, Terms
from journey.state import Return

_GIVES_BACK = {
    ReturnOutcome.REFUNDED,
    ReturnOutcome.CREDITED,
    ReturnOutcome.EXCHANGED,
    ReturnOutcome.REPLACED,
}


@dataclass(frozen=True)
class Desk:
    """An order at the returns desk: what it knows, its policy, and the cases that were opened before."""

    view: View
    policy: ReturnPolicy
    cases: Mapping[str, ReturnDecision]
    now: datetime

    @property
    def order(self) -> Order:
        return self.view.order

    def free_units(self, line: Line) -> list[int]:
        """The units of a line that no open or settled case holds, lowest first."""
        taken: set[int] = set()
        unnamed = 0
        for return_id, told in self.view.facts.returns.items():
            case = self.cases.get(return_id)
            if case is None:
                unnamed += _quantity_of(told, line)
            else:
                taken |= set(_units_of(case, told, line.line_id))
        for return_id, case in self.cases.items():
            if return_id not in self.view.facts.returns and case.kind not in BY_OPERATOR:
                taken |= set(_units_of(case, None, line.line_id))
        free = [unit for unit in range(line.quantity) if unit not in taken]
        # What the shop opened by itself is in no case: it holds the last units.
        return free[: max(0, len(free) - unnamed)]

    def shipping_is_given_back(self) -> bool:
        """Whether a case that is open or settled includes what was paid for shipping."""
        return any(
            case.sums.shipping and not _is_void(self.view.facts.returns.get(return_id))
            for return_id, case in self.cases.items()
        )

    def delivered_at(self, line: Line) -> datetime | None:
        """When its last unit was, by the carrier's word or by our assumption."""
        return self._delivered().get(line.line_id)

    def reported_at(self, line: Line) -> datetime | None:
        """When its last unit was, by the carrier's word."""
        found = lines_delivered(self.order, self.view.facts, lambda parcel: parcel.delivered_at)
        return found.get(line.line_id)

    def _delivered(self) -> dict[str, datetime]:
        return lines_delivered(self.order, self.view.facts, self.view.delivered_at)

    def terms(self, line: Line) -> Terms:
        return self.policy.for_goods(line.category, self.order.country)

    def withdrawal_ends(self, line: Line) -> datetime | None:
        """When the right of withdrawal ends; None where there is none. While a part of the order is still
        to come, it has not begun to run out (Article 9(2)(b))."""
        if not self.terms(line).withdrawal or self.order.country not in self.policy.withdrawal_countries:
            return None
        delivered = self._delivered()
        if len(delivered) < len(self.order.lines):
            return self.now + timedelta(days=1)
        last = max(delivered.values())
        if self.view.paced:
            return self.view.later(last, f"{WITHDRAWAL_DAYS} days")
        return working_day_end(
            last, WITHDRAWAL_DAYS, self.order.zone, self.policy.holidays.get(self.order.country, ())
        )

    def window_ends(self, line: Line) -> datetime | None:
        """The last moment to ask, or None while the line has not been delivered."""
        delivered = self.delivered_at(line)
        if delivered is None:
            return None
        ours = self.view.later(delivered, self.terms(line).window)
        law = self.withdrawal_ends(line)
        return max(ours, law) if law else ours


def working_day_end(delivered: datetime, days: int, zone: str, holidays: Iterable[date]) -> datetime:
    """The midnight that ends a period of days which began on the day after delivery. One that would end on
    a Saturday, a Sunday or a holiday ends with the next working day (Regulation 1182/71, Article 3(4))."""
    free = set(holidays)
    last = delivered.astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
    while last.weekday() >= 5 or last in free:
        last += timedelta(days=1)
    midnight = datetime.combine(last + timedelta(days=1), time(), ZoneInfo(zone))
    return midnight.astimezone(ZoneInfo("UTC"))


def _is_void(told: Return | None) -> bool:
    """Whether a case ended without the customer getting anything."""
    return told is not None and told.closed is not None and told.closed.outcome not in _GIVES_BACK


def _quantity_of(told: Return, line: Line) -> int:
    if _is_void(told):
        return 0
    lines = (told.closed and told.closed.lines) or told.opened_lines
    if not lines:
        return line.quantity
    return sum(part.quantity for part in lines if part.line_id == line.line_id)


def _units_of(case: ReturnDecision, told: Return | None, line_id: str) -> tuple[int, ...]:
    """The units that a case holds; once it is settled, the accepted ones."""
    held = next((each.units for each in case.held if each.line_id == line_id), ())
    if _is_void(told):
        return ()
    if told is None or told.closed is None:
        return held
    if not told.closed.lines:
        return held
    return held[: sum(part.quantity for part in told.closed.lines if part.line_id == line_id)]
