"""What came in and could not go on, and sending it on its way again."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.table import Table

from commands.tables import put, table
from commands.terminal import opened_ledger, run
from journey.names import OpaqueId
from ledger.inbox import InboxRow, InboxState
from runtime.inputs import InputError
from runtime.settings import read_settings
from service.sources.all import read_again, sources_of

AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON for each event, for machines.")]

_ID: TypeAdapter[str] = TypeAdapter(OpaqueId)
MOST_WORDS = 200

app = typer.Typer(help="What came in through the doors, and what became of it.", no_args_is_help=True)


@app.command("list")
def list_rows(
    state: Annotated[InboxState | None, typer.Option(help="Only these.")] = InboxState.PARKED,
    most: Annotated[int, typer.Option(help="At most so many, the newest first.", min=1)] = 50,
    everything: Annotated[bool, typer.Option("--all", help="In whatever state.")] = False,
    as_json: AsJson = False,
) -> None:
    """List events: by default those that are parked, with the reason."""
    run(_list(None if everything else state, most, as_json))


@app.command()
def replay(
    numbers: Annotated[list[int] | None, typer.Argument(help="As the list shows them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are parked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send parked events on their way again; what could not be read is read again first."""
    if not numbers and not everything:
        raise typer.BadParameter("name the events by their numbers, or say --all")
    run(_replay(None if everything else numbers, as_json))


@app.command()
def close(
    numbers: Annotated[list[int], typer.Argument(help="As the list shows them.")],
    reason: Annotated[str, typer.Option(help="Why it needs no effect, in a few words without names.")],
    by: Annotated[str, typer.Option(help="Who says so.")],
    as_json: AsJson = False,
) -> None:
    """End parked events without an effect. Who, when and why is kept; the body of what could not be read is
    dropped."""
    run(_close(numbers, by, reason, as_json))


def _opaque(by: str) -> str:
    try:
        return _ID.validate_python(by)
    except ValidationError:
        raise InputError("--by: should be an opaque id such as op_mia") from None


def _words(reason: str) -> str:
    text = reason.strip()
    if not text or len(text) > MOST_WORDS or "@" in text or not text.isprintable():
        raise InputError(f"--reason: should be one line of at most {MOST_WORDS} letters, without an address")
    return text


async def _list(state: InboxState | None, most: int, as_json: bool) -> int:
    async with opened_ledger() as ledger:
        rows = await ledger.inbox_rows(state, most=most)
        counts = await ledger.count_inbox()
    if as_json:
        for row in rows:
            print(row.model_dump_json(exclude={"raw", "deeds"}))  # noqa: T201
    else:
        put(_table(rows), f"in all: {counts or 'nothing has come in'}")
    return 0


def _table(rows: list[InboxRow]) -> Table:
    names = ("number", "source", "topic", "order", "state", "received", "reason")
    listing = table(*names, whole=("number", "order", "state"))
    for row in rows:
        about = row.order_id or row.tracking_number or ""
        received = f"{row.received_at:%Y-%m-%d %H:%M:%S}"
        listing.add_row(str(row.number), row.source, row.topic, about, row.state, received, row.reason)
    return listing


async def _close(numbers: list[int], by: str, why: str, as_json: bool) -> int:
    words = (_opaque(by), _words(why))
    async with opened_ledger() as ledger:
        closed = await ledger.close_inbox(numbers, *words, datetime.now(UTC))
    missed = sorted(set(numbers) - set(closed))
    if as_json:
        print(json.dumps({"closed": closed, "not_parked": missed}))  # noqa: T201
    else:
        put(f"closed: {closed or 'none'}", f"not parked: {missed}" if missed else "")
    return 1 if missed else 0


async def _replay(numbers: list[int] | None, as_json: bool) -> int:
    now, settings = datetime.now(UTC), read_settings()
    sources, tests = sources_of(settings), settings.shopify_test_orders
    async with opened_ledger() as ledger:
        reasons: dict[int, str] = {}
        states: dict[int, InboxState] = {}
        wanted = await ledger.inbox_rows(InboxState.PARKED, most=10_000)
        sent = await ledger.replay_inbox(numbers, now)
        for row in wanted:
            if row.raw is not None and (numbers is None or row.number in numbers):
                # Reading is work for the processor; other rows of the ledger may go on meanwhile.
                again = await asyncio.to_thread(read_again, row, sources)
                again = await ledger.named(again if tests else again.unless_test())
                reasons[row.number] = again.problem
                sent += [row.number] if await ledger.reread_inbox(row.number, again, now) else []
        missed = sorted(set(reasons if numbers is None else numbers) - set(sent))
        if missed:
            states = {row.number: row.state for row in await ledger.inbox_rows(None, most=10_000)}
    why = {number: reasons.get(number) or _why_not(states.get(number)) for number in missed}
    if as_json:
        told = {"replayed": sorted(sent), "not_replayed": missed, "why": why}
        print(json.dumps(told))  # noqa: T201
    else:
        put(f"replayed: {sorted(sent) or 'none'}")
        for number, reason in why.items():
            put(f"not replayed: {number}: {reason}")
    return 1 if missed else 0


def _why_not(state: InboxState | None) -> str:
    return f"it is {state}, and only what is parked can be replayed" if state else "no event has this number"
