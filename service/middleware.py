"""What holds for every request: an id, a limit to the body, one line of log without anything personal, and
an answer of ours whatever happens."""

import asyncio
import re
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import structlog
from starlette.responses import JSONResponse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_WITHIN = 15.0
"""Seconds in which a body has to arrive."""

_PRIVATE_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


LARGEST_DISCARDED = 20_000_000
"""Bytes of a body that is too large which are waited for before the answer."""


FRAMES = 20
"""Of the way to an error, the innermost, which are logged."""

_ROOT = Path(__file__).parent.parent


class TooLarge(Exception):
    """The body is larger than what is read."""


class Requests:
    """The outermost layer of the application."""

    def __init__(self, app: App, largest_body: int) -> None:
        self._app = app
        self._largest = largest_body
        self._log = structlog.get_logger("thereafter.requests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send)
        try:
            await self._handled(scope, receive, exchange)
        finally:
            self._log.info("request", **exchange.told())

    async def _handled(self, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        try:
            body = await self._body(scope, receive)
            await self._app(scope, _again(body, receive), exchange.send)
        except TooLarge:
            text = f"the body should have at most {self._largest:,} bytes"
            await exchange.fail(413, text)
        except TimeoutError:
            await exchange.fail(408, "the body did not arrive in time")
        except Exception as error:
            # The text of an error may quote what is personal; its name and where it came from do not.
            exchange.problem, exchange.frames = type(error).__name__, _frames(error)
            await exchange.fail(500, "something went wrong here; the request's id finds it in the log")

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        if int(_length(scope) or 0) > LARGEST_DISCARDED:
            raise TooLarge
        parts: list[bytes] = []
        size, more = 0, True
        async with asyncio.timeout(BODY_WITHIN):
            while more and size <= LARGEST_DISCARDED:
                message = await receive()
                part = message.get("body", b"")
                size += len(part)
                # What is too much is read and thrown away: only then does the sender hear why.
                parts = [*parts, part] if size <= self._largest else []
                more = message["type"] != "http.disconnect" and message.get("more_body", False)
        if size > self._largest:
            raise TooLarge
        return b"".join(parts)


def _length(scope: Scope) -> str | None:
    found = [value for name, value in scope["headers"] if name == b"content-length"]
    text = found[0].decode("latin-1") if found else ""
    return text if re.fullmatch(r"\d{1,15}", text) else None


def _again(body: bytes, receive: Receive) -> Receive:
    """Hand the body, which has been read, to the application."""
    first = [True]

    async def given() -> MutableMapping[str, Any]:
        if first:
            first.clear()
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return given


class _Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self._status: int | None = None
        self.problem: str | None = None
        self.frames: list[str] = []
        self.id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = self.id

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            own = [(b"x-request-id", self.id.encode()), *_PRIVATE_HEADERS]
            message = {**message, "headers": [*message.get("headers", []), *own]}
        await self._send(message)

    async def fail(self, status: int, text: str) -> None:
        if self._status is not None:
            return
        answer = JSONResponse({"error": text, "request_id": self.id}, status_code=status)
        if status == 413:
            answer.headers["connection"] = "close"
        await answer(self._scope, _nothing, self.send)

    def told(self) -> dict[str, Any]:
        """For the log: the route's pattern, never the path, which may carry what somebody put there."""
        route = self._scope.get("route")
        milliseconds = round((time.perf_counter() - self._began) * 1000, 1)
        line = {
            "request_id": self.id,
            "method": str(self._scope["method"])[:10],
            "route": getattr(route, "path", "unknown"),
            "status": self._status,
            "ms": milliseconds,
        }
        return line | ({"problem": self.problem, "frames": self.frames} if self.problem else {})


def _frames(error: Exception) -> list[str]:
    """The way down to an error, the place where it was raised last: files, lines and functions, no values."""
    way = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    return [f"{_short(each.filename)}:{each.lineno} {each.name}" for each in way]


def _short(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(_ROOT) and "site-packages" not in path.parts:
        return str(path.relative_to(_ROOT))
    return "/".join(path.parts[-3:])


def _request_id(scope: Scope) -> str:
    """The caller's own id if it is a plain word, which may be longer than ours but says nothing."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    text = given.decode("latin-1")
    return text if re.fullmatch(r"[A-Fa-f0-9-]{8,64}", text) else secrets.token_hex(8)


async def _nothing() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}
