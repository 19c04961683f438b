"""What the inbox promises, on both databases: once, never lost, never stuck in silence."""

import asyncio
import hashlib
from datetime import date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text

from journey.endings import Ending, JourneyEnding
from journey.names import label_key
from journey.state import JourneyState
from ledger import Ledger
from ledger.customers import Profile
from ledger.inbox import InboxRow, InboxState, Verdict
from ledger.incoming import Acceptance, Consent, Deed, Incoming, Person
from ledger.orders import OrderPointer
from ledger.returns import Paper, ReturnRow
from runtime.tidying import Tidying
from tests.sending import NOON

LEASE = timedelta(minutes=1)


def event(number: int = 1, **fields: Any) -> Incoming:
    event_id = fields.pop("event_id", f"e{number}")
    body = fields.pop("body", f"body of {event_id}")
    deed = Deed(kind="parcel_moved", body={"fact_id": event_id, "status": "delivered", "parcel_id": "p1"})
    return Incoming(
        source=fields.pop("source", "standard"),
        event_id=event_id,
        body_hash=hashlib.sha256(body.encode()).hexdigest(),
        topic="parcel_moved",
        order_id=fields.pop("order_id", "1001"),
        deeds=fields.pop("deeds", (deed,)),
        **fields,
    )


async def _claimed(ledger: Ledger, most: int = 100, **later: float) -> list[InboxRow]:
    return await ledger.claim_inbox(most, NOON + timedelta(**later), LEASE)


async def test_an_event_is_accepted_once(ledger: Ledger) -> None:
    assert await ledger.accept([event()], NOON) == [Acceptance.NEW]
    assert await ledger.accept([event()], NOON) == [Acceptance.REPEATED]
    assert await ledger.accept([event(source="shopify")], NOON) == [Acceptance.NEW]
    assert await ledger.count_inbox() == {"received": 2}


async def test_a_known_id_with_another_body_is_told_apart_from_a_repetition(ledger: Ledger) -> None:
    await ledger.accept([event()], NOON)
    assert await ledger.accept([event(body="another")], NOON) == [Acceptance.CONFLICT]


async def test_a_known_body_under_a_new_id_is_a_repetition(ledger: Ledger) -> None:
    await ledger.accept([event(body="same")], NOON)
    assert await ledger.accept([event(2, body="same")], NOON) == [Acceptance.REPEATED]


async def test_services_that_share_an_inbox_take_each_row_once(ledger_url: str) -> None:
    ledgers = [await Ledger.open(ledger_url) for _ in range(3)]
    await ledgers[0].accept([event(number) for number in range(60)], NOON)
    taken = await asyncio.gather(*(_claimed(each, most=10) for each in ledgers for _ in range(4)))
    numbers = [row.number for rows in taken for row in rows]
    assert len(numbers) == len(set(numbers))
    while more := await _claimed(ledgers[0]):
        numbers += [row.number for row in more]
    assert len(set(numbers)) == len(numbers) == 60
    for each in ledgers:
        await each.close()


async def test_what_a_dead_service_had_claimed_is_taken_again(ledger: Ledger) -> None:
    await ledger.accept([event()], NOON)
    assert [row.event_id for row in await _claimed(ledger)] == ["e1"]
    assert await _claimed(ledger, seconds=30) == []
    assert [row.event_id for row in await _claimed(ledger, seconds=61)] == ["e1"]


async def test_a_delivered_event_is_never_claimed_again(ledger: Ledger) -> None:
    await ledger.accept([event()], NOON)
    (row,) = await _claimed(ledger)
    done = Verdict(number=row.number, state=InboxState.DISPATCHED, reason="recorded")
    await ledger.settle_inbox([done], NOON)
    late = Verdict(number=row.number, state=InboxState.RECEIVED, reason="x", due_at=NOON)
    await ledger.settle_inbox([late], NOON)
    assert await _claimed(ledger, days=9) == []
    assert await ledger.accept([event()], NOON + timedelta(days=400)) == [Acceptance.REPEATED]


