"""SendGrid's v3 Mail Send.

Its client is synchronous, so it runs in a thread. It has no idempotency key and no list of mails to ask:
what became of an attempt that ended unclear is told by SendGrid's events alone. Metadata is kept there for
ever, so nothing but our reference goes into it.
"""

import asyncio
import contextlib
import json
import logging
import re
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parseaddr, parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.error import URLError

from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from activities.attempts import Refused, Unclear
from activities.mailer import Accepted, Mail, Unknown

HOST = "https://api.sendgrid.com"
EU_HOST = "https://api.eu.sendgrid.com"
"""Where mail of a subuser in the EU is handed over; it is then kept there."""

TIMEOUT = 10.0
"""Seconds for each step of the exchange; the client's own default is to wait for ever."""

LONGEST_RETRY = 3600.0
"""Seconds; a provider that asks for more is asked again after this."""

MOST_ERASED = 5_000
"""Addresses in one request to forget them."""

_OF_THE_LETTER = frozenset({400, 413, 422})
"""Refusals that the same letter would meet again. The other 4xx are about the key or the account."""

_NEVER_REACHED = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)


class SendGridMailer:
    """Hands mail to SendGrid."""

    name = "sendgrid"

    def __init__(
        self, api_key: str, host: str = HOST, timeout: float = TIMEOUT, *, sandbox: bool = False
    ) -> None:
        """In the sandbox SendGrid checks each mail and delivers none."""
        # At DEBUG it logs the whole request: the key, the addresses, the letter.
        logging.getLogger("python_http_client").setLevel(logging.WARNING)
        client = SendGridAPIClient(api_key, host=host).client
        client.timeout = timeout
        self._client = client
        self._patience = 1.5 * timeout
        self._sandbox = sandbox

    async def send(self, mail: Mail, reference: str) -> Accepted:
        body = _body(mail, reference)
        if self._sandbox:
            body["mail_settings"] = {"sandbox_mode": {"enable": True}}
        # Whoever takes the ticket decides: the thread, to write; or we, so that it never will.
        ticket = [reference]
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.to_thread(self._post, body, ticket)
        except TimeoutError:
            if ticket:
                raise Refused("no thread was free to send it") from None
            raise Unclear("sendgrid did not finish its answer in time") from None
        finally:
            ticket.clear()

    async def find(self, reference: str) -> Unknown:
        """SendGrid keeps no list that could be asked without its paid Email Activity."""
        return Unknown()

    async def forget(self, addresses: Sequence[str]) -> str:
        """`POST /v3/recipients/erasejob`, the Recipients' Data Erasure API: 5,000 addresses at once, 100
        requests a minute. The key needs the scope `recipients.erasejob.create`; it reaches no subusers."""
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.to_thread(self._erase, list(addresses))
        except TimeoutError:
            raise Unclear("sendgrid did not finish its answer in time") from None

    def _erase(self, addresses: list[str]) -> str:
        jobs = []
        for first in range(0, len(addresses), MOST_ERASED):
            body = {"email_addresses": addresses[first : first + MOST_ERASED]}
            response = _made(partial(self._client.recipients.erasejob.post, request_body=body))
            jobs.append(_job(response.body))
        return f"sendgrid: job {', '.join(jobs)}"

    def _post(self, body: dict[str, Any], ticket: list[str]) -> Accepted:
        try:
            ticket.pop()
        except IndexError:
            raise Refused("given up before it was sent") from None
        response = _made(lambda: self._client.mail.send.post(request_body=body))
        if response.status_code != (200 if self._sandbox else 202):
            raise Unclear(f"sendgrid answered {response.status_code}")
        return Accepted(provider_id=response.headers.get("X-Message-Id"))


def _made(request: Callable[[], Any]) -> Any:
    """The answer to a request. Raises `Refused` or `Unclear`."""
    try:
        return request()
    except HTTPError as error:
        raise _refusal(error) from None
    except URLError as error:
        raise _broken(error.reason) from None
    except Exception as error:
        raise _broken(error) from None


def _job(body: bytes) -> str:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        found = str(json.loads(body)["job_id"])
        return found if re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", found) else "unnamed"
    return "unnamed"


def _body(mail: Mail, reference: str) -> dict[str, Any]:
    name, address = parseaddr(mail.from_)
    body: dict[str, Any] = {
        "personalizations": [
            {"to": [_address(mail.to, mail.to_name)], "custom_args": {"reference": reference}}
        ],
        "from": _address(address, name),
        "subject": mail.subject,
        "content": [
            {"type": "text/plain", "value": mail.text},
            {"type": "text/html", "value": mail.html},
        ],
        # Kept for ever by SendGrid, so they say nothing of the customer or of what the letter is about.
        "categories": [str(mail.message_class)],
    }
    return body | ({"headers": mail.headers} if mail.headers else {})


def _address(email: str, name: str | None) -> dict[str, str]:
    return {"email": email, "name": name} if name else {"email": email}


def _broken(reason: object) -> Refused | Unclear:
    """An exchange that ended without an answer. Only what never reached the provider is a refusal."""
    word = type(reason).__name__
    if isinstance(reason, _NEVER_REACHED):
        return Refused(f"sendgrid was not reached: {word}")
    return Unclear(f"the exchange with sendgrid broke: {word}")


def _refusal(error: HTTPError) -> Refused | Unclear:
    status = error.status_code
    if status >= 500 or status < 400:
        return Unclear(f"sendgrid answered {status}")
    return Refused(
        f"sendgrid answered {status}{_named_fields(error.body)}",
        retry_after=_retry_after(error.headers),
        permanent=status in _OF_THE_LETTER,
    )


def _named_fields(body: bytes) -> str:
    """The fields that SendGrid complains of. Its sentences may quote an address, so they are left out."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        fields = [str(item.get("field")) for item in json.loads(body)["errors"]]
        named = sorted({field for field in fields if re.fullmatch(r"[a-z0-9_.]{1,60}", field)})
        return f" about {', '.join(named)}" if named else ""
    return ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from a number or a date (RFC 9110, 10.2.3)."""
    value = headers.get("Retry-After") if headers else None
    if not value:
        return None
    try:
        seconds = float(value) if value.strip().isdigit() else _until(value)
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY)


def _until(date: str) -> float:
    at = parsedate_to_datetime(date)
    return (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
