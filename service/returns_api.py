"""`/v1/orders/{id}/returns` and `/v1/returns`: asking for returns, looking at them, and acting on them."""

import hashlib
import json
from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Path
from temporalio.service import RPCError

from journey.return_case import ReturnStatus
from journey.return_contract import BY_OPERATOR, CancelRequest
from ledger.incoming import Acceptance, Deed, Incoming, bounded
from ledger.keys import ApiKey, Scope
from ledger.returns import ReturnRow
from runtime.acting import Wish, act
from runtime.asking import ask
from runtime.returns import UnknownReturn, return_status
from service.access import Caller, KeyedRoute, needs
from service.answers import Accepted, errors
from service.doors import Doors, TheDoors
from service.examples import CANCEL, CURE, DECISION, RETURN, RETURN_NEWS
from service.idempotency import NEEDED, IdempotencyKey, OptionalKey
from service.newfact import OF_RETURNS, held_to_its_word
from service.orders_api import OrderId
from service.return_views import (
    Granted,
    NewCure,
    NewDecision,
    NewReturn,
    ReturnNews,
    ReturnStep,
    ReturnView,
)
from service.temporal import asking, begun, client_for

router = APIRouter(prefix="/v1", tags=["returns"], route_class=KeyedRoute)

ReturnId = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9#][A-Za-z0-9_.:#-]{0,63}:r[0-9]{1,6}$",
        description="The order's id, a colon and the return's.",
        examples=["1001:r1"],
    ),
]
_LOOKS = needs(Scope.RETURNS_READ)
_STAFF = (Scope.RETURNS_WRITE, Scope.RETURNS_DECIDE)
_ACTS = (400, 401, 403, 404, 408, 409, 413, 422, 503)


@router.post(
    "/orders/{order_id}/returns",
    status_code=201,
    summary="Ask for a return, an exchange or a claim",
    dependencies=[needs(Scope.RETURNS_REQUEST, Scope.RETURNS_WRITE)],
    responses=errors(400, 401, 403, 404, 408, 413, 422, 503),
)
async def request(
    order_id: OrderId,
    wanted: Annotated[NewReturn, Body(openapi_examples=RETURN)],
    key: OptionalKey,
    caller: Caller,
    doors: TheDoors,
) -> Granted:
    """Answered at once by the policy of the playbook; what it forbids is a 422 that names field and rule.
    After a 503 or no answer ask again under the same `Idempotency-Key`: it is the same return."""
    if wanted.exchange_for and Scope.RETURNS_WRITE not in caller.scopes:
        raise HTTPException(403, "exchange_for: its prices need a key that opens returns:write")
    client = await client_for(doors, order_id)
    with asking(), begun():
        asked = wanted.request(key, caller.key_id)
        decision = await ask(client, doors.ledger, order_id, asked, doors.playbook, wanted.words)
    return Granted.of(order_id, decision)


@router.get(
    "/orders/{order_id}/returns",
    summary="An order's returns, the oldest first",
    dependencies=[_LOOKS],
    responses=errors(401, 403, 404, 422),
)
async def list_returns(order_id: OrderId, caller: Caller, doors: TheDoors) -> list[ReturnView]:
    """As they were last written down, whether or not Temporal is there."""
    if await doors.ledger.order(order_id) is None and await doors.ledger.journey(order_id) is None:
        raise HTTPException(404, "no order of this id was placed here")
    return [await _written(row, caller, doors) for row in await doors.ledger.returns_of(order_id)]


@router.get(
    "/returns/{return_id}",
    summary="How far a return is, what comes next, when and why",
    dependencies=[_LOOKS],
    responses=errors(401, 403, 404, 422),
)
async def look(return_id: ReturnId, caller: Caller, doors: TheDoors) -> ReturnView:
    """From the journey of the return itself; where nobody answers, as it was last written down."""
    row = await _row(return_id, doors)
    client = doors.reach()
    if client is not None and row.closed_at is None:
        try:
            status = await return_status(client, row.order_id, row.return_id)
            return ReturnView.of_status(status, await _words(row, caller, doors))
        except (UnknownReturn, ConnectionError, RPCError):
            row = await _row(return_id, doors)
    return await _written(row, caller, doors)


