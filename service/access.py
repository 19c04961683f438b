"""Who may use our own API: a key, as a bearer token, that opens what its scopes say."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ledger.keys import ApiKey, Scope
from service.doors import Doors
from service.sources.source import NotReadable, parsed

BEARER = HTTPBearer(
    auto_error=False, description="A key made by `starter.py keys create`.", scheme_name="API key"
)


_Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
"""For OpenAPI; the route itself has looked at the key before."""


class _StrictRequest(Request):
    async def json(self) -> Any:
        try:
            return parsed(await self.body())
        except NotReadable as error:
            raise HTTPException(400, str(error)) from None


class KeyedRoute(APIRoute):
    """A route that reads nothing before it knows who asks, and then reads strict JSON only."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def keyed(request: Request) -> Response:
            request.state.key = await _key(request)
            return await handle(_StrictRequest(request.scope, request.receive))

        return keyed


async def _key(request: Request) -> ApiKey:
    doors: Doors = request.app.state.doors
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    key = await doors.ledger.key_of(token.strip()) if kind.lower() == "bearer" else None
    if key is None:
        raise HTTPException(401, "a valid API key is needed", {"WWW-Authenticate": "Bearer"})
    return key


def needs(*scopes: Scope) -> Any:
    """A dependency: the caller's key has one of these scopes."""

    async def check(request: Request, _: _Bearer) -> None:
        key: ApiKey = request.state.key
        if not set(scopes) & set(key.scopes):
            raise HTTPException(403, f"this key does not open {' or '.join(scopes)}")

    return Security(check)


async def _caller(request: Request) -> ApiKey:
    key: ApiKey = request.state.key
    return key


Caller = Annotated[ApiKey, Depends(_caller)]
"""Who asks, for a route that shows or takes more to some than to others."""
