"""The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header): a request that is sent again
under the same key is the same request."""

import re
from typing import Annotated, Any

from fastapi import Depends, Header, HTTPException

from service.answers import Problem

_KEY = re.compile(r"[^\s@\"\\\x00-\x20\x7f-\uffff]{1,150}")

_EXAMPLE = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'
_Given = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A quoted string of your own, such as a UUID: at most 150 letters, no space, no `@`.",
        examples=[_EXAMPLE],
    ),
]


def _read(given: str | None) -> str | None:
    """The key within the quotes. Many clients leave them out, so they may."""
    if given is None:
        return None
    quoted = len(given) > 1 and given.startswith('"') and given.endswith('"')
    key = given[1:-1] if quoted else given
    if not _KEY.fullmatch(key):
        raise HTTPException(400, f"Idempotency-Key: should be a quoted string such as {_EXAMPLE}")
    return key


def _required(given: _Given = None) -> str:
    key = _read(given)
    if key is None:
        raise HTTPException(400, f"Idempotency-Key: is missing; it should be a string such as {_EXAMPLE}")
    return key


def _optional(given: _Given = None) -> str | None:
    return _read(given)


IdempotencyKey = Annotated[str, Depends(_required)]
"""Where doing it twice would cost money."""

OptionalKey = Annotated[str | None, Depends(_optional)]
"""Where doing it twice does no harm, and the same answer is wanted."""

NEEDED: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is not JSON, or the key is missing."}
}
