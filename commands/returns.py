"""Ask for returns and claims, and act on them."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from temporalio.client import Client

from commands import papers
from commands.return_screen import decision_view, needs, return_view, returns_view
from commands.terminal import AsJson, OrderId, door, opened_ledger, run, show, valid
from journey.contract import StepRequest
from journey.facts import CarrierStatus, LineQuantity, Model
from journey.return_case import ReturnStatus
from journey.return_contract import (
    CancelRequest,
    CaseKind,
    Condition,
    Cure,
    CureRequest,
    DecisionRequest,
    ReturnRequest,
)
from journey.return_policy import Settlement, Way
from ledger.returns import ReturnRow
from runtime.acting import Wish, acted, looked_at
from runtime.asking import ask
from runtime.inputs import InputError, parse_json, read_text
from runtime.playbooks import load_playbook
from runtime.returns import UnknownReturn, report_return_fact, return_status
from runtime.settings import read_settings

ReturnId = Annotated[str, typer.Argument(help="The return's id, such as r1.")]
Lines = Annotated[list[str] | None, typer.Option("--line", help="LINE=QUANTITY; may be repeated.")]
By = Annotated[str, typer.Option(help="Who says so.")]
LetterKey = Annotated[str, typer.Argument(help="As `sends` shows it, such as return_refunded/r1.")]
Reason = Annotated[str, typer.Option(help="A word such as asked_by_phone; it stays in the history.")]

app = typer.Typer(no_args_is_help=True, help="Ask for returns and claims, and act on them.")


class ReturnList(Model):
    """Returns, the oldest first."""

    returns: tuple[ReturnRow, ...]


@app.command()
def request(  # noqa: PLR0913, PLR0917
    order_id: OrderId,
    line: Lines = None,
    reason: Annotated[str | None, typer.Option(help="One of the policy's reasons.")] = None,
    kind: CaseKind = CaseKind.RETURN,
    way: Way | None = None,
    settlement: Settlement = Settlement.REFUND,
    evidence: Annotated[str | None, typer.Option(help="Points to a photo.")] = None,
    exchange_for: Annotated[
        Path | None, typer.Option(help="A file with the lines wanted instead, as in an order.")
    ] = None,
    words: Annotated[str | None, typer.Option(help="The customer's own; they stay in the ledger.")] = None,
    request_id: Annotated[str | None, typer.Option(help="The same id gets the same answer.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask for a return or a claim; without --line, for all that is left."""
    fields = {"reason": reason, "kind": kind, "way": way, "settlement": settlement, "evidence": evidence}
    asked = {**fields, "lines": _lines(line), "request_id": request_id}

    def wanted() -> dict[str, Any]:
        return {**asked, "exchange_for": _wanted_lines(exchange_for)} if exchange_for else asked

    ask_for(order_id, wanted, as_json, words)


@app.command()
def status(order_id: OrderId, return_id: ReturnId = "r1", as_json: AsJson = False) -> None:
    """How far a return is, what it waits for, and when it goes on by itself."""

    async def command() -> None:
        settings = read_settings()
        async with door(settings) as (client, ledger):
            book = load_playbook(settings.playbook)
            found = await looked_at(client, ledger, book, (order_id, return_id))
            words = (await ledger.words_about(order_id)).get(return_id)
        show(found, as_json, return_view(found, words))

    run(command())


