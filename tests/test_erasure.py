"""Forgetting a customer: nothing of them is found afterwards, and it may be killed and done again."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.exceptions import ApplicationError

from activities.forgetting import Forget
from activities.messages import Messages
from activities.providers.outbox import OutboxMailer
from activities.providers.sendgrid import SendGridMailer
from activities.providers.smtp import SmtpMailer, SmtpServer
from journey.forgetting import ErasureRequest
from journey.messages import SendResult
from ledger import Ledger
from ledger.address_keys import plain_hash
from ledger.customers import Profile
from ledger.database import Place
from ledger.erasure_closing import NotToClose
from ledger.inbox import InboxState
from ledger.incoming import ERASE, EXPORT
from ledger.orders import OrderPointer
from ledger.permissions import SuppressionReason
from ledger.returns import Paper
from runtime.delivery import Delivery
from runtime.dispatch import Dispatcher
from tests import payloads
from tests.doors import DEFAULT, open_world
from tests.fakes.postgres import Postgres
from tests.fakes.sendgrid import FakeSendGrid, Fault
from tests.forgetting import (
    Attempt,
    Point,
    crash,
    everything,
    files_of_postgres,
    files_of_sqlite,
    forget,
    forget_mid_journey,
)
from tests.sending import BID, NOON, ORDER, TERMS, PlainLetters, request_for

ANN = "shopify-115310627314723954"
PLANTED = ("lanted", "5550142", "625-1199", "80202 D")


async def _filled(ledger: Ledger) -> None:
    async with open_world(ledger) as world:
        await world.post("shopify", payloads.shopify_order())
        broken = payloads.shopify_order(line_items=[{"id": 1, "quantity": "many"}], id=2)
        await world.post("shopify", broken)
        note = {"email": "planted@more.example", "name": "Bo Planted", "birthday": "1990-02-28"}
        await world.http.put(f"/v1/customers/{ANN}", json=note, headers=world.key)
    async with ledger.reading() as db:
        order_id = (await db.execute(text("SELECT order_id FROM orders LIMIT 1"))).scalar_one()
    label = Paper(
        order_id=order_id,
        key="label",
        kind="label",
        provider="demo",
        content=b"%PDF Ann Planted",
        created_at=datetime.now(UTC),
    )
    await ledger.keep_paper(label)


async def _everything(ledger: Ledger) -> str:
    async with ledger.reading() as db:
        tables = (
            "customers",
            "orders",
            "letters",
            "inbox",
            "late_facts",
            "consents",
            "customer_details",
            "papers",
            "asked",
            "erasures",
        )
        rows = [str(row) for table in tables for row in await db.execute(text(f"SELECT * FROM {table}"))]
    return "\n".join(rows)


async def test_nothing_planted_is_found_after_a_customer_is_forgotten(
    ledger: Ledger, ledger_url: str
) -> None:
    await _filled(ledger)
    before = await _everything(ledger)
    assert [word for word in PLANTED if word not in before] == []
    exported = json.dumps(await ledger.export_customer(ANN), default=str)
    assert "lanted" in exported
    for _ in range(2):
        receipt = await ledger.erase_customer(ANN, datetime.now(UTC))
    counts = {"inbox": 1, "orders": 1, "papers": 1, "consents": 2, "customers": 1}
    assert {name: count for name, count in receipt.receipt.items() if count} == counts
    await ledger.note_mailer(ANN, "told", taken=["planted@more.example"])
    assert await ledger.finish_erasure(ANN, datetime.now(UTC))
    left = await _everything(ledger)
    assert [word for word in PLANTED if word in left] == []
    if ledger_url.startswith("sqlite"):
        file = Path(ledger_url.partition("///")[2])
        kept = b"".join(path.read_bytes() for path in file.parent.glob("ledger.db*"))
        assert [word for word in PLANTED if word.encode() in kept] == []


async def test_what_is_told_late_of_a_forgotten_customer_is_not_taken_in_again(ledger: Ledger) -> None:
    await _filled(ledger)
    await ledger.erase_customer(ANN, datetime.now(UTC))
    async with open_world(ledger) as world:
        await world.post("shopify", payloads.shopify_order(updated_at="2026-03-01T11:00:00-05:00"))
    assert await ledger.profile(ANN) is None
    left = await everything(ledger, "customers", "orders")
    assert [word for word in PLANTED if word in left] == []
    assert ANN in left


async def test_an_order_from_before_its_customer_was_forgotten_comes_without_a_name(ledger: Ledger) -> None:
    await ledger.erase_customer("c_ann", NOON)
    for order_id, placed_at in (("1001", NOON), ("1002", NOON + timedelta(seconds=1))):
        order = OrderPointer(
            order_id=order_id,
            customer_id="c_ann",
            placed_at=placed_at,
            recipient="Ann",
            address=("Street 1",),
        )
        await ledger.keep_order(order)
    before, since = await ledger.order("1001"), await ledger.order("1002")
    assert before is not None
    assert since is not None
    assert (before.customer_id, before.recipient, before.address) == ("c_ann", None, ())
    assert (since.recipient, since.address) == ("Ann", ("Street 1",))


async def test_a_forgotten_customer_gets_no_letter_and_the_journey_goes_on(ledger: Ledger) -> None:
    await ledger.erase_customer("c_ann", datetime.now(UTC))
    receipt = await Messages(ledger, OutboxMailer(ledger), PlainLetters(), TERMS).send_message(request_for())
    assert (receipt.result, receipt.reason) == (SendResult.SUPPRESSED, "the customer asked to be forgotten")


@pytest.mark.parametrize("point", list(Point))
async def test_whoever_is_killed_while_forgetting_is_taken_up_again_and_there_is_one_receipt(
    ledger: Ledger, ledger_url: str, sendgrid: FakeSendGrid, point: Point
) -> None:
    await _filled(ledger)
    assert crash(Attempt(ledger_url, sendgrid.host, ANN, point))
    assert crash(Attempt(ledger_url, sendgrid.host, ANN, point)) or point in _ONCE
    assert await forget(Attempt(ledger_url, sendgrid.host, ANN, None))
    assert set(sendgrid.erased) == {"planted@more.example"}
    (receipt,) = await ledger.erasures()
    assert (receipt.customer_id, receipt.mailer[:13]) == (ANN, "sendgrid: job")
    assert receipt.done_at is not None
    assert receipt.receipt["customers"] == 1
    assert "lanted" not in await _everything(ledger)


_ONCE = {Point.AFTER_NOTE}
"""What was noted is not done again, so nobody dies of it a second time."""


async def test_a_provider_that_does_not_listen_is_told_again_and_the_receipt_says_so(
    ledger: Ledger, sendgrid: FakeSendGrid
) -> None:
    await _filled(ledger)
    steps = Forget(ledger, SendGridMailer("key", sendgrid.host, timeout=5))
    request = ErasureRequest(customer_id=ANN)
    await steps.empty_rows(request)
    for fault, word in ((Fault.BUSY, "429"), (Fault.ERROR_AFTER, "500"), (Fault.BAD_KEY, "401")):
        sendgrid.faults.append(fault)
        with pytest.raises(ApplicationError, match=word):
            await steps.tell_mailer(request)
        told = await ledger.erasure(ANN)
        assert told is not None
        assert (word in told.mailer, told.done_at) == (True, None)
        assert not await steps.wipe_traces(request)
    await steps.tell_mailer(request)
    await steps.tell_mailer(request)
    assert await steps.wipe_traces(request)
    assert sendgrid.erased == ["planted@more.example"] * 2
    told = await ledger.erasure(ANN)
    assert told is not None
    assert (told.mailer, told.done_at is not None) == ("sendgrid: job job-2", True)


async def test_what_a_provider_refuses_for_good_is_kept_for_a_person(
    ledger: Ledger, sendgrid: FakeSendGrid
) -> None:
    await _filled(ledger)
    steps = Forget(ledger, SendGridMailer("key", sendgrid.host, timeout=5))
    request = ErasureRequest(customer_id=ANN)
    await steps.empty_rows(request)
    sendgrid.faults.append(Fault.BAD_LETTER)
    with pytest.raises(ApplicationError, match="400"):
        await steps.tell_mailer(request)
    assert not await steps.wipe_traces(request)
    (unfinished,) = [each for each in await ledger.erasures() if not each.done_at]
    assert (unfinished.customer_id, unfinished.mailer) == (ANN, "sendgrid answered 400 about subject")
    assert (await ledger.pending_erasure(ANN, NOON)).addresses == ("planted@more.example",)
    await steps.tell_mailer(request)
    assert await steps.wipe_traces(request)
    assert sendgrid.erased == ["planted@more.example"]


class _SlowMailer(OutboxMailer):
    """While it is told, the customer comes back under another address, and is forgotten again."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._own = ledger
        self.told: list[str] = []

    async def forget(self, addresses: Sequence[str]) -> str:
        if not self.told:
            await self._own.keep_customer(Profile(customer_id="c_ann", email="ann@new.example"))
            await self._own.erase_customer("c_ann", NOON)
        self.told += addresses
        return "told"


