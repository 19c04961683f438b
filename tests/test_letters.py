"""What a customer sees in the letters of the default playbook."""

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import pytest

from activities.letters.shop import Shop
from activities.letters.writing import HTML_LIMIT
from activities.mailer import Letter
from journey.playbook import MessageClass
from ledger.customers import Profile
from tests.letter_samples import (
    ANN,
    BARE_PARCEL,
    BEANS,
    LETTERS,
    MUG,
    ORDER,
    OURS,
    PARCEL,
    SHOP,
    letter_to,
    letters,
    request,
)

LOCALES = ["en", "en-GB", *(language for language in OURS.languages if language != "en")]


class Page(HTMLParser):
    """A letter's HTML, as a mail client reads it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.root: dict[str, str | None] = {}
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self._silent = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        self.attributes |= found.keys()
        if tag == "html":
            self.root = found
        if tag == "a":
            self.links.append(found.get("href") or "")
        if tag == "img":
            self.images.append(found)
        self._silent += tag in {"style", "script", "title"}

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in {"style", "script", "title"}

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r" ([,.])", r"\1", " ".join(" ".join(self.words).split()))


def checked(letter: Letter) -> Page:
    """Everything that holds for every letter."""
    page = Page(letter.html)
    assert 4 <= len(letter.subject) <= 120
    assert letter.subject.translate({0x200C: None, 0x200D: None, 0x200E: None, 0x200F: None}).isprintable()
    assert len(letter.html.encode()) < HTML_LIMIT
    assert page.root["dir"] in {"ltr", "rtl"} and page.root["lang"]
    assert page.links and all(re.match(r"https://[a-z.]+(/|$)", link) for link in page.links)
    assert all(image.get("alt") for image in page.images)
    assert all((image["src"] or "").startswith("https://") for image in page.images)
    for part in (page.text, letter.text, letter.subject):
        assert not re.search(r"\{\{|\{%|%\(|\bNone\b|Undefined|&amp;|&#|\[\]", part)
    assert len(letter.text.split()) > 20
    assert re.search(r"https://\S+", letter.text)
    assert all(len(line) <= 72 for line in letter.text.splitlines() if " " in line.strip())
    assert "color-scheme" in letter.html and "prefers-color-scheme: dark" in letter.html
    return page


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", LETTERS)
def test_every_letter_reads_well_in_both_parts(name: str, locale: str) -> None:
    checked(letter_to(ANN.model_copy(update={"locale": locale}), name))


@pytest.mark.parametrize("name", LETTERS)
def test_a_letter_does_without_what_nobody_told_us(name: str) -> None:
    order = ORDER.model_copy(update={"ship_by": None, "deliver_by": None, "lines": (MUG,)})
    plain_shop = letters(shop=Shop(name="Corner", url="https://corner.example"))
    asked = request(name, order=order, parcel=BARE_PARCEL).model_copy(
        update={"rating": None, "runs_out_at": None}
    )
    checked(plain_shop.render(asked, Profile(customer_id="c_2")))


@pytest.mark.parametrize("name", LETTERS)
def test_a_huge_order_still_fits_into_a_letter(name: str) -> None:
    lines = tuple(
        MUG.model_copy(
            update={"line_id": f"l{n}", "title": '"' * 200, "image_url": f"https://c.example/{'x' * 1900}{n}"}
        )
        for n in range(500)
    )
    order = ORDER.model_copy(update={"lines": lines})
    page = checked(letter_to(ANN, name, order=order, parcel=BARE_PARCEL))
    assert len(page.images) <= 12


def test_the_confirmation_shows_what_was_bought_and_what_it_cost() -> None:
    letter = letter_to(ANN, "order_confirmation")
    assert letter.subject == "Thank you! We have your order 1001"
    for part in (Page(letter.html).text, letter.text):
        assert "Hi Ann," in part
        assert 'Mug "Luna" & saucer' in part
        assert "€87.80" in part
        assert "Tuesday, March 3" in part


@pytest.mark.parametrize(
    ("currency", "shown"),
    [("JPY", "¥1,890"), ("KWD", "KWD\u00a01.890"), ("RSD", "RSD\u00a018.90"), ("USD", "$18.90")],
)
def test_money_has_the_digits_of_its_currency(currency: str, shown: str) -> None:
    order = ORDER.model_copy(
        update={"currency": currency, "lines": (BEANS.model_copy(update={"quantity": 1}),)}
    )
    assert shown in letter_to(ANN, "order_confirmation", order=order).text


def test_dates_are_the_customers_own() -> None:
    order = ORDER.model_copy(update={"zone": "Pacific/Auckland", "deliver_by": date(2026, 3, 6)})
    text = letter_to(ANN, "order_confirmation", order=order).text
    assert "Placed on: Sunday, March 1" in text
    assert "With you by: Friday, March 6" in text


def test_a_parcel_with_some_of_the_order_shows_only_those() -> None:
    letter = letter_to(ANN, "shipping_confirmation")
    assert letter.subject == "Part of your order 1001 is on its way"
    assert "Espresso" in letter.text and "Luna" not in letter.text
    assert PARCEL.tracking_url in Page(letter.html).links
    assert (
        letter_to(ANN, "shipping_confirmation", parcel=BARE_PARCEL).subject == "Your order 1001 is on its way"
    )


def test_the_thank_you_links_the_product_guide() -> None:
    letter = letter_to(ANN, "delivered", parcel=BARE_PARCEL)
    assert BEANS.guide_url in Page(letter.html).links
    assert str(BEANS.guide_url) in letter.text


def test_everybody_is_asked_for_a_public_review_and_low_raters_too() -> None:
    for name in ("feedback_request", "low_rating_follow_up"):
        letter = letter_to(ANN, name)
        assert SHOP.review_url in Page(letter.html).links
        assert str(SHOP.review_url) in letter.text


def test_every_star_is_a_link_of_its_own() -> None:
    links = Page(letter_to(ANN, "survey").html).links
    for stars in range(1, 6):
        assert f"https://shop.example/orders/1001/survey?stars={stars}" in links


@pytest.mark.parametrize("name", LETTERS)
def test_only_letters_one_may_refuse_carry_the_unsubscribe_headers(name: str) -> None:
    letter = letter_to(ANN, name)
    refusable = request(name).message_class is not MessageClass.TRANSACTIONAL
    url = "https://shop.example/unsubscribe/c_1"
    assert (letter.headers.get("List-Unsubscribe") == f"<{url}>") is refusable
    assert (letter.headers.get("List-Unsubscribe-Post") == "List-Unsubscribe=One-Click") is refusable
    assert (url in letter.html) is (url in letter.text) is refusable


def test_without_an_unsubscribe_page_no_letter_promises_one() -> None:
    from activities.letters.writing import Letters

    letter = Letters(OURS.folders, SHOP).render(request("survey"), ANN)
    assert letter.headers == {}
    assert "nsubscribe" not in letter.html + letter.text


def test_a_letter_is_the_same_each_time_it_is_written() -> None:
    first = letter_to(ANN, "stalled")
    assert replace(first) == letters().render(request("stalled"), ANN)
