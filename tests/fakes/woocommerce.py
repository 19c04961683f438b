"""A WooCommerce shop on loopback: the REST API over its orders and webhooks, and a log of what was asked."""

import base64
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.small_server import Asked, Loopback, Reply

KEY, SECRET = "ck_of_the_tests", "cs_of_the_tests"
_SORTS = {"date", "id", "include", "title", "slug", "modified"}


class Fault(StrEnum):
    """What the next question suffers."""

    BUSY = "busy"
    ERROR = "error"
    GARBAGE = "garbage"
    NO_RIGHT = "no_right"


@dataclass(frozen=True)
class Entry:
    """One question, as it arrived."""

    path: str
    params: dict[str, str]
    fault: str | None = None


@dataclass
class FakeWooCommerce:
    """`orders` in the words of the API, which are those of its webhooks."""

    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    webhooks: list[dict[str, Any]] = field(default_factory=list)
    log: list[Entry] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    page_size: int = 100
    is_old: bool = False
    """Older than 5.8, which does not know `modified_after`."""
    thrown_away: list[int] = field(default_factory=list)
    """Orders that go to the trash once the first page has been told."""

    def __post_init__(self) -> None:
        self._server = Loopback(self._answer)
        self.start, self.stop = self._server.start, self._server.stop
        if not self.webhooks:
            self.subscribe()

    @property
    def url(self) -> str:
        return self._server.url

    def subscribe(self, status: str = "active") -> None:
        """The two webhooks as the page on connecting has them made, and one for somebody else."""
        door = "https://doors.example/webhooks/woocommerce"
        self.webhooks = [
            {"id": 1, "topic": "order.created", "status": "active", "delivery_url": door},
            {"id": 2, "topic": "order.updated", "status": status, "delivery_url": door},
            {
                "id": 3,
                "topic": "order.updated",
                "status": "active",
                "delivery_url": "https://other.example/in",
            },
        ]

    def _answer(self, asked: Asked) -> Reply:
        place = urlsplit(asked.path)
        params = {name: values[0] for name, values in parse_qs(place.query).items()}
        path = place.path.removeprefix("/wp-json/wc/v3")
        fault = self.faults.popleft() if self.faults else None
        self.log.append(Entry(path, params, fault))
        expected = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {expected}":
            return _problem(401, "woocommerce_rest_cannot_view")
        if reply := _suffered(fault):
            return reply
        match path:
            case "/orders":
                return self._orders(params)
            case "/webhooks":
                return Reply(200, self.webhooks)
        return _problem(404, "rest_no_route")

    def _orders(self, params: dict[str, str]) -> Reply:
        if params.get("orderby", "date") not in _SORTS:
            return _problem(400, "rest_invalid_param")
        since = datetime.fromisoformat(params["modified_after"])
        assert params["dates_are_gmt"] == "true"
        found = [order for order in self.orders.values() if self.is_old or _modified(order) > since]
        found.sort(key=lambda order: order["id"])
        size = min(int(params["per_page"]), self.page_size)
        start = (int(params["page"]) - 1) * size
        headers = {"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(-(-len(found) // size))}
        for each in self.thrown_away:
            del self.orders[each]
        self.thrown_away = []
        return Reply(200, found[start : start + size], headers)


def _modified(order: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(order["date_modified_gmt"])


def _suffered(fault: Fault | None) -> Reply | None:
    match fault:
        case Fault.BUSY:
            return Reply(429, {"code": "too_many_requests"}, {"Retry-After": "11"})
        case Fault.ERROR:
            return Reply(503, raw=b"<html>Briefly unavailable for scheduled maintenance.</html>")
        case Fault.GARBAGE:
            return Reply(200, raw=b"PHP Notice: ann@shop.example []")
        case Fault.NO_RIGHT:
            return _problem(403, "woocommerce_rest_cannot_view")
    return None


def _problem(status: int, code: str) -> Reply:
    return Reply(status, {"code": code, "message": "about ann@shop.example", "data": {"status": status}})
