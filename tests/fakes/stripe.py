"""Stripe's refunds on loopback: real HTTP, a log of its own, faults on demand, and its memory of keys."""

import json
import socket
import struct
import threading
import urllib.request
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


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


@dataclass
class FakeStripe:
    """Charges and refunds. `captured` is what each charge holds, in Stripe's own units."""

    captured: dict[str, int] = field(default_factory=lambda: {"ch_1": 10_000})
    status: str = "succeeded"
    """Of refunds that are made from now on."""
    created: int = 1_772_550_000
    """When the next refund is made, in Stripe's seconds."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """Every question for a list."""
    log: list[Entry] = field(default_factory=list)
    refunds: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    answers: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    """What each key was answered: it is answered again, a 500 too, until the keys are forgotten."""

    def __post_init__(self) -> None:
        self.released = threading.Event()
        self._busy = 0
        self._idle = threading.Condition()
        self.lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

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

    def settle(self) -> None:
        """Returns when everything that was sent before this call is in the log."""
        urllib.request.urlopen(f"{self.host}/health", timeout=10).close()
        with self._idle:
            assert self._idle.wait_for(lambda: self._busy == 0, timeout=10)

    def begun(self) -> None:
        with self._idle:
            self._busy += 1

    def ended(self) -> None:
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 50

    def __init__(self, fake: FakeStripe) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.fake.begun()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.fake.ended()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(path.query).items()}
        self.server.fake.asked.append(asked)
        of = asked.get("charge") or asked.get("payment_intent")
        since = int(asked.get("created[gte]", 0))
        # The newest first, of one payment or of all.
        found = [
            each
            for each in reversed(self.server.fake.refunds)
            if of in (None, each["charge"]) and each["created"] >= since
        ]
        ids = [each["id"] for each in found]
        start = ids.index(asked["starting_after"]) + 1 if "starting_after" in asked else 0
        size = min(int(asked.get("limit", 10)), 2)
        page = found[start : start + size]
        more = len(found) > start + size
        self._answer(200, {"object": "list", "data": page, "has_more": more, "url": "/v1/refunds"})

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        raw = self.rfile.read(length)
        if len(raw) < length:
            return
        form = {key: values[0] for key, values in parse_qs(raw.decode()).items()}
        with self.server.fake.lock:
            fault, status, body = self._refund(self.headers.get("Idempotency-Key", ""), form)
        self._suffer(fault, status, body)

    def _refund(self, key: str, form: dict[str, str]) -> tuple[Fault | None, int, dict[str, Any]]:
        fake = self.server.fake
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
        fake = self.server.fake
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
                self.server.fake.released.wait()
            case Fault.RESET_AFTER:
                self.wfile.write(b"HTTP/1.1 200 O")
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
            case Fault.DRIP_AFTER:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not self.server.fake.released.wait(0.05):
                    self.wfile.write(b".")
            case Fault.GARBAGE_AFTER:
                self.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
            case Fault.NO_ID_AFTER:
                self._answer(200, {"object": "refund"})
            case Fault.BUSY:
                self._answer(status, body, {"Retry-After": "7"})
            case _:
                self._answer(status, body)

    def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _error(status: int, code: str) -> tuple[int, dict[str, Any]]:
    kind = "api_error" if status >= 500 else "invalid_request_error"
    return status, {"error": {"type": kind, "code": code, "message": "about ann@shop.example"}}
