"""How returns enter an order's journey: a request is answered from its state, and a case is opened."""

from datetime import datetime

from journey.facts import LineQuantity, ReturnClosed, ReturnOpened, ReturnOutcome
from journey.moments import View
from journey.own_returns import OURS
from journey.playbook import Playbook
from journey.record import with_fact
from journey.return_case import ReturnStart
from journey.return_contract import BY_OPERATOR, Refusal, ReturnDecision, ReturnRequest, Rule
from journey.returns import decide
from journey.returns_desk import Desk
from journey.state import MOST, JourneyState, OpenedCase

MOST_CASES = 50
"""Returns and operators' refunds of one order, together."""


def answer(state: JourneyState, playbook: Playbook, request: ReturnRequest, now: datetime) -> ReturnDecision:
    """The answer to a request; a request that was answered gets the same one. Raises `Refusal`."""
    for case in state.cases.values():
        if request.request_id is not None and case.request.request_id == request.request_id:
            return case.decision
    if state.facts.placed is None:
        raise Refusal(Rule.ORDER_UNKNOWN, "order_id", "is not known to be placed")
    if state.facts.cancelled_at and not state.facts.sent and request.kind not in BY_OPERATOR:
        raise Refusal(Rule.ORDER_CANCELLED, "order_id", "was cancelled before it was shipped")
    _check_number(state, request)
    view = View(state, playbook, state.facts.order)
    cases = {return_id: case.decision for return_id, case in state.cases.items()}
    return decide(Desk(view, playbook.returns, cases, now), request, _next_id(state))


def _check_number(state: JourneyState, request: ReturnRequest) -> None:
    """A state knows so many returns and no more; one that it does not know would never be heard of again."""
    most = MOST["returns"]
    if request.kind not in BY_OPERATOR and len(state.facts.returns) >= most:
        raise Refusal(Rule.TOO_MANY, "lines", f"this order has had {most} returns, and can have no more")
    if len(state.cases) >= MOST_CASES:
        raise Refusal(Rule.TOO_MANY, "order_id", f"this order has had {MOST_CASES} returns and refunds")


def _next_id(state: JourneyState) -> str:
    taken = {*state.cases, *state.facts.returns}
    number = len(state.cases) + 1
    while f"r{number}" in taken:
        number += 1
    return f"r{number}"


def with_case(
    state: JourneyState, request: ReturnRequest, decision: ReturnDecision, now: datetime
) -> JourneyState:
    """The state in which the case is open. Money that an operator gives back is no return."""
    if decision.return_id in state.cases:
        return state
    opened = OpenedCase(request=request, decision=decision, opened_at=now)
    state = state.model_copy(update={"cases": {**state.cases, decision.return_id: opened}})
    if decision.kind in BY_OPERATOR:
        return state.model_copy(update={"quiet_since": now})
    fact = ReturnOpened(
        fact_id=f"{decision.return_id}:opened",
        at=now,
        source=OURS,
        return_id=decision.return_id,
        lines=decision.lines,
    )
    return with_fact(state, fact, now)


def closed_alone(
    state: JourneyState,
    return_id: str,
    outcome: ReturnOutcome,
    accepted: tuple[LineQuantity, ...],
    at: datetime,
) -> JourneyState:
    """The state in which a return that stood alone has ended."""
    if state.cases[return_id].decision.kind in BY_OPERATOR:
        return state
    fact = ReturnClosed(
        fact_id=f"{return_id}:closed",
        at=at,
        source=OURS,
        return_id=return_id,
        outcome=outcome,
        lines=accepted,
    )
    return with_fact(state, fact, at)


def unstarted(state: JourneyState) -> list[str]:
    return [return_id for return_id, case in state.cases.items() if not case.started]


def started(state: JourneyState, return_id: str) -> JourneyState:
    case = state.cases[return_id].model_copy(update={"started": True})
    return state.model_copy(update={"cases": {**state.cases, return_id: case}})


def return_start(state: JourneyState, playbook: Playbook, return_id: str) -> ReturnStart:
    """What starts the return's own journey. Raises `KeyError` for a case that is not open."""
    case, facts = state.cases[return_id], state.facts
    assert facts.placed is not None, "a case is only opened for an order that was placed"
    return ReturnStart(
        return_id=return_id,
        order=facts.order,
        placed_at=facts.placed.at,
        policy=playbook.returns,
        day_seconds=playbook.day_seconds,
        request=case.request,
        decision=case.decision,
        opened_at=case.opened_at,
    )