async def test_an_address_that_turns_up_while_the_provider_is_told_is_told_as_well(ledger: Ledger) -> None:
    await ledger.keep_customer(Profile(customer_id="c_ann", email="ann@old.example"))
    mailer = _SlowMailer(ledger)
    steps, request = Forget(ledger, mailer), ErasureRequest(customer_id="c_ann")
    await steps.empty_rows(request)
    await steps.tell_mailer(request)
    assert not await steps.wipe_traces(request)
    await steps.tell_mailer(request)
    assert await steps.wipe_traces(request)
    assert mailer.told == ["ann@old.example", "ann@new.example"]


async def test_a_mailer_that_keeps_nothing_to_ask_for_is_named_in_the_receipt(ledger: Ledger) -> None:
    await _filled(ledger)
    steps = Forget(ledger, SmtpMailer(SmtpServer("127.0.0.1")))
    request = ErasureRequest(customer_id=ANN)
    await steps.empty_rows(request)
    await steps.tell_mailer(request)
    assert await steps.wipe_traces(request)
    told = await ledger.erasure(ANN)
    assert told is not None
    assert told.mailer.startswith("smtp: cannot be told")


async def test_a_letter_that_is_being_handed_over_is_waited_for(ledger: Ledger) -> None:
    await ledger.keep_customer(Profile(customer_id="c_ann", email="ann@shop.example"))
    request = request_for()
    claim = await ledger.claim_send(request, BID)
    assert claim.granted
    steps = Forget(ledger, OutboxMailer(ledger), lambda: NOON)
    emptied = await steps.empty_rows(ErasureRequest(customer_id="c_ann"))
    assert emptied.busy_until == claim.send.leased_until
    again = await ledger.claim_send(request_for(step="thanks"), BID)
    assert again.verdict is not None
    assert (again.granted, again.verdict.reason) == (False, "the customer asked to be forgotten")
    await ledger.accept_send(claim.send, None, NOON)
    assert (await steps.empty_rows(ErasureRequest(customer_id="c_ann"))).busy_until is None


