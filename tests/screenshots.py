"""`make gallery`: the gallery, and a picture of every letter at 375 and 640 px, light and dark, in a language
of each direction. `python -m tests.screenshots OUT`."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Route, sync_playwright

from activities.letters.gallery import Specimen, write_gallery
from runtime.orderfiles import read_order
from tests.letter_samples import PLAYBOOK, ROOT, letters

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURE = """<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'>
<rect width='100' height='100' fill='#e9dfd3'/>
<rect x='26' y='30' width='38' height='44' rx='8' fill='#b5603c'/>
<path d='M64 40h8a9 9 0 0 1 0 20h-8' fill='none' stroke='#b5603c' stroke-width='6'/></svg>"""
WIDTHS = (375, 640)
MODES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's browser."""
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def picture(route: Route) -> None:
    """No letter's image is fetched: every https address shows the same drawing."""
    route.fulfill(status=200, content_type="image/svg+xml", body=PICTURE)


def specimens() -> list[Specimen]:
    """The example orders."""
    files = [read_order(path) for path in sorted((ROOT / "examples" / "orders").glob("*/order.json"))]
    return [Specimen(file.order, file.placed_at, file.customer_profile()) for file in files]


def shoot(browser: Browser, out: Path, locales: list[str]) -> int:
    """Write `OUT/shots/LOCALE/MESSAGE-WIDTH-MODE.png`; how many."""
    count = 0
    for width in WIDTHS:
        for mode in MODES:
            page = browser.new_page(color_scheme=mode, viewport={"width": width, "height": 800})
            page.route("https://**/*", picture)
            for locale in locales:
                for file in sorted((out / locale).glob("*.html")):
                    page.goto(file.resolve().as_uri())
                    page.screenshot(
                        path=out / "shots" / locale / f"{file.stem}-{width}-{mode}.png", full_page=True
                    )
                    count += 1
            page.close()
    return count


def main(out: Path) -> None:
    written = letters()
    summary = write_gallery(out, PLAYBOOK, specimens(), written.languages, written)
    pictures = "no pictures, since there is no Chromium"
    if CHROMIUM:
        with chromium() as browser:
            pictures = f"{shoot(browser, out, written.languages)} pictures"
    problems = len(summary.problems)
    sys.stdout.write(
        f"{len(summary.written)} letters, {problems} with a problem, {pictures}\n{summary.index}\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
