"""The command line: place orders, report facts, ask, rehearse, and see the whole thing run.

Exit codes: 0 done; 1 it ran, but not to the wished end; 2 wrong input; 3 nobody answers; 4 no such order;
70 a defect of ours.
"""

import asyncio
import json
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from signal import SIGINT
from typing import Annotated, Any

import typer
from pydantic import BaseModel, SecretStr, ValidationError
from rich.console import Console, Group
from rich.live import Live
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from journey.contract import JourneyStatus, StepRequest, describe
from journey.facts import KINDS, problems
from journey.record import begun
from ledger import Ledger
from ledger.database import LedgerError
from runtime import screen
from runtime.connection import Connection, configured_address, temporal
from runtime.customer_commands import customers_app
from runtime.demo import DAY_SECONDS, Clock, Demo, DemoReport, paced, read_examples
from runtime.embedded import NAMESPACE, known_server, running_server
from runtime.inbox_commands import inbox_app
from runtime.inputs import InputError, did_you_mean
from runtime.key_commands import keys_app
from runtime.letter_commands import Trial, try_letter, valid_address
from runtime.letter_commands import preview as write_preview
from runtime.letterbox import Letterbox
from runtime.logs import configure_logs, configure_telemetry
from runtime.orderfiles import read_fact_file, read_facts, read_order
from runtime.orders import UnknownOrder, order_status, place_order, report_fact, request_update
from runtime.playbooks import load_playbook
from runtime.rehearsal import rehearse as rehearse_order
from runtime.return_commands import Counter, add_return_commands
from runtime.returns import Refused, UnknownReturn
from runtime.send_commands import add_send_commands
from runtime.settings import LabelsName, MailerName, Settings, read_settings
from service.sources.all import read_again

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
screen_out = Console()
screen_err = Console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON, for machines.")]
PlaybookFile = Annotated[Path | None, typer.Option("--playbook", help="Another playbook than the default.")]
OrderId = Annotated[str, typer.Argument(help="The order's id.")]


_PRETENDED = {"mailer": MailerName.OUTBOX, "labels": LabelsName.DEMO, "stripe_api_key": None}
"""What a demo and a rehearsal change: no letter, no label and no money leaves this machine."""


