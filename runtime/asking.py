"""Asking the returns desk, by whoever stands at a door: written down before it is asked, so that the same
request gets the same answer, and the customer's own words stay in the ledger."""

import hashlib
import secrets
from datetime import UTC, datetime

from temporalio.client import Client

from journey.playbook import Playbook
from journey.return_case import ReturnCase
from journey.return_contract import BY_OPERATOR, ReturnDecision, ReturnRequest
from ledger import Ledger
from ledger.asked import Asked, AskedOtherwise, MoreThanIsLeft, NotPaid
from ledger.returns import ReturnRow
from runtime.orders import UnknownOrder
from runtime.returns import Refused, request_return


async def ask(  # noqa: PLR0913, PLR0917
    client: Client,
    ledger: Ledger,
    order_id: str,
    request: ReturnRequest,
    playbook: Playbook,
    words: str | None = None,
) -> ReturnDecision:
    """Ask for a return, a claim or money. A request without an id of its own is given one.

    Raises `Refused` with the rule, `UnknownOrder`, and `ConnectionError` when nobody answers: then ask again
    with the same id.
    """
    request = request.model_copy(update={"request_id": request.request_id or secrets.token_hex(16)})
    claimed = await _claimed(ledger, order_id, request, words)
    try:
        decision = await request_return(client, ledger, order_id, request, playbook)
    except (Refused, UnknownOrder):
        await ledger.drop_request(claimed)
        raise
    await ledger.note_return(_row(order_id, request, decision))
    await ledger.answer_request(claimed, decision.return_id)
    return decision


async def _claimed(ledger: Ledger, order_id: str, request: ReturnRequest, words: str | None) -> Asked:
    assert request.request_id is not None
    asked = Asked(
        order_id=order_id,
        request_id=request.request_id,
        fingerprint=_fingerprint(request),
        words=words,
        amount=request.amount if request.kind in BY_OPERATOR else None,
        asked_at=datetime.now(UTC),
    )
    try:
        return await ledger.claim_request(asked)
    except AskedOtherwise:
        raise _refused("request_id", "was used before for another request", "request_id_reused") from None
    except NotPaid:
        raise _refused("amount", "no payment of this order is known here", "not_paid") from None
    except MoreThanIsLeft as error:
        text = f"should be at most {error.left} (minor units, {error.currency}), all that is left of it"
        raise _refused("amount", text, "more_than_is_left") from None


def _refused(field: str, text: str, rule: str) -> Refused:
    return Refused(f"{field}: {text} ({rule})", rule)


def _fingerprint(request: ReturnRequest) -> str:
    """What makes a request itself. Not the words: they may be mended, and a hash of them may tell them. Nor
    the API key: it may be rotated between a lost answer and the same request again."""
    told = request.model_dump_json(exclude={"request_id", "key_id"}, exclude_defaults=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _row(order_id: str, request: ReturnRequest, decision: ReturnDecision) -> ReturnRow:
    case = ReturnCase(request=request, decision=decision, opened_at=datetime.now(UTC))
    return ReturnRow(
        order_id=order_id,
        return_id=decision.return_id,
        kind=str(decision.kind),
        stage=str(case.stage),
        request_id=request.request_id,
        case=case.model_dump(mode="json", exclude_defaults=True),
        opened_at=case.opened_at,
    )
