"""The gallery: every letter of a playbook, written for specimen orders, as files and a page of them."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from activities.letters.writing import Letters
from activities.mailer import LetterError
from journey.facts import CarrierStatus, LineQuantity, Order
from journey.messages import ParcelContent, SendRequest
from journey.playbook import MessageClass, Per, Playbook, Step
from journey.return_letters import LETTERS as RETURN_LETTERS
from journey.return_letters import specimen_content
from journey.times import later
from ledger.customers import Profile

PAGES = Path(__file__).parents[2] / "templates" / "pages"

_STATUS: dict[str, CarrierStatus | None] = {
    "handed_over": CarrierStatus.HANDED_OVER,
    "out_for_delivery": CarrierStatus.OUT_FOR_DELIVERY,
    "ready_for_pickup": CarrierStatus.READY_FOR_PICKUP,
    "attempt_failed": CarrierStatus.ATTEMPT_FAILED,
    "delivery_reported": CarrierStatus.DELIVERED,
    "delivered": CarrierStatus.DELIVERED,
    "shipped": None,
}
"""What the carrier has said last when a letter after that anchor is written."""


@dataclass(frozen=True)
class Specimen:
    """An order to write letters about, and its customer."""

    order: Order
    placed_at: datetime
    profile: Profile


@dataclass(frozen=True)
class Written:
    """One letter of the gallery, or why there is none."""

    locale: str
    message: str
    message_class: MessageClass
    when: str
    subject: str = ""
    html_bytes: int = 0
    text_bytes: int = 0
    problem: str = ""


@dataclass(frozen=True)
class GallerySummary:
    """What came of it."""

    index: Path
    written: tuple[Written, ...]

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {"index": str(self.index), "letters": [asdict(each) for each in self.written]}

    @property
    def problems(self) -> tuple[Written, ...]:
        return tuple(each for each in self.written if each.problem)


def specimen_request(step: Step, specimen: Specimen) -> SendRequest:
    """What the journey would ask for that step: with a parcel that is where the step's anchor says, and the
    first line that runs out."""
    order, placed = specimen.order, specimen.placed_at
    line = next((line for line in order.lines if line.lifespan_days), order.lines[0])
    lasts = (line.lifespan_days or 30) * line.quantity
    delivered = later(placed, "4 days", order.zone)
    return SendRequest(
        order_id=order.order_id,
        key=step.name,
        step=step.name,
        letter=step.letter,
        message_class=step.message_class,
        order=order,
        placed_at=placed,
        parcel=_parcel(step, order, placed) if step.per is Per.PARCEL else None,
        line=line if step.per is Per.LINE else None,
        case=specimen_content(order, step.letter) if step.letter in RETURN_LETTERS else None,
        rating=2 if step.after == "feedback" else None,
        runs_out_at=delivered + timedelta(days=lasts) if step.per is Per.LINE else None,
        due=delivered,
    )


def _parcel(step: Step, order: Order, placed: datetime) -> ParcelContent:
    status = _STATUS.get(step.after, CarrierStatus.IN_TRANSIT)
    return ParcelContent(
        parcel_id="p1",
        tracking_number="00340434161094042557",
        tracking_url="https://carrier.example/track/00340434161094042557",
        carrier="DHL",
        lines=tuple(LineQuantity(line_id=each.line_id, quantity=each.quantity) for each in order.lines[:2]),
        status=status,
        shipped_at=later(placed, "1 day", order.zone),
        expected_by=later(placed, "5 days", order.zone),
        delivered_at=later(placed, "4 days", order.zone) if status is CarrierStatus.DELIVERED else None,
    )


def gallery_steps(playbook: Playbook, letters: Letters) -> Iterator[Step]:
    """The playbook's steps, one for each letter; then the letters that it does not use (variants of its own,
    such as `replenishment_humorous`), each asked for as the letter whose name it begins with."""
    seen: dict[str, Step] = {}
    for step in playbook.steps:
        if step.letter not in seen:
            seen[step.letter] = step
            yield step
    for name in letters.names():
        if name not in seen:
            base = max((each for each in seen if name.startswith(each)), key=len, default=None)
            step = seen[base] if base else playbook.steps[0]
            yield step.model_copy(update={"message": name})


def write_gallery(
    out: Path, playbook: Playbook, specimens: Sequence[Specimen], locales: Sequence[str], letters: Letters
) -> GallerySummary:
    """Write `OUT/LOCALE/MESSAGE.html` and `.txt` for every letter in every locale, and `OUT/index.html`.

    A letter that does not render is shown with its reason. Raises `OSError` where it cannot write and
    `ValueError` without specimens or locales.
    """
    if not specimens or not locales:
        raise ValueError("a gallery needs an order and a locale")
    out.mkdir(parents=True, exist_ok=True)
    steps = list(gallery_steps(playbook, letters))
    written = tuple(
        _write(out, step, _fitting(step, specimens, number), locale, letters)
        for locale in locales
        for number, step in enumerate(steps)
    )
    index = out / "index.html"
    index.write_text(_index(playbook, locales, written), encoding="utf-8")
    return GallerySummary(index, written)


def _fitting(step: Step, specimens: Sequence[Specimen], number: int) -> Specimen:
    """An order that the letter could be about, not always the same one."""
    fits = [each for each in specimens if _fits(step, each.order)] or specimens
    return fits[number % len(fits)]


def _fits(step: Step, order: Order) -> bool:
    if step.per is Per.LINE:
        return any(line.lifespan_days for line in order.lines)
    return order.first_order is True or "first_order" not in step.only_if


def _write(out: Path, step: Step, specimen: Specimen, locale: str, letters: Letters) -> Written:
    shown = Written(
        locale, step.letter, step.message_class, f"{step.after.replace('_', ' ')} {_signed(step.wait)}"
    )
    profile = specimen.profile.model_copy(update={"locale": locale})
    try:
        letter = letters.render(specimen_request(step, specimen), profile)
    except LetterError as error:
        return replace(shown, problem=str(error))
    folder = out / locale
    folder.mkdir(exist_ok=True)
    (folder / f"{step.letter}.html").write_text(letter.html, encoding="utf-8")
    (folder / f"{step.letter}.txt").write_text(letter.text, encoding="utf-8")
    return replace(
        shown,
        subject=letter.subject,
        html_bytes=len(letter.html.encode()),
        text_bytes=len(letter.text.encode()),
    )


def _signed(wait: str) -> str:
    if wait == "0 days":
        return ""
    return f"\u2212 {wait[1:]}" if wait.startswith("-") else f"+ {wait}"


def _index(playbook: Playbook, locales: Sequence[str], written: Sequence[Written]) -> str:
    environment = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    shelves = [(locale, [each for each in written if each.locale == locale]) for locale in locales]
    return environment.get_template("gallery.html").render(playbook=playbook, shelves=shelves)
