"""What code of another day made of a fact. A run that was told it then decides by it again whenever it is
replayed, whatever the rule is today; `OrderJourney.record` asks which rule a run goes by. Pure."""

from typing import TypeGuard

from journey.facts import CarrierStatus, Fact, ParcelMoved, ReturnClosed
from journey.record import seen_as
from journey.state import JourneyState


def calls_off(fact: Fact) -> TypeGuard[ParcelMoved]:
    """Whether it says what used to be a word that nobody knew."""
    return isinstance(fact, ParcelMoved) and fact.status is CarrierStatus.CANCELLED


def as_unknown(fact: ParcelMoved) -> ParcelMoved:
    """The fact as it was read before its status was known: the word itself is kept."""
    return fact.model_copy(update={"status": CarrierStatus.UNKNOWN, "raw": fact.raw or str(fact.status)})


def ends_again(fact: Fact, state: JourneyState) -> TypeGuard[ReturnClosed]:
    """Whether it is one more end of a return, and no rule for the ends of that return was settled before."""
    if not isinstance(fact, ReturnClosed) or seen_as(fact) in state.seen:
        return False
    known = state.facts.returns.get(fact.return_id)
    return known is not None and not known.open and not known.latest_end_counts


def by_the_latest_end(state: JourneyState, fact: ReturnClosed) -> JourneyState:
    """The state in which the latest end of this return counts, as it did before ends were ranked."""
    known = state.facts.returns[fact.return_id].model_copy(update={"latest_end_counts": True})
    returns = {**state.facts.returns, fact.return_id: known}
    return state.model_copy(update={"facts": state.facts.model_copy(update={"returns": returns})})
