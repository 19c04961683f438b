"""A rehearsal tells the whole year of an order in seconds."""

from datetime import datetime
from pathlib import Path

import pytest

from tests.command_line import CommandLine
from tests.test_cli import ORDERS


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path / "home")


def test_a_consumable_is_rehearsed_as_a_timeline_in_the_orders_own_dates(command: CommandLine) -> None:
    folder = ORDERS / "consumable"
    told = command("rehearse", folder / "order.json", "--facts", folder / "facts.jsonl", "--json").json()
    assert {"entries", "days", "seconds"} <= set(told)
    assert all(set(entry) == {"at", "step", "outcome", "reason"} for entry in told["entries"])
    moments = [datetime.fromisoformat(entry["at"]) for entry in told["entries"]]
    assert moments == sorted(moments)
    assert moments[0].year == 2026
    outcomes = {entry["step"]: (entry["outcome"], entry["reason"]) for entry in told["entries"]}
    assert outcomes["order_confirmation"] == ("sent", "on placed")
    assert "reordered" in {reason for outcome, reason in outcomes.values() if outcome == "stopped"}
    assert told["days"] >= 30


def test_four_hundred_days_and_more_take_seconds(command: CommandLine, tmp_path: Path) -> None:
    text = (ORDERS / "on_time" / "order.json").read_text()
    order = tmp_path / "order.json"
    order.write_text(text.replace('"category": "coffee",', '"category": "coffee", "lifespan_days": 420,'))
    facts = ORDERS / "on_time" / "facts.jsonl"
    told = command("rehearse", order, "--facts", facts, "--json").json()
    assert told["days"] >= 400
    assert told["seconds"] < 60
    outcomes = [(entry["step"], entry["outcome"]) for entry in told["entries"]]
    assert len(outcomes) == len({step for step, _ in outcomes})
    assert {step for step, outcome in outcomes if outcome == "sent"} >= {
        "order_confirmation",
        "shipping_confirmation/p1",
        "survey",
        "replenishment/l1",
    }


def test_people_get_a_timeline_to_read(command: CommandLine) -> None:
    folder = ORDERS / "cancelled"
    answer = command("rehearse", folder / "order.json", "--facts", folder / "facts.jsonl")
    assert answer.code == 0
    assert "2026" in answer.out
    assert "cancelled" in answer.out
    assert answer.err == ""


def test_a_line_that_is_no_fact_is_named_before_anything_is_played(
    command: CommandLine, tmp_path: Path
) -> None:
    facts = tmp_path / "facts.jsonl"
    facts.write_text('{"kind": "order_cancelled", "at": "2026-06-09T17:46:00-04:00"}\n{"at": "soon"}\n')
    order = ORDERS / "cancelled" / "order.json"
    line = command("rehearse", order, "--facts", facts).complaint(2)
    assert line.startswith(f"{facts}:2: kind: should be one of: ")
