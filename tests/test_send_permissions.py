"""What the ledger lets out, and what it holds back, when many want to write to one customer."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncConnection

from activities.providers.outbox import OutboxMailer
from journey.messages import SendRequest, SendResult
from journey.permission import Verdict
from journey.playbook import Limits, MessageClass
from ledger import Ledger
from ledger.customers import Profile
from ledger.permissions import Consent, SuppressionReason
from ledger.send_rules import Bid, verdict_on
from ledger.sends import SendState
from tests.fakes.postgres import Postgres
from tests.sending import ANN, NOON, TERMS, Clock, Messages, PlainLetters, introduce_ann, request_for

CARE, MARKETING, TRANSACTIONAL = MessageClass.CARE, MessageClass.MARKETING, MessageClass.TRANSACTIONAL
AN_HOUR = timedelta(hours=1)
NO_CAPS = Limits(caps=())


@pytest_asyncio.fixture
async def ann(ledger: Ledger) -> AsyncIterator[Ledger]:
    await introduce_ann(ledger)
    yield ledger


@pytest_asyncio.fixture
async def other(ann: Ledger, ledger_url: str) -> AsyncIterator[Ledger]:
    """Another worker's connection to the same ledger."""
    opened = await Ledger.open(ledger_url)
    yield opened
    await opened.close()


def worker(ledger: Ledger, clock: Clock | None = None) -> Messages:
    clock = clock or Clock()
    return Messages(ledger, OutboxMailer(ledger, clock), PlainLetters(), TERMS, clock)


async def test_without_a_yes_there_is_no_marketing_and_the_ledger_says_why(ledger: Ledger) -> None:
    await ledger.keep_customer(ANN)
    receipt = await worker(ledger).send_message(request_for(MARKETING))
    assert (receipt.result, receipt.reason) == (SendResult.SUPPRESSED, "no consent for marketing")
    [send] = await ledger.sends_in(SendState.SUPPRESSED)
    assert (send.reason, send.attempts) == ("no consent for marketing", 0)
    assert (await worker(ledger).send_message(request_for(TRANSACTIONAL, "shipped"))).result == "sent"


async def test_the_last_word_counts_and_every_word_is_kept(ann: Ledger) -> None:
    await ann.opt_out("c_ann", MARKETING, "one_click", NOON)
    receipt = await worker(ann).send_message(request_for(MARKETING, "offer"))
    assert receipt.reason == "unsubscribed from marketing"
    assert (await worker(ann).send_message(request_for(CARE, "survey"))).result is SendResult.SENT
    again = Consent(
        customer_id="c_ann",
        message_class=MARKETING,
        granted=True,
        at=NOON + timedelta(hours=1),
        source="shop",
    )
    await ann.keep_consent(again)
    await ann.opt_out("c_ann", MARKETING, "one_click", NOON)
    request = request_for(MARKETING, "other", limits=NO_CAPS)
    assert (await worker(ann).send_message(request)).result is SendResult.SENT
    said = [(each.granted, each.source) for each in await ann.consents_of("c_ann")]
    assert said == [(True, "order"), (True, "order"), (False, "one_click"), (True, "shop")]


async def test_a_yes_and_a_no_of_the_same_moment_are_a_no(ann: Ledger) -> None:
    for granted in (False, True):
        await ann.keep_consent(
            Consent(customer_id="c_ann", message_class=CARE, granted=granted, at=NOON, source="shop")
        )
    assert (await worker(ann).send_message(request_for(CARE))).result is SendResult.SUPPRESSED


@pytest.mark.parametrize("round_", range(5))
async def test_no_send_is_claimed_after_an_opt_out(ann: Ledger, other: Ledger, round_: int) -> None:
    """Ten letters race one opt-out: whatever is claimed, is claimed before the opt-out is committed."""
    committed: list[str] = []

    async def send(number: int) -> None:
        ledger = (ann, other)[number % 2]
        await asyncio.sleep(0.002 * number)
        receipt = await worker(ledger).send_message(request_for(MARKETING, f"offer{number}", limits=NO_CAPS))
        if receipt.result is SendResult.SENT:
            committed.append(f"offer{number}")

    async def opt_out() -> set[str]:
        await asyncio.sleep(0.004 * round_)
        await other.opt_out("c_ann", MARKETING, "one_click", NOON)
        return {send.key for send in await other.sends_of("1001") if send.state is not SendState.SUPPRESSED}

    async with asyncio.TaskGroup() as racing:
        opted_out = racing.create_task(opt_out())
        for number in range(10):
            racing.create_task(send(number))
    before = opted_out.result()
    assert set(committed) <= before
    assert {each.key for each in await ann.sends_in(SendState.SUPPRESSED)} | before >= {
        f"offer{number}" for number in range(10)
    }
    late = await worker(ann).send_message(request_for(MARKETING, "late", limits=NO_CAPS))
    assert late.result is SendResult.SUPPRESSED


