"""The demo: example orders lived through on a real server, also when it is killed half-way."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from runtime.embedded import known_server, running_server
from tests.command_line import PATIENCE, CommandLine, keep_a_port
from tests.test_cli import ORDERS
from tests.world import ROOT

CANCELLED_ON = "2026-06-09"


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line and, in its home, the two orders that it plays."""
    command = CommandLine(tmp_path)
    (tmp_path / "demo").mkdir()
    keep_a_port(tmp_path / "demo")
    for name in ("cancelled", "on_time"):
        shutil.copytree(ORDERS / name, tmp_path / "orders" / name)
    # At sixteen days a second, who cancels on the eighth may be sooner than a busy machine with its letter.
    facts = tmp_path / "orders" / "cancelled" / "facts.jsonl"
    told = facts.read_text()
    assert told.count(CANCELLED_ON) == 1
    facts.write_text(told.replace(CANCELLED_ON, "2026-08-09"))
    yield command
    server = running_server(tmp_path / "demo")
    if server is not None:
        os.kill(server.pid, signal.SIGKILL)


def words(command: CommandLine, day: float) -> list[object]:
    home = command.home
    return ["demo", "--once", "--json", "--day", day, "--folder", home / "demo", "--orders", home / "orders"]


def check(report: Any, confirmations: tuple[int, ...] = (2,)) -> None:
    assert set(report) == {"orders", "completed", "letters", "events", "duplicates", "seconds"}
    assert (report["orders"], report["completed"], report["duplicates"]) == (2, 2, 0)
    assert set(report["events"]) == {"1001", "1004"}
    assert all(10 < events < 200 for events in report["events"].values())
    letters = report["letters"]
    assert letters["order_confirmation"] in confirmations
    # A demo that was away for days has missed some of them: what a later fact answers is not asked.
    assert {"order_cancelled", "delivered", "next_purchase_offer"} <= set(letters)
    assert (letters["order_cancelled"], letters["delivered"]) == (1, 1)


def test_the_demo_plays_orders_to_their_end_and_says_the_same_when_asked_again(demo: CommandLine) -> None:
    before = known_server(demo.home / "demo")
    report = demo(*words(demo, 0.06)).json()
    check(report)
    assert (demo.home / "demo" / "letters" / "index.html").exists()
    again = demo(*words(demo, 0.06)).json()
    check(again)
    assert again["letters"] == report["letters"]
    assert again["events"] == report["events"]
    assert known_server(demo.home / "demo") not in (None, before)
    assert running_server(demo.home / "demo") is None


def test_a_demo_in_a_pipe_says_how_far_it_is_and_answers_on_its_output(demo: CommandLine) -> None:
    told = demo(*(word for word in words(demo, 0.06) if word != "--json"))
    assert told.code == 0, told.err
    assert re.fullmatch(r"(day \d+: \d of 2 orders over, \d+ letters\n)+", told.err)
    assert "on time" in told.out
    home = demo.home / "demo"
    assert f"THEREAFTER_HOME={home} python starter.py status 1001" in told.out
    demo.environment["THEREAFTER_HOME"] = str(home)
    assert demo("status", "1001").out.startswith("order 1001")


def test_a_demo_that_is_killed_half_way_goes_on_and_repeats_nothing(demo: CommandLine) -> None:
    process = demo.start(*words(demo, 0.05))
    until_letters(demo.home / "demo" / "ledger.db", 4)
    process.kill()
    process.join()
    assert running_server(demo.home / "demo") is not None
    report = demo(*words(demo, 0.05)).json()
    # Ten seconds pass until Temporal misses the killed worker. By then one of the orders is cancelled, and a
    # confirmation that had not gone out is said no more.
    check(report, confirmations=(1, 2))
    clock = json.loads((demo.home / "demo" / "demo.json").read_text())
    assert clock["day_seconds"] == 0.05


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda each: each.name)
@pytest.mark.parametrize("once", [True, False], ids=["once", "until it is stopped"])
def test_a_demo_that_is_asked_to_stop_takes_its_server_with_it(
    demo: CommandLine, asked: signal.Signals, once: bool
) -> None:
    played = [word for word in words(demo, 5) if once or word != "--once"]
    process = demo.start(*played)
    assert process.pid is not None
    until_letters(demo.home / "demo" / "ledger.db", 1)
    os.kill(process.pid, asked)
    process.join(PATIENCE)
    assert process.exitcode == (130 if once else 0)
    assert known_server(demo.home / "demo") is not None
    assert running_server(demo.home / "demo") is None


def test_a_worker_that_is_asked_to_stop_takes_its_server_with_it(demo: CommandLine) -> None:
    worker = subprocess.Popen([sys.executable, "worker.py"], cwd=ROOT, env=demo.environment)
    until_running(demo.home)
    worker.terminate()
    assert worker.wait(PATIENCE) == 0
    assert running_server(demo.home) is None


def until_running(home: Path) -> None:
    """Wait until the folder's server answers."""
    end = time.monotonic() + PATIENCE
    while running_server(home) is None:
        assert time.monotonic() < end
        time.sleep(0.05)


def until_letters(database: Path, number: int) -> None:
    """Wait until so many letters lie in the outbox."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with (
            suppress(sqlite3.OperationalError),
            closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db,
        ):
            if db.execute("SELECT count(*) FROM letters").fetchone()[0] >= number:
                return
        time.sleep(0.05)
    raise TimeoutError(f"there are no {number} letters")


def test_a_folder_without_orders_is_named(demo: CommandLine) -> None:
    (demo.home / "nothing").mkdir()
    line = demo("demo", "--once", "--orders", demo.home / "nothing").complaint(2)
    assert line == f"{demo.home / 'nothing'}: no folder with an order.json is in it"
