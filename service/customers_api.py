"""`/v1/customers`: registrations, what is known of somebody, and forgetting them."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Path
from pydantic import Field

from journey.names import OpaqueId
from ledger.erasure import Erasure
from ledger.incoming import ERASE, Deed, Incoming
from ledger.keys import Scope
from service.access import KeyedRoute, needs
from service.answers import Accepted, errors
from service.clocks import ahead
from service.doors import TheDoors
from service.examples import CUSTOMER
from service.neworder import CustomerDetails

router = APIRouter(prefix="/v1/customers", tags=["customers"], route_class=KeyedRoute)

CustomerId = Annotated[OpaqueId, Path(description="The shop's own id of the customer.", examples=["c_weber"])]


@router.put(
    "/{customer_id}",
    summary="What is known of a customer",
    dependencies=[needs(Scope.CUSTOMERS_WRITE)],
    responses=errors(400, 401, 403, 408, 413, 422),
)
async def keep(
    customer_id: CustomerId,
    details: Annotated[CustomerDetails, Body(openapi_examples=CUSTOMER)],
    doors: TheDoors,
) -> Accepted:
    """Merged into what is there: what you leave out stays as it was. Consent is added to the record."""
    now = datetime.now(UTC)
    if problem := ahead(details.dated(), now):
        raise HTTPException(422, problem)
    await doors.ledger.keep_person(details.person(customer_id, now).by(now))
    return Accepted(result="accepted")


class Forgetting(Accepted):
    """It will be done."""

    known: bool = Field(description="Whether anything is kept under this id; false may be a typing error.")


@router.delete(
    "/{customer_id}",
    status_code=202,
    summary="Forget a customer",
    dependencies=[needs(Scope.CUSTOMERS_ERASE)],
    responses=errors(401, 403, 422),
)
async def forget(customer_id: CustomerId, doors: TheDoors) -> Forgetting:
    """Profile, addresses, consents and letters are deleted soon; journeys go on without the person. The
    receipt is at `/erasure`. An id that is not known here is accepted as well, and said to be unknown: what
    is told of it later and is older than this moment is not taken in."""
    event_id = f"erase:{customer_id}:{datetime.now(UTC):%Y%m%dT%H%M%S}"
    incoming = Incoming(
        source="api",
        event_id=event_id,
        body_hash=hashlib.sha256(event_id.encode()).hexdigest(),
        topic=ERASE,
        deeds=(Deed(kind=ERASE, body={"customer_id": customer_id}),),
    )
    known = await doors.ledger.knows_customer(customer_id)
    (result,) = await doors.intake.accept([incoming])
    return Forgetting(result=str(result), known=known)


@router.get(
    "/{customer_id}/erasure",
    summary="The receipt of forgetting",
    dependencies=[needs(Scope.CUSTOMERS_ERASE)],
    responses=errors(401, 403, 404, 422),
)
async def receipt(customer_id: CustomerId, doors: TheDoors) -> Erasure:
    found = await doors.ledger.erasure(customer_id)
    if found is None:
        raise HTTPException(404, "this customer has not been forgotten, or not yet")
    return found


@router.get(
    "/{customer_id}/export",
    summary="Everything that is kept about a customer",
    dependencies=[needs(Scope.CUSTOMERS_READ)],
    responses=errors(401, 403, 404, 422),
)
async def export(customer_id: CustomerId, doors: TheDoors) -> dict[str, list[dict[str, Any]]]:
    """Table by table. Personal: hand it to nobody but the customer."""
    found = await doors.ledger.export_customer(customer_id)
    if not any(found.values()):
        raise HTTPException(404, "nothing is kept about a customer of this id")
    return found
