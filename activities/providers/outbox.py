"""The embedded default: a letter is carried as far as the ledger, where people can read it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from activities.mailer import Accepted, Mail
from ledger import Ledger
from ledger.letters import OutboxLetter


class OutboxMailer:
    """Puts mail down in the ledger, in a transaction of its own, once for each reference."""

    name = "outbox"

    def __init__(self, ledger: Ledger, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._ledger = ledger
        self._now = now

    async def send(self, mail: Mail, reference: str) -> Accepted:
        letter = OutboxLetter(
            reference=reference,
            at=self._now(),
            recipient=mail.to,
            recipient_name=mail.to_name,
            sender=mail.from_,
            subject=mail.subject,
            html=mail.html,
            text=mail.text,
            headers=mail.headers,
            message_class=mail.message_class,
        )
        await self._ledger.keep_letter(letter)
        return Accepted()

    async def find(self, reference: str) -> Accepted | None:
        """Certain either way: the letter lies here or it does not."""
        return Accepted() if await self._ledger.outbox_letter(reference) else None

    async def forget(self, addresses: Sequence[str]) -> str:
        """The letters lie in the ledger, which has emptied itself of them."""
        return "outbox: deleted with the ledger's rows"
