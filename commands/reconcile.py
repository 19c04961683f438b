"""`starter.py reconcile`: ask now what was never told, and see what the last passes found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import Field
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text
from temporalio.client import Client

from commands.terminal import AsJson, door, opened_ledger, run, say, show
from journey.facts import Model
from journey.reconciling import PassReport
from journey.times import Instant
from ledger import Ledger
from ledger.reconciliations import Pass
from runtime.connection import configured_address
from runtime.embedded import running_server
from runtime.inputs import InputError
from runtime.schedule import next_reconciliation, passes_of, reconcile_now
from runtime.settings import read_settings

LOOK_EVERY = 0.25
"""Seconds between two looks at how far the passes are."""

app = typer.Typer()


class Reconciled(Model):
    """What came of the passes, and what a person should look at."""

    passes: tuple[PassReport, ...] = Field(description="Of this run, or the last ones.")
    warnings: tuple[str, ...]
    next_at: Instant | None = Field(description="When the schedule asks again.")
    paused: bool = Field(description="Whether somebody has paused the schedule.")


@app.command()
def reconcile(
    listed: Annotated[bool, typer.Option("--list", help="Only show the last passes.")] = False,
    since: Annotated[
        str | None, typer.Option(help="Ask shops from this moment on: 2026-11-01T00:00:00+01:00.")
    ] = None,
    most: Annotated[int, typer.Option(help="At most so many passes, the newest.", min=1)] = 10,
    as_json: AsJson = False,
) -> None:
    """Ask shops, payment and mail providers now for what they never told; show what was found."""
    run(_list(most, as_json) if listed else _now(since, most, as_json))


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or found > datetime.now(UTC):
        raise InputError("--since: should be a moment of the past such as 2026-11-01T00:00:00+01:00")
    return found


async def _list(most: int, as_json: bool) -> int:
    """From the ledger alone where nothing runs: to look should not start anything."""
    settings = read_settings()
    if configured_address() is None and running_server(settings.home) is None:
        async with opened_ledger(settings) as ledger:
            _show(await _found(None, ledger, None, most), as_json)
        return 0
    async with door(settings) as (client, ledger):
        _show(await _found(client, ledger, None, most), as_json)
    return 0


async def _now(since: str | None, most: int, as_json: bool) -> int:
    settings, first = read_settings(), _moment(since)
    passes = passes_of(settings)
    if not passes:
        raise InputError(
            "nobody is to be asked: set THEREAFTER_SHOPIFY_URL, THEREAFTER_WOOCOMMERCE_URL, "
            "THEREAFTER_STRIPE_API_KEY or THEREAFTER_MAILER"
        )
    async with door(settings) as (client, ledger):
        handle = await reconcile_now(client, passes, first, _say_that_it_waits)
        described = await handle.describe()
        async with _watched(ledger, described.run_id, len(passes), as_json):
            end = await handle.result()
        _show(await _found(client, ledger, end.passes, most), as_json)
    return 1 if any(each.problem for each in end.passes) else 0


def _say_that_it_waits() -> None:
    say("another reconciliation is under way; the one from --since begins when it has ended", "yellow")


@asynccontextmanager
async def _watched(ledger: Ledger, run_id: str, passes: int, quiet: bool) -> AsyncIterator[None]:
    """A bar for each pass while it is under way; on standard error, as all that is no answer."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as progress:
        whole = progress.add_task("passes", total=passes)
        watching = asyncio.create_task(_watch(ledger, run_id, progress, whole))
        try:
            yield
        finally:
            watching.cancel()


async def _watch(ledger: Ledger, run_id: str, progress: Progress, whole: Any) -> None:
    bars: dict[str, Any] = {}
    while True:
        rows = await ledger.last_passes(100, token=run_id)
        for row in reversed(rows):
            bar = bars.setdefault(row.name, None) or progress.add_task(row.name)
            bars[row.name] = bar
            total = row.seen if row.ended_at else row.expected
            progress.update(bar, completed=row.seen, total=total, description=_doing(row))
        progress.update(whole, completed=sum(row.ended_at is not None for row in rows))
        await asyncio.sleep(LOOK_EVERY)


def _doing(row: Pass) -> str:
    return f"{row.name}, {row.filled} filled" + (f", {row.problem}" if row.problem else "")


async def _found(
    client: Client | None, ledger: Ledger, reports: tuple[PassReport, ...] | None, most: int
) -> tuple[Reconciled, list[Pass]]:
    rows = await ledger.last_passes(most)
    next_at, paused = await next_reconciliation(client) if client else (None, False)
    found = Reconciled(
        passes=reports if reports is not None else tuple(row.report() for row in rows),
        warnings=await ledger.reconcile_warnings(),
        next_at=next_at,
        paused=paused,
    )
    return found, rows


def _show(told: tuple[Reconciled, list[Pass]], as_json: bool) -> None:
    found, rows = told
    show(found, as_json, passes_view(rows, found))


def passes_view(rows: list[Pass], found: Reconciled) -> RenderableType:
    """The last passes in 80 columns, then what a person should look at."""
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title="Last passes")
    for column in ("began (UTC)", "asked", "took", "seen", "filled", "unread"):
        right = column in ("took", "seen", "filled", "unread")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    table.add_column("result", overflow="fold", ratio=1)
    for row in rows:
        counts = (str(row.seen), str(row.filled), str(row.unread))
        table.add_row(f"{row.began_at:%m-%d %H:%M:%S}", row.name, _took(row), *counts, _result(row))
    lines = [Text(f"! {warning}", style="yellow") for warning in found.warnings]
    return Group(table if rows else Text("no pass yet"), *lines, Text(_next(found)))


def _took(row: Pass) -> str:
    return f"{(row.ended_at - row.began_at).total_seconds():.1f}s" if row.ended_at else "-"


def _result(row: Pass) -> Text:
    if row.problem:
        return Text(row.problem, style="red")
    if row.ended_at is None:
        return Text("under way", style="blue")
    return Text("warns", style="yellow") if row.warnings else Text("fine", style="green")


def _next(found: Reconciled) -> str:
    if found.paused:
        return "The schedule is paused in Temporal."
    if found.next_at is None:
        return "No schedule: a worker makes it when it starts, if there is somebody to ask."
    return f"Asked again at {found.next_at:%Y-%m-%d %H:%M} UTC."