async def test_who_must_not_be_written_to_stays_so_without_the_address_being_kept(
    ledger: Ledger, ledger_url: str
) -> None:
    await ledger.keep_customer(Profile(customer_id="c_ann", email="Ann@Shop.example"))
    await ledger.suppress("c_ann", SuppressionReason.SPAM_REPORT, "test", NOON)
    await ledger.suppress("c_ann", SuppressionReason.BOUNCE, "test", NOON)
    await ledger.erase_customer("c_ann", NOON)
    await ledger.note_mailer("c_ann", "told", taken=["Ann@shop.example"])
    kept = await everything(ledger, "suppressions", "sends", "erasures")
    assert "shop.example" not in kept.lower()
    assert plain_hash("ann@shop.example") not in kept
    await ledger.keep_customer(Profile(customer_id="c_new", email="ann@shop.example"))
    order = ORDER.model_copy(update={"customer_id": "c_new"})
    ask, again = (request_for(step=step).model_copy(update={"order": order}) for step in ("one", "two"))
    own = ledger.addresses
    told = await ledger.claim_send(ask, BID._replace(address_key=own.of("ann@shop.example")))
    assert told.verdict is not None
    assert told.verdict.reason.startswith("the address bounced")
    # Another secret from today on: what was hashed by the one before is still known.
    rotated = await Ledger.open(Place(ledger_url, ("a new secret",)))
    keys = rotated.addresses
    assert keys.of("ann@shop.example") != own.of("ann@shop.example")
    told = await rotated.claim_send(
        again,
        BID._replace(
            address_key=keys.of("ann@shop.example"), earlier_address_keys=keys.earlier("ann@shop.example")
        ),
    )
    await rotated.close()
    assert told.verdict is not None
    assert told.verdict.reason.startswith("the address bounced")


