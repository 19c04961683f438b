"""What operators see of a journey in the Temporal UI, and can filter by."""

from collections.abc import Iterator
from datetime import datetime

from temporalio import workflow
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

from journey.contract import attention
from journey.plan import PlannedStep, Standing, stage
from journey.playbook import Playbook
from journey.return_case import ReturnCase
from journey.state import JourneyState, Outcome

STAGE = SearchAttributeKey.for_keyword("JourneyStage")
NEXT_STEP = SearchAttributeKey.for_keyword("NextStep")
NEXT_DUE = SearchAttributeKey.for_datetime("NextDue")
ATTENTION = SearchAttributeKey.for_keyword("Attention")
CUSTOMER = SearchAttributeKey.for_keyword("CustomerId")
PLAYBOOK = SearchAttributeKey.for_keyword("Playbook")

LASTING = (STAGE, ATTENTION, CUSTOMER, PLAYBOOK)
"""What is asked of journeys that are over, too."""

ALL_KEYS = (STAGE, NEXT_STEP, NEXT_DUE, ATTENTION, CUSTOMER, PLAYBOOK)


Change = SearchAttributeUpdate[str] | SearchAttributeUpdate[datetime]


def attributes(state: JourneyState, playbook: Playbook, ahead: list[PlannedStep]) -> TypedSearchAttributes:
    """The search attributes of a journey: its stage, its next dated step, whether a person should look."""
    pairs: list[SearchAttributePair[str] | SearchAttributePair[datetime]] = [
        SearchAttributePair(STAGE, str(stage(state.facts))),
        SearchAttributePair(CUSTOMER, state.facts.order.customer_id),
        SearchAttributePair(PLAYBOOK, playbook.name),
    ]
    if reason := attention(state):
        pairs.append(SearchAttributePair(ATTENTION, reason))
    upcoming = next((step for step in ahead if step.standing is Standing.DATED and step.due), None)
    if upcoming and upcoming.due:
        pairs.append(SearchAttributePair(NEXT_STEP, upcoming.key))
        pairs.append(SearchAttributePair(NEXT_DUE, upcoming.due))
    return TypedSearchAttributes(pairs)


def differences(old: TypedSearchAttributes, new: TypedSearchAttributes) -> Iterator[Change]:
    """The updates that make `old` into `new`, all for one upsert."""
    for key in (STAGE, NEXT_STEP, ATTENTION, CUSTOMER, PLAYBOOK):
        if old.get(key) != (value := new.get(key)):
            yield key.value_unset() if value is None else key.value_set(value)
    if old.get(NEXT_DUE) != (due := new.get(NEXT_DUE)):
        yield NEXT_DUE.value_unset() if due is None else NEXT_DUE.value_set(due)


def show_return(case: ReturnCase, waits_for: str, next_look: datetime | None) -> None:
    """Tell operators how far a return is."""
    rows = [f"| {each.at:%Y-%m-%d %H:%M} | {each.kind} | {each.note or ''} |" for each in case.story]
    head = [f"**Waits for** {waits_for or 'nothing'}", "", "| when (UTC) | what | note |", "|---|---|---|"]
    workflow.set_current_details("\n".join([*head, *rows]))
    pairs: list[SearchAttributePair[str] | SearchAttributePair[datetime]] = [
        SearchAttributePair(STAGE, str(case.stage))
    ]
    pairs += [SearchAttributePair(ATTENTION, case.needs)] if case.needs else []
    pairs += [SearchAttributePair(NEXT_DUE, next_look)] if next_look else []
    known = workflow.info().typed_search_attributes
    if changes := list(differences(known, TypedSearchAttributes(pairs))):
        workflow.upsert_search_attributes(changes)


def summary(state: JourneyState) -> str:
    """One line for the list of workflows."""
    order = state.facts.order
    units = sum(line.quantity for line in order.lines)
    return f"{units} items to {order.country}, {order.currency}"


def details(ahead: list[PlannedStep], done: list[Outcome]) -> str:
    """The plan as a markdown table, and what is over."""
    rows = [f"| {step.key} | {_moment(step.due)} | {step.standing} | {step.why} |" for step in ahead]
    ended = [f"| {o.key} | {_moment(o.at)} | {o.result} | {o.reason} |" for o in done]
    table = ["| step | when (UTC) | standing | why |", "|---|---|---|---|"]
    return "\n".join(["**Ahead**", "", *table, *rows, "", "**Over**", "", *table, *ended])


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "-"
