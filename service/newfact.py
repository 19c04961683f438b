"""What is said at our own doors is held to its word: a reporter of ours can correct it at once, unlike a
carrier, whose words are taken as they come."""

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import Depends, HTTPException, Request

from journey.facts import CARRIER_STATUSES, KINDS
from journey.return_facts import FACTS
from journey.wording import did_you_mean
from service.clocks import Dated, ahead

_MOMENTS = ("at", "placed_at", "expected", "ship_by", "deliver_by")
_A_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def held_to_its_word(kinds: Collection[str]) -> Any:
    """A dependency: the body is one of these facts, and says nothing that it cannot mean. It looks before the
    model does, which takes what carriers write."""

    def check(data: dict[str, Any]) -> None:
        _known_kind(data.get("kind"), kinds)
        _known_status(data)
        _in_words(data)
        _not_ahead(data)

    return Depends(partial(_checked, check))


async def _checked(check: Callable[[dict[str, Any]], None], request: Request) -> None:
    data = await request.json() if await request.body() else None
    try:
        if isinstance(data, dict):
            check(data)
    except ValueError as error:
        raise HTTPException(422, str(error)) from None


def _known_kind(kind: Any, kinds: Collection[str]) -> None:
    if kind not in kinds:
        told = "is missing; it " if kind is None else ""
        near = did_you_mean(kind, kinds) if isinstance(kind, str) else ""
        raise ValueError(f"kind: {told}should be one of: {', '.join(sorted(kinds))}{near}")


def _known_status(data: dict[str, Any]) -> None:
    status = data.get("status")
    if isinstance(status, str) and status not in CARRIER_STATUSES:
        near = did_you_mean(status, CARRIER_STATUSES)
        known = ", ".join(sorted(CARRIER_STATUSES))
        raise ValueError(f"status: should be one of: {known}{near} (a carrier's own word may stand in raw)")


def _in_words(data: dict[str, Any]) -> None:
    """Nobody can tell of a number whether it is seconds or milliseconds, and of which zone."""
    for name in _MOMENTS:
        value = data.get(name)
        if value is not None and not (isinstance(value, str) and _A_DATE.match(value)):
            raise ValueError(f"{name}: should be a moment with an offset such as 2026-05-01T10:00:00+02:00")


def _not_ahead(data: dict[str, Any]) -> None:
    try:
        at = datetime.fromisoformat(str(data.get("at")))
        late = ahead([Dated("at", at)], datetime.now(UTC))
    except (ValueError, TypeError):
        return  # the model says what is wrong with it
    if late:
        raise ValueError(late)


OF_ORDERS = KINDS - {"order_placed"}
"""What is reported of an order; that it was placed is told to `POST /v1/orders`."""

OF_RETURNS = frozenset(FACTS)

moments_in_words = Depends(partial(_checked, _in_words))
"""A dependency: every moment of the body is written as one."""
