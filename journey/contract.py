"""What goes into an order's workflow and comes out of it: its start, its answers, its requests."""

from pydantic import Field

from journey.endings import Ending, JourneyEnding
from journey.facts import Model, OrderPlaced
from journey.plan import PlannedStep, Stage, closes_at, plan, stage
from journey.playbook import Playbook
from journey.state import Happening, JourneyState, OpenedCase, Outcome, Result
from journey.times import Instant


class JourneyStart(Model):
    """Starts a journey; on continue-as-new, carries it on."""

    placed: OrderPlaced
    playbook: Playbook
    state: JourneyState | None = Field(default=None, description="Set when a journey goes on in a new run.")


class JourneyEnd(Model):
    """How a journey ended, in counts."""

    order_id: str
    ending: str
    counts: dict[str, int]


class StepRequest(Model):
    """An operator's word on one step, by the key that `status` shows."""

    key: str = Field(min_length=1, max_length=200)
    reason: str = Field(default="an operator's decision", max_length=200)


class JourneyStatus(Model):
    """The honest answer: what happened, what is next, when and why, and what was not sent and why."""

    order_id: str
    stage: Stage
    paused: bool
    attention: str | None = None
    happened: tuple[Happening, ...]
    ahead: tuple[PlannedStep, ...]
    done: tuple[Outcome, ...]
    cases: dict[str, OpenedCase] = Field(default_factory=dict, description="Returns and refunds, by id.")
    closes_at: Instant | None = Field(default=None, description="When it ends, if nothing happens.")
    ending: Ending | None = Field(default=None, description="Set when the journey is over.")
    ended_at: Instant | None = None


def describe(state: JourneyState, playbook: Playbook, now: Instant) -> JourneyStatus:
    """The status of a journey at a moment."""
    ahead = plan(state, playbook, now)
    return JourneyStatus(
        order_id=state.facts.order.order_id,
        stage=stage(state.facts),
        paused=state.paused_since is not None,
        attention=attention(state),
        happened=state.facts.story,
        ahead=tuple(ahead),
        done=_in_order(state),
        cases=state.cases,
        closes_at=closes_at(state, playbook, ahead),
    )


def describe_ending(ended: JourneyEnding) -> JourneyStatus:
    """The status of a journey that is over, from what was kept of it."""
    return JourneyStatus(
        order_id=ended.order_id,
        stage=stage(ended.state.facts),
        paused=False,
        attention=attention(ended.state),
        happened=ended.state.facts.story,
        ahead=(),
        done=_in_order(ended.state),
        cases=ended.state.cases,
        ending=ended.ending,
        ended_at=ended.closed_at,
    )


def _in_order(state: JourneyState) -> tuple[Outcome, ...]:
    return tuple(sorted(state.outcomes.values(), key=lambda outcome: (outcome.at, outcome.key)))


def attention(state: JourneyState) -> str | None:
    """Why a person should look, in one word for a filter."""
    if any(outcome.result is Result.PARKED for outcome in state.outcomes.values()):
        return "parked"
    if state.paused_since:
        return "paused"
    return None


def counts(state: JourneyState) -> dict[str, int]:
    """How many steps ended in which way."""
    results = [str(outcome.result) for outcome in state.outcomes.values()]
    return {result: results.count(result) for result in sorted(set(results))}
