"""Letters to look at before anybody gets them."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from email_validator import EmailNotValidError, validate_email
from rich.console import Console

from activities.attempts import Refused, Unclear
from activities.letters.gallery import (
    GallerySummary,
    Specimen,
    gallery_steps,
    specimen_request,
    write_gallery,
)
from activities.letters.writing import Letters
from activities.mailer import LetterError, Mail, Mailer
from commands.terminal import AsJson, PlaybookFile, opened_ledger, run, say
from journey.playbook import Playbook
from journey.wording import did_you_mean
from runtime.inputs import InputError
from runtime.orderfiles import OrderFile, read_order
from runtime.playbooks import load_playbook
from runtime.settings import read_settings

EXAMPLES = Path("examples/orders")

app = typer.Typer()


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
        summary = gallery(out, book, order, locale, build_letters(settings))
        if as_json:
            print(json.dumps(summary.as_dict()))  # noqa: T201
        else:
            Console().print(f"{len(summary.written)} letters: {summary.index.resolve().as_uri()}")
        for each in summary.problems:
            say(f"{each.locale} {each.message}: {each.problem}", "red")
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
        async with opened_ledger(settings) as ledger:
            mailer = build_mailer(settings, ledger)
            await try_letter(trial, book, build_letters(settings), mailer)
        Console().print(f"{message}: taken by {mailer.name}")

    run(command())


def specimens(order: Path | None) -> list[Specimen]:
    """The order of a file, or the example orders. Raises `InputError`."""
    files = [order] if order else sorted(EXAMPLES.glob("*/order.json"))
    return [_specimen(read_order(file)) for file in files]


def _specimen(file: OrderFile) -> Specimen:
    return Specimen(order=file.order, placed_at=file.placed_at, profile=file.customer_profile())


def gallery(
    out: Path, playbook: Playbook, order: Path | None, locale: str | None, letters: Letters
) -> GallerySummary:
    """Write the gallery. Raises `InputError`."""
    known = letters.languages
    if locale is not None and locale not in known:
        raise InputError(f"--locale: should be one of: {', '.join(known)}{did_you_mean(locale, known)}")
    return write_gallery(out, playbook, specimens(order), [locale] if locale else known, letters)


def valid_address(text: str) -> str:
    """An e-mail address. Raises `InputError`."""
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        raise InputError("--to: should be an e-mail address") from None


@dataclass(frozen=True)
class Trial:
    """A letter to be sent to somebody of the shop, to see how it arrives."""

    message: str
    to: str
    locale: str
    sender: str


async def try_letter(ask: Trial, playbook: Playbook, letters: Letters, mailer: Mailer) -> str:
    """Send one letter about an example order, outside any journey and the ledger's claims.

    Raises `InputError` for a message that does not exist, and `ConnectionError` when it was not taken.
    """
    steps = {step.letter: step for step in gallery_steps(playbook, letters)}
    if ask.message not in steps:
        right = f"should be one of: {', '.join(steps)}{did_you_mean(ask.message, steps)}"
        raise InputError(f"message: {right}")
    specimen = specimens(None)[0]
    profile = specimen.profile.model_copy(update={"locale": ask.locale})
    try:
        letter = letters.render(specimen_request(steps[ask.message], specimen), profile)
        mail = Mail(
            to=ask.to,
            to_name=None,
            from_=ask.sender,
            subject=letter.subject,
            html=letter.html,
            text=letter.text,
            headers=letter.headers,
            message_class=steps[ask.message].message_class,
        )
        accepted = await mailer.send(mail, secrets.token_hex(16))
    except LetterError as error:
        raise InputError(f"{ask.message}: {error.reason}") from None
    except (Refused, Unclear) as error:
        raise ConnectionError(f"{mailer.name} did not take it: {error.reason}") from None
    return accepted.provider_id or ""
