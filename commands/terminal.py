"""What every command stands on: how it is run, what it says, and how it gets at Temporal and the ledger.

Exit codes: 0 done; 1 it ran, but not to the wished end; 2 wrong input; 3 nobody answers; 4 no such order;
70 a defect of ours.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.service import RPCError

from commands.tables import put
from journey.facts import problems
from journey.own_returns import OursToTell
from ledger import Ledger
from ledger.database import LedgerError
from runtime.connection import Connection, temporal
from runtime.inputs import InputError
from runtime.logs import configure_logs, configure_telemetry
from runtime.orders import UnknownOrder
from runtime.returns import Refused, UnknownReturn
from runtime.settings import LabelsName, MailerName, Settings, read_settings
from runtime.stopping import when_asked_to_stop

AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON, for machines.")]
PlaybookFile = Annotated[Path | None, typer.Option("--playbook", help="Another playbook than the default.")]
OrderId = Annotated[str, typer.Argument(help="The order's id.")]

M = TypeVar("M", bound=BaseModel)

PRETENDED = {"mailer": MailerName.OUTBOX, "labels": LabelsName.DEMO, "stripe_api_key": None}
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
        say(text, "red")
    raise typer.Exit(code)


def _ended(command: Coroutine[Any, Any, int | None]) -> tuple[int, str]:
    try:
        configure_logs(_log_file())
        configure_telemetry()
        return asyncio.run(_until_stopped(command)) or 0, ""
    except Failure as failure:
        return failure.code, str(failure)
    except (InputError, OursToTell) as error:
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
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130, ""
    except Exception as error:
        logging.getLogger("thereafter").exception("a command broke")
        return 70, f"this should not happen: {type(error).__name__}; the log in THEREAFTER_HOME has more"


async def _until_stopped(command: Coroutine[Any, Any, int | None]) -> int | None:
    """A command that is asked to stop, once or more often, ends what it began, such as a server."""
    task = asyncio.create_task(command)
    asked = asyncio.Event()

    def stop() -> None:
        if not asked.is_set():
            asked.set()
            task.cancel()

    when_asked_to_stop(stop)
    return await task


def _log_file() -> Path:
    home = read_settings().home
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"THEREAFTER_HOME: {home} cannot be a folder: {error.strerror}") from None
    return home / "thereafter.log"


def valid(model: type[M], values: dict[str, Any]) -> M:
    """What a command was told, as a model. Raises `InputError`, which names what is wrong."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(problems(error)) from None


def show(model: BaseModel, as_json: bool, view: Any) -> None:
    """One line of JSON, or what people would rather look at."""
    if as_json:
        print(model.model_dump_json(exclude_none=True))  # noqa: T201
    else:
        put(view)


def say(text: str, style: str | None = None) -> None:
    """A line for people, beside what the command answers."""
    Console(stderr=True).print(text, style=style, markup=False, highlight=False, soft_wrap=True)


@asynccontextmanager
async def opened_ledger(settings: Settings | None = None) -> AsyncIterator[Ledger]:
    """The ledger alone. Raises `LedgerError`."""
    ledger = await Ledger.open((settings or read_settings()).ledger())
    try:
        yield ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def door(settings: Settings | None = None) -> AsyncIterator[tuple[Client, Ledger]]:
    """Temporal and the ledger. An embedded server that nobody runs is started, with a worker, for as long
    as the command lasts."""
    settings = settings or read_settings()
    async with (
        opened_ledger(settings) as ledger,
        temporal(settings.home) as connection,
        _worker(settings, connection, ledger),
    ):
        yield connection.client, ledger


def _worker(settings: Settings, connection: Connection, ledger: Ledger) -> Any:
    if connection.server is None or connection.server.joined:
        return nullcontext()
    from worker import build_activities, build_worker

    return build_worker(connection.client, build_activities(settings, ledger))
