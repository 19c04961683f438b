"""Real HTTP on loopback, with faults on demand: what the fakes of providers stand on."""

import socket
import struct
import threading
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Loopback:
    """Runs in threads of its own between `start` and `stop`."""

    def __init__(self, handler: type["Handler"]) -> None:
        self.released = threading.Event()
        """Set when those who were kept waiting may go."""
        self.slowness = 0.0
        """Seconds between what is done and what is answered."""
        self._busy = 0
        self._idle = threading.Condition()
        self._server = _Server(self, handler)
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

    def settle(self) -> None:
        """Returns when everything that was sent before this call is in the log: connections are taken in
        the order in which they came, so ours comes after them."""
        urllib.request.urlopen(f"{self.host}/health", timeout=10).close()
        with self._idle:
            assert self._idle.wait_for(lambda: self._busy == 0, timeout=10)

    @property
    def in_flight(self) -> int:
        """Requests that have not been answered to their end."""
        return self._busy

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

    def __init__(self, fake: Loopback, handler: type["Handler"]) -> None:
        self.fake = fake
        super().__init__(("127.0.0.1", 0), handler)

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


class Handler(BaseHTTPRequestHandler):
    """Answers, or suffers what keeps a client from its answer."""

    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def body(self) -> bytes | None:
        """All of it, or `None` from a client that died on the way."""
        length = int(self.headers["Content-Length"])
        raw = self.rfile.read(length)
        return raw if len(raw) == length else None

    def answer(self, status: int, data: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.server.fake.released.wait(self.server.fake.slowness)
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def be_silent(self) -> None:
        self.server.fake.released.wait()

    def reset(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 O")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def drip(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not self.server.fake.released.wait(0.05):
            self.wfile.write(b".")

    def talk_garbage(self) -> None:
        self.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
