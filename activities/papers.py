"""Papers as PDF, made on this machine: the label of a return, and the sheet that a packer puts in the box."""

from io import BytesIO
from typing import NamedTuple

import segno
from reportlab.lib.pagesizes import A4, A6
from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from activities.labels import Address

PDF = "application/pdf"
_LATIN, _BOLD, _WIDE = "Helvetica", "Helvetica-Bold", "HeiseiKakuGo-W5"
_MARGIN = 28.0


class Insert(NamedTuple):
    """What the sheet in the box says. Personal where the gift note is."""

    shop: str
    order_id: str
    title: str
    how_to: tuple[str, ...]
    gift_note: str | None
    return_code: str
    """What the QR code of the pre-printed return label says: opaque."""


def qr_png(text: str) -> bytes:
    """A QR code as a PNG."""
    out = BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="png", scale=6, border=4)
    return out.getvalue()


def label_pdf(reference: str, tracking_number: str, sender: Address, receiver: Address, title: str) -> bytes:
    """A return label, A6: from, to, the tracking number as text and as a QR code."""
    out = BytesIO()
    page = Canvas(out, pagesize=A6, invariant=1)
    page.setTitle(f"{title} {reference}")
    width, height = A6
    at = _line(page, height - _MARGIN, title, 15, bold=True)
    at = _block(page, at - 8, ("From:", sender.name, *sender.lines, sender.country), 8)
    at = _block(page, at - 8, ("To:", receiver.name, *receiver.lines, receiver.country), 11)
    code = ImageReader(BytesIO(qr_png(tracking_number)))
    page.drawImage(code, width - _MARGIN - 110, _MARGIN + 14, 110, 110)
    _line(page, _MARGIN + 30, tracking_number, 11, bold=True)
    _line(page, _MARGIN + 14, reference, 9)
    page.showPage()
    page.save()
    return out.getvalue()


def insert_pdf(insert: Insert) -> bytes:
    """The sheet for the box, A4: how to use it, the gift note, and how to send it back."""
    out = BytesIO()
    page = Canvas(out, pagesize=A4, invariant=1)
    page.setTitle(f"{insert.shop}: order {insert.order_id}")
    width, height = A4
    at = _line(page, height - 2 * _MARGIN, insert.shop, 20, bold=True)
    at = _line(page, at - 6, f"Order {insert.order_id}", 11)
    if insert.gift_note:
        at = _block(page, at - 24, _wrapped(insert.gift_note, 15, width), 15)
    at = _line(page, at - 24, insert.title, 13, bold=True)
    for sentence in insert.how_to:
        at = _block(page, at - 4, _wrapped(sentence, 11, width), 11)
    page.line(_MARGIN, 190, width - _MARGIN, 190)
    code = ImageReader(BytesIO(qr_png(insert.return_code)))
    page.drawImage(code, width - _MARGIN - 130, 40, 130, 130)
    at = _line(page, 165, "Not right for you?", 13, bold=True)
    _block(page, at - 4, ("Scan the code to send it back.", insert.return_code), 11)
    page.showPage()
    page.save()
    return out.getvalue()


def _wrapped(text: str, size: float, width: float) -> tuple[str, ...]:
    return tuple(simpleSplit(text, _font(text, bold=False), size, width - 2 * _MARGIN))


def _block(page: Canvas, at: float, lines: tuple[str, ...], size: float) -> float:
    for line in lines:
        at = _line(page, at, line, size)
    return at


def _line(page: Canvas, at: float, text: str, size: float, *, bold: bool = False) -> float:
    """One line of text; the height at which the next one goes."""
    page.setFont(_font(text, bold=bold), size)
    page.drawString(_MARGIN, at - size, text)
    return at - size * 1.3


def _font(text: str, *, bold: bool) -> str:
    """The fonts that every reader brings are Latin; Japanese and Chinese have one of their own."""
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        pdfmetrics.registerFont(UnicodeCIDFont(_WIDE))
        return _WIDE
    return _BOLD if bold else _LATIN
