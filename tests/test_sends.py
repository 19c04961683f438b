"""What a customer gets, and what an operator reads, when a message is sent."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError

from activities.attempts import Refused, Unclear
from activities.mailer import Accepted, Mail, Unknown
from activities.providers.outbox import OutboxMailer
from activities.providers.sendgrid import SendGridMailer
from journey.messages import SendReceipt, SendResult
from journey.playbook import MessageClass
from ledger import Ledger
from ledger.customers import Profile
from ledger.sends import AttemptEnd, SendState
from tests.fakes.sendgrid import FakeSendGrid, Fault
from tests.sending import (
    ANN,
    BID,
    NOON,
    TERMS,
    Clock,
    LetterError,
    Messages,
    PlainLetters,
    introduce_ann,
    request_for,
)

MINUTES_15 = timedelta(minutes=15)
CLASSES = list(MessageClass)
BEING_MADE = "another attempt is being made"
NOT_URGENT = [MessageClass.CARE, MessageClass.MARKETING]


@dataclass
class ScriptedMailer:
    """Answers as it is told, and cannot be asked afterwards."""

    answers: list[Exception | Accepted] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    name: str = "scripted"

    async def send(self, mail: Mail, reference: str) -> Accepted:
        self.sent.append(reference)
        answer = self.answers.pop(0) if self.answers else Accepted("m1")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def find(self, reference: str) -> Unknown:
        return Unknown()


@pytest_asyncio.fixture
async def ann(ledger: Ledger) -> AsyncIterator[Ledger]:
    await introduce_ann(ledger)
    yield ledger


async def test_a_letter_is_handed_over_once_however_often_it_is_asked_for(ann: Ledger) -> None:
    messages = Messages(ann, OutboxMailer(ann, Clock()), PlainLetters(), TERMS, Clock())
    receipts = [await messages.send_message(request_for()) for _ in range(3)]
    assert [receipt.result for receipt in receipts] == [SendResult.SENT] * 3
    [letter] = await ann.outbox(customer_id="c_ann")
    assert letter.subject == "survey for Ann Lee"
    assert letter.recipient == "ann@shop.example"
    assert letter.sender == "The Shop <orders@shop.example>"
    assert letter.at == NOON


async def test_ten_workers_with_the_same_message_send_one(ann: Ledger, ledger_url: str) -> None:
    other = await Ledger.open(ledger_url)
    mailer = ScriptedMailer()
    workers = [Messages(each, mailer, PlainLetters(), TERMS, Clock()) for each in (ann, other) * 5]
    attempts = (worker.send_message(request_for()) for worker in workers)
    ends = await asyncio.gather(*attempts, return_exceptions=True)
    assert len(mailer.sent) == 1
    assert {str(end) for end in ends if isinstance(end, Exception)} <= {f"NotYetSent: {BEING_MADE}"}
    results = {end.result for end in ends if not isinstance(end, BaseException)}
    assert results == {SendResult.SENT}
    await other.close()


async def test_two_steps_of_an_order_are_two_letters_with_references_of_their_own(ann: Ledger) -> None:
    mailer = ScriptedMailer()
    messages = Messages(ann, mailer, PlainLetters(), TERMS, Clock())
    for step in ("survey", "review"):
        await messages.send_message(request_for(step=step))
    assert len(set(mailer.sent)) == 2
    assert all(len(bytes.fromhex(reference)) == 16 for reference in mailer.sent)


async def test_an_unknown_customer_parks_the_message_until_the_shop_names_them(ledger: Ledger) -> None:
    messages = Messages(ledger, OutboxMailer(ledger), PlainLetters(), TERMS, Clock())
    receipt = await messages.send_message(request_for())
    assert (receipt.result, receipt.reason) == (SendResult.PARKED, "the ledger does not know the customer")
    await ledger.keep_customer(ANN)
    assert (await messages.send_message(request_for())).result is SendResult.PARKED
    assert (await messages.send_message(request_for(retried_at=NOON))).result is SendResult.SENT
    [send] = await ledger.sends_of("1001")
    assert (send.state, send.resent) == (SendState.ACCEPTED, 0)


async def test_a_customer_without_an_address_is_not_written_to(ledger: Ledger) -> None:
    await ledger.keep_customer(Profile(customer_id="c_ann", name="Ann Lee"))
    messages = Messages(ledger, OutboxMailer(ledger), PlainLetters(), TERMS, Clock())
    receipt = await messages.send_message(request_for())
    assert (receipt.result, receipt.reason) == (
        SendResult.SUPPRESSED,
        "the customer has no e-mail address",
    )
    assert await ledger.outbox() == []


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (LetterError("survey.html: `points` is undefined"), "survey.html: `points` is undefined"),
        (KeyError("ann@shop.example"), "the letter cannot be written: KeyError"),
    ],
)
async def test_a_letter_that_cannot_be_written_is_parked_and_sent_once_after_the_cure(
    ann: Ledger, failure: Exception, reason: str
) -> None:
    letters = PlainLetters(failure)
    messages = Messages(ann, OutboxMailer(ann), letters, TERMS, Clock())
    receipt = await messages.send_message(request_for())
    assert (receipt.result, receipt.reason) == (SendResult.PARKED, reason)
    letters.failure = None
    for _ in range(2):
        assert (await messages.send_message(request_for(retried_at=NOON))).result is SendResult.SENT
    assert len(await ann.outbox()) == 1


async def test_an_operator_s_retry_counts_once(ann: Ledger) -> None:
    mailer = ScriptedMailer([Refused("no such box", permanent=True), Refused("still none", permanent=True)])
    messages = Messages(ann, mailer, PlainLetters(), TERMS, Clock())
    requests = [request_for(), request_for(retried_at=NOON), request_for(retried_at=NOON)]
    reasons = [(await messages.send_message(request)).reason for request in requests]
    assert reasons == ["no such box", "still none", "still none"]
    later = request_for(retried_at=NOON + timedelta(hours=1))
    assert (await messages.send_message(later)).result is SendResult.SENT


async def test_a_provider_that_is_busy_is_asked_again_when_it_wants_to_be(ann: Ledger) -> None:
    clock, mailer = Clock(), ScriptedMailer([Refused("busy", retry_after=7)])
    messages = Messages(ann, mailer, PlainLetters(), TERMS, clock)
    for waited in (0, 5):
        clock.turn(seconds=waited)
        with pytest.raises(ApplicationError, match="busy") as refusal:
            await messages.send_message(request_for())
        assert refusal.value.next_retry_delay == timedelta(seconds=7 - waited)
        assert not refusal.value.non_retryable
        assert len(mailer.sent) == 1
    clock.turn(seconds=2)
    assert (await messages.send_message(request_for())).result is SendResult.SENT
    assert len(set(mailer.sent)) == 1
    [send] = await ann.sends_of("1001")
    assert (send.attempts, send.resent) == (2, 0)


@pytest.mark.parametrize("message_class", NOT_URGENT)
async def test_what_is_not_urgent_waits_for_news_and_is_then_parked(
    ann: Ledger, message_class: MessageClass
) -> None:
    clock, mailer = Clock(), ScriptedMailer([Unclear("timeout")])
    messages = Messages(ann, mailer, PlainLetters(), TERMS, clock)
    receipt = await messages.send_message(request_for(message_class))
    assert (receipt.result, receipt.until) == (SendResult.HELD, NOON + MINUTES_15)
    clock.turn(minutes=15)
    receipt = await messages.send_message(request_for(message_class))
    assert (receipt.result, receipt.reason) == (SendResult.PARKED, "nobody can tell whether it was sent")
    assert len(mailer.sent) == 1


async def test_what_must_arrive_is_sent_again_under_its_reference_with_longer_and_longer_waits(
    ann: Ledger,
) -> None:
    clock, mailer = Clock(), ScriptedMailer([Unclear("timeout")] * 99)
    messages = Messages(ann, mailer, PlainLetters(), TERMS, clock)
    waits = []
    while (receipt := await messages.send_message(request_for())).result is SendResult.HELD:
        assert receipt.until is not None
        waits.append(round((receipt.until - clock.time) / MINUTES_15))
        clock.time = receipt.until
    assert waits == [1, 2, 4, 8, 16, 32]
    assert receipt.result is SendResult.PARKED
    assert (len(mailer.sent), len(set(mailer.sent))) == (6, 1)


async def test_a_resent_message_says_so(ann: Ledger) -> None:
    clock, mailer = Clock(), ScriptedMailer([Unclear("timeout")])
    messages = Messages(ann, mailer, PlainLetters(), TERMS, clock)
    await messages.send_message(request_for())
    clock.turn(minutes=15)
    receipt = await messages.send_message(request_for())
    assert (receipt.result, receipt.reason) == (
        SendResult.SENT,
        "resent: nobody can tell whether it was sent before",
    )


async def test_an_attempt_that_still_runs_keeps_the_next_one_from_sending(ann: Ledger) -> None:
    clock = Clock()
    first = await ann.claim_send(request_for(), BID)
    mailer = ScriptedMailer()
    messages = Messages(ann, mailer, PlainLetters(), TERMS, clock)
    with pytest.raises(ApplicationError, match=BEING_MADE) as wait:
        await messages.send_message(request_for())
    assert wait.value.next_retry_delay == timedelta(seconds=10)
    await ann.accept_send(first.send, "m1", clock())
    assert (await messages.send_message(request_for())).result is SendResult.SENT
    assert mailer.sent == []


async def test_what_the_provider_answers_after_the_activity_timed_out_is_still_written_down(
    ann: Ledger,
) -> None:
    begun, answer = asyncio.Event(), asyncio.Event()

    class SlowMailer(ScriptedMailer):
        async def send(self, mail: Mail, reference: str) -> Accepted:
            begun.set()
            await answer.wait()
            return await super().send(mail, reference)

    mailer = SlowMailer()
    messages = Messages(ann, mailer, PlainLetters(), TERMS, Clock())
    activity = asyncio.create_task(messages.send_message(request_for(MessageClass.CARE)))
    await begun.wait()
    activity.cancel()
    with pytest.raises(asyncio.CancelledError):
        await activity
    with pytest.raises(ApplicationError, match=BEING_MADE):
        await messages.send_message(request_for(MessageClass.CARE))
    answer.set()
    receipt = None
    while receipt is None:
        with contextlib.suppress(ApplicationError):
            receipt = await messages.send_message(request_for(MessageClass.CARE))
    assert (receipt, len(mailer.sent)) == (SendReceipt(result=SendResult.SENT), 1)


async def test_the_late_end_of_an_attempt_does_not_undo_its_successor(ann: Ledger) -> None:
    clock = Clock()
    first = await ann.claim_send(request_for(), BID)
    clock.turn(minutes=16)
    mailer = ScriptedMailer()
    await Messages(ann, mailer, PlainLetters(), TERMS, clock).send_message(request_for())
    kept = await ann.end_attempt(first.send, AttemptEnd(SendState.REFUSED, "too late to matter"), clock())
    assert (kept.state, kept.resent, len(mailer.sent)) == (SendState.ACCEPTED, 1, 1)


async def test_news_of_a_parked_message_that_did_arrive_is_believed(ann: Ledger) -> None:
    clock, mailer = Clock(), ScriptedMailer([Unclear("timeout")])
    messages = Messages(ann, mailer, PlainLetters(), TERMS, clock)
    care = request_for(MessageClass.CARE)
    await messages.send_message(care)
    clock.turn(minutes=15)
    await messages.send_message(care)
    [parked] = await ann.sends_in(SendState.PARKED)
    await ann.accept_send(parked, "m9", clock())
    assert (await messages.send_message(care.model_copy(update={"retried_at": clock()}))).result == "sent"
    assert len(mailer.sent) == 1


async def test_an_error_that_nobody_foresaw_names_no_customer(ann: Ledger) -> None:
    mailer = ScriptedMailer([RuntimeError("ann@shop.example")])
    with pytest.raises(ApplicationError) as failure:
        await Messages(ann, mailer, PlainLetters(), TERMS, Clock()).send_message(request_for())
    assert failure.value.message == "RuntimeError while sending survey"
    assert failure.value.__cause__ is None


MAIL = Mail(
    to="ann@shop.example",
    to_name="Ann Lee",
    from_="The Shop <orders@shop.example>",
    subject="Hello",
    html="<p>Hello</p>",
    text="Hello",
    headers={"List-Unsubscribe": "<https://shop.example/u/1>"},
    message_class=MessageClass.CARE,
)


async def test_sendgrid_gets_both_parts_and_nothing_personal_in_its_metadata(sendgrid: FakeSendGrid) -> None:
    accepted = await SendGridMailer("secret-key", sendgrid.host).send(MAIL, "r1")
    [entry] = sendgrid.log
    assert accepted == Accepted("m1")
    assert entry.authorization == "Bearer secret-key"
    assert entry.body == {
        "personalizations": [
            {"to": [{"email": "ann@shop.example", "name": "Ann Lee"}], "custom_args": {"reference": "r1"}}
        ],
        "from": {"email": "orders@shop.example", "name": "The Shop"},
        "subject": "Hello",
        "content": [
            {"type": "text/plain", "value": "Hello"},
            {"type": "text/html", "value": "<p>Hello</p>"},
        ],
        "headers": {"List-Unsubscribe": "<https://shop.example/u/1>"},
        "categories": ["care"],
    }


NEVER_ENDS = (Fault.SILENT_BEFORE, Fault.SILENT_AFTER, Fault.DRIP_AFTER)


def patience_with(faults: Collection[Fault]) -> float:
    """Seconds. An answer that will come has time, also from a fake on a busy machine."""
    return 2 if set(faults) & set(NEVER_ENDS) else 5


@pytest.mark.parametrize(
    ("fault", "end", "taken"),
    [
        (Fault.BUSY, Refused("sendgrid answered 429", retry_after=7.0), 0),
        (Fault.BAD_LETTER, Refused("sendgrid answered 400 about subject", permanent=True), 0),
        (Fault.BAD_KEY, Refused("sendgrid answered 401"), 0),
        (Fault.ERROR_BEFORE, Unclear("sendgrid answered 500"), 0),
        (Fault.ERROR_AFTER, Unclear("sendgrid answered 500"), 1),
        (Fault.SILENT_BEFORE, Unclear("the exchange with sendgrid broke: TimeoutError"), 0),
        (Fault.SILENT_AFTER, Unclear("the exchange with sendgrid broke: TimeoutError"), 1),
        (Fault.RESET_AFTER, Unclear("the exchange with sendgrid broke: ConnectionResetError"), 1),
        (Fault.DRIP_AFTER, Unclear("sendgrid did not finish its answer in time"), 1),
        (Fault.GARBAGE_AFTER, Unclear("the exchange with sendgrid broke: BadStatusLine"), 1),
    ],
)
async def test_each_way_in_which_sendgrid_fails_is_told_apart(
    sendgrid: FakeSendGrid, fault: Fault, end: Refused | Unclear, taken: int
) -> None:
    sendgrid.faults.append(fault)
    with pytest.raises(type(end)) as ended:
        await SendGridMailer("key", sendgrid.host, patience_with([fault])).send(MAIL, "r1")
    assert vars(ended.value) == vars(end)
    assert sendgrid.taken()["r1"] == taken
    sendgrid.released.set()


async def test_a_mail_that_sendgrid_takes_without_naming_it_is_taken(sendgrid: FakeSendGrid) -> None:
    sendgrid.faults.append(Fault.NO_ID)
    assert await SendGridMailer("key", sendgrid.host).send(MAIL, "r1") == Accepted(None)


async def test_a_sendgrid_that_is_not_there_has_certainly_refused() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Refused, match="not reached: ConnectionRefusedError"):
            await SendGridMailer("key", host).send(MAIL, "r1")


@pytest.mark.parametrize("message_class", CLASSES)
@pytest.mark.parametrize("fault", list(Fault))
async def test_whatever_sendgrid_suffers_the_letter_comes_once_or_is_accounted_for(
    ann: Ledger, sendgrid: FakeSendGrid, fault: Fault, message_class: MessageClass
) -> None:
    sendgrid.faults.append(fault)
    clock = Clock()
    for _ in range(3):
        mailer = SendGridMailer("key", sendgrid.host, patience_with(sendgrid.faults))
        messages = Messages(ann, mailer, PlainLetters(), TERMS, clock)
        try:
            receipt = await messages.send_message(request_for(message_class))
        except ApplicationError as wait:
            clock.time += wait.next_retry_delay or timedelta()
            continue
        clock.time = receipt.until or clock.time
    sendgrid.released.set()
    [send] = await ann.sends_of("1001")
    times = sendgrid.taken()[send.reference]
    if receipt.result is SendResult.SENT:
        assert 1 <= times <= 1 + send.resent
    else:
        assert (receipt.result, send.state) == (SendResult.PARKED, SendState.PARKED)
        assert times <= 1
    assert send.resent == 0 or message_class is MessageClass.TRANSACTIONAL


async def test_no_log_shows_the_key_or_the_address(
    sendgrid: FakeSendGrid, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await SendGridMailer("secret-key", sendgrid.host).send(MAIL, "r1")
    assert "secret-key" not in caplog.text
    assert "ann@" not in caplog.text
