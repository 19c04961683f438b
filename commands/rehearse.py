"""A whole life in seconds."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from temporalio.client import Client

from commands import screen
from commands.terminal import PRETENDED, AsJson, PlaybookFile, run, show
from ledger import Ledger
from runtime.orderfiles import read_facts, read_order
from runtime.playbooks import load_playbook
from runtime.rehearsal import rehearse as rehearse_order
from runtime.settings import read_settings

app = typer.Typer()


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

        rehearsal_settings = settings.model_copy(update=PRETENDED)

        def working(client: Client, ledger: Ledger) -> Any:
            return build_worker(client, build_activities(rehearsal_settings, ledger))

        waiting = nullcontext() if as_json else Console(stderr=True).status("rehearsing")
        with waiting:
            told = await rehearse_order(file, reported, book, working)
        show(told, as_json, screen.rehearsal_view(told, file.order.zone))

    run(command())
