"""Mail over SMTP.

The exchange is made step by step, so that each failure is known for what it is: until the last line of the
letter is written the server certainly does not have it, and after it has answered 250 it certainly does.
Between the two nobody can tell.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, formataddr, parseaddr
from enum import StrEnum

import aiosmtplib

from activities.attempts import Refused, Unclear
from activities.mailer import Accepted, Mail, Unknown

TIMEOUT = 10.0
"""Seconds for each step of the exchange."""

REFERENCE_HEADER = "X-Reference"


class Security(StrEnum):
    """How the connection is kept private. `starttls` refuses a server that cannot."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True)
class SmtpServer:
    """Where the mail goes first."""

    host: str
    port: int = 587
    security: Security = Security.STARTTLS
    user: str | None = None
    password: str | None = None
    timeout: float = TIMEOUT


class SmtpMailer:
    """Hands mail to an SMTP server, one connection for each."""

    name = "smtp"

    def __init__(self, server: SmtpServer, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._server = server
        self._now = now

    async def send(self, mail: Mail, reference: str) -> Accepted:
        try:
            message = _message(mail, reference, self._now())
        except (ValueError, UnicodeError) as error:
            raise Refused(f"no such mail can be written: {type(error).__name__}", permanent=True) from None
        client = self._client()
        try:
            await self._greet(client)
            await _envelope(client, mail)
            return await _data(client, message)
        finally:
            client.close()

    async def find(self, reference: str) -> Unknown:
        """SMTP has nobody to ask."""
        return Unknown()

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=server.timeout,
            use_tls=server.security is Security.TLS,
            start_tls=server.security is Security.STARTTLS,
        )

    async def _greet(self, client: aiosmtplib.SMTP) -> None:
        """Connect and log in. Whatever goes wrong here is about the server or the account."""
        try:
            await client.connect()
            if self._server.user is not None:
                await client.login(self._server.user, self._server.password or "")
        except aiosmtplib.SMTPResponseException as error:
            raise Refused(f"the mail server answered {error.code}") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise Refused(f"the mail server was not reached: {type(error).__name__}") from None


async def _envelope(client: aiosmtplib.SMTP, mail: Mail) -> None:
    """Sender and recipient. 5xx for the recipient is for good; for the sender it is ours to mend."""
    _, sender = parseaddr(mail.from_)
    try:
        await client.mail(sender)
        await client.rcpt(mail.to)
    except aiosmtplib.SMTPRecipientRefused as error:
        reason = f"the mail server answered {error.code} to the address"
        raise Refused(reason, permanent=error.code >= 500) from None
    except aiosmtplib.SMTPResponseException as error:
        raise Refused(f"the mail server answered {error.code}") from None
    except (aiosmtplib.SMTPException, OSError) as error:
        raise Refused(f"the mail server went away before the letter: {type(error).__name__}") from None


async def _data(client: aiosmtplib.SMTP, message: EmailMessage) -> Accepted:
    try:
        await client.data(message.as_bytes(policy=SMTP_POLICY))
    except aiosmtplib.SMTPDataError as error:
        reason = f"the mail server answered {error.code} to the letter"
        raise Refused(reason, permanent=error.code >= 500) from None
    except (TimeoutError, aiosmtplib.SMTPException, OSError) as error:
        raise Unclear(f"the exchange with the mail server broke: {type(error).__name__}") from None
    return Accepted()


def _message(mail: Mail, reference: str, now: datetime) -> EmailMessage:
    message = EmailMessage(policy=SMTP_POLICY)
    name, sender = parseaddr(mail.from_)
    message["From"] = formataddr((name, sender))
    message["To"] = formataddr((mail.to_name or "", mail.to))
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(now)
    # A server that takes the same letter twice may know it by this.
    message["Message-ID"] = f"<{reference}@{sender.rpartition('@')[2]}>"
    message[REFERENCE_HEADER] = reference
    for header, value in mail.headers.items():
        message[header] = value
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message
