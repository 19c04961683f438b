"""What becomes of a letter after the provider took it, as the provider's events tell and operators read."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import pytest_asyncio
import typer
from typer.testing import CliRunner

from activities.attempts import Refused, Unclear
from activities.mailer import Accepted, Mailer, Unknown
from activities.reconciliation import STILL_UNKNOWN, reconcile_send
from commands import sends
from journey.messages import SendResult
from journey.playbook import Limits, MessageClass
from ledger import Ledger
from ledger.send_events import SendEvent, SendEventKind
from ledger.sends import AttemptEnd, Send, SendState
from runtime.inputs import InputError
from tests.sending import BID, NOON, TERMS, Clock, Messages, PlainLetters, introduce_ann, request_for
from tests.test_sends import ScriptedMailer

CARE, MARKETING, TRANSACTIONAL = MessageClass.CARE, MessageClass.MARKETING, MessageClass.TRANSACTIONAL
ROOT = Path(__file__).parent.parent
NO_CAPS = Limits(caps=())


class AskableMailer(ScriptedMailer):
    """Can be asked about some of what was sent."""

    def __init__(self, known: dict[str, bool]) -> None:
        super().__init__()
        self.known = known

    async def find(self, reference: str) -> Accepted | Unknown | None:  # type: ignore[override]
        if reference not in self.known:
            return Unknown()
        return Accepted("m7") if self.known[reference] else None


@pytest_asyncio.fixture
async def ann(ledger: Ledger) -> AsyncIterator[Ledger]:
    await introduce_ann(ledger)
    yield ledger


def worker(ledger: Ledger, *answers: Exception, clock: Clock | None = None) -> Messages:
    return Messages(ledger, ScriptedMailer([*answers]), PlainLetters(), TERMS, clock or Clock())


def told(send: Send, kind: SendEventKind, minute: int = 1, **more: object) -> SendEvent:
    return SendEvent.model_validate(
        {
            "provider": "scripted",
            "event_id": f"{kind}-{minute}",
            "reference": send.reference,
            "kind": kind,
            "at": NOON + timedelta(minutes=minute),
            **more,
        }
    )


async def sent(ledger: Ledger, message_class: MessageClass = CARE, *answers: Exception) -> Send:
    await worker(ledger, *answers).send_message(request_for(message_class, limits=NO_CAPS))
    [send] = await ledger.sends_of("1001")
    return send


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        (["accepted"], SendState.ACCEPTED),
        (["accepted", "delivered"], SendState.DELIVERED),
        (["accepted", "delivered", "bounced"], SendState.BOUNCED),
        (["dropped"], SendState.DROPPED),
        (["dropped", "delivered"], SendState.DELIVERED),
        (["accepted", "delivered", "complained"], SendState.COMPLAINED),
        (["accepted", "delivered", "unsubscribed"], SendState.DELIVERED),
    ],
)
async def test_in_whatever_order_and_however_often_it_is_told_the_end_is_the_same(
    ann: Ledger, kinds: list[str], state: SendState
) -> None:
    send = await sent(ann)
    events = [told(send, SendEventKind(kind), minute) for minute, kind in enumerate(kinds)]
    for order in itertools.permutations(events):
        news = [await ann.record_send_event(event, NOON) for event in (*order, *order)]
        assert sum(news) in (len(events), 0)
        [kept] = await ann.sends_of("1001")
        assert kept.state is state
    assert await ann.send_events_of(send.reference) == events


async def test_events_that_arrive_at_once_count_once(ann: Ledger, ledger_url: str) -> None:
    other = await Ledger.open(ledger_url)
    event = told(await sent(ann), SendEventKind.BOUNCED)
    ledgers = [ann, other] * 5
    news = await asyncio.gather(*(each.record_send_event(event, NOON) for each in ledgers))
    assert sum(news) == 1
    assert len(await ann.suppressions_of("c_ann")) == len(MessageClass)
    await other.close()


async def test_an_event_of_a_letter_that_is_not_ours_is_kept_and_harms_nothing(ann: Ledger) -> None:
    send = await sent(ann)
    stranger = told(send, SendEventKind.BOUNCED, reference="ab" * 16)
    assert await ann.record_send_event(stranger, NOON)
    assert await ann.send_events_of("ab" * 16) == [stranger]
    assert (await ann.sends_of("1001"))[0].state is SendState.ACCEPTED
    assert await ann.suppressions_of("c_ann") == []


@pytest.mark.parametrize(
    ("kind", "stopped"),
    [
        (SendEventKind.BOUNCED, set(MessageClass)),
        (SendEventKind.COMPLAINED, {CARE, MARKETING}),
        (SendEventKind.UNSUBSCRIBED, {MARKETING}),
        (SendEventKind.DELIVERED, set()),
    ],
)
async def test_who_bounces_complains_or_unsubscribes_is_written_to_no_more(
    ann: Ledger, kind: SendEventKind, stopped: set[MessageClass]
) -> None:
    await ann.record_send_event(told(await sent(ann, MARKETING), kind), NOON)
    for message_class in MessageClass:
        request = request_for(message_class, f"next_{message_class}", limits=NO_CAPS)
        receipt = await worker(ann).send_message(request)
        assert (receipt.result is SendResult.SUPPRESSED) == (message_class in stopped)


async def test_a_full_mailbox_is_no_reason_to_write_no_more(ann: Ledger) -> None:
    await ann.record_send_event(told(await sent(ann), SendEventKind.BOUNCED, permanent=False), NOON)
    assert await ann.suppressions_of("c_ann") == []
    [send] = await ann.sends_of("1001")
    assert (send.state, send.reason) == (SendState.BOUNCED, "the address bounced")


@pytest.mark.parametrize("message_class", list(MessageClass))
@pytest.mark.parametrize(
    ("kind", "result"),
    [
        (SendEventKind.DELIVERED, SendResult.SENT),
        (SendEventKind.ACCEPTED, SendResult.SENT),
        (SendEventKind.BOUNCED, SendResult.PARKED),
        (SendEventKind.DROPPED, SendResult.PARKED),
    ],
)
async def test_an_event_tells_what_nobody_knew_and_nothing_is_sent_again(
    ann: Ledger, kind: SendEventKind, result: SendResult, message_class: MessageClass
) -> None:
    send = await sent(ann, message_class, Unclear("timeout"))
    assert send.state is SendState.UNKNOWN
    await ann.record_send_event(told(send, kind), NOON)
    clock, mailer = Clock(NOON + timedelta(hours=1)), ScriptedMailer()
    messages = Messages(ann, mailer, PlainLetters(), TERMS, clock)
    receipt = await messages.send_message(request_for(message_class, limits=NO_CAPS))
    assert receipt.result is result
    assert mailer.sent == []


async def test_an_event_may_be_quicker_than_the_provider_s_answer(ann: Ledger) -> None:
    claim = await ann.claim_send(request_for(), BID)
    await ann.record_send_event(told(claim.send, SendEventKind.DELIVERED), NOON)
    kept = await ann.accept_send(claim.send, "m1", NOON)
    assert (kept.state, kept.provider_id) == (SendState.DELIVERED, "m1")
    late = await ann.end_attempt(claim.send, AttemptEnd(SendState.UNKNOWN, "timeout"), NOON)
    assert late.state is SendState.DELIVERED


async def test_a_bounced_letter_goes_again_to_the_new_address_when_an_operator_says_so(ann: Ledger) -> None:
    send = await sent(ann, TRANSACTIONAL, Unclear("timeout"))
    await ann.record_send_event(told(send, SendEventKind.BOUNCED), NOON)
    again = request_for(TRANSACTIONAL, retried_at=NOON + timedelta(hours=1))
    clock = Clock(NOON + timedelta(hours=1))
    assert (await worker(ann, clock=clock).send_message(again)).result is SendResult.SUPPRESSED
    profile = await ann.profile("c_ann")
    assert profile is not None
    await ann.keep_customer(profile.model_copy(update={"email": "ann@new.example"}))
    later = request_for(TRANSACTIONAL, step="second", retried_at=NOON + timedelta(hours=2))
    assert (await worker(ann, clock=clock).send_message(later)).result is SendResult.SENT


async def test_an_address_refused_for_good_is_parked_and_after_the_cure_sent_once(
    ann: Ledger,
) -> None:
    clock, mailer = Clock(), ScriptedMailer([Refused("550 to the address", permanent=True)])
    messages = Messages(ann, mailer, PlainLetters(), TERMS, clock)
    parked = await messages.send_message(request_for(CARE))
    assert (parked.result, parked.reason) == (SendResult.PARKED, "550 to the address")
    for _ in range(3):
        receipt = await messages.send_message(request_for(CARE, retried_at=NOON))
        assert receipt == type(receipt)(result=SendResult.SENT)
    assert len(mailer.sent) == 2
    [send] = await ann.sends_of("1001")
    assert (send.attempts, send.resent) == (2, 0)


async def reconciled(ledger: Ledger, mailer: Mailer, now: datetime) -> Counter[str]:
    return Counter(
        [await reconcile_send(ledger, mailer, send, now) for send in await ledger.sends_in_doubt(now)]
    )


async def test_a_pass_over_what_is_in_doubt_finds_all_that_can_be_known(ann: Ledger) -> None:
    """Of five: one told by an event, one in nobody's hands, one taken, one never taken, one still running."""
    clock = Clock()
    for number in range(5):
        request = request_for(order_id=f"300{number}")
        await ann.claim_send(request, BID._replace(now=clock()))
    clock.turn(minutes=5)
    await ann.claim_send(request_for(order_id="3005"), BID._replace(now=clock()))
    sends = {send.order_id: send for send in await ann.list_sends(customer_id="c_ann")}
    mailer = AskableMailer({sends["3002"].reference: True, sends["3003"].reference: False})
    event = told(sends["3000"], SendEventKind.DELIVERED)
    await ann.record_send_event(event, clock())
    assert await reconciled(ann, mailer, clock()) == {"taken": 1, "never_taken": 1, STILL_UNKNOWN: 2}
    states = {send.order_id: send.state for send in await ann.list_sends(customer_id="c_ann")}
    assert states == {
        "3000": SendState.DELIVERED,
        "3001": SendState.UNKNOWN,
        "3002": SendState.ACCEPTED,
        "3003": SendState.REFUSED,
        "3004": SendState.UNKNOWN,
        "3005": SendState.CLAIMED,
    }
    assert await reconciled(ann, mailer, clock()) == {STILL_UNKNOWN: 2}


