"""`starter.py preview` and `starter.py test-send`: letters to look at before anybody gets them."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from email_validator import EmailNotValidError, validate_email

from activities.attempts import Refused, Unclear
from activities.letter_gallery import GallerySummary, Specimen, gallery_steps, specimen_request, write_gallery
from activities.letters import Letters
from activities.mailer import LetterError, Mail, Mailer
from journey.playbook import Playbook
from runtime.inputs import InputError, did_you_mean
from runtime.orderfiles import OrderFile, read_order

EXAMPLES = Path("examples/orders")


def specimens(order: Path | None) -> list[Specimen]:
    """The order of a file, or the example orders. Raises `InputError`."""
    files = [order] if order else sorted(EXAMPLES.glob("*/order.json"))
    return [_specimen(read_order(file)) for file in files]


def _specimen(file: OrderFile) -> Specimen:
    return Specimen(order=file.order, placed_at=file.placed_at, profile=file.customer_profile())


def preview(
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
