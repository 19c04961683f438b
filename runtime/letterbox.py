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
:root {{ font: 15px/1.45 system-ui, sans-serif; color-scheme: light dark }}
body {{ margin: 0; display: grid; grid-template-columns: minmax(22rem, 2fr) 3fr; height: 100vh }}
nav {{ overflow: auto; padding: 1.25rem; border-inline-end: 1px solid #8884 }}
h1 {{ font-size: 1.4rem; margin: 0 }}
p {{ margin: .25rem 0 1rem; opacity: .75 }}
ol {{ list-style: none; margin: 0; padding: 0 }}
li {{ padding: .55rem 0; border-top: 1px solid #8883 }}
li a:first-child {{ font-weight: 600; text-decoration: none }}
small {{ display: block; opacity: .75; font-variant-numeric: tabular-nums }}
iframe {{ border: 0; width: 100%; height: 100%; background: #f0f2f4 }}
@media (max-width: 50rem) {{ body {{ display: block; height: auto }} iframe {{ height: 80vh }} }}
</style></head><body>
<nav><h1>Outbox</h1><p>{count} letters, the newest first. Nothing was mailed: this is what customers get.</p>
<ol>
{rows}
</ol></nav>
<iframe name="letter" title="The letter" sandbox="allow-popups" src="{newest}"></iframe>
</body></html>
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
        gone = set(self._written)
        for order_id in order_ids:
            # A letter lies in the outbox only after its send was claimed, so the letters are read first.
            letters = await self._ledger.outbox(order_id=order_id)
            sends = {send.reference: send for send in await self._ledger.sends_of(order_id)}
            gone -= {letter.reference for letter in letters}
            for letter in letters:
                if letter.reference not in self._written:
                    self._write(letter, sends[letter.reference])
        for reference in gone:
            self._remove(reference)
        if gone or len(self._written) != before or not self.index.exists():
            self._write_index()
        return len(self._written)

    def _write(self, letter: OutboxLetter, send: Send) -> None:
        stem = self._stem(send)
        (self._folder / f"{stem}.html").write_text(letter.html, encoding="utf-8")
        (self._folder / f"{stem}.txt").write_text(letter.text, encoding="utf-8")
        self._written[letter.reference] = (letter, send)

    def _remove(self, reference: str) -> None:
        """The customer was forgotten."""
        _, send = self._written.pop(reference)
        for ending in ("html", "txt"):
            (self._folder / f"{self._stem(send)}.{ending}").unlink(missing_ok=True)

    def _stem(self, send: Send) -> str:
        return f"{send.order_id}-{send.key}".replace("/", "-").replace("#", "").replace(":", "-")

    def _write_index(self) -> None:
        newest_first = sorted(self._written.values(), key=lambda pair: pair[0].at, reverse=True)
        rows = "\n".join(self._row(letter, send) for letter, send in newest_first)
        newest = f"{self._stem(newest_first[0][1])}.html" if newest_first else "about:blank"
        page = _PAGE.format(count=len(newest_first), rows=rows, newest=escape(newest, quote=True))
        self.index.write_text(page, encoding="utf-8")

    def _row(self, letter: OutboxLetter, send: Send) -> str:
        stem = escape(self._stem(send), quote=True)
        step = escape(f"order {send.order_id}, {send.key.replace('_', ' ')}")
        at = f"{letter.at:%Y-%m-%d %H:%M:%S} UTC"
        subject = f'<a href="{stem}.html" target="letter">{escape(letter.subject)}</a>'
        as_text = f'<a href="{stem}.txt" target="letter">as text</a>'
        return f"<li>{subject}<small>{step}</small><small>{at}, {as_text}</small></li>"
