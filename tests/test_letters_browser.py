"""Letters as a browser lays them out: nothing too wide for a phone, everything readable by day and night."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.letters.colours import contrast
from activities.letters.gallery import write_gallery
from tests.letter_samples import LETTERS, OURS, PLAYBOOK

pytest.importorskip("playwright")

from playwright.sync_api import Browser

from tests.screenshots import CHROMIUM, MODES, chromium, picture, specimens

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

SURVEY = """() => {
  const byte = n => (+n).toString(16).padStart(2, '0')
  const hex = text => '#' + text.match(/[0-9.]+/g).slice(0, 3).map(byte).join('')
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor
      if (!/^rgba.*, 0\\)$|transparent/.test(colour)) return hex(colour)
    }
    return '#ffffff'
  }
  const pairs = {}
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const words = walker.currentNode.data.trim(), element = walker.currentNode.parentElement
    if (!words || !element.checkVisibility() || element.getBoundingClientRect().height < 4) continue
    if (element.closest('[aria-hidden=true]') && getComputedStyle(element).fontSize === '1px') continue
    pairs[hex(getComputedStyle(element).color) + ' ' + ground(element)] = words.slice(0, 40)
  }
  const boxes = [...document.querySelectorAll('a, img, h1, h2')].map(e => e.getBoundingClientRect())
  return {
    pairs,
    wide: document.documentElement.scrollWidth,
    outside: boxes.filter(b => b.width && (b.left < -1 || b.right > innerWidth + 1)).length,
    small: [...document.querySelectorAll('td > a[href], td a[aria-label]')]
      .filter(a => getComputedStyle(a).display !== 'inline').map(a => a.getBoundingClientRect().height),
  }
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gallery")
    assert not write_gallery(out, PLAYBOOK, specimens(), OURS.languages, OURS).problems
    return out


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("locale", OURS.languages)
def test_letters_fit_a_phone_and_can_be_read(browser: Browser, gallery: Path, locale: str, mode: Any) -> None:
    page = browser.new_page(color_scheme=mode, viewport={"width": 360, "height": 740})
    page.route("https://**/*", picture)
    for file in sorted((gallery / locale).glob("*.html")):
        page.goto(file.as_uri())
        seen = page.evaluate(SURVEY)
        assert seen["wide"] <= 360 and not seen["outside"], file.name
        assert all(height >= 44 for height in seen["small"]), file.name
        assert len(seen["pairs"]) >= 4, file.name
        for pair, words in seen["pairs"].items():
            assert contrast(*pair.split()) >= 4.5, f"{file.name} {mode}: {words!r} is {pair}"
    page.close()


def test_a_letter_looks_right_while_images_are_blocked(browser: Browser, gallery: Path) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.route("https://**/*", lambda route: route.abort())
    page.goto((gallery / "en" / "order_confirmation.html").as_uri())
    images = page.locator("img")
    assert images.count() >= 1
    for number in range(images.count()):
        box = images.nth(number).bounding_box()
        assert box and (round(box["width"]), round(box["height"])) == (64, 64)
        assert images.nth(number).get_attribute("alt")
    page.close()


def test_the_gallery_shows_one_language_and_width_at_a_time(browser: Browser, gallery: Path) -> None:
    page = browser.new_page(viewport={"width": 1500, "height": 900})
    page.route("https://**/*", picture)
    page.goto((gallery / "index.html").as_uri())
    assert page.locator("article:visible").count() == len({*LETTERS})
    narrow = page.locator("article:visible").first.bounding_box()
    page.get_by_text("ar", exact=True).click()
    page.get_by_text("Desktop, 640").click()
    shown = page.locator("article:visible")
    wide = shown.first.bounding_box()
    assert shown.count() == len({*LETTERS}) and "طلبك" in shown.first.inner_text()
    assert narrow and wide and narrow["width"] < 400 and wide["width"] > 640
    page.close()
