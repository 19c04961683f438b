"""Whether somebody wished for the same before: an answer may be lost, and the wish said again, even when what
it was about is over. Pure."""

from journey.contract import StepRequest
from journey.facts import Model
from journey.return_case import ReturnCase
from journey.return_contract import CancelRequest, CureRequest, DecisionRequest
from journey.state import JourneyState, Result


def was_said(case: ReturnCase, name: str, wanted: Model) -> bool:
    """Whether a wish of this name, refused now, is one that this return has fulfilled."""
    match wanted:
        case DecisionRequest():
            return (case.approved, case.decided_by) == (wanted.approve, wanted.by)
        case CancelRequest():
            return case.cancelled is not None
        case CureRequest():
            return any(_same(kept, wanted) for kept in case.cured)
        case StepRequest():
            return _letter_was_said(case, name, wanted)
        case _:
            return False


def said_otherwise(case: ReturnCase, wanted: Model) -> bool:
    """Whether a cure's own id was used before, for another one."""
    if not isinstance(wanted, CureRequest) or wanted.request_id is None:
        return False
    return any(kept.request_id == wanted.request_id and not _same(kept, wanted) for kept in case.cured)


def step_was_said(state: JourneyState, name: str, wanted: StepRequest) -> bool:
    """The same for a step of an order."""
    if name == "retry_step":
        return wanted.key in state.retried
    outcome = state.outcomes.get(wanted.key)
    return outcome is not None and (outcome.result, outcome.reason) == (Result.SKIPPED, wanted.reason)


def _same(kept: CureRequest, wanted: CureRequest) -> bool:
    """One without an id of its own, as from the command line, is any that says the same."""
    ids = (None, kept.request_id)
    return wanted.request_id in ids and (kept.how, kept.by) == (wanted.how, wanted.by)


def _letter_was_said(case: ReturnCase, name: str, wanted: StepRequest) -> bool:
    letter = case.letters.get(wanted.key.partition("/")[0])
    if letter is None:
        return False
    if name == "retry_step":
        return letter.retried_at is not None and letter.result is not Result.PARKED
    return (letter.result, letter.reason) == (Result.SKIPPED, wanted.reason)
