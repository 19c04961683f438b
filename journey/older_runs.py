"""What code of another day made of a fact. A run that was told it then decides by it again whenever it is
replayed, whatever the rule is today; `OrderJourney.record` asks which rule a run goes by. Pure."""

from typing import TypeGuard

from journey.facts import CarrierStatus, Fact, ParcelMoved


def calls_off(fact: Fact) -> TypeGuard[ParcelMoved]:
    """Whether it says what used to be a word that nobody knew."""
    return isinstance(fact, ParcelMoved) and fact.status is CarrierStatus.CANCELLED


def as_unknown(fact: ParcelMoved) -> ParcelMoved:
    """The fact as it was read before its status was known: the word itself is kept."""
    return fact.model_copy(update={"status": CarrierStatus.UNKNOWN, "raw": fact.raw or str(fact.status)})
