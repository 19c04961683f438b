"""Whether everything answers."""

import json

import typer

from commands.terminal import AsJson, opened_ledger, run, say
from runtime.connection import configured_address, temporal
from runtime.embedded import running_server
from runtime.settings import read_settings

app = typer.Typer()


@app.command()
def health(as_json: AsJson = False) -> None:
    """Whether Temporal and the ledger answer: exit code 0, or 3 and the reason."""

    async def command() -> None:
        settings = read_settings()
        if configured_address() is None and running_server(settings.home) is None:
            raise ConnectionError(f"no server runs in {settings.home}; `python worker.py` starts one")
        async with opened_ledger(settings) as ledger, temporal(settings.home) as connection:
            await connection.client.service_client.check_health()
            warnings = await ledger.reconcile_warnings() + await ledger.erasure_warnings()
        if as_json:
            print(json.dumps({"healthy": True, "warnings": warnings}))  # noqa: T201
        for warning in () if as_json else warnings:
            say(f"! {warning}", "yellow")

    run(command())
