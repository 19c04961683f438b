"""`/v1/orders`: placing orders, reporting facts and asking about them, for a shop's own back-end."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body, HTTPException, Path
from temporalio.service import RPCError

from journey.contract import JourneyStatus
from journey.facts import KnownFact
from journey.names import OpaqueId
from journey.own_returns import OursToTell
from ledger.incoming import Acceptance, Incoming, bounded
from ledger.keys import Scope
from ledger.payments import Payment
from runtime.orders import UnknownOrder, check_ours, order_status
from service.access import KeyedRoute, needs
from service.answers import Accepted, errors
from service.clocks import ahead
from service.doors import Doors, TheDoors
from service.examples import FACT, ORDER
from service.newfact import OF_ORDERS, held_to_its_word, moments_in_words
from service.neworder import NewOrder
from service.sources.source import NotReadable, Told
from service.sources.standard import reported

router = APIRouter(prefix="/v1/orders", tags=["orders"], route_class=KeyedRoute)

OrderId = Annotated[OpaqueId, Path(description="The shop's own id of the order.", examples=["1001"])]


@router.post(
    "",
    status_code=202,
    summary="An order is paid",
    dependencies=[needs(Scope.ORDERS_WRITE), moments_in_words],
    responses=errors(400, 401, 403, 408, 409, 413, 422),
)
async def place(order: Annotated[NewOrder, Body(openapi_examples=ORDER)], doors: TheDoors) -> Accepted:
    """Its journey starts once, however often this is said, and even if Temporal is away at this moment.

    A second order under the same id with other contents is a conflict. The customer, the recipient and the
    address may be told otherwise later: the same order again, with them, is the newest word on them. So may
    the payment. Once it is known, another one is a conflict.
    """
    now = datetime.now(UTC)
    if problem := ahead(order.dated(), now):
        raise HTTPException(422, problem)
    told = Told(
        deeds=[order.deed("api")],
        order_id=order.order_id,
        person=order.person(),
        pointer=order.pointer(),
        payment=order.paid(),
    )
    incoming = _incoming(f"placed:{order.order_id}", "order_placed", told)
    (result,) = await doors.intake.accept([incoming])
    if result not in {Acceptance.CONFLICT, Acceptance.REPEATED}:
        return Accepted(result=str(result))
    # All that may be refused comes first: nothing is half done.
    if result is Acceptance.CONFLICT:
        await _check_same(doors, incoming)
    paid = told.payment is not None and await _paid_since(doors, told.payment)
    if result is Acceptance.CONFLICT:
        result = await _put_right(doors, incoming, now)
    return Accepted(result=str(Acceptance.NEW if paid else result))


@router.post(
    "/{order_id}/facts",
    status_code=202,
    summary="Something happened to an order",
    dependencies=[needs(Scope.FACTS_WRITE), held_to_its_word(OF_ORDERS)],
    responses=errors(400, 401, 403, 404, 408, 409, 413, 422),
)
async def report(
    order_id: OrderId, fact: Annotated[KnownFact, Body(openapi_examples=FACT)], doors: TheDoors
) -> Accepted:
    """A fact counts once, by its `fact_id`. One that comes after the journey's end is kept and answered, and
    changes nothing any more. When a return that is run here opens and ends, only it says itself: a 409."""
    if await doors.ledger.order(order_id) is None:
        raise HTTPException(404, "no order of this id was placed here")
    body = fact.model_dump(mode="json", exclude_unset=True)
    try:
        await check_ours(doors.ledger, order_id, fact.kind, body)
    except OursToTell as refusal:
        raise HTTPException(409 if refusal.field == "return_id" else 422, str(refusal)) from None
    fields = {**body, "source": body.get("source", "api"), "order_id": order_id}
    try:
        told = reported(fact.kind, fields, datetime.now(UTC))
    except NotReadable as error:
        raise HTTPException(422, str(error)) from None
    return await _accepted(doors, f"{order_id}/{fact.fact_id}", fact.kind, told)


@router.get(
    "/{order_id}",
    summary="What happened, what is next, when and why",
    dependencies=[needs(Scope.ORDERS_READ)],
    responses=errors(401, 403, 404, 503),
)
async def ask(order_id: OrderId, doors: TheDoors) -> JourneyStatus:
    """From the journey itself; after its end, from the ledger. Nothing personal is in it."""
    ended = await doors.ledger.journey(order_id)
    client = doors.reach()
    if ended is None and await doors.ledger.order(order_id) is None and client is None:
        raise HTTPException(404, "no order of this id was placed here")
    if client is None:
        raise HTTPException(503, "Temporal is away; ask again", {"Retry-After": "5"})
    try:
        return await order_status(client, doors.ledger, order_id)
    except UnknownOrder:
        if await doors.ledger.order(order_id) is None:
            raise HTTPException(404, "no order of this id was placed here") from None
        raise HTTPException(503, "the journey has not begun yet; ask again", {"Retry-After": "1"}) from None
    except (RPCError, ConnectionError):
        raise HTTPException(503, "no worker answers; ask again", {"Retry-After": "5"}) from None


async def _check_same(doors: Doors, again: Incoming) -> None:
    """Raises unless it is the order that is known, whoever its customer is and wherever it goes."""
    known = await doors.ledger.inbox_event(again.source, again.event_id)
    if known is None or known.deeds != again.deeds:
        raise HTTPException(
            409,
            "order_placed: this id was used before for an order with other contents; "
            "lines that have changed are a fact, order_changed",
        )


async def _put_right(doors: Doors, again: Incoming, now: datetime) -> Acceptance:
    """A known order with another customer, recipient or address: true from now on, and once. Whoever only
    sends the first body again, since the answer was lost, has changed nothing, and does not come here."""
    assert again.person is not None, "an order is told with its customer"
    person = again.person.model_copy(update={"at": now})
    # Under an id of its own, so that the same correction sent again does not undo a newer one.
    names = {"event_id": f"{again.event_id}:{again.body_hash}", "body_hash": _hash("told", again.body_hash)}
    words = {**names, "topic": "order_told", "deeds": (), "payment": None, "person": person}
    (result,) = await doors.intake.accept([again.model_copy(update=words)])
    return result


async def _paid_since(doors: Doors, payment: Payment) -> bool:
    """An order that was told before may be told again for the sake of its payment; whether that is new."""
    if await doors.ledger.keep_payment(payment):
        return True
    known = await doors.ledger.payment(payment.order_id)
    if known is None or not _covers(known, payment):
        raise HTTPException(409, "payment: another one is known of this order")
    return False


def _covers(known: Payment, told: Payment) -> bool:
    """Whether it is the same payment; its provider may have told meanwhile that more of it was captured."""
    later = {"created_at": told.created_at, "captured": told.captured}
    return known.model_copy(update=later) == told and known.captured >= told.captured


async def _accepted(doors: Doors, event_id: str, topic: str, told: Told) -> Accepted:
    (result,) = await doors.intake.accept([_incoming(event_id, topic, told)])
    if result is Acceptance.CONFLICT:
        raise HTTPException(409, f"{topic}: this id was used before with other contents")
    return Accepted(result=str(result))


def _incoming(event_id: str, topic: str, told: Told) -> Incoming:
    """What makes it itself is all that is told but the payment, which may follow."""
    deeds = [deed.model_dump(mode="json") for deed in told.deeds]
    personal = [each.model_dump(mode="json") for each in (told.person, told.pointer) if each is not None]
    return Incoming(
        source="api",
        event_id=bounded(event_id),
        body_hash=_hash(event_id, deeds, *personal),
        topic=topic,
        order_id=told.order_id,
        deeds=tuple(told.deeds),
        person=told.person,
        pointer=told.pointer,
        payment=told.payment,
    )


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