class Failure(Exception):
    """Ends a command with a line for the user and an exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def run(command: Coroutine[Any, Any, int | None]) -> None:
    """Run a command; whatever goes wrong becomes one clear line and an exit code."""
    code, text = _ended(command)
    if text:
        screen_err.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def _log_file() -> Path:
    home = read_settings().home
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"THEREAFTER_HOME: {home} cannot be a folder: {error.strerror}") from None
    return home / "thereafter.log"


def _ended(command: Coroutine[Any, Any, int | None]) -> tuple[int, str]:
    try:
        configure_logs(_log_file())
        configure_telemetry()
        return asyncio.run(command) or 0, ""
    except Failure as failure:
        return failure.code, str(failure)
    except InputError as error:
        return 2, str(error)
    except UnknownOrder as error:
        return 4, f"no order {error} was placed here"
    except UnknownReturn as error:
        return 4, str(error)
    except Refused as error:
        return 1, str(error)
    except WorkflowUpdateFailedError as error:
        return 1, str(error.cause)
    except (ConnectionError, FileNotFoundError, LedgerError) as error:
        return 3, str(error)
    except RPCError as error:
        return 3, f"Temporal says: {error.message}"
    except KeyboardInterrupt:
        return 130, ""
    except Exception as error:
        logging.getLogger("thereafter").exception("a command broke")
        return 70, f"this should not happen: {type(error).__name__}; the log in THEREAFTER_HOME has more"


app.add_typer(inbox_app(run, read_again), name="inbox")
app.add_typer(keys_app(run), name="keys")


def show(model: BaseModel, as_json: bool, view: Any) -> None:
    """One line of JSON, or what people would rather look at."""
    if as_json:
        print(model.model_dump_json(exclude_none=True))  # noqa: T201
    else:
        screen_out.print(view)


@asynccontextmanager
async def door(settings: Settings) -> AsyncIterator[tuple[Client, Ledger]]:
    """Temporal and the ledger. An embedded server that nobody runs is started, with a worker, for as long
    as the command lasts."""
    ledger = await Ledger.open(settings.ledger())
    try:
        async with temporal(settings.home) as connection, _worker(settings, connection, ledger):
            yield connection.client, ledger
    finally:
        await ledger.close()


def _worker(settings: Settings, connection: Connection, ledger: Ledger) -> Any:
    if connection.server is None or connection.server.joined:
        return nullcontext()
    from worker import build_activities, build_worker

    return build_worker(connection.client, build_activities(settings, ledger))


@app.command()
def place(order: Path, playbook: PlaybookFile = None, as_json: AsJson = False) -> None:
    """Place the order of ORDER.json: its journey starts."""

    async def command() -> int:
        settings = read_settings()
        file, book = read_order(order), load_playbook(playbook or settings.playbook)
        async with door(settings) as (client, ledger):
            if payment := file.captured():
                await ledger.keep_payment(payment)
            placed, who = file.placed(), file.customer_profile()
            new = await place_order(client, ledger, placed, who, book, file.consents())
            try:
                status = await order_status(client, ledger, file.order.order_id)
            except ConnectionError as error:
                screen_err.print(str(error), style="yellow", markup=False)
                status = describe(begun(placed), book, placed.at)
        show(status, as_json, screen.status_view(status))
        if not new:
            raise Failure(1, f"order {file.order.order_id} had been placed before; nothing was changed")
        return 0

    run(command())


@app.command()
def signal(order_id: OrderId, fact: Path, as_json: AsJson = False) -> None:
    """Report the fact of FACT.json to an order's journey."""

    async def command() -> int:
        reported = read_fact_file(fact, strict=False)
        if reported.kind in KINDS:
            read_fact_file(fact)
        else:
            text = (
                f"{reported.kind}: not a kind that is known here; it is kept and shown{_near(reported.kind)}"
            )
            screen_err.print(text, style="yellow", markup=False, highlight=False)
        async with door(read_settings()) as (client, ledger):
            what = await report_fact(client, ledger, order_id, reported.kind, reported.body)
        if as_json:
            print(json.dumps({"order_id": order_id, "kind": reported.kind, "result": what}))  # noqa: T201
        else:
            screen_out.print(f"order {order_id}: {screen.words(reported.kind)}: {what}")
        return 0

    run(command())


def _near(kind: str) -> str:
    return did_you_mean(kind, KINDS)


@app.command()
def status(order_id: OrderId, as_json: AsJson = False) -> None:
    """What happened to an order, what is next, when and why, and what was not sent and why."""

    async def command() -> None:
        async with door(read_settings()) as (client, ledger):
            found = await order_status(client, ledger, order_id)
        show(found, as_json, screen.status_view(found))

    run(command())


def _updated(order_id: str, as_json: bool, name: str, **request: str) -> None:
    async def command() -> None:
        arguments = [_step_request(request)] if request else []
        async with door(read_settings()) as (client, ledger):
            if await ledger.journey(order_id) is not None:
                raise Failure(1, f"order {order_id}: the journey is over")
            await request_update(client, order_id, name, *arguments)
            found = await order_status(client, ledger, order_id)
        show(found, as_json, screen.status_view(found))

    run(command())


def _step_request(fields: dict[str, str]) -> StepRequest:
    try:
        return StepRequest.model_validate(fields)
    except ValidationError as error:
        raise InputError(problems(error)) from None


@app.command()
def pause(order_id: OrderId, as_json: AsJson = False) -> None:
    """Hold everything an order has ahead; the waits keep their place."""
    _updated(order_id, as_json, "pause")


@app.command()
def resume(order_id: OrderId, as_json: AsJson = False) -> None:
    """Let a paused order go on."""
    _updated(order_id, as_json, "resume")


