"""A SendGrid on loopback: v3 Mail Send over real HTTP, with a log of its own and faults on demand."""

import json
from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from tests.fakes.loopback import Handler, Loopback


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


class FakeSendGrid(Loopback):
    """Takes mail, or does not."""

    def __init__(self) -> None:
        self.log: list[Entry] = []
        self.erased: list[str] = []
        """Addresses that were to be forgotten, as often as that was said."""
        self.faults: deque[Fault] = deque()
        super().__init__(_Handler)

    def taken(self) -> Counter[str]:
        """How often each reference was taken."""
        return Counter(entry.reference or "" for entry in self.log if entry.taken)


class _Handler(Handler):
    @property
    def fake(self) -> FakeSendGrid:
        return cast(FakeSendGrid, self.server.fake)

    def do_GET(self) -> None:
        self.answer(200)

    def do_POST(self) -> None:
        raw = self.body()
        if raw is None:
            return
        fake = self.fake
        fault = fake.faults.popleft() if fake.faults else None
        body = json.loads(raw)
        if self.path == "/v3/recipients/erasejob":
            self._erase(body, fault)
            return
        sandbox = body.get("mail_settings", {}).get("sandbox_mode", {}).get("enable", False)
        taken = not sandbox and (fault is None or fault in _TAKEN)
        fake.log.append(self._entry(body, taken, fault))
        if sandbox:
            self.answer(200)
        else:
            self._suffer(fault)

    def _erase(self, body: dict[str, Any], fault: Fault | None) -> None:
        fake = self.fake
        if fault is None or fault in _TAKEN:
            fake.erased += body["email_addresses"]
        if fault is None:
            self.answer(202, json.dumps({"job_id": f"job-{len(fake.erased)}"}).encode())
        else:
            self._suffer(fault)

    def _entry(self, body: dict[str, Any], taken: bool, fault: Fault | None) -> Entry:
        reference = body["personalizations"][0].get("custom_args", {}).get("reference")
        return Entry(taken, reference, body, self.headers.get("Authorization"), fault)

    def _suffer(self, fault: Fault | None) -> None:
        match fault:
            case Fault.BUSY:
                self.answer(429, headers={"Retry-After": "7"})
            case Fault.BAD_LETTER:
                errors = [{"field": "subject", "message": "ann@shop.example is odd"}]
                self.answer(400, json.dumps({"errors": errors}).encode())
            case Fault.BAD_KEY:
                self.answer(401)
            case Fault.ERROR_BEFORE | Fault.ERROR_AFTER:
                self.answer(500)
            case Fault.SILENT_BEFORE | Fault.SILENT_AFTER:
                self.be_silent()
            case Fault.RESET_AFTER:
                self.reset()
            case Fault.DRIP_AFTER:
                self.drip()
            case Fault.GARBAGE_AFTER:
                self.talk_garbage()
            case Fault.NO_ID:
                self.answer(202)
            case None:
                self.answer(202, headers={"X-Message-Id": f"m{len(self.fake.log)}"})
