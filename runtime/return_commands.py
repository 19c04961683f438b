"""The command line's part about returns and refunds: `starter.py return ...`, `refund`, `refunds`."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, Field, ValidationError
from temporalio.client import Client

from journey.contract import StepRequest
from journey.facts import CarrierStatus, LineQuantity, Model, problems
from journey.refunds import RefundState
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
from ledger import Ledger
from ledger.payments import Refund
from ledger.returns import ReturnRow
from runtime.asking import ask
from runtime.inputs import InputError, parse_json, read_text
from runtime.playbooks import load_playbook
from runtime.return_screen import (
    decision_view,
    needs,
    papers_view,
    refunds_view,
    return_view,
    returns_view,
)
from runtime.returns import report_return_fact, return_status, update_return
from runtime.settings import Settings

OrderId = Annotated[str, typer.Argument(help="The order's id.")]
ReturnId = Annotated[str, typer.Argument(help="The return's id, such as r1.")]
AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON, for machines.")]
Lines = Annotated[list[str] | None, typer.Option("--line", help="LINE=QUANTITY; may be repeated.")]
By = Annotated[str, typer.Option(help="Who says so.")]
LetterKey = Annotated[str, typer.Argument(help="As `sends` shows it, such as return_refunded/r1.")]
Reason = Annotated[str, typer.Option(help="A word such as asked_by_phone; it stays in the history.")]
M = TypeVar("M", bound=BaseModel)
Door = tuple[Client, Ledger]


@dataclass(frozen=True)
class Counter:
    """What the commands stand on: how one is run, shown, and gets at Temporal and the ledger."""

    run: Callable[[Coroutine[Any, Any, int | None]], None]
    show: Callable[[BaseModel, bool, Any], None]
    door: Callable[[Settings], AbstractAsyncContextManager[Door]]
    settings: Callable[[], Settings]
    make_insert: Callable[[str, Settings, tuple[str, ...], str | None], bytes]


class ReturnList(Model):
    """Returns, the oldest first."""

    returns: tuple[ReturnRow, ...]


class RefundList(Model):
    """Refunds, the oldest first."""

    refunds: tuple[Refund, ...]


class PaperList(Model):
    """Papers that were written to files."""

    files: tuple[str, ...] = Field(default=())


def add_return_commands(app: typer.Typer, counter: Counter) -> None:
    """Register everything with the command line."""
    returns = typer.Typer(no_args_is_help=True, help="Ask for returns and claims, and act on them.")
    _add_asking(returns, counter)
    _add_handling(returns, counter)
    _add_mending(returns, counter)
    _add_papers(returns, counter)
    app.add_typer(returns, name="return")
    _add_refunds(app, counter)


def _add_asking(app: typer.Typer, counter: Counter) -> None:
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
        words: Annotated[
            str | None, typer.Option(help="The customer's own; they stay in the ledger.")
        ] = None,
        request_id: Annotated[str | None, typer.Option(help="The same id gets the same answer.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Ask for a return or a claim; without --line, for all that is left."""
        fields = {"reason": reason, "kind": kind, "way": way, "settlement": settlement, "evidence": evidence}
        asked = {**fields, "lines": _lines(line), "request_id": request_id}

        def wanted() -> dict[str, Any]:
            return {**asked, "exchange_for": _wanted_lines(exchange_for)} if exchange_for else asked

        _ask(counter, order_id, wanted, as_json, words)

    @app.command()
    def status(order_id: OrderId, return_id: ReturnId = "r1", as_json: AsJson = False) -> None:
        """How far a return is, what it waits for, and when it goes on by itself."""

        async def command() -> None:
            async with counter.door(counter.settings()) as (client, ledger):
                found = await return_status(client, order_id, return_id)
                words = (await ledger.words_about(order_id)).get(return_id)
            counter.show(found, as_json, return_view(found, words))

        counter.run(command())

    @app.command("list")
    def list_returns(
        order_id: Annotated[str | None, typer.Argument(help="By default those of all orders.")] = None,
        attention: Annotated[bool, typer.Option(help="Only those that wait for a person.")] = False,
        everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """The returns as they were last written down: by default those that are open."""

        async def command() -> None:
            async with _ledger(counter) as ledger:
                rows = await (ledger.returns_of(order_id) if order_id else ledger.returns())
            found = [row for row in rows if _is_wanted(row, attention, everything or bool(order_id))]
            counter.show(ReturnList(returns=tuple(found)), as_json, returns_view(found))

        counter.run(command())


def _add_handling(app: typer.Typer, counter: Counter) -> None:
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
        _update(counter, (order_id, return_id), "decide_return", DecisionRequest, said, as_json)

    @app.command()
    def cancel(
        order_id: OrderId, return_id: ReturnId = "r1", by: By = "customer", as_json: AsJson = False
    ) -> None:
        """Call a return off."""
        _update(counter, (order_id, return_id), "cancel_return", CancelRequest, {"by": by}, as_json)

    @app.command()
    def cure(
        order_id: OrderId, how: Cure, by: By, return_id: ReturnId = "r1", as_json: AsJson = False
    ) -> None:
        """Do something about a refund that failed."""
        said = {"how": how, "by": by}
        _update(counter, (order_id, return_id), "cure_refund", CureRequest, said, as_json)

    @app.command()
    def scan(
        order_id: OrderId,
        return_id: ReturnId = "r1",
        status: CarrierStatus = CarrierStatus.IN_TRANSIT,
        as_json: AsJson = False,
    ) -> None:
        """The carrier saw the parcel that comes back."""
        _tell(counter, (order_id, return_id), "return_moved", {"status": str(status)}, as_json)

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
        _tell(counter, (order_id, return_id), "return_received", {"lines": lines}, as_json)

    @app.command()
    def inspect(
        order_id: OrderId, return_id: ReturnId = "r1", line: Lines = None, as_json: AsJson = False
    ) -> None:
        """Accept what arrived; without --line, all that was good."""
        accepted = {"accepted": [part.model_dump() for part in _lines(line)]} if line else {}
        _tell(counter, (order_id, return_id), "return_inspected", accepted, as_json)

    @app.command()
    def paid(order_id: OrderId, return_id: ReturnId = "r1", as_json: AsJson = False) -> None:
        """The customer paid what a dearer exchange costs more."""
        _tell(counter, (order_id, return_id), "difference_paid", {}, as_json)


def _add_mending(app: typer.Typer, counter: Counter) -> None:
    @app.command()
    def retry(order_id: OrderId, key: LetterKey, as_json: AsJson = False) -> None:
        """Try a parked letter of a return again."""
        _update(counter, (order_id, _return_of(key)), "retry_step", StepRequest, {"key": key}, as_json)

    @app.command()
    def skip(
        order_id: OrderId, key: LetterKey, reason: Reason = "operator_decision", as_json: AsJson = False
    ) -> None:
        """Leave out a letter of a return that is parked or still ahead."""
        said = {"key": key, "reason": reason}
        _update(counter, (order_id, _return_of(key)), "skip_step", StepRequest, said, as_json)


def _return_of(key: str) -> str:
    letter, _, return_id = key.partition("/")
    if not letter or not return_id:
        raise typer.BadParameter("key: should name a letter and its return, such as return_refunded/r1")
    return return_id


def _add_papers(app: typer.Typer, counter: Counter) -> None:
    @app.command()
    def papers(order_id: OrderId, to: Path = Path(), as_json: AsJson = False) -> None:
        """Write the labels and codes of an order's returns to files."""

        async def command() -> None:
            async with counter.door(counter.settings()) as (_, ledger):
                found = await ledger.papers_of(order_id)
            written = []
            for paper in found:
                stem = f"{order_id}-{paper.key.replace('/', '-')}"
                parts = {f"{stem}.pdf": paper.content, f"{stem}.png": paper.code}
                written += [_write(to / name, data) for name, data in parts.items() if data]
            counter.show(PaperList(files=tuple(written)), as_json, papers_view(written))

        counter.run(command())

    @app.command()
    def insert(
        order_id: OrderId,
        to: Annotated[Path, typer.Option(help="The PDF to write.")],
        how_to: Annotated[list[str] | None, typer.Option(help="A sentence; may be repeated.")] = None,
        gift_note: Annotated[str | None, typer.Option(help="From the giver.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Make the packer's sheet: how to use it, a gift note, and the code to send it back."""

        async def command() -> None:
            pdf = counter.make_insert(order_id, counter.settings(), tuple(how_to or ()), gift_note)
            files = (_write(to, pdf),)
            counter.show(PaperList(files=files), as_json, papers_view(list(files)))

        counter.run(command())


def _add_refunds(app: typer.Typer, counter: Counter) -> None:
    @app.command()
    def refund(  # noqa: PLR0913, PLR0917
        order_id: OrderId,
        amount: Annotated[int, typer.Argument(help="In minor units.")],
        by: By,
        goodwill: Annotated[bool, typer.Option(help="Nothing was wrong with the goods.")] = False,
        credit: Annotated[bool, typer.Option(help="As store credit.")] = False,
        request_id: Annotated[str | None, typer.Option(help="The same id gets the same answer.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Give money back; above the policy's limit another person has to approve (`return decide`)."""
        kind = CaseKind.GOODWILL if goodwill else CaseKind.REFUND
        settlement = Settlement.CREDIT if credit else Settlement.REFUND
        asked = {"kind": kind, "amount": amount, "settlement": settlement, "by": by}
        _ask(counter, order_id, lambda: {**asked, "request_id": request_id}, as_json)

    @app.command()
    def refunds(
        order: Annotated[str | None, typer.Option(help="Only this order's.")] = None,
        state: RefundState | None = None,
        as_json: AsJson = False,
    ) -> None:
        """All refunds, or those of an order or in a state: parked and failed ones wait for a person."""

        async def command() -> None:
            async with _ledger(counter) as ledger:
                found = await (ledger.refunds_of(order) if order else ledger.refunds())
            found = [each for each in found if state in (None, each.state)]
            counter.show(RefundList(refunds=tuple(found)), as_json, refunds_view(found))

        counter.run(command())


@asynccontextmanager
async def _ledger(counter: Counter) -> AsyncIterator[Ledger]:
    ledger = await Ledger.open(counter.settings().ledger())
    try:
        yield ledger
    finally:
        await ledger.close()


def _is_wanted(row: ReturnRow, attention: bool, closed_too: bool) -> bool:
    return bool(needs(row)) if attention else closed_too or row.closed_at is None


def _wanted_lines(file: Path) -> Any:
    """The lines of an exchange. Raises `InputError`."""
    try:
        return parse_json(read_text(file))
    except ValueError as error:
        raise InputError(f"{file}: {error}") from None


def _ask(
    counter: Counter,
    order_id: str,
    asked: Callable[[], dict[str, Any]],
    as_json: bool,
    words: str | None = None,
) -> None:
    async def command() -> None:
        settings = counter.settings()
        request = _valid(ReturnRequest, asked())
        async with counter.door(settings) as (client, ledger):
            book = load_playbook(settings.playbook)
            decision = await ask(client, ledger, order_id, request, book, words)
            payment = await ledger.payment(order_id)
        counter.show(decision, as_json, decision_view(decision, payment.currency if payment else None))

    counter.run(command())


def _update(  # noqa: PLR0913, PLR0917
    counter: Counter,
    which: tuple[str, str],
    name: str,
    model: type[Model],
    said: dict[str, Any],
    as_json: bool,
) -> None:
    async def command() -> None:
        request = _valid(model, said)
        async with counter.door(counter.settings()) as (client, _):
            found = await update_return(client, *which, name, request)
        counter.show(found, as_json, return_view(found))

    counter.run(command())


def _tell(counter: Counter, which: tuple[str, str], kind: str, said: dict[str, Any], as_json: bool) -> None:
    async def command() -> None:
        now = datetime.now(UTC)
        fact = {"fact_id": f"cli:{secrets.token_hex(8)}", "at": now.isoformat(), "source": "cli", **said}
        async with counter.door(counter.settings()) as (client, _):
            before = await return_status(client, *which)
            await report_return_fact(client, *which, kind, fact)
            found = await _gone_on(client, which, before)
        counter.show(found, as_json, return_view(found))

    counter.run(command())


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
        parts.append(_valid(LineQuantity, {"line_id": line_id, "quantity": int(quantity)}))
    return tuple(parts)


def _valid(model: type[M], values: dict[str, Any]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(problems(error)) from None


def _write(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)