async def test_an_opt_out_between_two_attempts_stops_the_second(ann: Ledger) -> None:
    clock, limits = Clock(), Limits()
    night = clock.time + timedelta(hours=10)
    clock.time = night
    held = await worker(ann, clock).send_message(request_for(MARKETING, limits=limits))
    assert held.result is SendResult.HELD and held.until is not None
    assert [send.reason for send in await ann.sends_in(SendState.PLANNED)] == ["quiet hours"]
    await ann.opt_out("c_ann", MARKETING, "one_click", night)
    clock.time = held.until
    receipt = await worker(ann, clock).send_message(request_for(MARKETING, limits=limits))
    assert receipt.result is SendResult.SUPPRESSED
    assert await ann.outbox() == []


async def test_two_workers_never_exceed_a_cap(ann: Ledger, other: Ledger) -> None:
    """Twenty orders of one customer want to write at the same moment: two letters go, over all journeys."""
    limits = Limits.model_validate({"caps": [{"classes": ["marketing"], "most": 2, "within": "7 days"}]})
    requests = [request_for(MARKETING, order_id=f"20{n:02}", limits=limits) for n in range(20)]
    workers = (worker(ann), worker(other))
    receipts = await asyncio.gather(*(workers[n % 2].send_message(each) for n, each in enumerate(requests)))
    results = [receipt.result for receipt in receipts]
    assert (results.count(SendResult.SENT), results.count(SendResult.HELD)) == (2, 18)
    assert {receipt.until for receipt in receipts} - {None} == {NOON + timedelta(days=7)}
    assert {r.reason for r in receipts if r.result is SendResult.HELD} == {"at most 2 marketing in 7 days"}
    assert len(await ann.outbox(customer_id="c_ann")) == 2


