"""A SendGrid on loopback: v3 Mail Send over real HTTP, with a log of its own and faults on demand."""

import json
import socket
import struct
import threading
import urllib.request
from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Fault(StrEnum):
    """What the next exchange suffers. `BEFORE` and `AFTER` say whether the mail was taken by then."""

    BUSY = "busy"
    BAD_LETTER = "bad_letter"
    BAD_KEY = "bad_key"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    SILENT_BEFORE = "silent_before"
    SILENT_AFTER = "silent_after"
    RESET_AFTER = "reset_after"
    DRIP_AFTER = "drip_after"
    GARBAGE_AFTER = "garbage_after"
    NO_ID = "no_id"


_TAKEN = {
    Fault.ERROR_AFTER,
    Fault.SILENT_AFTER,
    Fault.RESET_AFTER,
    Fault.DRIP_AFTER,
    Fault.GARBAGE_AFTER,
    Fault.NO_ID,
}


@dataclass(frozen=True)
class Entry:
    """One request as it arrived."""

    taken: bool
    reference: str | None
    body: dict[str, Any]
    authorization: str | None
    fault: Fault | None


class FakeSendGrid:
    """Runs in threads of its own between `start` and `stop`."""

    def __init__(self) -> None:
        self.log: list[Entry] = []
        self.erased: list[str] = []
        """Addresses that were to be forgotten, as often as that was said."""
        self.faults: deque[Fault] = deque()
        self.released = threading.Event()
        self._busy = 0
        self._idle = threading.Condition()
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

    def taken(self) -> Counter[str]:
        """How often each reference was taken."""
        return Counter(entry.reference or "" for entry in self.log if entry.taken)

    def settle(self) -> None:
        """Returns when everything that was sent before this call is in the log: connections are taken in
        the order in which they came, so ours comes after them."""
        urllib.request.urlopen(self.host, timeout=10).close()
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

    def __init__(self, fake: FakeSendGrid) -> None:
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
        self._answer(200)

    def do_POST(self) -> None:
        fake = self.server.fake
        length = int(self.headers["Content-Length"])
        raw = self.rfile.read(length)
        if len(raw) < length:
            return
        fault = fake.faults.popleft() if fake.faults else None
        body = json.loads(raw)
        if self.path == "/v3/recipients/erasejob":
            self._erase(body, fault)
            return
        sandbox = body.get("mail_settings", {}).get("sandbox_mode", {}).get("enable", False)
        taken = not sandbox and (fault is None or fault in _TAKEN)
        fake.log.append(self._entry(body, taken, fault))
        if sandbox:
            self._answer(200)
        else:
            self._suffer(fault)

    def _erase(self, body: dict[str, Any], fault: Fault | None) -> None:
        fake = self.server.fake
        if fault is None or fault in _TAKEN:
            fake.erased += body["email_addresses"]
        if fault is None:
            self._answer(202, body={"job_id": f"job-{len(fake.erased)}"})
        else:
            self._suffer(fault)

    def _entry(self, body: dict[str, Any], taken: bool, fault: Fault | None) -> Entry:
        reference = body["personalizations"][0].get("custom_args", {}).get("reference")
        return Entry(taken, reference, body, self.headers.get("Authorization"), fault)

    def _suffer(self, fault: Fault | None) -> None:
        match fault:
            case Fault.BUSY:
                self._answer(429, {"Retry-After": "7"})
            case Fault.BAD_LETTER:
                self._answer(
                    400, body={"errors": [{"field": "subject", "message": "ann@shop.example is odd"}]}
                )
            case Fault.BAD_KEY:
                self._answer(401)
            case Fault.ERROR_BEFORE | Fault.ERROR_AFTER:
                self._answer(500)
            case Fault.SILENT_BEFORE | Fault.SILENT_AFTER:
                self.server.fake.released.wait()
            case Fault.RESET_AFTER:
                self._reset()
            case Fault.DRIP_AFTER:
                self._drip()
            case Fault.GARBAGE_AFTER:
                self.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
            case Fault.NO_ID:
                self._answer(202)
            case None:
                self._answer(202, {"X-Message-Id": f"m{len(self.server.fake.log)}"})

    def _answer(
        self, status: int, headers: dict[str, str] | None = None, body: dict[str, Any] | None = None
    ) -> None:
        data = json.dumps(body).encode() if body else b""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _reset(self) -> None:
        self.wfile.write(b"HTTP/1.1 202 Acc")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100000\r\n\r\n")
        while not self.server.fake.released.wait(0.05):
            self.wfile.write(b".")
