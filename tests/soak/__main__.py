"""`make soak ARGS="--fault 2 --minutes 5"`: the long forms of the faults, and a table of what they say.

A run is INVALID unless at least 20 faults landed while work was in flight. With `--control` the protection
that a fault tests is taken away; then each of them has to end in FAILED.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from runtime.logs import configure_logs
from tests.soak.verdict import LEAST, Verdict
from tests.soak.verdict import Progress as Told

EVENTS_A_MINUTE = 2_000
"""Of the storm: ten thousand in five minutes."""

Soak = Callable[[Path, argparse.Namespace, Told], list[Verdict]]


def _kills(folder: Path, given: argparse.Namespace, told: Told) -> list[Verdict]:
    from tests.soak.server_kills import kill_servers

    seconds = given.minutes * 60
    return [asyncio.run(kill_servers(folder, given.seed, seconds, told, control=given.control))]


def _worker_kills(folder: Path, given: argparse.Namespace, told: Told) -> list[Verdict]:
    from tests.soak.worker_kills import kill_workers

    seconds = given.minutes * 60
    return [asyncio.run(kill_workers(folder, given.seed, seconds, told, control=given.control))]


def _storms(folder: Path, given: argparse.Namespace, told: Told) -> list[Verdict]:
    from tests.soak.storms import orderings, stormed

    orders = max(1, round(40 * given.minutes))
    found = [orderings(given.seed, orders, 50, told, control=given.control)]
    if not given.control:
        events = round(EVENTS_A_MINUTE * given.minutes)
        found.append(asyncio.run(stormed(folder, given.seed, events, told)))
    return found


def _abuse(folder: Path, given: argparse.Namespace, told: Told) -> list[Verdict]:
    from tests.soak.abuse import abused

    return [asyncio.run(abused(folder, given.seed, given.minutes * 60, told, control=given.control))]


def _forgetting(folder: Path, given: argparse.Namespace, told: Told) -> list[Verdict]:
    from tests.soak.erasures import forgotten

    return asyncio.run(forgotten(folder, given.seed, given.minutes * 60, told, control=given.control))


def _losses(_: Path, given: argparse.Namespace, told: Told) -> list[Verdict]:
    from tests.soak.losses import lost

    return [asyncio.run(lost(given.seed, given.minutes * 60, told, control=given.control))]


SOAKS: dict[str, Soak] = {
    "1b": _worker_kills,
    "2": _kills,
    "4": _storms,
    "8": _abuse,
    "11": _forgetting,
    "13": _losses,
}


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--fault", action="append", choices=list(SOAKS), help="one or more; by default all")
    parser.add_argument("--minutes", type=float, default=5, help="for each of them (default: 5)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--control", action="store_true", help="without the protection: each has to FAIL")
    parser.add_argument("--json", type=Path, default=Path("build/soak.json"))
    return parser.parse_args()


def run(given: argparse.Namespace, screen: Console) -> list[Verdict]:
    """Each fault in turn, with a bar for it."""
    found: list[Verdict] = []
    columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[now]}"))
    with Progress(*columns, TimeElapsedColumn(), console=screen) as bars:
        for name in given.fault or SOAKS:
            bar = bars.add_task(f"fault {name}", total=1.0, now="")

            def told(part: float, now: str, bar: object = bar) -> None:
                bars.update(bar, completed=part, now=now)  # type: ignore[arg-type]

            with tempfile.TemporaryDirectory(prefix="soak-") as folder:
                found += SOAKS[name](Path(folder), given, told)
            told(1.0, "done")
    return found


def table(found: list[Verdict]) -> Table:
    """What came of it, in 80 columns."""
    made = Table(
        title=f"seed {found[0].seed}", caption=f"INVALID: fewer than {LEAST} faults landed in flight"
    )
    made.add_column("fault")
    for column in ("runs", "landed", "result", "0 of N says", "seconds"):
        made.add_column(column, justify="right")
    for each in found:
        figures = (f"{each.runs:,}", f"{each.landed:,}", each.result, each.bound, f"{each.seconds:.0f}")
        made.add_row(each.fault, *figures)
    return made


def main() -> int:
    given = _given()
    given.json.parent.mkdir(parents=True, exist_ok=True)
    configure_logs(given.json.with_suffix(".log"))
    screen = Console(stderr=True)
    screen.print(f"seed {given.seed}", highlight=False)
    found = run(given, screen)
    given.json.write_text(json.dumps([each.told() for each in found], indent=2) + "\n", encoding="utf-8")
    out = Console(width=80)
    out.print(table(found))
    for each in found:
        for failure in sorted(set(each.failures))[:10]:
            out.print(f"{each.fault}: {failure}", markup=False, highlight=False)
    wanted = "FAILED" if given.control else "held"
    return int(any(each.result != wanted for each in found))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A process that used the SDK can abort while the interpreter exits, after all its work is done.
    os._exit(code)
