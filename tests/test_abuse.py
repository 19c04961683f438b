"""Fault 8: whatever is posted gets a clear answer; nothing forged is taken, nothing counts twice."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from journey.facts import KINDS
from ledger import Ledger
from ledger.keys import Scope
from service.sources.easypost import EasyPost
from service.sources.source import Post
from service.sources.standard import StandardWebhooks
from tests.doors import STANDARD_BEFORE, World, open_world, signed
from tests.fakes.postgres import Postgres
from tests.hostile_posts import (
    GENUINE,
    OWN,
    SOURCES,
    STRANGE,
    Judged,
    abuse,
    forged,
    keyed,
    pieces,
    strangers,
)
from tests.sending import NOON
from tests.soak.abuse import believing
from tests.structural_abuse import Deaf, kept, post_variants, read_variants
from tests.test_sources import raw
from tests.whole_payloads import ORDER


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder: Path = tmp_path_factory.mktemp("abuse")
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{folder / 'ledger.db'}")
    async with open_world(ledger) as opened:
        yield opened
    await ledger.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def rows(world: World) -> int:
    return sum((await world.ledger.count_inbox()).values())


@pytest.mark.parametrize("door", [*SOURCES, *OWN])
async def test_a_strange_body_gets_a_clear_answer(world: World, door: str) -> None:
    told = Judged(seed=0)
    for word, body in STRANGE.items():
        if door in OWN:
            method, path, _ = OWN[door]
            answer = await world.http.request(method, path, content=body, headers=keyed(world))
        else:
            answer = await world.post(door, body)
        told.judge(f"{door}, {word}", answer)
    assert told.broken == []


@pytest.mark.parametrize("source", SOURCES)
async def test_nothing_forged_is_taken_however_it_is_forged(world: World, source: str) -> None:
    body, before = raw(GENUINE[source]), await rows(world)
    for word, headers in forged(source, body):
        latin = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = await world.http.post(f"/webhooks/{source}", content=body, headers=latin)
        assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized"), word
    assert await rows(world) == before


@pytest.mark.parametrize("door", OWN)
async def test_a_key_that_is_not_ours_opens_nothing_and_its_body_is_not_read(world: World, door: str) -> None:
    method, path, genuine = OWN[door]
    before = await rows(world)
    for word, headers in (await strangers(world)).items():
        for body in (raw(genuine), b"\xff{"):
            answer = await world.http.request(method, path, content=body, headers=headers)
            assert answer.status_code == 401, word
    assert await rows(world) == before


@pytest.mark.parametrize("door", [*SOURCES, *OWN])
async def test_ten_megabytes_are_refused_whether_or_not_they_are_announced(world: World, door: str) -> None:
    method, path, _ = OWN.get(door, ("POST", f"/webhooks/{door}", None))
    for content in (b"x" * 10_000_000, pieces(10_000_000)):
        answer = await world.http.request(method, path, content=content, headers=keyed(world))
        assert (answer.status_code, "at most" in answer.json()["error"]) == (413, True)


async def test_keys_are_rotated_without_a_moment_in_which_none_fits(world: World) -> None:
    old, new = (
        world.key,
        {"Authorization": f"Bearer {(await world.ledger.create_key('new', list(Scope), NOON)).token}"},
    )
    method, path, genuine = OWN["PUT /v1/customers/c_weber"]
    for headers in (old, new):
        assert (await world.http.request(method, path, json=genuine, headers=headers)).status_code == 200
    body = raw(GENUINE["standard"])
    first = await world.http.post("/webhooks/standard", content=body, headers=signed("standard", body))
    before = signed("standard", body, key=STANDARD_BEFORE)
    again = await world.http.post("/webhooks/standard", content=body, headers=before)
    assert (first.status_code, again.json()) == (200, {"result": "repeated"})


async def test_posts_that_are_spoiled_at_random_break_no_door_and_count_once(world: World) -> None:
    told = await abuse(world, seed=20_260_408, n=4)
    assert (told.broken, told.accepted, told.second_effects) == ([], [], []), told
    assert told.posts == 4 * 3 * (len(SOURCES) + len(OWN))
    assert len(told.statuses) >= 5, "some are taken, some refused, for various reasons"


async def test_doors_that_believe_everybody_take_what_is_forged(world: World) -> None:
    with believing():
        told = await abuse(world, seed=8, n=1, operations=())
    assert told.accepted != []


@pytest.mark.parametrize("source", SOURCES)
async def test_a_wrong_value_anywhere_in_what_a_platform_sends_is_read_or_refused_and_kept(
    source: str, tmp_path: Path, postgres: Postgres
) -> None:
    found = read_variants(source)
    assert found.broken == []
    assert found.refused > 0 and found.told, "some are refused and some are not"
    for place in (f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}", postgres.empty_database()):
        ledger = await Ledger.open(place)
        assert await kept(ledger, found) == []
        await ledger.close()


async def test_a_translator_that_takes_a_kind_for_a_word_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def believing(_: StandardWebhooks, __: Post, data: Any) -> str:
        return "known" if isinstance(data, dict) and data.get("kind") in KINDS else "unknown"

    monkeypatch.setattr(StandardWebhooks, "topic", believing)
    assert any("kind: a list" in each for each in read_variants("standard").broken)


async def test_an_error_of_ours_is_found_in_the_log_by_file_and_line_and_quotes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def planted_fault(*_: Any) -> Any:
        raise RuntimeError(f"about {GENUINE['easypost']}")

    monkeypatch.setattr(EasyPost, "translate", planted_fault)
    answer = await world.post("easypost", GENUINE["easypost"])
    told = capsys.readouterr()
    (line,) = [each for each in (told.out + told.err).splitlines() if answer.json()["request_id"] in each]
    assert answer.status_code == 500 and "RuntimeError" in line
    assert re.search(r"service/sources/source\.py:\d+ read", line)
    assert re.search(r"tests/test_abuse\.py:\d+ planted_fault", line)
    assert "1z827wk74630" not in line


async def test_facts_whose_ids_are_as_long_as_may_be_are_all_taken(world: World) -> None:
    order_id, at = "o" * 64, "2026-04-10T13:47:00+02:00"
    placed = await world.http.post("/v1/orders", json=ORDER | {"order_id": order_id}, headers=world.key)
    assert placed.status_code == 202
    for ending in "ab":
        fact = {"kind": "complaint_opened", "fact_id": "f" * 199 + ending, "at": at, "complaint_id": "c1"}
        answers = [
            await world.http.post(f"/v1/orders/{order_id}/facts", json=fact, headers=world.key)
            for _ in range(2)
        ]
        assert [answer.json() for answer in answers] == [{"result": "accepted"}, {"result": "repeated"}]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_a_wrong_value_anywhere_in_a_body_of_our_api_gets_a_clear_answer(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
    if database == "postgresql":
        place = request.getfixturevalue("postgres").empty_database()
    ledger, deaf = await Ledger.open(place), Deaf()
    async with open_world(ledger, lambda: deaf) as world:  # type: ignore[arg-type, return-value]
        told = await post_variants(world)
    await ledger.close()
    assert told.broken == []
    assert told.bodies > 3_000 and told.posts > 200, told
    assert set(told.statuses) == {200, 202, 409, 422, 503}, told.statuses
