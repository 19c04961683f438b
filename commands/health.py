"""Whether everything answers."""

import typer
from pydantic import Field
from rich.console import Group, RenderableType
from rich.text import Text

from commands.tables import table
from commands.terminal import AsJson, opened_ledger, run, show
from journey.facts import Model
from runtime.connection import configured_address, temporal
from runtime.embedded import running_server
from runtime.settings import MailerName, Settings, read_settings

app = typer.Typer()

OUTBOX = (
    "letters are kept in the outbox and go to nobody; THEREAFTER_MAILER=smtp or sendgrid sends them "
    "(docs/letters.md)"
)


class Health(Model):
    """Who answers, and what a person should look at."""

    healthy: bool = True
    temporal: str = Field(description="The address that answered.")
    ui: str | None = Field(default=None, description="The embedded server's; another has its own.")
    ledger: str = Field(description="Which database.")
    mailer: MailerName = Field(description="Who carries letters by the settings of this environment.")
    inbox: dict[str, int] = Field(description="How many events are in which state.")
    warnings: tuple[str, ...]


@app.command()
def health(as_json: AsJson = False) -> None:
    """Whether Temporal and the ledger answer: exit code 0, or 3 and the reason."""

    async def command() -> None:
        found = await _asked(read_settings())
        show(found, as_json, _view(found))

    run(command())


async def _asked(settings: Settings) -> Health:
    if configured_address() is None and running_server(settings.home) is None:
        raise ConnectionError(f"no server runs in {settings.home}; `python worker.py` starts one")
    async with opened_ledger(settings) as ledger, temporal(settings.home) as connection:
        await connection.client.service_client.check_health()
        warnings = await ledger.reconcile_warnings() + await ledger.erasure_warnings()
        return Health(
            temporal=connection.client.service_client.config.target_host,
            ui=connection.server.ui if connection.server else None,
            ledger="sqlite" if ledger.is_sqlite else "postgresql",
            mailer=settings.mailer,
            inbox=await ledger.count_inbox(),
            warnings=(*warnings, *([OUTBOX] if settings.mailer is MailerName.OUTBOX else ())),
        )


def _view(found: Health) -> RenderableType:
    rows = table("", "")
    rows.show_header = False
    rows.add_row("Temporal", f"answers at {found.temporal}" + (f", UI at {found.ui}" if found.ui else ""))
    rows.add_row("ledger", f"answers ({found.ledger})")
    rows.add_row("letters", f"go by {found.mailer}" if found.mailer is not MailerName.OUTBOX else "outbox")
    counts = [f"{number} {state}" for state, number in sorted(found.inbox.items())]
    rows.add_row("inbox", ", ".join(counts) or "nothing has come in")
    return Group(rows, *(Text(f"! {warning}", style="yellow") for warning in found.warnings))
