"""Processes that send one message and die on the way, at a named point."""

import http.client
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from temporalio.exceptions import ApplicationError

from activities.mailer import Accepted, Mail, Mailer
from activities.providers.outbox import OutboxMailer
from activities.providers.sendgrid import SendGridMailer
from journey.messages import SendRequest
from ledger import Ledger
from ledger.letters import OutboxLetter
from ledger.send_rules import Bid
from ledger.sends import Claim, Send
from ledger.tables import letters
from tests.dying import Point, die, dies
from tests.sending import TERMS, Messages, PlainLetters


@dataclass(frozen=True)
class Attempt:
    """One process: what it sends, by whom, at what time, and where it dies."""

    ledger_url: str
    host: str | None
    request: SendRequest
    now: datetime
    point: Point


class MortalLedger(Ledger):
    """A ledger whose process dies around its transactions, or inside the outbox's."""

    point: Point

    async def claim_send(self, request: SendRequest, bid: Bid) -> Claim:
        if self.point is Point.BEFORE_INTENT:
            die()
        claim = await super().claim_send(request, bid)
        if claim.granted and self.point is Point.AFTER_INTENT:
            die()
        return claim

    async def reclaim_send(self, doubtful: Send, bid: Bid) -> Claim:
        claim = await super().reclaim_send(doubtful, bid)
        if claim.granted and self.point is Point.AFTER_INTENT:
            die()
        return claim

    async def accept_send(self, send: Send, provider_id: str | None, now: datetime) -> Send:
        accepted = await super().accept_send(send, provider_id, now)
        if self.point is Point.AFTER_ACCEPTED_ROW:
            die()
        return accepted

    async def keep_letter(self, letter: OutboxLetter) -> bool:
        if self.point is Point.WHILE_WRITING:
            async with self.writing() as db:
                await db.execute(self.insert(letters).values(letter.model_dump()))
                die()
        kept = await super().keep_letter(letter)
        if self.point is Point.AFTER_WRITING:
            die()
        return kept


class MortalMailer:
    """A mailer whose process dies as soon as it has the answer."""

    def __init__(self, mailer: Mailer, point: Point) -> None:
        self.name = mailer.name
        self.find = mailer.find
        self._mailer = mailer
        self._point = point

    async def send(self, mail: Mail, reference: str) -> Accepted:
        accepted = await self._mailer.send(mail, reference)
        if self._point is Point.AFTER_ANSWER:
            die()
        return accepted


def _die_on_the_wire(point: Point) -> None:
    """Let the process die when half of the request, or all of it, is with the kernel."""
    send: Callable[[http.client.HTTPConnection, Any], None] = http.client.HTTPConnection.send

    def mortal_send(connection: http.client.HTTPConnection, data: Any) -> None:
        half = len(data) // 2
        send(connection, data[:half])
        if point is Point.WHILE_WRITING:
            die()
        send(connection, data[half:])
        if point is Point.AFTER_WRITING and data.endswith(b"}"):
            die()

    http.client.HTTPConnection.send = mortal_send  # type: ignore[method-assign, assignment]


async def _send(attempt: Attempt, activity: type[Messages]) -> None:
    ledger = await MortalLedger.open(attempt.ledger_url)
    ledger.point = attempt.point
    mailer: Mailer = OutboxMailer(ledger)
    if attempt.host is not None:
        _die_on_the_wire(attempt.point)
        mailer = SendGridMailer("key", attempt.host, timeout=5)
    mortal = MortalMailer(mailer, attempt.point)
    messages = activity(ledger, mortal, PlainLetters(), TERMS, lambda: attempt.now)
    try:
        await messages.send_message(attempt.request)
    except ApplicationError:
        # Temporal would try again at once.
        await messages.send_message(attempt.request)
    if attempt.point is Point.BEFORE_REPORT:
        die()
    await ledger.close()


def crash(attempt: Attempt, activity: type[Messages] = Messages) -> bool:
    """Send in a process of its own; whether it died at its point."""
    return dies(_send, attempt, activity)
