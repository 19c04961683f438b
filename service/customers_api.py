"""`/v1/customers`: registrations, what is known of somebody, and forgetting them."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body, Path

from journey.names import OpaqueId
from ledger.keys import Scope
from service.access import KeyedRoute, needs
from service.answers import Accepted, errors
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
    await doors.ledger.keep_person(details.person(customer_id, datetime.now(UTC)))
    return Accepted(result="accepted")
