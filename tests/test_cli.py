"""The command line as a shop's engineer uses it: answers, exit codes, and one clear line for each mistake."""

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.inbox import InboxState, Verdict
from ledger.incoming import EXPORT, Deed
from tests.command_line import PATIENCE, CommandLine
from tests.sending import NOON
from tests.test_inbox import event
from tests.world import ROOT

ORDERS = ROOT / "examples" / "orders"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A home in which a worker runs, with its own server."""
    command = CommandLine(tmp_path_factory.mktemp("shop"))
    with (command.home / "worker.log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "worker.py"], cwd=ROOT, env=command.environment, stdout=log, stderr=log
        )
    try:
        until_healthy(command)
        yield command
    finally:
        worker.terminate()
        assert worker.wait(PATIENCE) == 0


def until_healthy(command: CommandLine) -> None:
    end = time.monotonic() + PATIENCE
    while command("health").code != 0:
        assert time.monotonic() < end, (command.home / "worker.log").read_text()


@pytest.fixture
def alone(tmp_path: Path) -> CommandLine:
    """A home in which nothing runs."""
    return CommandLine(tmp_path / "home")


def fact_file(folder: Path, **fact: Any) -> Path:
    path = folder / "fact.json"
    path.write_text(json.dumps(fact))
    return path


def order_file(folder: Path, name: str, **changes: Any) -> Path:
    order = json.loads((ORDERS / "on_time" / "order.json").read_text())
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    path = folder / "order.json"
    path.write_text(json.dumps({**order, "order_id": name, "placed_at": now, "ship_by": None} | changes))
    return path


SHIPPED = {"kind": "parcel_shipped", "fact_id": "f1", "at": "2026-05-01T10:00:00Z", "parcel_id": "p1"}


def test_an_order_is_placed_told_about_held_and_asked_about(shop: CommandLine, tmp_path: Path) -> None:
    placed = shop("place", order_file(tmp_path, "A1"), "--json").json()
    assert (placed["order_id"], placed["stage"]) == ("A1", "placed")

    told = shop("signal", "A1", fact_file(tmp_path, **SHIPPED), "--json").json()
    assert told == {"order_id": "A1", "kind": "parcel_shipped", "result": "recorded"}
    again = shop("signal", "A1", fact_file(tmp_path, **SHIPPED), "--json").json()
    assert again["result"] == "known already"

    status = shop("status", "A1", "--json").json()
    assert status["stage"] == "shipped"
    assert [h["kind"] for h in status["happened"]] == ["order_placed", "parcel_shipped"]
    assert "order_confirmation" in {done["key"] for done in status["done"]}
    assert "survey" in {step["key"] for step in status["ahead"]}

    assert shop("pause", "A1", "--json").json()["paused"] is True
    assert shop("resume", "A1", "--json").json()["paused"] is False
    skipped = shop("skip", "A1", "survey", "--reason", "asked_by_phone", "--json").json()
    [survey] = [done for done in skipped["done"] if done["key"] == "survey"]
    assert (survey["result"], survey["reason"]) == ("skipped", "asked_by_phone")

    again = shop("skip", "A1", "survey").complaint(1)
    assert again.startswith("key: no step survey is ahead; these are: ")
    assert shop("retry", "A1", "delivered/p1").complaint(1) == (
        "key: delivered/p1 is not parked, so there is nothing to retry"
    )


def test_an_order_placed_twice_is_said_to_be_there(shop: CommandLine, tmp_path: Path) -> None:
    order = order_file(tmp_path, "A2")
    shop("place", order)
    answer = shop("place", order)
    assert answer.code == 1
    assert answer.err.strip() == "order A2 had been placed before; nothing was changed"


def test_of_an_order_placed_twice_the_second_payment_is_not_kept(shop: CommandLine, tmp_path: Path) -> None:
    order = order_file(tmp_path, "A8")
    shop("place", order)
    told = "FROM payments WHERE order_id = 'A8'"
    with closing(sqlite3.connect(shop.home / "ledger.db")) as ledger:
        # As if it had come in by the doors, unpaid.
        ledger.execute(f"DELETE {told}")
        ledger.commit()
        paid = order_file(tmp_path, "A8", payment={"provider": "stripe", "id": "ch_8", "captured": 100})
        assert shop("place", paid).err.strip().endswith("nothing was changed")
        assert ledger.execute(f"SELECT * {told}").fetchall() == []


def test_people_see_what_happened_and_what_comes(shop: CommandLine, tmp_path: Path) -> None:
    shop("place", order_file(tmp_path, "A3"))
    answer = shop("status", "A3")
    assert answer.code == 0
    assert "order confirmation" in answer.out.replace("_", " ")
    assert "survey" in shop("status", "A3", "--all").out


def test_an_order_that_nobody_placed_is_not_known(shop: CommandLine, tmp_path: Path) -> None:
    assert shop("status", "nosuch").complaint(4) == "no order nosuch was placed here"
    fact = fact_file(tmp_path, **SHIPPED)
    assert shop("signal", "nosuch", fact).complaint(4) == "no order nosuch was placed here"


def test_a_customer_whom_nobody_knows_is_not_forgotten_by_mistake(shop: CommandLine) -> None:
    assert shop("customers", "forget", "c_nobody").complaint(4).startswith("nothing is kept here under c_nob")
    assert shop("customers", "forget", "c_nobody", "--anyway").code == 0
    assert shop("customers", "forget", "c_nobody").code == 0


def test_a_healthy_shop_says_so(shop: CommandLine) -> None:
    told = shop("health", "--json").json()
    assert (told["healthy"], told["mailer"], told["ledger"]) == (True, "outbox", "sqlite")
    assert told["temporal"].startswith("127.0.0.1:")
    seen = shop("health")
    assert (seen.code, seen.err) == (0, "")
    assert f"answers at {told['temporal']}" in seen.out
    assert told["ui"] in seen.out


def test_a_shop_whose_letters_go_to_nobody_is_told_so(shop: CommandLine, tmp_path: Path) -> None:
    assert ["outbox" in each for each in shop("health", "--json").json()["warnings"]] == [True]
    assert "THEREAFTER_MAILER" in shop("health").out
    shop("place", order_file(tmp_path, "A5"))
    until_sent(shop, "A5")
    told = shop("sends", "--order", "A5").out
    assert "kept" in told
    assert "accepted" not in told
    assert '"mailer": "outbox"' in (shop.home / "worker.log").read_text()


def until_sent(shop: CommandLine, order: str) -> None:
    end = time.monotonic() + PATIENCE
    while "accepted" not in shop("sends", "--order", order, "--json").out:
        assert time.monotonic() < end


def test_what_is_pasted_from_a_narrow_terminal_is_whole(shop: CommandLine, tmp_path: Path) -> None:
    name = "narrow-" + "x" * 40
    shop("place", order_file(tmp_path, name, first_order=True))
    until_sent(shop, name)
    shop.environment["COLUMNS"] = "80"
    try:
        status, sends = shop("status", name, "--all").out, shop("sends", "--order", name).out
        short = shop("status", name).out
        shop("inbox", "list", "--all")
    finally:
        shop.environment["COLUMNS"] = "200"
    steps = shop("status", name, "--json").json()["ahead"]
    assert [step["key"] for step in steps if step["key"] not in status] == []
    assert "order_confirmation" in sends
    assert name in sends
    waiting = sum(step["standing"] == "waiting" for step in steps)
    assert f"{waiting} more wait for something to happen; --all shows them" in short
    assert short.index("welcome") < short.index("more wait")


def test_a_key_is_made_with_the_id_by_which_it_is_revoked(shop: CommandLine) -> None:
    made = shop("keys", "create", "back-end")
    [token] = made.out.splitlines()
    key_id = token.split("_")[1]
    assert key_id in made.err
    assert shop("keys", "revoke", key_id).code == 0
    assert f"no open key has the id {key_id}" in shop("keys", "revoke", key_id).complaint(1)


def test_a_home_in_which_nothing_runs_is_not_healthy(alone: CommandLine) -> None:
    assert "no server runs in" in alone("health").complaint(3)


WRONG = {
    "no such file": (None, "order.json: cannot be read: No such file or directory"),
    "not JSON": ("{", "order.json:1: is not JSON"),
    "a missing field": ({"currency": None}, "currency: "),
    "a wrong quantity": (
        {"lines": [{"line_id": "l1", "sku": "A", "title": "A", "quantity": 0, "unit_price": 1}]},
        "quantity: ",
    ),
    "an unknown field": ({"colour": "red"}, "colour: is not a known field"),
    "a wrong zone": ({"zone": "Europe/Berlinn"}, "zone: "),
    "an address as id": ({"order_id": "ann@mail.example"}, "order_id: "),
}


@pytest.mark.parametrize(("content", "complaint"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_order_gets_one_line_that_names_the_field(
    alone: CommandLine, tmp_path: Path, content: Any, complaint: str
) -> None:
    path = tmp_path / "order.json"
    if isinstance(content, dict):
        order_file(tmp_path, "A4", **content)
    elif content is not None:
        path.write_text(content)
    line = alone("place", path).complaint(2)
    assert complaint in line
    assert str(path) in line
    assert "ann@mail" not in line


def test_a_wrong_fact_gets_one_line_that_names_the_field(alone: CommandLine, tmp_path: Path) -> None:
    fact = fact_file(tmp_path, **{**SHIPPED, "parcel_id": "ann@mail.example"})
    line = alone("signal", "A1", fact).complaint(2)
    assert "parcel_id: should be an identifier" in line
    assert "ann@mail" not in line


def test_a_kind_that_resembles_a_known_one_is_pointed_out(shop: CommandLine, tmp_path: Path) -> None:
    fact = fact_file(tmp_path, **{**SHIPPED, "kind": "parcel_shiped"})
    told = " ".join(shop("signal", "nosuch", fact).err.split())
    assert "parcel_shiped" in told
    assert "did you mean `parcel_shipped`?" in told


def test_a_wrong_playbook_gets_a_line_with_its_place(alone: CommandLine, tmp_path: Path) -> None:
    book = tmp_path / "mine.yaml"
    text = (ROOT / "playbooks" / "default.yaml").read_text()
    number = text.splitlines().index("    wait: 30 days") + 1
    book.write_text(text.replace("    wait: 30 days", "    wait: a month"))
    order = ORDERS / "on_time" / "order.json"
    line = alone("rehearse", order, "--playbook", book).complaint(2)
    assert line.startswith(f"{book}:{number}: steps.")
    assert "`a month` should be a duration such as `30 days`" in line


def test_an_unreachable_temporal_is_named(alone: CommandLine, tmp_path: Path) -> None:
    alone.environment["TEMPORAL_ADDRESS"] = "127.0.0.1:9"
    for command in (("status", "A1"), ("health",)):
        line = alone(*command).complaint(3)
        assert line == "TEMPORAL_ADDRESS: 127.0.0.1:9: nobody listens there"


def test_what_is_parked_can_be_ended_by_a_person_with_a_reason(alone: CommandLine) -> None:
    async def parked() -> None:
        ledger = await Ledger.open(f"sqlite+aiosqlite:///{alone.home / 'ledger.db'}")
        wishes = tuple(Deed(kind=EXPORT, body={"customer_id": each}) for each in ("c_none", "c_nobody"))
        await ledger.accept([event(problem="unreadable", raw="{}", deeds=()), event(2, deeds=wishes)], NOON)
        rows = await ledger.claim_inbox(9, NOON, timedelta(minutes=1))
        verdicts = [Verdict(number=row.number, state=InboxState.PARKED, reason="ask") for row in rows]
        await ledger.settle_inbox(verdicts, NOON)
        await ledger.close()

    asyncio.run(parked())
    [first, second] = [
        json.loads(line)["number"] for line in alone("inbox", "list", "--json").out.splitlines()
    ]
    words = ("inbox", "close", second, "--by", "op_mia", "--json", "--reason")
    assert "--reason" in alone(*words, "ann@shop.example").complaint(2)
    assert alone(*words, "a test shop").json() == {"closed": [second], "not_parked": []}
    assert alone(*words, "a test shop").code == 1
    for customer, code in (("c_none", 0), ("c_nobody", 0), ("c_nobody", 4)):
        told = alone("customers", "export", customer)
        assert (told.code, "nothing is kept about them" in told.err) == (code, True)
    assert alone("inbox", "list", "--json").out == ""
    assert "handed over" in alone("inbox", "list", "--all").out
    assert first


def test_help_is_given() -> None:
    told = subprocess.run(
        [sys.executable, "starter.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for command in ("place", "signal", "status", "demo", "rehearse", "pause", "resume", "skip", "retry"):
        assert command in told.stdout


def test_an_erasure_that_nobody_asked_for_is_not_closed(alone: CommandLine) -> None:
    words = ("customers", "close-erasure", "c_nobody", "--by", "op_mia", "--reason")
    assert (
        alone(*words, "account_is_gone").complaint(1) == "customer_id: nobody asked to forget this customer"
    )
    assert alone(*words, "Account is gone!").complaint(2).startswith("reason: ")
