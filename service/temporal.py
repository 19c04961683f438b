"""Asking a journey from a door: what it refuses, and that nobody answers, in words of HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException
from temporalio.client import Client
from temporalio.service import RPCError

from runtime.acting import NotBegun
from runtime.orders import UnknownOrder
from runtime.returns import Refused, UnknownReturn
from service.doors import Doors

_AWAY = HTTPException(503, "Temporal is away; ask again", {"Retry-After": "5"})


@contextmanager
def asking() -> Iterator[None]:
    """Turn what asking raises into an answer."""
    try:
        yield
    except Refused as refused:
        if refused.rule == "request_id_reused":
            # It is the header that the caller knows.
            raise HTTPException(422, str(refused).replace("request_id:", "Idempotency-Key:", 1)) from None
        # A rule names the field that it forbids; without one, it is too late or too early for what was asked.
        raise HTTPException(422 if refused.rule else 409, str(refused)) from None
    except UnknownReturn:
        raise HTTPException(404, "no return of this id is open here") from None
    except NotBegun as problem:
        raise HTTPException(503, str(problem), {"Retry-After": "1"}) from None
    except ConnectionError:
        raise HTTPException(503, "no worker answers; ask again", {"Retry-After": "5"}) from None
    except RPCError:
        raise _AWAY from None


async def client_for(doors: Doors, order_id: str) -> Client:
    """The way to Temporal for an order that is known here; 404 or 503 otherwise."""
    if await doors.ledger.order(order_id) is None and await doors.ledger.journey(order_id) is None:
        raise HTTPException(404, "no order of this id was placed here")
    if (client := doors.reach()) is None:
        raise _AWAY
    return client


@contextmanager
def begun() -> Iterator[None]:
    """An order that is known here and has no journey is about to have one."""
    try:
        yield
    except UnknownOrder:
        raise HTTPException(503, "the journey has not begun yet; ask again", {"Retry-After": "1"}) from None