async def test_a_parked_event_is_listed_with_its_reason_and_replayed(ledger: Ledger) -> None:
    await ledger.accept([event(), event(2)], NOON)
    first, second = await _claimed(ledger)
    verdicts = [
        Verdict(number=row.number, state=InboxState.PARKED, reason="refused") for row in (first, second)
    ]
    await ledger.settle_inbox(verdicts, NOON)
    listed = await ledger.inbox_rows(InboxState.PARKED)
    assert [(row.number, row.reason) for row in listed] == [
        (second.number, "refused"),
        (first.number, "refused"),
    ]
    assert await ledger.replay_inbox([first.number], NOON) == [first.number]
    assert [row.number for row in await _claimed(ledger, days=1)] == [first.number]
    assert await ledger.replay_inbox(None, NOON) == [second.number]


async def test_what_could_not_be_read_keeps_its_body_until_it_can(ledger: Ledger) -> None:
    unread = event(problem="order.id: is missing", raw='{"hello": 1}', deeds=(), order_id=None)
    assert await ledger.accept([unread], NOON) == [Acceptance.PARKED]
    (row,) = await ledger.inbox_rows(InboxState.PARKED)
    assert (row.raw, row.reason) == ('{"hello": 1}', "order.id: is missing")
    assert await ledger.replay_inbox(None, NOON) == []
    assert not await ledger.reread_inbox(row.number, unread, NOON)
    assert await ledger.reread_inbox(row.number, event(), NOON)
    (again,) = await _claimed(ledger)
    assert (again.number, again.raw, again.order_id) == (row.number, None, "1001")


async def test_a_parked_event_that_needs_no_effect_is_closed_and_says_who_and_why(ledger: Ledger) -> None:
    unread = event(2, problem="order.id: is missing", raw='{"name": "Ann Planted"}', deeds=(), order_id=None)
    await ledger.accept([event(), unread], NOON)
    (row,) = await _claimed(ledger)
    assert await ledger.close_inbox([row.number], "op_mia", "too early", NOON) == []
    await ledger.settle_inbox(
        [Verdict(number=row.number, state=InboxState.PARKED, reason="nobody placed this order here")], NOON
    )
    later = NOON + timedelta(days=1)
    numbers = [row.number, row.number + 1, 77]
    assert await ledger.close_inbox(numbers, "op_mia", "a test shop", later) == numbers[:2]
    assert await ledger.count_inbox() == {"closed": 2}
    second, first = await ledger.inbox_rows(InboxState.CLOSED)
    assert first.reason == "closed by op_mia: a test shop; it was parked since: nobody placed this order here"
    assert (second.raw, second.ended_at) == (None, later)
    assert await ledger.replay_inbox(None, later) == []
    assert await ledger.accept([event(), unread], later) == [Acceptance.REPEATED] * 2


async def test_what_is_open_is_counted_without_reading_all_that_ever_came_in(ledger: Ledger) -> None:
    await ledger.accept([event(number) for number in range(300)], NOON)
    rows = await _claimed(ledger, most=300)
    ended = [Verdict(number=row.number, state=InboxState.DISPATCHED, reason="") for row in rows[:297]]
    parked = Verdict(number=rows[297].number, state=InboxState.PARKED, reason="refused")
    await ledger.settle_inbox([*ended, parked], NOON)
    assert await ledger.count_open_inbox() == {"received": 2, "parked": 1}
    assert await ledger.count_inbox() == {"received": 2, "parked": 1, "dispatched": 297}
    query = "SELECT state, count(*) FROM inbox WHERE state IN ('received', 'parked') GROUP BY state"
    async with ledger.writing() as db:
        if not ledger.is_sqlite:
            await db.execute(text("ANALYZE inbox"))
        plan = await db.execute(text(f"EXPLAIN {'QUERY PLAN ' if ledger.is_sqlite else ''}{query}"))
        told = "\n".join(str(tuple(row)) for row in plan)
    assert "ix_inbox_due" in told, told


