"""`plan`: every step still ahead, when it is due, why then, and what would stop or hold it.

Pure, and called again after every fact, every send, every operator's request: out-of-order events, an
edited playbook, a pause and the question "what next, when, why?" are all this one function.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from journey.facts import Model
from journey.moments import View, all_reported
from journey.names import send_key, step_key
from journey.playbook import Anchor, Condition, MessageClass, Per, Playbook, Step
from journey.state import JourneyState, OrderState, Outcome, Result
from journey.times import Instant, fit, spread


class Standing(StrEnum):
    """Where a step that has no outcome yet stands."""

    DATED = "dated"
    WAITING = "waiting"
    HELD = "held"
    PAUSED = "paused"
    PARKED = "parked"
    STOPPED = "stopped"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"


FINAL = {
    Standing.STOPPED: Result.STOPPED,
    Standing.SUPPRESSED: Result.SUPPRESSED,
    Standing.EXPIRED: Result.EXPIRED,
}
"""Standings that only have to be recorded."""


class PlannedStep(Model):
    """A step still ahead."""

    key: str
    step: str
    subject: str | None = Field(default=None, description="The parcel or the line.")
    per: Per = Per.ORDER
    letter: str
    message_class: MessageClass
    standing: Standing
    due: Instant | None = Field(default=None, description="When it will be done, if nothing changes.")
    why: str
    expires_at: Instant | None = None
    only_if: tuple[Condition, ...] = ()
    stops_if: tuple[Condition, ...] = ()
    held_by: tuple[Condition, ...] = ()

    def is_due(self, now: datetime) -> bool:
        return self.standing is Standing.DATED and self.due is not None and self.due <= now

    def outcome(self, result: Result, now: datetime, reason: str) -> Outcome:
        """What is kept of the step once it is over."""
        return Outcome(
            key=self.key,
            step=self.step,
            result=result,
            at=now,
            reason=reason,
            due=self.due,
            expires_at=self.expires_at,
        )


def plan(state: JourneyState, playbook: Playbook, now: datetime) -> list[PlannedStep]:
    """Every step that has no outcome yet, first due first; those without a date come last."""
    if state.facts.placed is None:
        return []
    view = View(state, playbook, state.facts.order)
    ahead = [planned for step in playbook.steps for planned in _step(view, step, now)]
    ahead = _one_at_a_time(ahead, playbook, now)
    return sorted(ahead, key=lambda each: (each.due is None, each.due or now))


def _step(view: View, step: Step, now: datetime) -> list[PlannedStep]:
    subjects = view.subjects(step.per, step.after)
    if not subjects and step.per is Per.PARCEL:
        return [_planned(step, None, Standing.WAITING, why=f"waits for the first {step.per}")]
    over = view.state.outcomes
    planned = []
    for subject in subjects:
        outcome = over.get(step_key(step.name, subject))
        if outcome is None:
            planned.append(_one(view, step, subject, now))
        elif outcome.result is Result.PARKED:
            planned.append(_parked(step, subject, outcome, now))
    return planned


def _one_at_a_time(ahead: list[PlannedStep], playbook: Playbook, now: datetime) -> list[PlannedStep]:
    """Of two steps that are due at once, one that the other would stop goes first."""
    due = {planned.key for planned in ahead if planned.is_due(now)}
    first = {step.name: step.unless_sent for step in playbook.steps if step.unless_sent}
    return [
        planned.model_copy(update={"standing": Standing.WAITING, "due": None, "why": f"waits for {other}"})
        if planned.is_due(now) and (other := _sooner(first.get(planned.step, ()), planned.subject, due))
        else planned
        for planned in ahead
    ]


def _sooner(others: tuple[str, ...], subject: str | None, due: set[str]) -> str | None:
    return next((name for name in others if {step_key(name, subject), name} & due), None)


def _planned(step: Step, subject: str | None, standing: Standing, **rest: object) -> PlannedStep:
    return PlannedStep(
        key=step_key(step.name, subject),
        step=step.name,
        subject=subject,
        per=step.per,
        letter=step.letter,
        message_class=step.message_class,
        standing=standing,
        only_if=step.only_if,
        stops_if=step.unless,
        held_by=step.hold_while,
        **rest,
    )


def _parked(step: Step, subject: str | None, outcome: Outcome, now: datetime) -> PlannedStep:
    if outcome.expires_at is not None and now >= outcome.expires_at:
        why = f"nobody resumed it in time: {outcome.reason}"
        return _planned(step, subject, Standing.EXPIRED, why=why, due=outcome.due)
    return _planned(step, subject, Standing.PARKED, why=outcome.reason, expires_at=outcome.expires_at)


UNCHANGING = {Condition.FIRST_ORDER}
"""What no fact can change: a step that misses it has nothing to wait for."""


def _one(view: View, step: Step, subject: str | None, now: datetime) -> PlannedStep:
    for condition in UNCHANGING.intersection(step.only_if):
        if not view.holds(condition, step.per, subject):
            return _planned(step, subject, Standing.SUPPRESSED, why=f"only if {condition}")
    for condition in step.unless:
        if view.holds(condition, step.per, subject):
            return _planned(step, subject, Standing.STOPPED, why=str(condition))
    for name in step.unless_sent:
        if view.moment(f"sent {name}", step.per, subject):
            return _planned(step, subject, Standing.STOPPED, why=f"{name} was sent")
    if never := view.never_sent(step.after, subject):
        return _planned(step, subject, Standing.STOPPED, why=never)
    moment = view.moment(step.after, step.per, subject)
    if moment is None:
        return _planned(step, subject, Standing.WAITING, why=f"waits for {step.after}")
    return _dated(view, step, subject, moment, now)


def _dated(view: View, step: Step, subject: str | None, moment: datetime, now: datetime) -> PlannedStep:
    first_due = view.later(moment, step.wait)
    if first_due > view.horizon:
        return _planned(step, subject, Standing.WAITING, why=f"too far ahead: {first_due:%Y-%m-%d}")
    expires_at = view.later(first_due, step.expires) if step.expires else None
    why = _why(step)
    holding = [c for c in step.hold_while if view.holds(c, step.per, subject)]
    if holding or view.state.paused_since:
        standing = Standing.HELD if holding else Standing.PAUSED
        reason = ", ".join(holding) if holding else "paused by an operator"
        if expires_at and now >= expires_at:
            return _planned(step, subject, Standing.EXPIRED, why=f"held too long: {reason}", due=first_due)
        return _planned(step, subject, standing, why=f"{why}; held: {reason}", expires_at=expires_at)
    due, why = _released(view, step, subject, first_due, why)
    due = _in_hours(view, step, subject, due, now)
    if expires_at and due > expires_at:
        late = f"too late to say after {expires_at:%Y-%m-%d %H:%M} UTC"
        standing = Standing.EXPIRED if first_due <= now else Standing.DATED
        return _planned(step, subject, standing, why=late, due=first_due, expires_at=expires_at)
    missing = [c for c in step.only_if if not view.holds(c, step.per, subject)]
    if missing and due <= now:
        return _planned(step, subject, Standing.SUPPRESSED, why=f"only if {missing[0]}", due=due)
    if missing:
        why = f"{why}; only if {missing[0]}, which is not so now"
    return _planned(step, subject, Standing.DATED, why=why, due=due, expires_at=expires_at)


def _in_hours(view: View, step: Step, subject: str | None, due: datetime, now: datetime) -> datetime:
    """The due time within the step's window. What a claim deferred keeps its time: the claim knows the
    customer's own zone, and asks again."""
    key = step_key(step.name, subject)
    deferral = view.state.deferred.get(key)
    if view.paced or step.window is None or (deferral and deferral.in_hours and deferral.until == due):
        return max(due, now)
    zone = view.order.zone
    opening = fit(due, step.window, zone)
    if opening > due:
        opening = spread(
            opening, send_key(view.order.order_id, key), view.playbook.limits.spread, step.window, zone
        )
    return fit(max(opening, now), step.window, zone)


