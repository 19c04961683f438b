"""The reconciliation as it runs in production: by a schedule of the real server, or when a person asks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr
from temporalio.client import Client, ScheduleIntervalSpec, ScheduleOverlapPolicy
from temporalio.service import RPCError

import worker as production
from journey.names import RECONCILIATION
from journey.reconciling import PassKind, PassName
from ledger import Ledger
from ledger.inbox import InboxState
from runtime import schedule
from runtime.embedded import Server, connect_embedded
from runtime.inputs import InputError
from runtime.orders import order_status
from runtime.schedule import keep_schedule, next_reconciliation, passes_of, reconcile_now
from runtime.settings import MailerName, Settings, read_settings
from tests import payloads
from tests.command_line import CommandLine
from tests.doors import open_world, until
from tests.fakes import shopify as fakes
from tests.fakes.shopify import FakeShopify, Fault
from tests.lost_webhooks import shop_of
from tests.world import dev_world
from worker import build_activities, build_worker

SHOP = PassName(kind=PassKind.SHOP, provider="shopify")


@pytest.fixture
def shopify() -> Iterator[FakeShopify]:
    fake = FakeShopify()
    fake.start()
    yield fake
    fake.stop()


@dataclass
class Stage:
    """A worker on the real server that may ask one shop."""

    client: Client
    ledger: Ledger
    settings: Settings

    async def reports(self) -> list[str]:
        """The runs that have ended."""
        return [each.token for each in await self.ledger.last_passes() if each.ended_at is not None]


@pytest_asyncio.fixture
async def stage(
    server: Server, shopify: FakeShopify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    settings = Settings(home=tmp_path, shopify_url=shopify.url, shopify_access_token=SecretStr(fakes.TOKEN))
    shop = shop_of("shopify", shopify.url)
    monkeypatch.setattr(production, "build_shops", lambda _: {"shopify": shop})
    monkeypatch.setattr(schedule, "ScheduleIntervalSpec", half_way)
    ledger, client = await Ledger.open(settings.ledger()), await connect_embedded(server)
    async with build_worker(client, build_activities(settings, ledger)):
        yield Stage(client, ledger, settings)
    with suppress(RPCError):
        await client.get_schedule_handle(RECONCILIATION).delete()
    # A run that goes on would be the next test's.
    for run in (RECONCILIATION, f"{RECONCILIATION}:now"):
        with suppress(RPCError):
            await client.get_workflow_handle(run).terminate("the test is over")
    await shop.close()
    await ledger.close()


def half_way(every: timedelta) -> ScheduleIntervalSpec:
    """An interval whose next time is as far from now as can be: none comes by itself in a test."""
    since_the_epoch = datetime.now(UTC) - datetime.fromtimestamp(0, UTC)
    return ScheduleIntervalSpec(every=every, offset=(since_the_epoch + every / 2) % every)


def sold(fake: FakeShopify, number: int, ago: timedelta = timedelta(minutes=1)) -> None:
    at = (datetime.now(UTC) - ago).isoformat(timespec="seconds")
    dates = dict.fromkeys(("created_at", "processed_at", "updated_at"), at)
    fake.orders[number] = payloads.shopify_order(id=number, **dates)


async def test_the_schedule_asks_the_shop_and_is_made_only_once(stage: Stage, shopify: FakeShopify) -> None:
    sold(shopify, 1)
    handle = await keep_schedule(stage.client, stage.settings)
    assert handle is not None
    described = await (await keep_schedule(stage.client, stage.settings) or handle).describe()
    assert [each.every for each in described.schedule.spec.intervals] == [timedelta(minutes=15)]
    assert described.schedule.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert described.schedule.policy.catchup_window == timedelta(minutes=15)
    next_at, paused = await next_reconciliation(stage.client)
    assert next_at is not None
    assert timedelta() < next_at - datetime.now(UTC) <= timedelta(minutes=15)
    assert not paused
    await handle.trigger()
    assert await until(stage.reports)
    [row] = await stage.ledger.last_passes()
    assert (row.name, row.seen, row.filled) == ("shop:shopify", 1, 1)


async def test_the_schedule_follows_the_settings_and_stays_paused(stage: Stage) -> None:
    handle = await keep_schedule(stage.client, stage.settings)
    assert handle is not None
    await handle.pause(note="the shop moves house")
    hourly = stage.settings.model_copy(update={"reconcile_minutes": 60})
    await keep_schedule(stage.client, hourly)
    described = await handle.describe()
    assert [each.every for each in described.schedule.spec.intervals] == [timedelta(hours=1)]
    assert (described.schedule.state.paused, described.schedule.state.note) == (True, "the shop moves house")
    assert (await next_reconciliation(stage.client))[1]


async def test_where_nobody_is_to_be_asked_there_is_no_schedule(stage: Stage, tmp_path: Path) -> None:
    await keep_schedule(stage.client, stage.settings)
    for alone in (Settings(home=tmp_path), stage.settings.model_copy(update={"reconcile_minutes": 0})):
        assert await keep_schedule(stage.client, alone) is None
        assert await next_reconciliation(stage.client) == (None, False)


async def test_a_busy_shop_is_asked_again_and_keeps_no_other_pass_waiting_for_ever(
    stage: Stage, shopify: FakeShopify
) -> None:
    sold(shopify, 1)
    shopify.faults.append(Fault.THROTTLED)
    nobody = PassName(kind=PassKind.MAIL, provider="carrier_pigeon")
    end = await (await reconcile_now(stage.client, (nobody, SHOP))).result()
    assert [(each.name, each.filled, bool(each.problem)) for each in end.passes] == [
        ("mail:carrier_pigeon", 0, True),
        ("shop:shopify", 1, False),
    ]
    assert len(shopify.asked("ChangedOrders")) == 2


async def test_who_looks_further_back_while_another_pass_runs_is_served_after_it(
    stage: Stage, shopify: FakeShopify
) -> None:
    sold(shopify, 1, ago=timedelta(days=9))
    shopify.faults.append(Fault.THROTTLED)
    waited: list[str] = []
    running = await reconcile_now(stage.client, (SHOP,))
    joined = await reconcile_now(stage.client, (SHOP,), waits=lambda: waited.append("for nothing"))
    assert (await joined.describe()).run_id == (await running.describe()).run_id
    since = datetime.now(UTC) - timedelta(days=10)
    further = await reconcile_now(stage.client, (SHOP,), since, lambda: waited.append("its turn"))
    assert waited == ["its turn"]
    assert [each.filled for each in (await running.result()).passes] == [0]
    assert [each.filled for each in (await further.result()).passes] == [1]


async def test_an_order_whose_webhook_never_came_gets_its_journey_and_one_letter(
    stage: Stage, server: Server, shopify: FakeShopify, tmp_path: Path
) -> None:
    number = 10_000_000 + int(datetime.now(UTC).timestamp()) % 1_000_000
    sold(shopify, number)
    async with (
        dev_world(server, tmp_path / "shop", working=False) as shop,
        open_world(stage.ledger, lambda: stage.client, shop.playbook) as doors,
    ):
        shop.orders.append(str(number))
        await (await reconcile_now(stage.client, (SHOP,))).result()

        async def written() -> bool:
            sends = await stage.ledger.sends_of(str(number))
            return [send.key for send in sends if send.state == "accepted"] == ["order_confirmation"]

        assert await until(written)
        # Then it comes after all, eight hours late and in other words.
        late = shopify.orders[number] | {"note_attributes": []}
        assert (await doors.post("shopify", late)).json() == {"result": "accepted"}

        async def delivered() -> bool:
            rows = await stage.ledger.inbox_rows(InboxState.DISPATCHED)
            return [row.reason for row in rows if row.order_id == str(number)] == ["known already", "started"]

        assert await until(delivered)
        status = await order_status(stage.client, stage.ledger, str(number))
        assert [each.kind for each in status.happened] == ["order_placed"]
        assert await written()


async def test_a_person_asks_and_sees_what_was_found(
    stage: Stage, server: Server, shopify: FakeShopify, tmp_path: Path
) -> None:
    command = CommandLine(tmp_path)
    nothing = await asyncio.to_thread(command, "reconcile", "--list")
    assert (nothing.code, nothing.out.splitlines()[0]) == (0, "no pass yet")
    assert "nobody is to be asked" in (await asyncio.to_thread(command, "reconcile")).complaint(2)
    command.environment |= {
        "TEMPORAL_ADDRESS": server.address,
        "THEREAFTER_SHOPIFY_URL": shopify.url,
        "THEREAFTER_SHOPIFY_ACCESS_TOKEN": fakes.TOKEN,
        "COLUMNS": "80",
    }
    sold(shopify, 1)
    told = (await asyncio.to_thread(command, "reconcile", "--json")).json()
    assert [(each["name"], each["seen"], each["filled"]) for each in told["passes"]] == [
        ("shop:shopify", 1, 1)
    ]
    assert told["warnings"] == []
    shopify.topics.clear()
    shown = await asyncio.to_thread(command, "reconcile")
    assert (shown.code, max(map(len, shown.out.splitlines())) <= 80) == (0, True)
    assert "shop:shopify" in shown.out
    assert "the subscription to orders/updated is lost since" in " ".join(shown.out.split())
    shopify.tokens.clear()
    refused = await asyncio.to_thread(command, "reconcile", "--since", "2026-01-01T00:00:00Z", "--json")
    assert refused.code == 1
    wrong = await asyncio.to_thread(command, "reconcile", "--since", "yesterday")
    assert wrong.complaint(2).startswith("--since: should be a moment of the past")


def test_a_shop_s_address_needs_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEREAFTER_SHOPIFY_URL", "https://tea.myshopify.com")
    with pytest.raises(InputError, match="THEREAFTER_SHOPIFY_ACCESS_TOKEN: should be set when"):
        read_settings()
    monkeypatch.setenv("THEREAFTER_SHOPIFY_CLIENT_ID", "app")
    monkeypatch.setenv("THEREAFTER_SHOPIFY_SECRET", "secret")
    monkeypatch.setenv("THEREAFTER_WOOCOMMERCE_URL", "https://shop.example/de")
    with pytest.raises(InputError, match="THEREAFTER_WOOCOMMERCE_CONSUMER_KEY: should be set when"):
        read_settings()
    monkeypatch.setenv("THEREAFTER_WOOCOMMERCE_CONSUMER_KEY", "ck_1")
    monkeypatch.setenv("THEREAFTER_WOOCOMMERCE_CONSUMER_SECRET", "cs_1")
    settings = read_settings()
    assert [str(each) for each in passes_of(settings)] == ["shop:shopify", "shop:woocommerce"]
    assert settings.secrets() == {"shopify": ["secret"]}
    monkeypatch.setenv("THEREAFTER_WOOCOMMERCE_URL", "http://shop.example")
    with pytest.raises(InputError, match="THEREAFTER_WOOCOMMERCE_URL"):
        read_settings()


def test_who_is_asked_follows_from_the_settings() -> None:
    settings = Settings(stripe_api_key=SecretStr("sk"), mailer=MailerName.SMTP, smtp_host="mail.example")
    assert [str(each) for each in passes_of(settings)] == ["payments:stripe", "mail:smtp"]
    assert passes_of(Settings()) == ()