async def test_facts_that_wait_for_their_order_are_woken_by_it(ledger: Ledger) -> None:
    await ledger.accept([event()], NOON)
    (row,) = await _claimed(ledger)
    wait = Verdict(
        number=row.number, state=InboxState.RECEIVED, reason="waits", due_at=NOON + timedelta(hours=1)
    )
    await ledger.settle_inbox([wait], NOON)
    assert await _claimed(ledger, minutes=5) == []
    pointer = OrderPointer(order_id="1001", customer_id="c_ann", placed_at=NOON)
    await ledger.accept([event(2, pointer=pointer)], NOON + timedelta(minutes=5))
    assert [row.event_id for row in await _claimed(ledger, minutes=6)] == ["e1", "e2"]


async def test_of_what_ended_long_ago_only_that_it_came_is_kept(ledger: Ledger) -> None:
    await ledger.accept([event(), event(2), event(3), event(4)], NOON)
    first, second, third, _ = await _claimed(ledger)
    ended = [
        Verdict(number=row.number, state=InboxState.DISPATCHED, reason="recorded") for row in (first, second)
    ]
    await ledger.settle_inbox(ended[:1], NOON)
    await ledger.settle_inbox(ended[1:], NOON + timedelta(days=9))
    parked = Verdict(number=third.number, state=InboxState.PARKED, reason="refused")
    await ledger.settle_inbox([parked], NOON)
    now = NOON + timedelta(days=401)
    tidying = Tidying(ledger, timedelta(days=400), lambda: now)
    assert not await tidying.step()
    assert await ledger.count_inbox() == {"received": 1, "parked": 1, "dispatched": 1, "known": 1}
    (kept,) = await ledger.inbox_rows(InboxState.KNOWN)
    assert [deed.body for deed in kept.deeds] == [{"fact_id": "e1"}]
    assert await ledger.accept([event()], now) == [Acceptance.REPEATED]
    assert await ledger.accept([event(body="another")], now) == [Acceptance.CONFLICT]
    assert await ledger.missing([event()]) == []
    assert await _claimed(ledger, days=1, minutes=5) != []
    assert await ledger.thin_inbox(now) == 1
    assert await ledger.thin_inbox(now) == 0


def _of_order(number: int, kind: str, days: int, *quantities: int) -> Incoming:
    at = (NOON + timedelta(days=days)).isoformat()
    lines = [{"line_id": f"l{n}", "quantity": each} for n, each in enumerate(quantities)]
    told = {"order": {"lines": lines}} if kind == "order_placed" else {"lines": lines}
    return event(number, deeds=(Deed(kind=kind, body={"fact_id": f"c{number}", "at": at, **told}),))


async def _end(ledger: Ledger, at: datetime) -> None:
    rows = await ledger.claim_inbox(9, at, timedelta(minutes=1))
    ended = [Verdict(number=row.number, state=InboxState.DISPATCHED, reason="recorded") for row in rows]
    await ledger.settle_inbox(ended, at)


async def test_an_order_of_long_ago_that_was_touched_is_no_gap(ledger: Ledger) -> None:
    await ledger.accept([_of_order(1, "order_placed", 0, 1)], NOON)
    await _end(ledger, NOON)
    assert await ledger.thin_inbox(NOON + timedelta(days=1)) == 1
    assert await ledger.missing([_of_order(2, "order_changed", 410, 1)]) == []
    # A change of which all is kept is what the next one is compared with.
    later = NOON + timedelta(days=100)
    await ledger.accept([_of_order(3, "order_changed", 100, 2)], later)
    await _end(ledger, later)
    assert await ledger.missing([_of_order(4, "order_changed", 410, 2)]) == []
    assert len(await ledger.missing([_of_order(5, "order_changed", 410, 3)])) == 1


