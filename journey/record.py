"""How facts, operators' requests and the ends of steps enter a journey's state. Pure, like `fold`."""

from datetime import datetime

from journey.facts import Fact, OrderPlaced, believable
from journey.messages import SendReceipt, SendResult
from journey.plan import PlannedStep
from journey.state import Deferral, JourneyState, Outcome, Result, fold

SEEN = 500
"""How many fact ids are remembered. Folding a fact twice changes nothing, so this only keeps the count
honest and a disbelieved time from being taken twice."""


def begun(placed: OrderPlaced) -> JourneyState:
    """The state of a journey of which only the beginning is known."""
    return with_fact(JourneyState(), placed, placed.at)


def with_fact(state: JourneyState, fact: Fact, now: datetime) -> JourneyState:
    """The state after a fact arrived at `now`; the same state if it had arrived before."""
    if fact.fact_id in state.seen:
        return state
    placed_at = state.facts.placed.at if state.facts.placed else fact.at
    return state.model_copy(
        update={
            "facts": fold(state.facts, believable(fact, placed_at, now)),
            "facts_recorded": state.facts_recorded + 1,
            "seen": (*state.seen[1 - SEEN :], fact.fact_id),
            "quiet_since": now,
        }
    )


def with_outcome(state: JourneyState, outcome: Outcome) -> JourneyState:
    """The state in which a step is over, or parked."""
    deferred = {key: value for key, value in state.deferred.items() if key != outcome.key}
    return state.model_copy(
        update={
            "outcomes": {**state.outcomes, outcome.key: outcome},
            "deferred": deferred,
            "quiet_since": outcome.at,
        }
    )


def with_receipt(state: JourneyState, step: PlannedStep, receipt: SendReceipt, now: datetime) -> JourneyState:
    """The state after `send_message` answered."""
    if receipt.result is SendResult.HELD and receipt.until is not None:
        deferral = Deferral(until=receipt.until, reason=receipt.reason, in_hours=receipt.in_hours)
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
