"""What is known of customers, forgetting them, and the receipts."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from commands.tables import put, table
from commands.terminal import Failure, door, opened_ledger, run, say, valid
from journey.facts import Model
from journey.names import Code, OpaqueId
from ledger.erasure import Busy, Erasure
from ledger.erasure_closing import NotToClose
from runtime.forgetting import forget as begin
from runtime.inputs import InputError

CustomerId = Annotated[str, typer.Argument(help="The customer's id.")]
AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON for each, for machines.")]
_ID: TypeAdapter[str] = TypeAdapter(OpaqueId)

app = typer.Typer(help="What is known of customers, and forgetting them.", no_args_is_help=True)


@app.command()
def export(
    customer_id: CustomerId,
    to: Annotated[Path | None, typer.Option(help="The file to write; only you may read it.")] = None,
) -> None:
    """Everything that is kept about a customer, as JSON, to hand over. Fulfils the wish for it, of this id;
    that nothing is kept is an answer, too."""
    run(_export(customer_id, to))


@app.command()
def forget(
    customer_id: CustomerId,
    anyway: Annotated[bool, typer.Option(help="Also an id under which nothing is kept here.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forget a customer: rows, letters, the mail provider, traces. Their journeys go on without them."""
    run(_forget(customer_id, anyway, as_json))


@app.command()
def erasures(
    customer_id: Annotated[str | None, typer.Argument(help="By default all of them.")] = None,
    unfinished: Annotated[bool, typer.Option(help="Only those that are not done.")] = False,
    as_json: AsJson = False,
) -> None:
    """The receipts: who was forgotten, how far it is, and what the mail provider was told."""
    run(_erasures(customer_id, unfinished, as_json))


@app.command("close-erasure")
def close_erasure(
    customer_id: CustomerId,
    by: Annotated[str, typer.Option(help="Who answers for it, by an id.")],
    reason: Annotated[str, typer.Option(help="A word such as provider_was_left; it stays in the receipt.")],
    as_json: AsJson = False,
) -> None:
    """Give up telling the mail provider, which never accepts it: the receipt says who, when, why, and what
    was not confirmed. Have it deleted there by hand first, if you can."""
    run(_close(customer_id, by, reason, as_json))


@app.command()
def scrub() -> None:
    """Write the ledger's tables anew, so that its files hold nothing of the forgotten. In a quiet hour: on
    PostgreSQL each table is locked meanwhile."""
    run(_scrub())


class _Word(Model):
    """Who closes, and why: an id and a code, since both stay."""

    by: OpaqueId
    reason: Code


def _valid(customer_id: str) -> str:
    try:
        return _ID.validate_python(customer_id)
    except ValidationError:
        raise InputError("customer_id: should be an opaque id, not an address") from None


async def _export(customer_id: str, to: Path | None) -> int:
    async with opened_ledger() as ledger:
        found = await ledger.export_customer(_valid(customer_id))
        text = json.dumps(found, default=_plain, ensure_ascii=False, indent=1)
        if to is None:
            print(text)  # noqa: T201
        else:
            _write(to, text)
        known = any(found.values())
        wishes = await ledger.handed_over(customer_id, datetime.now(UTC))
    if not known:
        say("nothing is kept about them", "yellow")
    if wishes:
        say(f"wishes for it in the inbox that are fulfilled: {wishes}")
    return 0 if known or wishes else 4


def _write(to: Path, text: str) -> None:
    """For the eyes of whoever asked for it alone."""
    try:
        to.touch(mode=0o600)
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{to}: cannot be written: {error.strerror}") from None


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, (datetime, date)) else str(value)


async def _forget(customer_id: str, anyway: bool, as_json: bool) -> None:
    async with door() as (client, ledger):
        if not anyway and not await ledger.knows_customer(_valid(customer_id)):
            raise Failure(4, f"nothing is kept here under {customer_id}; --anyway forgets it all the same")
        receipt = await begin(client, ledger, _valid(customer_id))
    _show([receipt], as_json)


async def _close(customer_id: str, by: str, reason: str, as_json: bool) -> int:
    said, now = valid(_Word, {"by": by, "reason": reason}), datetime.now(UTC)
    async with opened_ledger() as ledger:
        try:
            await ledger.close_erasure(_valid(customer_id), said.by, said.reason, now)
        except NotToClose as error:
            raise Failure(1, str(error)) from None
        try:
            await ledger.finish_erasure(customer_id, now)
        except Busy:
            say("closed; the traces are wiped as soon as nobody reads the ledger", "yellow")
        receipt = await ledger.erasure(customer_id)
    _show([receipt] if receipt else [], as_json)
    return 0


async def _erasures(customer_id: str | None, unfinished: bool, as_json: bool) -> None:
    async with opened_ledger() as ledger:
        found = await ledger.erasures()
    found = [each for each in found if customer_id in (None, each.customer_id)]
    _show([each for each in found if not (unfinished and each.done_at)], as_json)


async def _scrub() -> None:
    async with opened_ledger() as ledger:
        left = await ledger.scrub(datetime.now(UTC))
    for purpose in left:
        say(f"not allowed to this user of the database: {purpose}", "yellow")


def _show(found: list[Erasure], as_json: bool) -> None:
    if as_json:
        for each in found:
            print(each.model_dump_json())  # noqa: T201
        return
    names = ("customer", "asked (UTC)", "done", "scrubbed", "rows", "mail provider")
    listing = table(*names, whole=("customer",))
    for each in found:
        days = [f"{at:%Y-%m-%d %H:%M}" if at else "-" for at in (each.requested_at, each.done_at)]
        scrubbed = f"{each.scrubbed_at:%Y-%m-%d}" if each.scrubbed_at else "-"
        rows = str(sum(each.receipt.values()))
        listing.add_row(each.customer_id, *days, scrubbed, rows, _provider(each))
    put(listing if found else "nobody has been forgotten")


def _provider(each: Erasure) -> str:
    """What it answered last, and who gave it up."""
    given_up = [
        f"given up by {it.by} on {it.at:%Y-%m-%d} ({it.why}), {it.addresses} not confirmed"
        for it in each.closings
    ]
    return "; ".join([each.mailer or "-", *given_up])