def _shipped(number: int, order_id: str) -> Incoming:
    body = {"fact_id": f"s{number}", "parcel_id": f"p{number}", "tracking_number": "T1"}
    return event(number, order_id=order_id, deeds=(Deed(kind="parcel_shipped", body=body),))


async def test_a_carrier_s_number_is_every_order_s_that_is_in_the_parcel_and_not_last_year_s(
    ledger: Ledger,
) -> None:
    await ledger.accept([_shipped(1, "1001")], NOON)
    later = NOON + timedelta(days=119)
    await ledger.accept([_shipped(2, "1002")], later)
    await ledger.accept([_shipped(3, "1003")], later + timedelta(minutes=1))
    assert [each.order_id for each in await ledger.tracked("T1", later)] == ["1003", "1002", "1001"]
    used_again = later + timedelta(days=1)
    assert [each.order_id for each in await ledger.tracked("T1", used_again)] == ["1003", "1002"]
    for order_id in ("1003", "1002"):
        over = JourneyEnding(
            order_id=order_id, ending=Ending.COMPLETED, closed_at=later, state=JourneyState()
        )
        await ledger.keep_journey(over)
        left = [(each.order_id, each.is_over) for each in await ledger.tracked("T1", used_again)]
        # What comes late is kept beside the newest, rather than lost.
        assert left == ([("1002", False)] if order_id == "1003" else [("1003", True)])
    assert await ledger.tracked("T1", later + timedelta(days=121)) == []


async def test_a_label_s_number_is_its_return_s_until_the_return_is_over(ledger: Ledger) -> None:
    label = Paper(
        order_id="1001",
        key=label_key("r2"),
        kind="drop_off",
        provider="demo",
        tracking_number="T1",
        created_at=NOON,
    )
    await ledger.keep_paper(label)
    row = ReturnRow(
        order_id="1001", return_id="r2", kind="return", stage="on_its_way", case={}, opened_at=NOON
    )
    await ledger.keep_return(row)
    (found,) = await ledger.tracked("T1", NOON)
    assert (found.order_id, found.return_id, found.parcel_id, found.is_over) == ("1001", "r2", None, False)
    await ledger.keep_return(row.model_copy(update={"closed_at": NOON}))
    await ledger.accept([_shipped(1, "1002")], NOON)
    assert [each.order_id for each in await ledger.tracked("T1", NOON)] == ["1002"]


def _person(minutes: int, **fields: Any) -> Person:
    extra = {name: fields.pop(name) for name in ("birthday", "consent") if name in fields}
    profile = Profile.model_validate({"customer_id": "c_ann", **fields})
    return Person(profile=profile, at=NOON + timedelta(minutes=minutes), **extra)


async def test_a_customer_is_merged_from_what_each_event_tells(ledger: Ledger) -> None:
    await ledger.keep_person(_person(0, email="ann@old.example", name="Ann", zone="Asia/Tokyo"))
    await ledger.keep_person(_person(2, email="ann@new.example"))
    await ledger.keep_person(_person(1, email="ann@late.example", phone="+4930123"))
    profile = await ledger.profile("c_ann")
    assert profile is not None
    assert (profile.email, profile.name, profile.zone) == ("ann@new.example", "Ann", "Asia/Tokyo")
    assert profile.phone == "+4930123", "an older word fills what nobody has told"


async def test_an_order_that_comes_after_a_later_word_still_brings_its_customer(ledger: Ledger) -> None:
    """A birthday is told while the order of some minutes before is still on its way."""
    await ledger.keep_person(_person(7, birthday=date(1990, 2, 28)))
    yes = Consent(granted=True, at=NOON, source="checkout")
    order = _person(0, email="ann@shop.example", name="Ann", country="AT", consent=yes)
    await ledger.accept([event(person=order, deeds=())], NOON + timedelta(minutes=8))
    profile = await ledger.profile("c_ann")
    assert profile is not None
    assert (profile.email, profile.name, profile.country) == ("ann@shop.example", "Ann", "AT")
    assert [said.granted for said in await ledger.consents_of("c_ann")] == [True, True]
    assert (await ledger.details("c_ann"))["birthday"] == date(1990, 2, 28)


