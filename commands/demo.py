"""See the whole thing run."""

import asyncio
import os
import secrets
import shlex
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.console import Console, Group, RenderableType
from rich.live import Live

from commands import screen
from commands.tables import put
from commands.terminal import PRETENDED, AsJson, Failure, door, run, say
from journey.contract import JourneyStatus
from runtime.demo import DAY_SECONDS, Clock, Demo, DemoReport, paced, read_examples
from runtime.embedded import NAMESPACE, known_server
from runtime.letterbox import Letterbox
from runtime.playbooks import load_playbook
from runtime.settings import Settings, read_settings

app = typer.Typer()

LINE_EVERY = 10.0
"""Seconds from one line of progress to the next, where nobody watches."""


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
    pace = day or (DAY_SECONDS / 2 if once else DAY_SECONDS)
    command = _demo(folder, orders, pace, once, as_json)
    run(command if once else _until_stopped(command))


async def _demo(folder: Path | None, orders: Path, day: float, once: bool, as_json: bool) -> int:
    from service.serving import doors_within

    settings = _settings(folder)
    home, book = settings.home, load_playbook(settings.playbook)
    examples = read_examples(orders)
    if not examples:
        raise Failure(2, f"{orders}: no folder with an order.json is in it")
    clock = Clock(home / "demo.json", day)
    pace = paced(book, clock.day_seconds)
    async with (
        door(settings) as (client, ledger),
        doors_within(settings, ledger, lambda: client, pace) as address,
    ):
        play = Demo(client, ledger, examples, book, clock)
        box = Letterbox(ledger, home / "letters")
        report = await _played(play, box, _places(settings, box, address), as_json)
        if as_json:
            print(report.model_dump_json())  # noqa: T201
        if not once:
            say("Everything has been played. Look around; Ctrl-C ends the demo.")
            await asyncio.Event().wait()
    return 0 if report.completed == report.orders else 1


def _settings(folder: Path | None) -> Settings:
    """Those of this machine, with everything in the demo's folder and nothing that leaves it. Customers'
    links lead to this machine, signed by a key that the demo keeps."""
    settings = read_settings()
    home = folder or settings.home / "demo"
    home.mkdir(parents=True, exist_ok=True)
    changes: dict[str, Any] = {"home": home, "ledger_url": None, **PRETENDED}
    changes["public_url"] = f"http://127.0.0.1:{settings.service_port}"
    changes["link_key"] = SecretStr(_link_key(home / "link.key"))
    return settings.model_copy(update=changes)


def _link_key(file: Path) -> str:
    if not file.exists():
        file.write_text(secrets.token_hex(32))
        file.chmod(0o600)
    return file.read_text()


async def _until_stopped(command: Coroutine[Any, Any, int]) -> int:
    """Ctrl-C is how it is meant to end."""
    try:
        return await command
    except asyncio.CancelledError:
        say("Stopped. The same command goes on where it was.")
        return 0


def _places(settings: Settings, box: Letterbox, address: str) -> list[str]:
    server = known_server(settings.home)
    ui = f"Temporal UI   {server.ui}/namespaces/{NAMESPACE}/workflows" if server else ""
    here = f"THEREAFTER_HOME={shlex.quote(str(settings.home))}"
    # The demo has a ledger of its own, whatever this machine's settings name.
    own = "THEREAFTER_LEDGER_URL= " if os.environ.get("THEREAFTER_LEDGER_URL") else ""
    return [
        ui,
        f"The doors     {address}/docs",
        f"Letters       {box.index.resolve().as_uri()}",
        f"Command line  {here} {own}python starter.py status 1001",
    ]


async def _played(play: Demo, box: Letterbox, where: list[str], as_json: bool) -> DemoReport:
    names = {example.order.order.order_id: example.name for example in play.examples}
    playing = asyncio.create_task(play.play())
    last: list[RenderableType] = []
    with _progress() as show:

        async def look(statuses: list[JourneyStatus]) -> None:
            if playing.done():
                playing.result()
            await box.update(list(names))
            last[:] = [Group(screen.demo_view(statuses, names, play.clock.day), "", *where)]
            show(last[0], screen.demo_line(statuses, len(names), play.clock.day))

        try:
            await play.finish(0.5, look)
            await playing
        finally:
            playing.cancel()
    if not as_json:
        put(*last)
    return await play.report()


@contextmanager
def _progress() -> Iterator[Callable[[RenderableType, str], None]]:
    """On standard error, as all that is no answer: a picture where somebody watches, else a line at times."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            yield lambda view, _: live.update(view)
        return
    said = [-LINE_EVERY]

    def line(_: RenderableType, text: str) -> None:
        if (now := time.monotonic()) - said[0] >= LINE_EVERY:
            said[0] = now
            say(text)

    yield line