def run(command: Coroutine[Any, Any, int | None]) -> None:
    """As starter.py does it, less its logs, which a process may set up but once."""
    try:
        asyncio.run(command)
    except InputError as error:
        typer.echo(str(error))
        raise typer.Exit(2) from None


def starter(home: Path, *words: str) -> tuple[int, str]:
    with patch.object(sends, "run", run):
        done = CliRunner().invoke(sends.app, [*words], env={"THEREAFTER_HOME": str(home), "COLUMNS": "200"})
    return done.exit_code, done.output


def test_the_command_line_has_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "starter.py", "sends", "--state", "unknown", "--json"],
        env={**os.environ, "THEREAFTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {"sends": []}


def test_an_operator_reads_what_became_of_each_letter(tmp_path: Path) -> None:
    async def send_two() -> None:
        ledger = await Ledger.open(f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}")
        await introduce_ann(ledger)
        await sent(ledger, CARE, Unclear("timeout"))
        clock = Clock(NOON.replace(hour=23))
        await worker(ledger, clock=clock).send_message(request_for(MARKETING, "offer", order_id="1002"))
        await ledger.close()

    asyncio.run(send_two())
    code, text = starter(tmp_path, "sends")
    assert code == 0
    assert "unknown" in text and "at most 1 care or marketing in 1 day, until 2026-03-02 12:00" in text
    code, text = starter(tmp_path, "sends", "--state", "planned", "--customer", "c_ann", "--json")
    assert [send["key"] for send in json.loads(text)["sends"]] == ["offer"]
    code, text = starter(tmp_path, "sends", "--order", "1001", "--json")
    [send] = json.loads(text)["sends"]
    assert (send["state"], send["reason"]) == ("unknown", "timeout")
    assert "@" not in text
    assert starter(tmp_path, "sends", "--state", "lost")[0] == 2
    assert "no such letters" in starter(tmp_path, "sends", "--order", "9")[1]


def test_an_operator_writes_down_what_a_customer_says(tmp_path: Path) -> None:
    assert "never said anything" in starter(tmp_path, "choices", "c_ann")[1]
    for command in ("consent", "optout"):
        code, text = starter(tmp_path, command, "c_ann", "--class", "care", "--json")
        assert code == 0
    said = json.loads(text)["said"]
    assert [(each["message_class"], each["granted"], each["source"]) for each in said] == [
        ("care", True, "operator"),
        ("care", False, "operator"),
    ]
    code, text = starter(tmp_path, "suppress", "c_ann", "--json")
    assert {each["message_class"] for each in json.loads(text)["suppressions"]} == set(MessageClass)
    code, text = starter(tmp_path, "unsuppress", "c_ann", "--reason", "manual", "--json")
    assert json.loads(text)["suppressions"] == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["optout", "ann@shop.example"], "customer_id"),
        (["optout", "c_ann", "--class", "transactional"], "--class: transactional letters are part"),
    ],
)
def test_a_choice_that_cannot_be_is_one_clear_error(tmp_path: Path, words: list[str], complaint: str) -> None:
    code, text = starter(tmp_path, *words)
    assert (code, complaint in text) == (2, True)