async def test_shopify_s_wishes_are_fulfilled_by_whatever_it_knows(ledger: Ledger) -> None:
    async with open_world(ledger) as world:
        await world.post("shopify", payloads.shopify_order(customer=None))
        broken = payloads.shopify_order(line_items=[{"id": 1, "quantity": "many"}], id=2, customer=None)
        await world.post("shopify", broken)
        redact = payloads.SHOPIFY_REDACT | {
            "customer": {"email": payloads.ANN.upper()},
            "orders_to_redact": [],
        }
        assert (await world.post("shopify", redact)).json() == {"result": "accepted"}
        (row,) = [row for row in await ledger.inbox_rows() if row.deeds and row.deeds[0].kind == ERASE]
        assert "lanted" not in row.model_dump_json().lower()
        ids = [str(deed.body["customer_id"]) for deed in row.deeds]
        assert ids[0] == "guest-820982911946154508"
        assert ids[1].startswith("address-")
        mailer = OutboxMailer(ledger)
        for customer_id in ids:
            steps, request = Forget(ledger, mailer), ErasureRequest(customer_id=customer_id)
            await steps.empty_rows(request)
            await steps.tell_mailer(request)
            assert await steps.wipe_traces(request)
        assert "lanted" not in (await _everything(ledger)).lower()
        assert (await world.post("shopify", redact)).json() == {"result": "repeated"}
        assert all(each.done_at for each in await ledger.erasures())
        assert "lanted" not in (await _everything(ledger)).lower()
        ask = payloads.SHOPIFY_DATA_REQUEST | {"customer": {"email": "nobody@mail.example"}}
        await world.post("shopify", ask)
        await world.post("shopify", {"shop_id": 954889, "shop_domain": "snowdevil.myshopify.com"})
    client: Any = object()
    while await Dispatcher(Delivery(ledger, DEFAULT), lambda: client).sweep():
        pass
    parked = {row.reason for row in await ledger.inbox_rows(InboxState.PARKED)}
    assert "snowdevil.myshopify.com has left: all its customers are to go" in parked
    assert any(reason.startswith("guest-820982911946154508, address-") for reason in parked)
    assert await ledger.handed_over("guest-820982911946154508", NOON) == 1
    (left,) = [row for row in await ledger.inbox_rows(InboxState.PARKED) if row.deeds[0].kind == EXPORT]
    (nobody,) = [str(deed.body["customer_id"]) for deed in left.deeds]
    assert left.reason == f"{nobody}: hand over what is known of them", "the other wish stays open"
    # Nothing is kept of the address either, and to say so fulfils the wish.
    assert await ledger.handed_over(nobody, NOON) == 1
    assert left.number not in [row.number for row in await ledger.inbox_rows(InboxState.PARKED)]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_nothing_of_the_forgotten_is_found_and_no_letter_follows_while_all_others_go_on(
    database: str, tmp_path: Path, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    """Fault 11 in its quick form."""
    place, files = _database(database, tmp_path, request)
    report = await forget_mid_journey(tmp_path, place, files, customers=15, forgotten=4)
    assert report.planted >= report.forgotten, "without the erasure they would be found"
    assert (report.traces, report.letters_after, report.open_receipts) == ([], 0, 0), report
    assert report.unfinished > 0, "nobody was stopped in the midst of it"
    told = capfd.readouterr()
    assert "planted" not in (told.out + told.err).lower()


def _database(name: str, folder: Path, request: pytest.FixtureRequest) -> tuple[Place, Any]:
    if name == "sqlite":
        file = folder / "ledger.db"
        return Place(f"sqlite+aiosqlite:///{file}", ("a secret",)), files_of_sqlite(file)
    server: Postgres = request.getfixturevalue("postgres")
    return Place(server.empty_database(), ("a secret",)), files_of_postgres(server.folder)


async def test_what_a_provider_never_accepts_is_closed_by_a_person_and_the_receipt_says_so(
    ledger: Ledger, sendgrid: FakeSendGrid
) -> None:
    await ledger.keep_customer(Profile(customer_id="c_ann", email="ann@planted.example", name="Ann"))
    mailer = SendGridMailer("key", sendgrid.host, timeout=5)
    steps, request = Forget(ledger, mailer), ErasureRequest(customer_id="c_ann")
    with pytest.raises(NotToClose, match="nobody asked"):
        await ledger.close_erasure("c_ann", "op_mia", "provider_was_left", NOON)
    await steps.empty_rows(request)
    with pytest.raises(NotToClose, match="has not been asked yet"):
        await ledger.close_erasure("c_ann", "op_mia", "provider_was_left", NOON)
    assert await ledger.erasure_warnings() == ()
    sendgrid.faults.append(Fault.BAD_LETTER)
    with pytest.raises(ApplicationError):
        await steps.tell_mailer(request)
    (warning,) = await ledger.erasure_warnings()
    assert warning.startswith("1 not forgotten yet by the mail provider") and "c_ann" not in warning
    async with open_world(ledger) as world:
        assert (await world.http.get("/readyz")).json()["warnings"] == [warning]
    for _ in range(2):
        closed = await ledger.close_erasure("c_ann", "op_mia", "provider_was_left", NOON)
    (closing,) = closed.closings
    assert (closing.by, closing.at, closing.why, closing.addresses) == (
        "op_mia",
        NOON,
        "provider_was_left",
        1,
    )
    assert closing.answer == "sendgrid answered 400 about subject"
    with pytest.raises(NotToClose, match="nothing left to confirm"):
        await ledger.close_erasure("c_ann", "op_bo", "provider_was_left", NOON)
    # Whoever goes on with the erasure finds nothing to tell, and comes to its end.
    await steps.tell_mailer(request)
    assert sendgrid.erased == [] and await steps.wipe_traces(request)
    assert await ledger.erasure_warnings() == ()
    assert "planted" not in await everything(ledger, "erasures")
    # Asked for once more, the record stays.
    await ledger.erase_customer("c_ann", datetime.now(UTC))
    again = await ledger.erasure("c_ann")
    assert again is not None and again.closings == closed.closings
