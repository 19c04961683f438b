"""`/v1/orders/{id}/refunds`: what was given back, and giving more."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, HTTPException

from ledger.keys import Scope
from runtime.asking import ask
from service.access import Caller, KeyedRoute, needs
from service.answers import errors
from service.doors import Doors, TheDoors
from service.examples import REFUND
from service.idempotency import NEEDED, IdempotencyKey
from service.orders_api import OrderId
from service.return_views import Money, NewRefund, RefundAnswer, RefundView
from service.temporal import asking, begun, client_for

router = APIRouter(prefix="/v1/orders/{order_id}/refunds", tags=["refunds"], route_class=KeyedRoute)

CLAIMED_WITHIN = 2.0
"""Seconds for which an answer waits for the refund to be claimed, so that it can tell its state."""


@router.get(
    "",
    summary="An order's refunds, and what is left of what was captured",
    dependencies=[needs(Scope.REFUNDS_READ)],
    responses=errors(401, 403, 404, 422),
)
async def list_refunds(order_id: OrderId, doors: TheDoors) -> Money:
    """From the ledger, whether or not Temporal is there. `parked` and `failed` wait for a person."""
    if await doors.ledger.order(order_id) is None and await doors.ledger.journey(order_id) is None:
        raise HTTPException(404, "no order of this id was placed here")
    payment = await doors.ledger.payment(order_id)
    balance = await doors.ledger.balance(order_id)
    refunds = await doors.ledger.refunds_of(order_id)
    return Money.of(order_id, payment.currency if payment else None, balance, refunds)


@router.post(
    "",
    status_code=201,
    summary="Give money back, by a person's decision",
    dependencies=[needs(Scope.REFUNDS_WRITE)],
    responses=errors(400, 401, 403, 404, 408, 413, 422, 503) | NEEDED,
)
async def refund(
    order_id: OrderId,
    wanted: Annotated[NewRefund, Body(openapi_examples=REFUND)],
    key: IdempotencyKey,
    caller: Caller,
    doors: TheDoors,
) -> RefundAnswer:
    """Claimed in the ledger under a key that never changes, and never above what was captured: more is a 422
    that says how much is left. Above the policy's limit a second person has to approve it first, with an API
    key of their own. After a 503 or no answer ask again under the same `Idempotency-Key`: it is the same
    refund."""
    client = await client_for(doors, order_id)
    with asking(), begun():
        asked = wanted.request(key, caller.key_id)
        decision = await ask(client, doors.ledger, order_id, asked, doors.playbook, wanted.words)
    return RefundAnswer(
        id=f"{order_id}:{decision.return_id}",
        order_id=order_id,
        verdict=decision.verdict,
        why=decision.why,
        amount=decision.sums.refund,
        refund=await _claimed(doors, order_id, decision.return_id) if not decision.why else None,
    )


async def _claimed(doors: Doors, order_id: str, key: str) -> RefundView | None:
    for _ in range(int(CLAIMED_WITHIN / 0.1)):
        if (found := await doors.ledger.refund(order_id, key)) is not None:
            return RefundView.of(found)
        await asyncio.sleep(0.1)
    return None
