"""One door for every source: `POST /webhooks/{source}`."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.responses import Response

from ledger.incoming import Acceptance
from service.answers import Accepted, errors
from service.doors import Doors, TheDoors
from service.sources.source import Forged, NotReadable, Post, read


class _BareRoute(APIRoute):
    """It is described like any other, and called without what FastAPI does around a route: there is nothing
    to be validated but the signature and the body, and that is the route's own work."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def handle(request: Request) -> Response:
            doors: Doors = request.app.state.doors
            told = await receive(request.path_params["source"], request, doors)
            return JSONResponse(told.model_dump())

        return handle


router = APIRouter(tags=["webhooks"], route_class=_BareRoute)

_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"description": "As the source sends it."},
            "examples": {
                "fact": {
                    "summary": "Standard Webhooks with one of our facts",
                    "value": {
                        "kind": "parcel_moved",
                        "order_id": "1001",
                        "fact_id": "dhl:8fa6",
                        "at": "2026-04-10T13:47:00+02:00",
                        "parcel_id": "p1",
                        "status": "delivered",
                    },
                }
            },
        }
    },
}


@router.post(
    "/webhooks/{source}",
    summary="An event from a shop, a carrier or a provider",
    responses=errors(400, 401, 404, 408, 409, 413, 422),
    openapi_extra={"requestBody": _BODY},
)
async def receive(source: str, request: Request, doors: TheDoors) -> Accepted:
    """Verified on its raw bytes, committed to the inbox, then answered. It does not depend on Temporal."""
    found, secrets = doors.sources.get(source), doors.secrets.get(source)
    if found is None or not secrets:
        raise HTTPException(404, "no such source is switched on")
    headers = {name.lower(): value for name, value in request.headers.items()}
    post = Post(headers=headers, body=await request.body(), at=datetime.now(UTC))
    if found.is_ping(post):
        return Accepted(result="ignored")
    try:
        found.verify(post, secrets)
    except Forged:
        raise HTTPException(401, "unauthorized") from None
    try:
        incoming = read(found, post)
    except NotReadable as error:
        raise HTTPException(422, str(error)) from None
    if not doors.test_orders:
        incoming = [each.unless_test() for each in incoming]
    named = [await doors.ledger.named(each) for each in incoming]
    told = set(await doors.intake.accept(named)) if named else set()
    if Acceptance.CONFLICT in told and found.strict:
        raise HTTPException(409, "this id was used before for another event")
    # A platform that repeats an event may count its attempts in the body.
    new = told & {Acceptance.NEW, Acceptance.PARKED}
    if all(each.ignored for each in named):
        return Accepted(result="ignored")
    return Accepted(result="accepted" if new else "repeated")
