"""What is printed: labels and codes of returns, and the packer's sheet."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import Field

from commands.return_screen import papers_view
from commands.terminal import AsJson, OrderId, opened_ledger, run, show
from journey.facts import Model
from runtime.settings import Settings, read_settings

app = typer.Typer()


class PaperList(Model):
    """Papers that were written to files."""

    files: tuple[str, ...] = Field(default=())


@app.command()
def papers(order_id: OrderId, to: Path = Path(), as_json: AsJson = False) -> None:
    """Write the labels and codes of an order's returns to files."""

    async def command() -> None:
        async with opened_ledger() as ledger:
            found = await ledger.papers_of(order_id)
        written = []
        for paper in found:
            stem = f"{order_id}-{paper.key.replace('/', '-')}"
            parts = {f"{stem}.pdf": paper.content, f"{stem}.png": paper.code}
            written += [_write(to / name, data) for name, data in parts.items() if data]
        show(PaperList(files=tuple(written)), as_json, papers_view(written))

    run(command())


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
        pdf = _insert(order_id, read_settings(), tuple(how_to or ()), gift_note)
        files = (_write(to, pdf),)
        show(PaperList(files=files), as_json, papers_view(list(files)))

    run(command())


def _insert(order_id: str, settings: Settings, how_to: tuple[str, ...], gift_note: str | None) -> bytes:
    from activities.papers import Insert, insert_pdf

    code = f"{settings.shop.url}/orders/{order_id}/return"
    sheet = Insert(settings.shop.name, order_id, "How to use it", how_to, gift_note, code)
    return insert_pdf(sheet)


def _write(path: Path, data: bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)