@app.command()
def skip(
    order_id: OrderId,
    key: str,
    reason: Annotated[str, typer.Option(help="A word such as customer_asked; it stays in the history.")] = (
        "operator_decision"
    ),
    as_json: AsJson = False,
) -> None:
    """Leave out one step, by the key that `status` shows."""
    _updated(order_id, as_json, "skip_step", key=key, reason=reason)


@app.command()
def retry(order_id: OrderId, key: str, as_json: AsJson = False) -> None:
    """Try a parked step again, by the key that `status` shows."""
    _updated(order_id, as_json, "retry_step", key=key)


@app.command()
def health(as_json: AsJson = False) -> None:
    """Whether Temporal and the ledger answer: exit code 0, or 3 and the reason."""

    async def command() -> None:
        settings = read_settings()
        if configured_address() is None and running_server(settings.home) is None:
            raise ConnectionError(f"no server runs in {settings.home}; `python worker.py` starts one")
        ledger = await Ledger.open(settings.ledger())
        try:
            async with temporal(settings.home) as connection:
                await connection.client.service_client.check_health()
        finally:
            await ledger.close()
        if as_json:
            print(json.dumps({"healthy": True}))  # noqa: T201

    run(command())


@app.command()
def rehearse(
    order: Path,
    facts: Annotated[Path | None, typer.Option(help="What happens to it, one JSON object a line.")] = None,
    playbook: PlaybookFile = None,
    as_json: AsJson = False,
) -> None:
    """Play an order's whole life in seconds, with the production workflow on a skipping clock."""

    async def command() -> None:
        settings = read_settings()
        file, book = read_order(order), load_playbook(playbook or settings.playbook)
        reported = read_facts(facts) if facts else []
        from worker import build_activities, build_worker

        rehearsal_settings = settings.model_copy(update=_PRETENDED)

        def working(client: Client, ledger: Ledger) -> Any:
            return build_worker(client, build_activities(rehearsal_settings, ledger))

        waiting = nullcontext() if as_json else screen_err.status("rehearsing")
        with waiting:
            told = await rehearse_order(file, reported, book, working)
        show(told, as_json, screen.rehearsal_view(told, file.order.zone))

    run(command())


