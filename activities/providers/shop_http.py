"""Asking a shop over HTTP: what each way of not answering means. Bodies and addresses stay out of reasons."""

from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from activities.shops import ShopBusy, ShopRefused

TIMEOUT = 20.0
"""Seconds for each step of the exchange: a page of orders is work for a shop."""

LONGEST_RETRY = 900.0
"""Seconds."""

_REFUSALS = {
    401: "the key or token is not valid",
    402: "the shop is frozen",
    403: "the key or token may not read this",
    404: "there is no such address",
}


async def asked(who: str, client: httpx.AsyncClient, request: httpx.Request) -> tuple[Any, httpx.Headers]:
    """The answer's JSON and headers. Raises `ShopRefused` or `ShopBusy`."""
    try:
        answer = await client.send(request)
    except httpx.HTTPError as error:
        raise ShopBusy(f"{who} was not reached: {type(error).__name__}") from None
    status = answer.status_code
    if status == 429 or status >= 500:
        raise ShopBusy(f"{who} answered {status}", _seconds(answer))
    if status != 200:
        why = _REFUSALS.get(status)
        raise ShopRefused(f"{who} answered {status}" + (f": {why}" if why else ""))
    try:
        return answer.json(), answer.headers
    except ValueError:
        raise ShopBusy(f"{who} answered with something that is not JSON") from None


def _seconds(answer: httpx.Response) -> float | None:
    """`Retry-After`, which is a number of seconds or a date."""
    said = answer.headers.get("retry-after", "")
    try:
        return min(max(float(said), 0.0), LONGEST_RETRY)
    except ValueError:
        pass
    try:
        at, now = parsedate_to_datetime(said), parsedate_to_datetime(answer.headers.get("date", ""))
        return min(max((at - now).total_seconds(), 0.0), LONGEST_RETRY)
    except (TypeError, ValueError):
        return None


def leads_to(address: str, door: str) -> bool:
    """Whether an address is that of a door of ours, under whatever name the host has."""
    return urlsplit(address).path.rstrip("/").endswith(door)
