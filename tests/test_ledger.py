"""What the ledger keeps, on both databases."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from itertools import permutations
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from pydantic import ValidationError
from sqlalchemy import bindparam, text
from sqlalchemy.engine import Connection
from temporalio.testing import ActivityEnvironment

from activities.journeys import Journeys
from journey.endings import Ending, JourneyEnding
from journey.state import JourneyState, Outcome, Result
from ledger import Ledger
from ledger.customers import Profile
from ledger.database import LedgerError
from ledger.incoming import Person
from ledger.journeys import LateFact
from ledger.migration import migrate
from ledger.orders import OrderPointer, keep_orders
from ledger.tables import Moment, metadata
from tests.fakes.postgres import Postgres
from tests.sending import ANN, NOON

ROOT = Path(__file__).parent.parent


async def test_a_customer_is_kept_and_the_newer_profile_wins(ledger: Ledger) -> None:
    await ledger.keep_customer(ANN)
    moved = ANN.model_copy(update={"email": "ann@post.example", "zone": "Asia/Tokyo"})
    await ledger.keep_customer(moved)
    assert await ledger.profile("c_ann") == moved
    assert await ledger.profile("c_nobody") is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "not an address"),
        ("email", "ann@shop.example\r\nBcc: all@shop.example"),
        ("name", "Ann\r\nBcc: all@shop.example"),
        ("name", "Ann\x00"),
        ("zone", "Mars/Olympus"),
        ("locale", "../../etc"),
    ],
)
def test_a_profile_that_could_do_harm_is_refused_by_the_field_s_name(field: str, value: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Profile.model_validate({"customer_id": "c_1", field: value})
    assert [error["loc"] for error in refusal.value.errors()] == [(field,)]


async def test_an_order_points_to_its_customer(ledger: Ledger) -> None:
    order = OrderPointer(
        order_id="1001",
        customer_id="c_ann",
        placed_at=NOON,
        recipient="Bo",
        address=("Street 1", "1010 Wien"),
    )
    await ledger.keep_order(order)
    await ledger.keep_order(order)
    assert await ledger.order("1001") == order
    assert await ledger.order("1002") is None


def _delivered_to(*address: str, recipient: str | None = None, customer_id: str = "c_ann") -> OrderPointer:
    return OrderPointer(
        order_id="1001", customer_id=customer_id, placed_at=NOON, recipient=recipient, address=address
    )


async def test_a_parcel_goes_to_the_newest_address_in_whatever_order_they_are_told(ledger: Ledger) -> None:
    """A platform that tries again sends the body of the first time."""
    told = [
        (_delivered_to("Street 1", recipient="Bo"), NOON),
        (_delivered_to("Street 2", customer_id="c_bo"), NOON + timedelta(hours=1)),
        (_delivered_to(), NOON + timedelta(hours=2)),
    ]
    for number, some in enumerate(permutations(told)):
        order_id = str(number)
        async with ledger.writing() as db:
            await keep_orders(
                ledger, db, [(each.model_copy(update={"order_id": order_id}), at) for each, at in some]
            )
        kept = await ledger.order(order_id)
        assert kept is not None
        assert (kept.recipient, kept.address, kept.customer_id) == ("Bo", ("Street 2",), "c_ann")


async def test_moments_come_back_in_utc_whatever_their_zone_was(ledger: Ledger) -> None:
    tokyo = datetime(2026, 3, 1, 9, 0, 0, 123456, tzinfo=timezone(timedelta(hours=9)))
    await ledger.keep_order(OrderPointer(order_id="1", customer_id="c_ann", placed_at=tokyo))
    kept = await ledger.order("1")
    assert kept is not None
    assert kept.placed_at == tokyo
    assert kept.placed_at.tzinfo is UTC


async def test_a_finished_journey_still_answers(ledger: Ledger) -> None:
    outcome = Outcome(key="survey", step="survey", result=Result.SENT, at=NOON, reason="delivered")
    ending = JourneyEnding(
        order_id="1001",
        ending=Ending.COMPLETED,
        closed_at=NOON,
        state=JourneyState(outcomes={"survey": outcome}),
    )
    for _ in range(2):
        await ActivityEnvironment().run(Journeys(ledger).keep_journey, ending)
    await ledger.keep_journey(ending.model_copy(update={"closed_at": NOON - timedelta(days=1)}))
    assert await ledger.journey("1001") == ending
    assert await ledger.journey("1002") is None


async def test_a_late_fact_counts_once(ledger: Ledger) -> None:
    fact = LateFact(order_id="1001", fact_id="f1", kind="return_opened", body={"n": [1]}, recorded_at=NOON)
    other = fact.model_copy(update={"fact_id": "f0", "recorded_at": NOON + timedelta(hours=1)})
    assert [await ledger.keep_late_fact(each) for each in (fact, other, fact)] == [True, True, False]
    assert await ledger.late_facts("1001") == [fact, other]


async def test_four_processes_open_a_new_ledger_at_once(ledger_url: str) -> None:
    code = "import asyncio, sys; from ledger import Ledger; asyncio.run(Ledger.open(sys.argv[1]))"
    doors = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, ledger_url, cwd=ROOT, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]
    told = [await door.communicate() for door in doors]
    assert [door.returncode for door in doors] == [0, 0, 0, 0], told
    ledger = await Ledger.open(ledger_url)
    assert await ledger.profile("c_ann") is None
    await ledger.close()


async def test_the_migrations_make_the_tables_that_the_code_knows(ledger: Ledger) -> None:
    async with ledger.reading() as db:
        differences = await db.run_sync(
            lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)
        )
    assert differences == []


async def test_what_was_told_of_a_customer_before_the_upgrade_keeps_its_time(ledger: Ledger) -> None:
    async with ledger.writing() as db:
        await db.run_sync(_downgrade, "0007_payments_by_provider")
        await db.execute(
            text("INSERT INTO customers VALUES ('c_ann', 'a@x.example', NULL, NULL, 'en', 'UTC', NULL)")
        )
        details = "INSERT INTO customer_details (customer_id, told_at) VALUES ('c_ann', :at)"
        await db.execute(text(details).bindparams(bindparam("at", NOON, Moment)))
        orders = "INSERT INTO orders VALUES ('1001', 'c_ann', :at, NULL, '[\"Street 1\"]')"
        await db.execute(text(orders).bindparams(bindparam("at", NOON - timedelta(days=1), Moment)))
        await migrate(db)
    before = _delivered_to("Street 0", recipient="Bo")
    await ledger.keep_order(before.model_copy(update={"placed_at": NOON - timedelta(hours=1)}))
    order = await ledger.order("1001")
    assert order is not None
    assert (order.recipient, order.address) == ("Bo", ("Street 1",))
    older = Profile(customer_id="c_ann", email="old@x.example", name="Ann", zone="Asia/Tokyo")
    await ledger.keep_person(Person(profile=older, at=NOON - timedelta(hours=1)))
    kept = await ledger.profile("c_ann")
    assert kept is not None
    assert (kept.email, kept.name, kept.zone) == ("a@x.example", "Ann", "Asia/Tokyo")


async def test_a_parcel_from_before_the_upgrade_counts_as_told_by_it(ledger: Ledger) -> None:
    """A pre-order, shipped months after it was placed, by a process that knows no time of it."""
    old = "INSERT INTO parcels (tracking_number, order_id, parcel_id) VALUES (:number, '1001', 'p1')"
    async with ledger.writing() as db:
        await db.run_sync(_downgrade, "0010_addresses")
        names = "order_id, customer_id, placed_at, address"
        order = f"INSERT INTO orders ({names}) VALUES ('1001', 'c_ann', :at, '[]')"
        long_ago = datetime.now(UTC) - timedelta(days=130)
        await db.execute(text(order).bindparams(bindparam("at", long_ago, Moment)))
        await db.execute(text(old).bindparams(number="T1"))
        await migrate(db)
        # A process of the version before is still there.
        await db.execute(text(old).bindparams(number="T2"))
    for number in ("T1", "T2"):
        found = await ledger.tracked(number, datetime.now(UTC))
        assert [each.order_id for each in found] == ["1001"]
        assert abs(datetime.now(UTC) - found[0].told_at) < timedelta(minutes=5)


def _downgrade(connection: Connection, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "ledger/migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.downgrade(config, to)


async def test_writers_in_two_processes_worth_of_connections_never_deadlock(ledger_url: str) -> None:
    ledgers = [await Ledger.open(ledger_url) for _ in range(2)]
    profiles = [ANN.model_copy(update={"customer_id": f"c_{n}"}) for n in range(40)]
    await asyncio.gather(*(each.keep_customer(p) for p in profiles for each in ledgers))
    assert [await ledgers[0].profile(p.customer_id) for p in profiles] == profiles
    for each in ledgers:
        await each.close()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("nonsense", "should be postgresql://"),
        ("postgresql://root:secret@h:port/db", "should be postgresql://"),
        ("mysql+asyncmy://root:secret@h/db", "should be postgresql://.*, not mysql"),
        ("sqlite+aiosqlite://", "should name a file"),
        ("sqlite://", "should name a file"),
        ("sqlite+aiosqlite:////proc/nowhere/ledger.db", "folder cannot be made"),
        ("sqlite+aiosqlite:////proc", "cannot be opened"),
        ("postgresql+asyncpg://root:secret@127.0.0.1:1/db", "cannot be opened"),
        ("postgres://root:secret@127.0.0.1:1/db?sslmode=disable", "cannot be opened"),
    ],
)
async def test_a_url_that_cannot_work_is_refused_by_name_and_without_its_password(
    url: str, problem: str
) -> None:
    with pytest.raises(LedgerError, match=f"THEREAFTER_LEDGER_URL: .*{problem}") as refusal:
        await Ledger.open(url)
    assert "secret" not in str(refusal.value)


async def test_a_url_without_a_driver_is_enough(ledger_url: str) -> None:
    bare = ledger_url.replace("+aiosqlite", "").replace("+asyncpg", "")
    assert bare != ledger_url
    opened = await Ledger.open(bare)
    await opened.keep_customer(ANN)
    await opened.close()
    again = await Ledger.open(bare.replace("postgresql:", "postgres:"))
    assert await again.profile(ANN.customer_id) == ANN
    await again.close()


async def test_a_database_that_is_not_there_is_named(postgres: Postgres) -> None:
    with pytest.raises(LedgerError, match='cannot be opened: database "nowhere" does not exist'):
        await Ledger.open(postgres.empty_database().replace("/postgres?", "/nowhere?"))


async def test_tables_that_are_newer_than_the_program_are_left_alone(ledger: Ledger, ledger_url: str) -> None:
    async with ledger.writing() as db:
        await db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="newer version"):
        await Ledger.open(ledger_url)


async def test_an_error_of_the_database_quotes_no_values(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="missing_table") as failure:
        async with ledger.writing() as db:
            await db.execute(text("INSERT INTO missing_table VALUES (:email)"), {"email": ANN.email})
    assert "ann@" not in str(failure.value)


def test_a_shop_can_read_the_sql_before_it_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head", "--sql"],
        cwd=ROOT,
        env={"THEREAFTER_LEDGER_URL": "postgresql+asyncpg://ledger@db/ledger"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "CREATE TABLE sends" in done.stdout