def _why(step: Step) -> str:
    if step.wait == "0 days":
        return f"on {step.after}"
    if step.wait.startswith("-"):
        return f"{step.wait[1:]} before {step.after}"
    return f"{step.wait} after {step.after}"


def _released(view: View, step: Step, subject: str | None, due: datetime, why: str) -> tuple[datetime, str]:
    """The due time moved behind the end of whatever held it."""
    releases = [(view.released_at(c), f"{c} ended") for c in step.hold_while]
    releases.append((view.state.resumed_at, "resumed"))
    key = step_key(step.name, subject)
    releases.append((view.state.retried.get(key), "an operator retries it"))
    if deferral := view.state.deferred.get(key):
        releases.append((deferral.until, deferral.reason))
    for at, reason in releases:
        if at is not None and at > due:
            due, why = at, f"{why}; later: {reason}"
    return due, why


def next_wake(ahead: list[PlannedStep]) -> datetime | None:
    """When something has to be done or given up next."""
    dues = [step.due for step in ahead if step.standing is Standing.DATED and step.due]
    ends = [
        step.expires_at
        for step in ahead
        if step.expires_at and step.standing in (Standing.HELD, Standing.PAUSED, Standing.PARKED)
    ]
    return min((*dues, *ends), default=None)


def closes_at(state: JourneyState, playbook: Playbook, ahead: list[PlannedStep]) -> datetime | None:
    """When the journey may end: None while a step has a date or is held. A cancelled order of which
    nothing was shipped has nothing more to wait for."""
    facts = state.facts
    if facts.placed is None or next_wake(ahead) is not None or state.waits_for_a_case:
        return None
    if state.paused_since or any(step.standing in (Standing.HELD, Standing.PARKED) for step in ahead):
        return None
    quiet_since = state.quiet_since or facts.placed.at
    if facts.cancelled_at and not facts.sent:
        return quiet_since
    view = View(state, playbook, facts.order)
    settled = facts.cancelled_at or view.moment(Anchor.DELIVERED, Per.ORDER, None)
    return view.later(quiet_since, playbook.close_after if settled else playbook.give_up_after)


class Stage(StrEnum):
    """How far an order is, in one word."""

    PLACED = "placed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


def stage(facts: OrderState) -> Stage:
    if facts.placed and all_reported(facts.order, facts):
        return Stage.DELIVERED
    if any(parcel.shipped_at for parcel in facts.sent):
        return Stage.SHIPPED
    return Stage.CANCELLED if facts.cancelled_at else Stage.PLACED
