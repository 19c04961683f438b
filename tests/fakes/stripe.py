"""Stripe's refunds on loopback: real HTTP, a log of its own, faults on demand, and its memory of keys."""

import json
import threading
from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from tests.fakes.loopback import Handler, Loopback


class Fault(StrEnum):
    """What the next refund suffers. `BEFORE` and `AFTER` say whether it was made by then."""

    BUSY = "busy"
    BAD_KEY = "bad_key"
    REFUSED = "refused"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    SILENT_BEFORE = "silent_before"
    SILENT_AFTER = "silent_after"
    RESET_AFTER = "reset_after"
    DRIP_AFTER = "drip_after"
    GARBAGE_AFTER = "garbage_after"
    NO_ID_AFTER = "no_id_after"


@dataclass(frozen=True)
class Entry:
    """One request to refund, as it arrived."""

    key: str
    form: dict[str, str]
    fault: Fault | None
    made: str | None
    """The id of the refund that came of it, if this request made one."""


class FakeStripe(Loopback):
    """Charges and refunds."""

    def __init__(self, created: int = 1_772_550_000) -> None:
        self.captured = {"ch_1": 10_000}
        """What each charge holds, in Stripe's own units."""
        self.status = "succeeded"
        """Of refunds that are made from now on."""
        self.created = created
        """When the next refund is made, in Stripe's seconds."""
        self.asked: list[dict[str, str]] = []
        """Every question for a list."""
        self.log: list[Entry] = []
        self.refunds: list[dict[str, Any]] = []
        self.faults: deque[Fault] = deque()
        self.answers: dict[str, tuple[int, dict[str, Any]]] = {}
        """What each key was answered: it is answered again, a 500 too, until the keys are forgotten."""
        self.lock = threading.Lock()
        super().__init__(_Handler)

    def made(self) -> Counter[str]:
        """How many refunds were made for each reference of ours."""
        return Counter(each["metadata"].get("reference", "dashboard") for each in self.refunds)

    def given_back(self, charge: str = "ch_1") -> int:
        alive = [each for each in self.refunds if each["status"] not in ("failed", "canceled")]
        return sum(each["amount"] for each in alive if each["charge"] == charge)

    def keys(self) -> set[str]:
        return {entry.key for entry in self.log}

    def in_dashboard(self, amount: int, charge: str = "ch_1") -> None:
        """Somebody refunds by hand."""
        self.make({"charge": charge, "amount": str(amount)})

    def turn(self, status: str, reason: str | None = None) -> None:
        """The bank decides on every refund that is open."""
        for refund in self.refunds:
            refund |= {"status": status, "failure_reason": reason}

    def make(self, form: dict[str, str]) -> dict[str, Any]:
        refund = {
            "id": f"re_{len(self.refunds) + 1}",
            "object": "refund",
            "amount": int(form["amount"]),
            "charge": form.get("charge") or form.get("payment_intent"),
            "currency": "eur",
            "created": self.created,
            "status": self.status,
            "failure_reason": None,
            "metadata": {"reference": form["metadata[reference]"]} if "metadata[reference]" in form else {},
        }
        self.refunds.append(refund)
        return refund


class _Handler(Handler):
    @property
    def fake(self) -> FakeStripe:
        return cast(FakeStripe, self.server.fake)

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(path.query).items()}
        self.fake.asked.append(asked)
        of, since = asked.get("charge") or asked.get("payment_intent"), int(asked.get("created[gte]", 0))
        alike = [each for each in self.fake.refunds if of in (None, each["charge"])]
        # The newest first, of one payment or of all.
        found = [each for each in reversed(alike) if each["created"] >= since]
        ids = [each["id"] for each in found]
        start = ids.index(asked["starting_after"]) + 1 if "starting_after" in asked else 0
        size = min(int(asked.get("limit", 10)), 2)
        page = found[start : start + size]
        more = len(found) > start + size
        self._answer(200, {"object": "list", "data": page, "has_more": more, "url": "/v1/refunds"})

    def do_POST(self) -> None:
        raw = self.body()
        if raw is None:
            return
        form = {key: values[0] for key, values in parse_qs(raw.decode()).items()}
        with self.fake.lock:
            fault, status, body = self._refund(self.headers.get("Idempotency-Key", ""), form)
        self._suffer(fault, status, body)

    def _refund(self, key: str, form: dict[str, str]) -> tuple[Fault | None, int, dict[str, Any]]:
        fake = self.fake
        fault = fake.faults.popleft() if fake.faults else None
        if fault in (Fault.BUSY, Fault.BAD_KEY):
            fake.log.append(Entry(key, form, fault, None))
            return fault, *_error(429 if fault is Fault.BUSY else 401, "rate_limit")
        made = None
        if key not in fake.answers:
            fake.answers[key], made = self._first_answer(form, fault)
        fake.log.append(Entry(key, form, fault, made))
        return fault, *fake.answers[key]

    def _first_answer(
        self, form: dict[str, str], fault: Fault | None
    ) -> tuple[tuple[int, dict[str, Any]], str | None]:
        fake = self.fake
        if fault is Fault.REFUSED:
            return _error(400, "charge_disputed"), None
        if fault is Fault.ERROR_BEFORE:
            return _error(500, "api_error"), None
        charge = form.get("charge") or form["payment_intent"]
        if fake.given_back(charge) + int(form["amount"]) > fake.captured[charge]:
            return _error(400, "charge_already_refunded"), None
        refund = fake.make(form)
        answer = _error(500, "api_error") if fault is Fault.ERROR_AFTER else (200, dict(refund))
        return answer, refund["id"]

    def _suffer(self, fault: Fault | None, status: int, body: dict[str, Any]) -> None:
        match fault:
            case Fault.SILENT_BEFORE | Fault.SILENT_AFTER:
                self.be_silent()
            case Fault.RESET_AFTER:
                self.reset()
            case Fault.DRIP_AFTER:
                self.drip()
            case Fault.GARBAGE_AFTER:
                self.talk_garbage()
            case Fault.NO_ID_AFTER:
                self._answer(200, {"object": "refund"})
            case Fault.BUSY:
                self._answer(status, body, {"Retry-After": "7"})
            case _:
                self._answer(status, body)

    def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self.answer(status, json.dumps(body).encode(), headers)


def _error(status: int, code: str) -> tuple[int, dict[str, Any]]:
    kind = "api_error" if status >= 500 else "invalid_request_error"
    return status, {"error": {"type": kind, "code": code, "message": "about ann@shop.example"}}