@app.command("list")
def list_returns(
    order_id: Annotated[str | None, typer.Argument(help="By default those of all orders.")] = None,
    attention: Annotated[bool, typer.Option(help="Only those that wait for a person.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """The returns as they were last written down: by default those that are open."""

    async def command() -> None:
        async with opened_ledger() as ledger:
            rows = await (ledger.returns_of(order_id) if order_id else ledger.returns())
        found = [row for row in rows if _is_wanted(row, attention, everything or bool(order_id))]
        show(ReturnList(returns=tuple(found)), as_json, returns_view(found))

    run(command())


@app.command()
def decide(
    order_id: OrderId,
    by: By,
    return_id: ReturnId = "r1",
    approve: Annotated[bool | None, typer.Option("--approve/--refuse")] = None,
    as_json: AsJson = False,
) -> None:
    """Approve or refuse a return that waits for a person."""
    if approve is None:
        raise typer.BadParameter("say --approve or --refuse")
    said = {"approve": approve, "by": by}
    _update((order_id, return_id), "decide_return", DecisionRequest, said, as_json)


@app.command()
def cancel(
    order_id: OrderId, return_id: ReturnId = "r1", by: By = "customer", as_json: AsJson = False
) -> None:
    """Call a return off."""
    _update((order_id, return_id), "cancel_return", CancelRequest, {"by": by}, as_json)


@app.command()
def cure(order_id: OrderId, how: Cure, by: By, return_id: ReturnId = "r1", as_json: AsJson = False) -> None:
    """Do something about a refund that failed."""
    said = {"how": how, "by": by}
    _update((order_id, return_id), "cure_refund", CureRequest, said, as_json)


@app.command()
def scan(
    order_id: OrderId,
    return_id: ReturnId = "r1",
    status: CarrierStatus = CarrierStatus.IN_TRANSIT,
    as_json: AsJson = False,
) -> None:
    """The carrier saw the parcel that comes back."""
    _tell((order_id, return_id), "return_moved", {"status": str(status)}, as_json)


@app.command()
def receive(
    order_id: OrderId,
    return_id: ReturnId = "r1",
    line: Lines = None,
    condition: Condition = Condition.GOOD,
    as_json: AsJson = False,
) -> None:
    """Goods arrived; without --line, all of them."""
    lines = [{**part.model_dump(), "condition": str(condition)} for part in _lines(line)]
    _tell((order_id, return_id), "return_received", {"lines": lines}, as_json)


@app.command()
def inspect(
    order_id: OrderId, return_id: ReturnId = "r1", line: Lines = None, as_json: AsJson = False
) -> None:
    """Accept what arrived; without --line, all that was good."""
    accepted = {"accepted": [part.model_dump() for part in _lines(line)]} if line else {}
    _tell((order_id, return_id), "return_inspected", accepted, as_json)


@app.command()
def paid(order_id: OrderId, return_id: ReturnId = "r1", as_json: AsJson = False) -> None:
    """The customer paid what a dearer exchange costs more."""
    _tell((order_id, return_id), "difference_paid", {}, as_json)


@app.command()
def retry(order_id: OrderId, key: LetterKey, as_json: AsJson = False) -> None:
    """Try a parked letter of a return again."""
    _update((order_id, _return_of(key)), "retry_step", StepRequest, {"key": key}, as_json)


@app.command()
def skip(
    order_id: OrderId, key: LetterKey, reason: Reason = "operator_decision", as_json: AsJson = False
) -> None:
    """Leave out a letter of a return that is parked or still ahead."""
    said = {"key": key, "reason": reason}
    _update((order_id, _return_of(key)), "skip_step", StepRequest, said, as_json)


app.add_typer(papers.app)


def _return_of(key: str) -> str:
    letter, _, return_id = key.partition("/")
    if not letter or not return_id:
        raise typer.BadParameter("key: should name a letter and its return, such as return_refunded/r1")
    return return_id


def _is_wanted(row: ReturnRow, attention: bool, closed_too: bool) -> bool:
    return bool(needs(row)) if attention else closed_too or row.closed_at is None


def _wanted_lines(file: Path) -> Any:
    """The lines of an exchange. Raises `InputError`."""
    try:
        return parse_json(read_text(file))
    except ValueError as error:
        raise InputError(f"{file}: {error}") from None


def ask_for(
    order_id: str,
    asked: Callable[[], dict[str, Any]],
    as_json: bool,
    words: str | None = None,
) -> None:
    async def command() -> None:
        settings = read_settings()
        request = valid(ReturnRequest, asked())
        async with door(settings) as (client, ledger):
            book = load_playbook(settings.playbook)
            decision = await ask(client, ledger, order_id, request, book, words)
            payment = await ledger.payment(order_id)
        show(decision, as_json, decision_view(decision, payment.currency if payment else None))

    run(command())


def _update(
    which: tuple[str, str],
    name: str,
    model: type[Wish],
    said: dict[str, Any],
    as_json: bool,
) -> None:
    async def command() -> None:
        request, settings = valid(model, said), read_settings()
        async with door(settings) as (client, ledger):
            found = await acted(client, ledger, load_playbook(settings.playbook), which, name, request)
        show(found, as_json, return_view(found))

    run(command())


def _tell(which: tuple[str, str], kind: str, said: dict[str, Any], as_json: bool) -> None:
    async def command() -> None:
        now = datetime.now(UTC)
        fact = {"fact_id": f"cli:{secrets.token_hex(8)}", "at": now.isoformat(), "source": "cli", **said}
        settings = read_settings()
        async with door(settings) as (client, ledger):
            before = await looked_at(client, ledger, load_playbook(settings.playbook), which)
            if before.case.closed_at is not None:
                raise UnknownReturn(f"order {which[0]} has no open return {which[1]}")
            await report_return_fact(client, *which, kind, fact)
            found = await _gone_on(client, which, before)
        show(found, as_json, return_view(found))

    run(command())


async def _gone_on(client: Client, which: tuple[str, str], before: ReturnStatus) -> ReturnStatus:
    """The status once the return waits for something else, or after a moment in which it did not."""
    for _ in range(20):
        found = await return_status(client, *which)
        if found.waits_for != before.waits_for:
            break
        await asyncio.sleep(0.1)
    return found


def _lines(texts: list[str] | None) -> tuple[LineQuantity, ...]:
    parts = []
    for text in texts or []:
        line_id, _, quantity = text.rpartition("=")
        if not line_id or not quantity.isdigit():
            raise typer.BadParameter("--line: should be LINE=QUANTITY such as l1=2")
        parts.append(valid(LineQuantity, {"line_id": line_id, "quantity": int(quantity)}))
    return tuple(parts)
