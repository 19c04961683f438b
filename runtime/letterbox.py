"""The outbox as files: every letter as HTML and as text, and a page that lists them."""

from html import escape
from pathlib import Path

from ledger import Ledger
from ledger.letters import OutboxLetter
from ledger.sends import Send

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Outbox</title>
<style>
:root {{ font: 16px/1.5 system-ui, sans-serif; color-scheme: light dark }}
body {{ max-width: 64rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: start; padding: .45rem .75rem .45rem 0; border-bottom: 1px solid #8884 }}
td:first-child {{ white-space: nowrap; font-variant-numeric: tabular-nums }}
</style></head><body>
<h1>Outbox</h1><p>{count} letters, the newest first. Nothing was mailed: this is what customers would get.</p>
<table><thead><tr><th>Written (UTC)</th><th>Order</th><th>Step</th><th>Subject</th><th></th></tr></thead>
<tbody>
{rows}
</tbody></table></body></html>
"""


class Letterbox:
    """Writes what is new in the outbox to a folder, which only its owner may read."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self._ledger = ledger
        self._folder = folder
        self._written: dict[str, tuple[OutboxLetter, Send]] = {}

    @property
    def index(self) -> Path:
        return self._folder / "index.html"

    async def update(self, order_ids: list[str]) -> int:
        """Write the letters that are not written yet; how many letters there are."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        before = len(self._written)
        for order_id in order_ids:
            sends = {send.reference: send for send in await self._ledger.sends_of(order_id)}
            for letter in await self._ledger.outbox(order_id=order_id):
                if letter.reference not in self._written:
                    self._write(letter, sends[letter.reference])
        if len(self._written) != before or not self.index.exists():
            self._write_index()
        return len(self._written)

    def _write(self, letter: OutboxLetter, send: Send) -> None:
        stem = self._stem(send)
        (self._folder / f"{stem}.html").write_text(letter.html, encoding="utf-8")
        (self._folder / f"{stem}.txt").write_text(letter.text, encoding="utf-8")
        self._written[letter.reference] = (letter, send)

    def _stem(self, send: Send) -> str:
        return f"{send.order_id}-{send.key}".replace("/", "-").replace("#", "").replace(":", "-")

    def _write_index(self) -> None:
        newest_first = sorted(self._written.values(), key=lambda pair: pair[0].at, reverse=True)
        rows = "\n".join(self._row(letter, send) for letter, send in newest_first)
        page = _PAGE.format(count=len(newest_first), rows=rows)
        self.index.write_text(page, encoding="utf-8")

    def _row(self, letter: OutboxLetter, send: Send) -> str:
        stem = escape(self._stem(send), quote=True)
        cells = (f"{letter.at:%Y-%m-%d %H:%M:%S}", send.order_id, send.key.replace("_", " "))
        shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        subject = f'<td><a href="{stem}.html">{escape(letter.subject)}</a></td>'
        return f'<tr>{shown}{subject}<td><a href="{stem}.txt">text</a></td></tr>'
