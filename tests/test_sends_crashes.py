"""A process dies at any point of a send: what the customer finds in the mailbox afterwards."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from activities.mailer import Accepted, Mailer
from activities.messages import NotWritten
from activities.providers.outbox import OutboxMailer
from activities.providers.sendgrid import SendGridMailer
from journey.messages import SendReceipt, SendRequest, SendResult
from journey.playbook import Limits, MessageClass
from ledger import Ledger
from ledger.send_events import SendEvent
from ledger.sends import SendState
from tests.crashes import Attempt, crash
from tests.dying import Point
from tests.fakes.sendgrid import FakeSendGrid
from tests.sending import NOON, TERMS, Clock, LetterError, Messages, PlainLetters, introduce_ann, request_for

HOUR = timedelta(hours=1)
CLASSES = list(MessageClass)


@pytest_asyncio.fixture
async def ann(ledger: Ledger) -> AsyncIterator[Ledger]:
    await introduce_ann(ledger)
    yield ledger


class SendGridWithEvents(SendGridMailer):
    """SendGrid whose events have arrived: what became of a mail can be told."""

    def __init__(self, fake: FakeSendGrid) -> None:
        super().__init__("key", fake.host)
        self._fake = fake

    async def find(self, reference: str) -> Accepted | None:  # type: ignore[override]
        return Accepted() if self._fake.taken()[reference] else None


def die_twice(ledger_url: str, host: str | None, request: SendRequest, point: Point) -> int:
    """Two attempts, an hour apart, that die at the same point; how many did."""
    moments = (NOON, NOON + HOUR)
    return sum(crash(Attempt(ledger_url, host, request, now, point)) for now in moments)


async def finish(ledger: Ledger, mailer: Mailer, request: SendRequest) -> SendReceipt:
    """Attempts by a healthy process, until one has an answer that is final."""
    clock = Clock(NOON + 2 * HOUR)
    messages = Messages(ledger, mailer, PlainLetters(), TERMS, clock)
    for _ in range(10):
        try:
            receipt = await messages.send_message(request)
        except Exception as error:
            assert "never had it" in str(error)
            continue
        if receipt.result is not SendResult.HELD:
            return receipt
        assert receipt.until is not None
        clock.time = receipt.until
    raise AssertionError("no end after ten attempts")


@pytest.mark.parametrize("message_class", CLASSES)
@pytest.mark.parametrize("point", list(Point))
async def test_exactly_one_letter_lies_in_the_outbox(
    ann: Ledger, ledger_url: str, point: Point, message_class: MessageClass
) -> None:
    request = request_for(message_class)
    assert die_twice(ledger_url, None, request, point) >= 1
    receipt = await finish(ann, OutboxMailer(ann), request)
    assert receipt == SendReceipt(result=SendResult.SENT)
    assert [letter.recipient for letter in await ann.outbox(order_id="1001")] == ["ann@shop.example"]


@pytest.mark.parametrize("message_class", CLASSES)
@pytest.mark.parametrize("point", list(Point))
async def test_exactly_one_mail_is_taken_when_the_provider_tells_what_became_of_it(
    ann: Ledger, ledger_url: str, sendgrid: FakeSendGrid, point: Point, message_class: MessageClass
) -> None:
    request = request_for(message_class)
    assert crash(Attempt(ledger_url, sendgrid.host, request, NOON, point))
    sendgrid.settle()
    receipt = await finish(ann, SendGridWithEvents(sendgrid), request)
    assert receipt == SendReceipt(result=SendResult.SENT)
    assert list(sendgrid.taken().values()) == [1]


@pytest.mark.parametrize("point", list(Point))
@pytest.mark.parametrize("message_class", [MessageClass.CARE, MessageClass.MARKETING])
async def test_what_is_not_urgent_arrives_at_most_once_and_is_listed_when_nobody_can_tell(
    ann: Ledger, ledger_url: str, sendgrid: FakeSendGrid, point: Point, message_class: MessageClass
) -> None:
    request = request_for(message_class)
    assert die_twice(ledger_url, sendgrid.host, request, point) >= 1
    sendgrid.settle()
    receipt = await finish(ann, SendGridMailer("key", sendgrid.host), request)
    certain = point in (Point.BEFORE_INTENT, Point.AFTER_ACCEPTED_ROW, Point.BEFORE_REPORT)
    if certain:
        assert receipt.result is SendResult.SENT
        assert list(sendgrid.taken().values()) == [1]
    else:
        assert receipt == SendReceipt(result=SendResult.PARKED, reason="nobody can tell whether it was sent")
        assert sum(sendgrid.taken().values()) <= 1
        assert [send.key for send in await ann.sends_in(SendState.PARKED)] == [request.key]


@pytest.mark.parametrize("point", list(Point))
async def test_what_must_arrive_does_and_each_repetition_is_recorded(
    ann: Ledger, ledger_url: str, sendgrid: FakeSendGrid, point: Point
) -> None:
    request = request_for(MessageClass.TRANSACTIONAL)
    died = die_twice(ledger_url, sendgrid.host, request, point)
    sendgrid.settle()
    receipt = await finish(ann, SendGridMailer("key", sendgrid.host), request)
    assert died >= 1
    assert receipt.result is SendResult.SENT
    [send] = await ann.sends_of("1001")
    assert list(sendgrid.taken()) == [send.reference]
    assert 1 <= sendgrid.taken()[send.reference] <= 1 + send.resent
    assert send.resent == (died if point in WITHOUT_AN_END else 0)


QUICK_PAIRS = [
    (first, second)
    for number, first in enumerate(Point)
    for second in [list(Point)[(number + shift) % len(Point)] for shift in (1, 3, 5)]
]
"""Each point is three times the first and three times the second; `die_twice` has it with itself."""


@pytest.mark.parametrize("message_class", CLASSES)
async def test_whatever_pair_of_points_kills_two_attempts_the_letter_comes_once_or_is_accounted_for(
    ann: Ledger, ledger_url: str, sendgrid: FakeSendGrid, message_class: MessageClass
) -> None:
    """Twenty-one orders, each struck twice, at another pair of points; enough of it has to land."""
    landed = 0
    for number, (first, second) in enumerate(QUICK_PAIRS):
        request = request_for(message_class, order_id=f"40{number:02}", limits=Limits(caps=()))
        for point, now in ((first, NOON), (second, NOON + HOUR)):
            landed += crash(Attempt(ledger_url, sendgrid.host, request, now, point))
        sendgrid.settle()
        receipt = await finish(ann, SendGridMailer("key", sendgrid.host), request)
        [send] = await ann.sends_of(request.order_id)
        times = sendgrid.taken()[send.reference]
        if receipt.result is SendResult.SENT:
            assert 1 <= times <= 1 + send.resent, (first, second)
        else:
            assert (times <= 1, send.state) == (True, SendState.PARKED), (first, second)
        assert send.resent == 0 or message_class is MessageClass.TRANSACTIONAL
    assert landed >= 20, "too few faults landed to say anything"


@pytest.mark.parametrize("message_class", CLASSES)
async def test_a_letter_that_cannot_be_written_any_more_is_not_forgotten_while_it_is_in_doubt(
    ann: Ledger, ledger_url: str, sendgrid: FakeSendGrid, message_class: MessageClass
) -> None:
    request = request_for(message_class)
    assert crash(Attempt(ledger_url, sendgrid.host, request, NOON, Point.AFTER_ANSWER))
    clock, letters = Clock(NOON + timedelta(minutes=5)), PlainLetters(LetterError("survey: broken"))
    messages = Messages(ann, SendGridMailer("key", sendgrid.host), letters, TERMS, clock)
    held = await messages.send_message(request)
    assert held.result is SendResult.HELD
    assert [send.key for send in await ann.sends_in(SendState.UNKNOWN)] == [request.key]
    clock.turn(hours=1)
    parked = await messages.send_message(request)
    assert parked.result is SendResult.PARKED
    assert parked.reason.startswith("nobody can tell whether it was sent")
    [send] = await ann.sends_in(SendState.PARKED)
    news = {"provider": "sendgrid", "event_id": "e1", "reference": send.reference, "kind": "delivered"}
    await ann.record_send_event(SendEvent.model_validate({**news, "at": NOON}), clock())
    cured = await messages.send_message(request.model_copy(update={"retried_at": clock()}))
    assert cured.result is SendResult.SENT
    assert list(sendgrid.taken().values()) == [1]


WITHOUT_AN_END = {Point.AFTER_INTENT, Point.WHILE_WRITING, Point.AFTER_WRITING, Point.AFTER_ANSWER}


class UnclaimedMessages(Messages):
    """The control: sends without a claim, as if nothing had been sent before."""

    async def _send(self, request: SendRequest) -> SendReceipt:
        envelope = await self._compose(request)
        assert not isinstance(envelope, NotWritten)
        await self._mailer.send(envelope.mail, "unclaimed")
        return SendReceipt(result=SendResult.SENT)


@pytest.mark.parametrize("point", [Point.AFTER_WRITING, Point.AFTER_ANSWER, Point.BEFORE_REPORT])
async def test_without_the_claim_the_same_deaths_send_twice(
    ann: Ledger, ledger_url: str, sendgrid: FakeSendGrid, point: Point
) -> None:
    request = request_for(MessageClass.MARKETING)
    assert crash(Attempt(ledger_url, sendgrid.host, request, NOON, point), UnclaimedMessages)
    sendgrid.settle()
    mailer = SendGridMailer("key", sendgrid.host)
    await UnclaimedMessages(ann, mailer, PlainLetters(), TERMS, Clock()).send_message(request)
    assert sum(sendgrid.taken().values()) == 2