@router.post(
    "/returns/{return_id}/facts",
    status_code=202,
    summary="Something happened to a return",
    dependencies=[needs(Scope.RETURNS_WRITE), held_to_its_word(OF_RETURNS)],
    responses=errors(400, 401, 403, 404, 408, 409, 413, 422),
)
async def report(
    return_id: ReturnId, fact: Annotated[ReturnNews, Body(openapi_examples=RETURN_NEWS)], doors: TheDoors
) -> Accepted:
    """A scan on the way back, goods that arrived, an inspection, or the difference of a dearer exchange that
    was paid. Safe in the inbox, and counted once by its `fact_id`, even if Temporal is away."""
    row = await _row(return_id, doors)
    body = fact.model_dump(mode="json", exclude_unset=True, exclude={"kind"})
    deed = Deed(kind=fact.kind, body={"source": "api", **body, "return_id": row.return_id})
    text = json.dumps([return_id, deed.model_dump(mode="json")], sort_keys=True)
    incoming = Incoming(
        source="api",
        # Not with a slash: an order may be called as another one's return is, and its facts have that.
        event_id=bounded(f"{return_id} {fact.fact_id}"),
        body_hash=hashlib.sha256(text.encode()).hexdigest(),
        topic=fact.kind,
        order_id=row.order_id,
        deeds=(deed,),
    )
    (result,) = await doors.intake.accept([incoming])
    if result is Acceptance.CONFLICT:
        raise HTTPException(409, "fact_id: was used before for something else")
    return Accepted(result=str(result))


@router.post(
    "/returns/{return_id}/decision",
    summary="Approve or refuse a return that waits for a person",
    dependencies=[needs(Scope.RETURNS_DECIDE)],
    responses=errors(*_ACTS),
)
async def decide(
    return_id: ReturnId,
    decision: Annotated[NewDecision, Body(openapi_examples=DECISION)],
    caller: Caller,
    doors: TheDoors,
) -> ReturnView | ReturnStep:
    """Said again, it is answered as before. Where a second person is needed, neither the one who asked may
    decide nor the key that asked, whomever it names.

    A key that does not open `returns:read` is told no more than where the return is."""
    return await _acted(return_id, "decide_return", decision.request(caller.key_id), caller, doors)


@router.post(
    "/returns/{return_id}/cancellation",
    summary="Call a return off",
    dependencies=[needs(Scope.RETURNS_REQUEST, *_STAFF)],
    responses=errors(*_ACTS),
)
async def cancel(
    return_id: ReturnId,
    wanted: Annotated[CancelRequest, Body(openapi_examples=CANCEL)],
    caller: Caller,
    doors: TheDoors,
) -> ReturnView | ReturnStep:
    """Not any more once goods arrived or money moved. Said again, it is answered as before.

    What an operator gives, `returns:request` alone does not call off; a key that does not open `returns:read`
    is told no more than where the return is."""
    if not set(_STAFF) & set(caller.scopes) and (await _row(return_id, doors)).kind in BY_OPERATOR:
        raise HTTPException(403, f"this key does not open {' or '.join(_STAFF)}")
    return await _acted(return_id, "cancel_return", wanted, caller, doors)


@router.post(
    "/returns/{return_id}/cure",
    summary="Do something about a refund that failed",
    dependencies=[needs(Scope.REFUNDS_WRITE)],
    responses=errors(*_ACTS) | NEEDED,
)
async def cure(
    return_id: ReturnId,
    wanted: Annotated[NewCure, Body(openapi_examples=CURE)],
    key: IdempotencyKey,
    caller: Caller,
    doors: TheDoors,
) -> ReturnView | ReturnStep:
    """Make it again, or note that a person paid in another way. Money: the `Idempotency-Key` is needed. Said
    again under it, also when the return is over, it is answered as before and done once; another wish under
    it is a 422. A key that does not open `returns:read` is told no more than where the return is."""
    cure = wanted.request(key, caller.key_id)
    return await _acted(return_id, "cure_refund", cure, caller, doors, key)


async def _acted(  # noqa: PLR0913, PLR0917
    return_id: str,
    name: str,
    wanted: Wish,
    caller: ApiKey,
    doors: Doors,
    key: str | None = None,
) -> ReturnView | ReturnStep:
    row = await _row(return_id, doors)
    client = await client_for(doors, row.order_id)
    with asking():
        found = await act(client, doors.ledger, doors.playbook, row, name, wanted, key)
    if isinstance(found, ReturnStatus):
        view = ReturnView.of_status(found, await _words(row, caller, doors))
    else:
        view = await _written(found, caller, doors)
    return view if Scope.RETURNS_READ in caller.scopes else ReturnStep.of(view)


async def _row(return_id: str, doors: Doors) -> ReturnRow:
    order_id, _, own = return_id.rpartition(":")
    row = await doors.ledger.return_row(order_id, own)
    if row is None:
        raise HTTPException(404, "no return of this id was opened here")
    return row


async def _written(row: ReturnRow, caller: ApiKey, doors: Doors) -> ReturnView:
    payment = await doors.ledger.payment(row.order_id)
    words = await _words(row, caller, doors)
    return ReturnView.of_row(row, words, payment.currency if payment else None)


async def _words(row: ReturnRow, caller: ApiKey, doors: Doors) -> str | None:
    if Scope.CUSTOMERS_READ not in caller.scopes:
        return None
    return (await doors.ledger.words_about(row.order_id)).get(row.return_id)
