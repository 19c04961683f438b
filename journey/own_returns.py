"""Which facts about a return are ours alone to tell: those of the returns that we run ourselves. Pure."""

from typing import Any

from journey.facts import Fact, NotUnderstood, ReturnClosed, ReturnOpened, not_understood
from journey.state import JourneyState

OURS = "returns"
"""The source under which our own returns speak. Nobody outside may use it: ids of facts are their source's
own, so that another's `returns/r1:closed` would be taken for the end that is still to come."""

TOLD_BY_US = frozenset({"return_opened", "return_closed"})
"""Kinds that a shop may report of returns that it runs elsewhere, and of those alone."""


class OursToTell(Exception):
    """A fact from outside that only our own return may tell. The text names the field, and what to use."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field


def check_source(body: dict[str, Any]) -> None:
    """Raises `OursToTell` for what is said under our own name."""
    if body.get("source") == OURS:
        raise OursToTell(
            "source", f"`{OURS}` is how our own returns speak; leave it out, or name your system"
        )


def run_here(order_id: str, return_id: str) -> OursToTell:
    """The refusal of what is said about a return that we run."""
    return OursToTell(
        "return_id",
        f"{return_id} is run here, and tells its order itself when it ends; act on it by "
        f"/v1/returns/{order_id}:{return_id} (facts, decision, cancellation) or `starter.py return`",
    )


def from_outside(state: JourneyState, fact: Fact) -> bool:
    """Whether somebody else says this about a return that we run."""
    about = isinstance(fact, ReturnOpened | ReturnClosed) and fact.return_id in state.cases
    return about and fact.source != OURS


def refused(state: JourneyState, fact: Fact) -> NotUnderstood:
    """What stays of such a fact in the story of its order."""
    return_id = getattr(fact, "return_id", "")
    problem = str(run_here(state.facts.order.order_id, return_id))
    return not_understood(fact.kind, {"fact_id": fact.fact_id}, fact.at, problem)
