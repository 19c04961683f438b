"""An SMTP server on loopback, with a log of its own and faults on demand."""

import asyncio
import threading
import warnings
from collections import Counter, deque
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from enum import StrEnum

from aiosmtpd.smtp import SMTP, Envelope, Session


class SmtpFault(StrEnum):
    """What the next letter suffers; a number is what the server answers."""

    BUSY_ADDRESS = "451 try later"
    NO_SUCH_BOX = "550 ann@shop.example is unknown"
    BAD_SENDER = "553 not allowed"
    BUSY_LETTER = "452 full"
    BAD_LETTER = "554 ann@shop.example wants no such thing"
    CLOSED_AT_ADDRESS = "closed at the address"
    SILENT_AT_ADDRESS = "silent at the address"
    CLOSED_AFTER = "closed after the letter"
    SILENT_AFTER = "silent after the letter"


_AT_SENDER = {SmtpFault.BAD_SENDER}
_AT_ADDRESS = {
    SmtpFault.BUSY_ADDRESS,
    SmtpFault.NO_SUCH_BOX,
    SmtpFault.CLOSED_AT_ADDRESS,
    SmtpFault.SILENT_AT_ADDRESS,
}
_TAKEN = {SmtpFault.CLOSED_AFTER, SmtpFault.SILENT_AFTER}


@dataclass(frozen=True)
class Received:
    """One letter as it arrived."""

    sender: str
    recipients: list[str]
    message: EmailMessage


class FakeSmtp:
    """Runs in a thread of its own between `start` and `stop`."""

    def __init__(self) -> None:
        self.log: list[Received] = []
        self.faults: deque[SmtpFault] = deque()
        self.released = threading.Event()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self.released.set()
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        with warnings.catch_warnings():
            # The library warns of a server without a hostname's certificate, and of its own internals.
            warnings.simplefilter("ignore")
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._server = await self._loop.create_server(lambda: SMTP(self, loop=self._loop), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def taken(self) -> Counter[str]:
        """How often each reference was taken."""
        return Counter(str(each.message["X-Reference"]) for each in self.log)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if fault := self._due(_AT_SENDER):
            return fault.value
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if fault := self._due(_AT_ADDRESS):
            return await self._suffer(server, fault)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        fault = self._due(set(SmtpFault))
        if fault is None or fault in _TAKEN:
            content = envelope.content
            assert isinstance(content, bytes)
            message = message_from_bytes(content, policy=default)
            self.log.append(Received(envelope.mail_from or "", list(envelope.rcpt_tos), message))
        return await self._suffer(server, fault) if fault else "250 taken"

    def _due(self, here: set[SmtpFault]) -> SmtpFault | None:
        return self.faults.popleft() if self.faults and self.faults[0] in here else None

    async def _suffer(self, server: SMTP, fault: SmtpFault) -> str:
        if fault.value[0].isdigit():
            return fault.value
        if fault.name.startswith("CLOSED"):
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if fault.name.startswith("SILENT"):
            await asyncio.to_thread(self.released.wait)
        return "421 too late"