async def test_words_on_a_customer_may_come_in_any_order(ledger: Ledger) -> None:
    told = [
        _person(0, email="ann@old.example", name="Ann", birthday=date(1990, 1, 1)),
        _person(1, email="ann@new.example", phone="+4930123"),
        _person(2, name="Ann Lee", zone="Asia/Tokyo", birthday=date(1990, 2, 28)),
    ]
    found = []
    for number, order in enumerate(permutations(told)):
        mine = {"customer_id": f"c_{number}"}
        people = [each.model_copy(update={"profile": each.profile.model_copy(update=mine)}) for each in order]
        for each in people[:1]:
            await ledger.keep_person(each)
        await ledger.accept(
            [event(person=each, event_id=f"{number}-{part}") for part, each in enumerate(people[1:])],
            NOON + timedelta(minutes=9),
        )
        profile = await ledger.profile(f"c_{number}")
        assert profile is not None
        details = await ledger.details(f"c_{number}")
        found.append((profile.model_dump(exclude={"customer_id"}), details["birthday"]))
    assert found == found[:1] * 6
    ((profile_told, birthday), *_) = found
    assert birthday == date(1990, 2, 28)
    assert [profile_told[name] for name in ("email", "name", "phone", "zone", "locale")] == [
        "ann@new.example",
        "Ann Lee",
        "+4930123",
        "Asia/Tokyo",
        "en",
    ]


async def test_what_was_true_before_a_customer_was_forgotten_is_not_taken_in(ledger: Ledger) -> None:
    await ledger.erase_customer("c_ann", NOON)
    yes = Consent(granted=True, at=NOON, source="checkout")
    await ledger.keep_person(_person(0, email="ann@shop.example", consent=yes, birthday=date(1990, 1, 1)))
    assert await ledger.profile("c_ann") is None
    assert await ledger.consents_of("c_ann") == []
    assert (await ledger.details("c_ann"))["birthday"] is None


async def test_consent_is_kept_with_its_time_and_source(ledger: Ledger) -> None:
    yes = Consent(granted=True, at=NOON, source="checkout")
    no = Consent(granted=False, at=NOON + timedelta(days=1), source="shopify")
    await ledger.keep_person(_person(0, consent=yes, birthday=date(1990, 2, 28)))
    await ledger.keep_person(_person(1, consent=no))
    await ledger.keep_person(_person(2, consent=yes))
    kept = [(said.granted, said.at, said.source) for said in await ledger.consents_of("c_ann")]
    assert kept == [(True, yes.at, "checkout")] * 2 + [(False, no.at, "shopify")] * 2
    assert (await ledger.details("c_ann"))["birthday"] == date(1990, 2, 28)


@pytest.mark.parametrize(
    "token", ["", "x", "thereafter_", "thereafter__", "thereafter_\ud800_x", "thereafter_é_x"]
)
async def test_a_key_that_is_none_opens_nothing(ledger: Ledger, token: str) -> None:
    assert await ledger.key_of(token) is None


async def test_keys_are_rotated_without_a_moment_in_which_none_fits(ledger: Ledger) -> None:
    old = await ledger.create_key("shop", [], NOON)
    new = await ledger.create_key("shop", [], NOON)
    assert await ledger.key_of(old.token) == old.key
    assert await ledger.key_of(new.token) == new.key
    assert await ledger.revoke_key(old.key.key_id, NOON)
    assert not await ledger.revoke_key(old.key.key_id, NOON)
    assert await ledger.key_of(old.token) is None
    assert await ledger.key_of(new.token) == new.key
    assert await ledger.key_of(new.token + "x") is None
    assert all(new.token.split("_", 2)[2] not in str(key) for key in await ledger.keys())
