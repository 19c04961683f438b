"""What goes into an order's workflow and comes out of it: its start, its answers, its requests."""

from typing import Self, cast

from pydantic import Field, model_validator

from journey.endings import Ending, JourneyEnding
from journey.facts import CarrierStatus, Model, OrderPlaced
from journey.names import Code
from journey.plan import PlannedStep, Stage, closes_at, plan, stage
from journey.playbook import Playbook
from journey.record import begun
from journey.state import Happening, JourneyState, OpenedCase, Outcome, Result
from journey.times import Instant


class JourneyStart(Model):
    """Starts a journey; on continue-as-new, carries it on."""

    placed: OrderPlaced | None = Field(default=None, description="Set when the journey begins.")
    playbook: Playbook
    state: JourneyState | None = Field(default=None, description="Set when it goes on in a new run.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.placed is None) == (self.state is None):
            raise ValueError("placed: should be set, unless `state` is")
        return self

    def first_state(self) -> JourneyState:
        """The state with which this run begins."""
        return self.state or begun(cast(OrderPlaced, self.placed))


class JourneyEnd(Model):
    """How a journey ended, in counts."""

    order_id: str
    ending: str
    counts: dict[str, int]


class StepRequest(Model):
    """An operator's word on one step, by the key that `status` shows. It stays in the history, so the
    reason is a code."""

    key: str = Field(min_length=1, max_length=200)
    reason: Code = "operator_decision"


class Standpoint(Model):
    """The short answer to a request; `status` has the long one."""

    order_id: str
    stage: Stage
    paused: bool
    attention: str | None


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


def standpoint(state: JourneyState) -> Standpoint:
    """Where a journey stands, in a line."""
    return Standpoint(
        order_id=state.facts.order.order_id,
        stage=stage(state.facts),
        paused=state.paused_since is not None,
        attention=attention(state),
    )


def _in_order(state: JourneyState) -> tuple[Outcome, ...]:
    return tuple(sorted(state.outcomes.values(), key=lambda outcome: (outcome.at, outcome.key)))


def attention(state: JourneyState) -> str | None:
    """Why a person should look, in one word for a filter."""
    if any(outcome.result is Result.PARKED for outcome in state.outcomes.values()):
        return "parked"
    if any(p.checkpoint and p.checkpoint.status is CarrierStatus.LOST for p in state.facts.parcels.values()):
        return "lost"
    return "paused" if state.paused_since else None


def counts(state: JourneyState) -> dict[str, int]:
    """How many steps ended in which way."""
    results = [str(outcome.result) for outcome in state.outcomes.values()]
    return {result: results.count(result) for result in sorted(set(results))}
