"""The same letter through each of the mailers: what arrives, and how each failure is told."""

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parseaddr
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio

from activities.attempts import Refused, Unclear
from activities.mailer import Accepted, Mail, Mailer, Unknown
from activities.providers.outbox import OutboxMailer
from activities.providers.sendgrid import SendGridMailer
from activities.providers.smtp import Security, SmtpMailer, SmtpServer
from journey.playbook import MessageClass
from ledger import Ledger
from runtime.settings import MailerName, Settings
from tests.fakes.sendgrid import FakeSendGrid
from tests.fakes.smtp import FakeSmtp, SmtpFault
from worker import build_mailer

Fake = TypeVar("Fake", FakeSendGrid, FakeSmtp)

ONE_CLICK = {
    "List-Unsubscribe": "<https://shop.example/u/1>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
MAIL = Mail(
    to="ann@shop.example",
    to_name="Ann Lee",
    from_="The Shop <news@shop.example>",
    subject="Grüße — 茶",
    html="<p>Hällo 茶</p>",
    text="Hällo 茶",
    headers=ONE_CLICK,
    message_class=MessageClass.MARKETING,
)
REFERENCE = "0f" * 16


@dataclass(frozen=True)
class Arrived:
    """A letter at the other end, in no provider's words."""

    to: str
    to_name: str
    from_: str
    subject: str
    html: str
    text: str
    headers: dict[str, str]
    reference: str


EXPECTED = Arrived(
    to="ann@shop.example",
    to_name="Ann Lee",
    from_="news@shop.example",
    subject="Grüße — 茶",
    html="<p>Hällo 茶</p>",
    text="Hällo 茶",
    headers=ONE_CLICK,
    reference=REFERENCE,
)


@dataclass
class Stand:
    """A mailer and what arrived at its other end."""

    mailer: Mailer
    arrived: Callable[[], Awaitable[list[Arrived]]]


WENT_AWAY = "the mail server went away before the letter: {}"
BROKE = "the exchange with the mail server broke: {}"


@contextmanager
def running(fake: Fake) -> Iterator[Fake]:
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()


@pytest.fixture
def smtp() -> Iterator[FakeSmtp]:
    with running(FakeSmtp()) as fake:
        yield fake


def smtp_mailer(fake: FakeSmtp, timeout: float = 5) -> SmtpMailer:
    return SmtpMailer(SmtpServer("127.0.0.1", fake.port, Security.NONE, timeout=timeout))


async def _by_sendgrid(fake: FakeSendGrid) -> list[Arrived]:
    return [
        Arrived(
            to=entry.body["personalizations"][0]["to"][0]["email"],
            to_name=entry.body["personalizations"][0]["to"][0]["name"],
            from_=entry.body["from"]["email"],
            subject=entry.body["subject"],
            html=entry.body["content"][1]["value"],
            text=entry.body["content"][0]["value"],
            headers=entry.body["headers"],
            reference=entry.reference or "",
        )
        for entry in fake.log
        if entry.taken
    ]


async def _by_smtp(fake: FakeSmtp) -> list[Arrived]:
    found = []
    for received in fake.log:
        message = received.message
        html, text = message.get_body(("html",)), message.get_body(("plain",))
        assert html is not None and text is not None
        found.append(
            Arrived(
                to=received.recipients[0],
                to_name=message["To"].addresses[0].display_name,
                from_=received.sender,
                subject=message["Subject"],
                html=html.get_content().strip(),
                text=text.get_content().strip(),
                headers={name: message[name] for name in ONE_CLICK},
                reference=message["X-Reference"],
            )
        )
    return found


async def _by_outbox(ledger: Ledger) -> list[Arrived]:
    return [
        Arrived(
            to=letter.recipient,
            to_name=letter.recipient_name or "",
            from_=parseaddr(letter.sender)[1],
            subject=letter.subject,
            html=letter.html,
            text=letter.text,
            headers=letter.headers,
            reference=letter.reference,
        )
        for letter in await ledger.outbox()
    ]


@pytest_asyncio.fixture(params=["outbox", "sendgrid", "smtp"])
async def stand(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stand]:
    if request.param == "outbox":
        ledger = await Ledger.open(f"sqlite+aiosqlite:///{tmp_path / 'outbox.db'}")
        yield Stand(OutboxMailer(ledger), lambda: _by_outbox(ledger))
        await ledger.close()
    elif request.param == "sendgrid":
        with running(FakeSendGrid()) as sendgrid:
            yield Stand(SendGridMailer("key", sendgrid.host), lambda: _by_sendgrid(sendgrid))
    else:
        with running(FakeSmtp()) as smtp:
            yield Stand(smtp_mailer(smtp), lambda: _by_smtp(smtp))


async def test_a_letter_arrives_whole_with_its_headers_and_its_reference(stand: Stand) -> None:
    assert isinstance(await stand.mailer.send(MAIL, REFERENCE), Accepted)
    assert await stand.arrived() == [EXPECTED]


async def test_what_became_of_a_letter_is_answered_truly_or_not_at_all(stand: Stand) -> None:
    certain = isinstance(stand.mailer, OutboxMailer)
    assert await stand.mailer.find(REFERENCE) == (None if certain else Unknown())
    await stand.mailer.send(MAIL, REFERENCE)
    assert await stand.mailer.find(REFERENCE) == (Accepted() if certain else Unknown())


async def test_twenty_letters_at_once_arrive_once_each(stand: Stand) -> None:
    references = [f"{number:032x}" for number in range(20)]
    await asyncio.gather(*(stand.mailer.send(MAIL, reference) for reference in references))
    assert sorted(each.reference for each in await stand.arrived()) == references


@pytest.mark.parametrize("kind", ["sendgrid", "smtp"])
async def test_a_server_that_is_not_there_has_certainly_refused(kind: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        mailer: Mailer = SmtpMailer(SmtpServer("127.0.0.1", port, Security.NONE))
        if kind == "sendgrid":
            mailer = SendGridMailer("key", f"http://127.0.0.1:{port}")
        with pytest.raises(Refused, match="not reached") as refusal:
            await mailer.send(MAIL, REFERENCE)
    assert not refusal.value.permanent


@pytest.mark.parametrize(
    ("fault", "end", "taken"),
    [
        (SmtpFault.BUSY_ADDRESS, Refused("the mail server answered 451 to the address"), 0),
        (SmtpFault.NO_SUCH_BOX, Refused("the mail server answered 550 to the address", permanent=True), 0),
        (SmtpFault.BAD_SENDER, Refused("the mail server answered 553"), 0),
        (SmtpFault.BUSY_LETTER, Refused("the mail server answered 452 to the letter"), 0),
        (SmtpFault.BAD_LETTER, Refused("the mail server answered 554 to the letter", permanent=True), 0),
        (SmtpFault.CLOSED_AT_ADDRESS, Refused(WENT_AWAY.format("SMTPServerDisconnected")), 0),
        (SmtpFault.SILENT_AT_ADDRESS, Refused(WENT_AWAY.format("SMTPReadTimeoutError")), 0),
        (SmtpFault.CLOSED_AFTER, Unclear(BROKE.format("SMTPServerDisconnected")), 1),
        (SmtpFault.SILENT_AFTER, Unclear(BROKE.format("SMTPReadTimeoutError")), 1),
    ],
)
async def test_each_way_in_which_a_mail_server_fails_is_told_apart(
    smtp: FakeSmtp, fault: SmtpFault, end: Refused | Unclear, taken: int
) -> None:
    smtp.faults.append(fault)
    with pytest.raises(type(end)) as ended:
        # What will be said has time: the server shares a busy machine with us.
        timeout = 2 if fault in (SmtpFault.SILENT_AT_ADDRESS, SmtpFault.SILENT_AFTER) else 5
        await smtp_mailer(smtp, timeout).send(MAIL, REFERENCE)
    smtp.released.set()
    assert vars(ended.value) == vars(end)
    assert smtp.taken()[REFERENCE] == taken


@pytest.mark.parametrize("field", ["subject", "to_name", "to"])
async def test_no_line_of_a_mail_s_head_can_be_smuggled_in(smtp: FakeSmtp, field: str) -> None:
    value = {"to": "ann@shop.example>\r\nRCPT TO:<eve@evil.example"}.get(field, "Hi\r\nBcc: eve@evil.example")
    wrong: dict[str, Any] = {field: value}
    with pytest.raises(Refused) as refusal:
        await smtp_mailer(smtp).send(dataclasses.replace(MAIL, **wrong), REFERENCE)
    assert refusal.value.permanent
    assert "evil" not in refusal.value.reason
    assert smtp.log == []


async def test_a_server_that_cannot_keep_it_private_gets_no_letter(smtp: FakeSmtp) -> None:
    mailer = SmtpMailer(SmtpServer("127.0.0.1", smtp.port, user="shop", password="secret-word"))
    with pytest.raises(Refused) as refusal:
        await mailer.send(MAIL, REFERENCE)
    assert not refusal.value.permanent
    assert "secret-word" not in refusal.value.reason
    assert smtp.log == []


async def test_in_the_sandbox_a_letter_is_checked_and_delivered_to_nobody(sendgrid: FakeSendGrid) -> None:
    await SendGridMailer("key", sendgrid.host, sandbox=True).send(MAIL, REFERENCE)
    assert [entry.body["mail_settings"] for entry in sendgrid.log] == [{"sandbox_mode": {"enable": True}}]
    assert sendgrid.taken() == {}


async def test_a_provider_learns_nothing_for_its_metadata_but_reference_and_class(
    sendgrid: FakeSendGrid,
) -> None:
    await SendGridMailer("key", sendgrid.host).send(MAIL, REFERENCE)
    [entry] = sendgrid.log
    assert entry.body["categories"] == ["marketing"]
    assert entry.body["personalizations"][0]["custom_args"] == {"reference": REFERENCE}


@pytest.mark.parametrize(
    ("settings", "mailer", "host"),
    [
        ({"mailer": "sendgrid", "sendgrid_api_key": "k"}, SendGridMailer, "https://api.sendgrid.com"),
        (
            {"mailer": "sendgrid", "sendgrid_api_key": "k", "sendgrid_region": "eu"},
            SendGridMailer,
            "https://api.eu.sendgrid.com",
        ),
        ({"mailer": "smtp", "smtp_host": "mail.shop.example"}, SmtpMailer, "mail.shop.example"),
    ],
)
async def test_the_settings_choose_who_carries_the_letters(
    tmp_path: Path, settings: dict[str, Any], mailer: type, host: str
) -> None:
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
    built = build_mailer(Settings(**settings), ledger)
    assert isinstance(built, mailer)
    inside: Any = built
    assert host == (inside._client.host if mailer is SendGridMailer else inside._server.host)
    await ledger.close()


def test_a_mailer_without_its_server_is_one_clear_error() -> None:
    with pytest.raises(ValueError, match="THEREAFTER_SMTP_HOST: should be set"):
        Settings(mailer=MailerName.SMTP)
