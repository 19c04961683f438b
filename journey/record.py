"""How facts, operators' requests and the ends of steps enter a journey's state. Pure, like `fold`."""

from datetime import datetime, timedelta

from journey.facts import Fact, NotUnderstood, OrderPlaced, believable, not_understood
from journey.fold import fold
from journey.messages import SendReceipt, SendResult
from journey.plan import PlannedStep
from journey.state import Deferral, JourneyState, Outcome, Result
from journey.times import DAY

BREATH = timedelta(seconds=30)
"""The least that a held step waits before it is asked about again, whatever a skewed clock says. Where a day
lasts less than that, a day: a demo would stand still for months otherwise."""

SEEN = 500
"""How many fact ids are remembered. Folding a fact twice changes nothing, so this only keeps the count
honest and a disbelieved time from being taken twice."""


def begun(placed: OrderPlaced) -> JourneyState:
    """The state of a journey of which only the beginning is known."""
    return with_fact(JourneyState(), placed, placed.at)


def with_fact(state: JourneyState, fact: Fact, now: datetime) -> JourneyState:
    """The state after a fact arrived at `now`; the same state if it had arrived before."""
    placed = state.facts.placed
    if placed is not None and isinstance(fact, OrderPlaced) and _another(placed, fact):
        fact = not_understood(fact.kind, {"fact_id": fact.fact_id}, now, "it is about another order")
    if (name := seen_as(fact)) in state.seen:
        return state
    return state.model_copy(
        update={
            "facts": fold(state.facts, believable(fact, placed.at, now) if placed else fact),
            "facts_recorded": state.facts_recorded + 1,
            "seen": (*state.seen[1 - SEEN :], name),
            "quiet_since": _latest(state, now),
        }
    )


def _another(placed: OrderPlaced, fact: OrderPlaced) -> bool:
    known, said = placed.order, fact.order
    return (known.order_id, known.customer_id) != (said.order_id, said.customer_id)


def seen_as(fact: Fact) -> str:
    """Ids are their source's own. What was not understood leaves its id to the same fact, corrected."""
    prefix = "?" if isinstance(fact, NotUnderstood) else ""
    return f"{prefix}{fact.source}/{fact.fact_id}"


def _latest(state: JourneyState, now: datetime) -> datetime:
    return max(state.quiet_since or now, now)


def with_outcome(state: JourneyState, outcome: Outcome) -> JourneyState:
    """The state in which a step is over, or parked."""
    deferred = {key: value for key, value in state.deferred.items() if key != outcome.key}
    return state.model_copy(
        update={
            "outcomes": {**state.outcomes, outcome.key: outcome},
            "deferred": deferred,
            "quiet_since": _latest(state, outcome.at),
        }
    )


def with_receipt(
    state: JourneyState, step: PlannedStep, receipt: SendReceipt, now: datetime, day_seconds: float = DAY
) -> JourneyState:
    """The state after `send_message` answered; `day_seconds` is the pace of the playbook. What was sent was
    sent; any other answer is void for a step that an operator has skipped meanwhile."""
    if step.key in state.outcomes and receipt.result is not SendResult.SENT:
        return state
    if receipt.result is SendResult.HELD:
        until = max(receipt.until or now, now + min(BREATH, timedelta(seconds=day_seconds)))
        deferral = Deferral(until=until, reason=receipt.reason, in_hours=receipt.in_hours)
        return state.model_copy(update={"deferred": {**state.deferred, step.key: deferral}})
    result = Result(receipt.result.value)
    return with_outcome(state, step.outcome(result, now, receipt.reason or step.why))


def paused(state: JourneyState, now: datetime) -> JourneyState:
    return state.model_copy(update={"paused_since": state.paused_since or now, "quiet_since": now})


def resumed(state: JourneyState, now: datetime) -> JourneyState:
    return state.model_copy(update={"paused_since": None, "resumed_at": now, "quiet_since": now})


def retried(state: JourneyState, key: str, now: datetime) -> JourneyState:
    """The state in which a parked step is ahead again, due at once."""
    return state.model_copy(
        update={
            "outcomes": {k: outcome for k, outcome in state.outcomes.items() if k != key},
            "retried": {**state.retried, key: now},
            "quiet_since": now,
        }
    )
