"""The commands around letters: what became of each, and what customers chose."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import Field, ValidationError
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from commands.tables import is_narrow, table
from commands.terminal import AsJson, opened_ledger, run, show
from journey.facts import Model, problems
from journey.playbook import MessageClass
from ledger import Ledger
from ledger.permissions import Consent, Suppression, SuppressionReason
from ledger.sends import Send, SendState
from runtime.inputs import InputError

CustomerId = Annotated[str, typer.Argument(help="The customer's id.")]
Class = Annotated[MessageClass, typer.Option("--class", help="The class of letters.")]

app = typer.Typer()

OUTBOX = "outbox"
"""The provider that is none: what it has taken lies in the ledger."""

_COLOURS = {
    SendState.DELIVERED: "green",
    SendState.ACCEPTED: "green",
    SendState.UNKNOWN: "yellow",
    SendState.SUPPRESSED: "yellow",
    SendState.BOUNCED: "red",
    SendState.DROPPED: "red",
    SendState.COMPLAINED: "red",
    SendState.PARKED: "red",
}


class SendList(Model):
    """The sends that were asked for, the oldest first."""

    sends: tuple[Send, ...]


class Choices(Model):
    """What a customer chose, and what they get no more."""

    customer_id: str
    said: tuple[Consent, ...] = Field(description="Every yes and no; the latest of a class counts.")
    suppressions: tuple[Suppression, ...]


@app.command()
def sends(
    customer: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    order: Annotated[str | None, typer.Option(help="Only this order's.")] = None,
    state: Annotated[SendState | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many, the newest.", min=1, max=100_000)] = 1_000,
    as_json: AsJson = False,
) -> None:
    """What became of each letter: planned, claimed, accepted, delivered, unknown, parked, and why."""

    async def command() -> None:
        async with opened_ledger() as ledger:
            found = await ledger.list_sends(customer_id=customer, order_id=order, state=state, limit=limit)
        show(SendList(sends=tuple(found)), as_json, _sends_view(found))

    run(command())


@app.command()
def consent(
    customer: CustomerId, message_class: Class = MessageClass.MARKETING, as_json: AsJson = False
) -> None:
    """The customer told you that they want these letters."""
    run(_said(customer, message_class, True, as_json))


@app.command()
def optout(
    customer: CustomerId, message_class: Class = MessageClass.MARKETING, as_json: AsJson = False
) -> None:
    """The customer told you that they want no more of these letters."""
    run(_said(customer, message_class, False, as_json))


@app.command()
def choices(customer: CustomerId, as_json: AsJson = False) -> None:
    """What a customer chose, when and where, and why they get letters no more."""

    async def command() -> None:
        async with opened_ledger() as ledger:
            await _show_choices(ledger, customer, as_json)

    run(command())


@app.command()
def suppress(customer: CustomerId, as_json: AsJson = False) -> None:
    """Write to a customer no more at all, not even about their orders."""

    async def command() -> None:
        async with opened_ledger() as ledger:
            at = datetime.now(UTC)
            await ledger.suppress(_known(customer), SuppressionReason.MANUAL, "operator", at)
            await _show_choices(ledger, customer, as_json)

    run(command())


@app.command()
def unsuppress(
    customer: CustomerId,
    reason: Annotated[SuppressionReason, typer.Option(help="The reason that is gone.")],
    as_json: AsJson = False,
) -> None:
    """The reason for which a customer was not written to is gone: a mailbox is mended."""

    async def command() -> None:
        async with opened_ledger() as ledger:
            await ledger.lift(customer, reason)
            await _show_choices(ledger, customer, as_json)

    run(command())


async def _said(customer: str, message_class: MessageClass, granted: bool, as_json: bool) -> None:
    if message_class is MessageClass.TRANSACTIONAL:
        raise InputError("--class: transactional letters are part of an order; use `suppress` to end them")
    word = Consent(
        customer_id=_known(customer),
        message_class=message_class,
        granted=granted,
        at=datetime.now(UTC),
        source="operator",
    )
    async with opened_ledger() as ledger:
        await ledger.keep_consent(word)
        await _show_choices(ledger, customer, as_json)


def _known(customer: str) -> str:
    """The id, if it may be one: a typing error should not be kept as somebody's choice."""
    try:
        now = datetime.now(UTC)
        Consent(
            customer_id=customer, message_class=MessageClass.CARE, granted=False, at=now, source="operator"
        )
    except ValidationError as error:
        raise InputError(problems(error)) from None
    return customer


async def _show_choices(ledger: Ledger, customer: str, as_json: bool) -> None:
    found = Choices(
        customer_id=customer,
        said=tuple(await ledger.consents_of(customer)),
        suppressions=tuple(await ledger.suppressions_of(customer)),
    )
    show(found, as_json, _choices_view(found))


def _sends_view(found: list[Send]) -> RenderableType:
    names = ("since (UTC)", "order", "step", "state", "tries", "class", "why")
    narrow = is_narrow()
    shown = [name for name in names if not (narrow and name in ("class", "tries"))]
    rows = table(*shown, whole=("since (UTC)", "order", "step", "state"))
    for send in found:
        moment = send.told_at or send.ended_at or send.claimed_at or send.created_at
        tries = f"{send.attempts}, resent {send.resent}" if send.resent else str(send.attempts)
        state = Text(send.state, style=_COLOURS.get(send.state, ""))
        why = send.reason
        if send.state is SendState.ACCEPTED and send.provider == OUTBOX:
            state, why = Text("kept", style="yellow"), why or "in the outbox; it went to nobody"
        if send.state is SendState.PLANNED and send.not_before:
            why = f"{why}, until {send.not_before:%Y-%m-%d %H:%M}"
        at = f"{moment:%Y-%m-%d %H:%M}"
        more = () if narrow else (tries, send.message_class)
        rows.add_row(at, send.order_id, send.key, state, *more, Text(why))
    return rows if found else Text("no such letters")


def _choices_view(found: Choices) -> RenderableType:
    table = Table("when (UTC)", "class", "what", "where", box=None, pad_edge=False)
    for said in found.said:
        word = Text("yes", style="green") if said.granted else Text("no", style="yellow")
        table.add_row(f"{said.at:%Y-%m-%d %H:%M}", said.message_class, word, said.source)
    for row in found.suppressions:
        word = Text(row.reason.replace("_", " "), style="red")
        table.add_row(f"{row.at:%Y-%m-%d %H:%M}", row.message_class, word, row.source)
    return table if table.row_count else Text(f"{found.customer_id} never said anything")