async def test_without_the_customer_s_lock_the_same_cap_is_exceeded(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: three claims that see the same past all go, although only two may."""
    all_have_looked = asyncio.Barrier(3)

    async def look_together(db: AsyncConnection, request: SendRequest, bid: Bid) -> Verdict | None:
        found = await verdict_on(db, request, bid)
        await all_have_looked.wait()
        return found

    async def no_lock(db: AsyncConnection, customer_id: str) -> None:
        pass

    monkeypatch.setattr("ledger.sends.lock_customer", no_lock)
    monkeypatch.setattr("ledger.sends.verdict_on", look_together)
    ledger = await Ledger.open(postgres.empty_database())
    await introduce_ann(ledger)
    limits = Limits.model_validate({"caps": [{"classes": ["marketing"], "most": 2, "within": "7 days"}]})
    requests = [request_for(MARKETING, order_id=f"20{n:02}", limits=limits) for n in range(3)]
    await asyncio.gather(*(worker(ledger).send_message(request) for request in requests))
    assert len(await ledger.outbox(customer_id="c_ann")) == 3
    await ledger.close()


async def test_what_was_certainly_not_taken_counts_for_no_cap(ann: Ledger) -> None:
    letters = PlainLetters(KeyError("x"))
    messages = Messages(ann, OutboxMailer(ann), letters, TERMS, Clock())
    assert (await messages.send_message(request_for(CARE, "broken"))).result is SendResult.PARKED
    assert (await worker(ann).send_message(request_for(CARE, "survey"))).result is SendResult.SENT
    assert (await worker(ann).send_message(request_for(CARE, "review"))).result is SendResult.HELD
    assert (await worker(ann).send_message(request_for(TRANSACTIONAL, "shipped"))).result is SendResult.SENT


async def test_a_held_letter_goes_when_its_time_has_come(ann: Ledger) -> None:
    clock = Clock()
    await worker(ann, clock).send_message(request_for(CARE, "survey"))
    clock.turn(hours=1)
    held = await worker(ann, clock).send_message(request_for(CARE, "review"))
    assert (held.reason, held.until) == ("at most 1 care or marketing in 1 day", NOON + timedelta(days=1))
    assert held.until is not None
    clock.time = held.until
    assert (await worker(ann, clock).send_message(request_for(CARE, "review"))).result is SendResult.SENT
    [first, second] = await ann.list_sends(customer_id="c_ann")
    assert second.claimed_at == NOON + timedelta(days=1)
    assert (first.attempts, second.attempts) == (1, 1)


async def test_the_hours_are_those_of_the_customer_s_own_zone(ledger: Ledger) -> None:
    await introduce_ann(ledger)
    await ledger.keep_customer(ANN.model_copy(update={"zone": "America/Los_Angeles"}))
    held = await worker(ledger).send_message(request_for(CARE, window="09:00-20:00"))
    assert held.until == NOON.replace(hour=17)
    assert held.reason in ("quiet hours", "outside the hours of the step")


async def test_a_public_holiday_is_left_alone_where_the_shop_says_so(ann: Ledger) -> None:
    clock = Clock(NOON.replace(month=10, day=3))
    limits = Limits(caps=(), holidays_for=(MARKETING,))
    held = await worker(ann, clock).send_message(request_for(MARKETING, limits=limits))
    assert (held.result, held.reason) == (SendResult.HELD, "a public holiday")
    assert held.until == clock.time.replace(day=4, hour=6), "08:00 in Berlin, when the quiet hours end"
    assert (
        await worker(ann, clock).send_message(request_for(CARE, "survey", limits=limits))
    ).result == "sent"


async def test_what_expires_while_it_is_held_is_recorded_as_expired(ann: Ledger) -> None:
    clock = Clock(NOON.replace(hour=22))
    request = request_for(MARKETING, expires_at=NOON.replace(hour=23))
    receipt = await worker(ann, clock).send_message(request)
    assert receipt.result is SendResult.EXPIRED
    [send] = await ann.sends_in(SendState.EXPIRED)
    assert send.reason == "quiet hours; too late to say after 2026-03-01 23:00 UTC"
    assert (await worker(ann, clock).send_message(request)).result is SendResult.EXPIRED


@pytest.mark.parametrize(
    ("reason", "stopped", "words"),
    [
        (SuppressionReason.BOUNCE, set(MessageClass), "the address bounced on 2026-03-01"),
        (SuppressionReason.SPAM_REPORT, {CARE, MARKETING}, "reported as spam on 2026-03-01"),
        (SuppressionReason.MANUAL, set(MessageClass), "suppressed by an operator on 2026-03-01"),
    ],
)
async def test_who_is_suppressed_gets_no_letter_of_the_classes_concerned(
    ann: Ledger, reason: SuppressionReason, stopped: set[MessageClass], words: str
) -> None:
    await ann.suppress("c_ann", reason, "operator", NOON)
    for message_class in MessageClass:
        receipt = await worker(ann).send_message(request_for(message_class, message_class, limits=NO_CAPS))
        assert (receipt.result is SendResult.SUPPRESSED) == (message_class in stopped)
        assert receipt.reason in (words, "")
    assert await ann.lift("c_ann", reason) == len(stopped)
    assert (await worker(ann).send_message(request_for(CARE, "again", limits=NO_CAPS))).result == "sent"


async def test_a_bounced_address_is_bad_for_whoever_has_it_and_a_new_one_is_good(ann: Ledger) -> None:
    await ann.suppress("c_ann", SuppressionReason.BOUNCE, "provider", NOON)
    await ann.keep_customer(Profile(customer_id="c_ann2", email="ANN@shop.example"))
    order = request_for().order.model_copy(update={"customer_id": "c_ann2"})
    twin = request_for(step="twin").model_copy(update={"order": order})
    assert (await worker(ann).send_message(twin)).result is SendResult.SUPPRESSED
    await ann.keep_customer(ANN.model_copy(update={"email": "ann@new.example"}))
    assert (await worker(ann).send_message(request_for(step="fresh"))).result is SendResult.SENT


async def test_the_provider_s_rate_is_kept_by_all_workers_and_the_urgent_go_first(
    ann: Ledger, other: Ledger
) -> None:
    """Four a second, of forty that want to go at once: half of the marketing's share, then what is urgent."""
    clock = Clock()
    terms = type(TERMS)(mail_from=TERMS.mail_from, rate=4.0)
    workers = [Messages(e, OutboxMailer(e, clock), PlainLetters(), terms, clock) for e in (ann, other)]
    kinds = {MARKETING: "offer", TRANSACTIONAL: "shipped"}
    waiting = [
        request_for(each, f"{name}{n}", limits=NO_CAPS) for each, name in kinds.items() for n in range(20)
    ]
    order: list[tuple[float, MessageClass]] = []
    due = {request.key: clock.time for request in waiting}
    while waiting:
        clock.time = min(due[request.key] for request in waiting)
        for number, request in enumerate([r for r in waiting if due[r.key] <= clock.time]):
            receipt = await workers[number % 2].send_message(request)
            if receipt.result is SendResult.SENT:
                order.append(((clock.time - NOON).total_seconds(), request.message_class))
                waiting.remove(request)
            else:
                assert receipt.until is not None and receipt.until > clock.time
                due[request.key] = receipt.until
    seconds = [at for at, _ in order]
    assert max(sum(at <= other_at < at + 1 for other_at in seconds) for at in seconds) <= 8
    assert seconds[-1] >= 40 / 4 - 1
    urgent = [at for at, each in order if each is TRANSACTIONAL]
    others = [at for at, each in order if each is MARKETING]
    assert sum(urgent) / len(urgent) < sum(others) / len(others)
    assert sum(at < urgent[-1] for at in others) <= 4