@app.command()
def demo(
    once: Annotated[bool, typer.Option(help="Play to the end and leave.")] = False,
    day: Annotated[
        float | None, typer.Option(help="Seconds that a day lasts: 1, or 0.5 with --once.", min=0.02, max=60)
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where it lives; the same folder goes on.")] = None,
    orders: Annotated[Path, typer.Option(help="The orders to play.")] = Path("examples/orders"),
    as_json: AsJson = False,
) -> None:
    """Watch example orders live through a year, at a day a second, on a real Temporal server."""

    async def command() -> int:
        settings = read_settings()
        home = folder or settings.home / "demo"
        home.mkdir(parents=True, exist_ok=True)
        settings = settings.model_copy(update={"home": home, "ledger_url": None, **_PRETENDED})
        settings = settings.model_copy(update=_demo_links(home, settings.service_port))
        examples = read_examples(orders)
        if not examples:
            raise Failure(2, f"{orders}: no folder with an order.json is in it")
        from service.serving import doors_within

        book = load_playbook(settings.playbook)
        clock = Clock(home / "demo.json", day or (DAY_SECONDS / 2 if once else DAY_SECONDS))
        pace = paced(book, clock.day_seconds)
        async with (
            door(settings) as (client, ledger),
            doors_within(settings, ledger, lambda: client, pace) as address,
        ):
            play = Demo(client, ledger, examples, book, clock)
            box = Letterbox(ledger, home / "letters")
            report = await _played(play, box, _places(home, box, address), as_json)
            if as_json:
                print(report.model_dump_json())  # noqa: T201
            if not once:
                screen_err.print("Everything has been played. Look around; Ctrl-C ends the demo.")
                await asyncio.Event().wait()
        return 0 if report.completed == report.orders else 1

    run(command() if once else _until_interrupted(command()))


def _demo_links(home: Path, port: int) -> dict[str, Any]:
    """Customers' links lead to this machine, signed by a key that the demo keeps."""
    file = home / "link.key"
    if not file.exists():
        file.write_text(secrets.token_hex(32))
        file.chmod(0o600)
    return {"public_url": f"http://127.0.0.1:{port}", "link_key": SecretStr(file.read_text())}


async def _until_interrupted(command: Coroutine[Any, Any, int]) -> int:
    """Ctrl-C is how it is meant to end."""
    task = asyncio.create_task(command)
    asyncio.get_running_loop().add_signal_handler(SIGINT, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        screen_err.print("Stopped. The same command goes on where it was.")
        return 0


def _places(home: Path, box: Letterbox, address: str) -> list[str]:
    server = known_server(home)
    ui = f"Temporal UI  {server.ui}/namespaces/{NAMESPACE}/workflows" if server else ""
    return [ui, f"The doors    {address}/docs", f"Letters      {box.index.resolve().as_uri()}"]


async def _played(play: Demo, box: Letterbox, where: list[str], as_json: bool) -> DemoReport:
    names = {example.order.order.order_id: example.name for example in play.examples}
    playing = asyncio.create_task(play.play())
    with Live(console=screen_err, refresh_per_second=4, transient=as_json) as live:

        async def look(statuses: list[JourneyStatus]) -> None:
            if playing.done():
                playing.result()
            await box.update(list(names))
            live.update(Group(screen.demo_view(statuses, names, play.clock.day), "", *where))

        try:
            await play.finish(0.5, look)
            await playing
        finally:
            playing.cancel()
    return await play.report()


@app.command()
def preview(
    order: Annotated[
        Path | None, typer.Option(help="An order to write about; by default the examples.")
    ] = None,
    locale: Annotated[str | None, typer.Option(help="One language; by default all.")] = None,
    out: Annotated[Path, typer.Option(help="The folder of the gallery.")] = Path("build/gallery"),
    playbook: PlaybookFile = None,
    as_json: AsJson = False,
) -> None:
    """Write every letter of a playbook as a gallery: OUT/index.html, OUT/LOCALE/MESSAGE.html and .txt."""

    async def command() -> int:
        settings = read_settings()
        from worker import build_letters

        book = load_playbook(playbook or settings.playbook)
        summary = write_preview(out, book, order, locale, build_letters(settings))
        if as_json:
            print(json.dumps(summary.as_dict()))  # noqa: T201
        else:
            screen_out.print(f"{len(summary.written)} letters: {summary.index.resolve().as_uri()}")
        for each in summary.problems:
            screen_err.print(f"{each.locale} {each.message}: {each.problem}", style="red", markup=False)
        return 1 if summary.problems else 0

    run(command())


@app.command("test-send")
def test_send(
    message: str,
    to: Annotated[str, typer.Option(help="The address that gets it.")],
    locale: str = "en",
    playbook: PlaybookFile = None,
) -> None:
    """Send one letter about an example order to ADDRESS, by the mailer of the settings."""

    async def command() -> None:
        settings = read_settings()
        from worker import build_letters, build_mailer

        book = load_playbook(playbook or settings.playbook)
        trial = Trial(message=message, to=valid_address(to), locale=locale, sender=settings.mail_from)
        ledger = await Ledger.open(settings.ledger())
        try:
            mailer = build_mailer(settings, ledger)
            await try_letter(trial, book, build_letters(settings), mailer)
        finally:
            await ledger.close()
        screen_out.print(f"{message}: taken by {mailer.name}")

    run(command())


def _insert(order_id: str, settings: Settings, how_to: tuple[str, ...], gift_note: str | None) -> bytes:
    from activities.papers import Insert, insert_pdf

    code = f"{settings.shop.url}/orders/{order_id}/return"
    sheet = Insert(settings.shop.name, order_id, "How to use it", how_to, gift_note, code)
    return insert_pdf(sheet)


add_return_commands(app, Counter(run, show, door, read_settings, _insert))
add_send_commands(app, run)
app.add_typer(customers_app(run, door), name="customers")


def main() -> None:
    try:
        app()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
        # A process that used the SDK can abort while the interpreter exits, after all its work is done.
        os._exit(code)


if __name__ == "__main__":
    main()
