"""A shop's own looks and words, and what is checked of them and of ours."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from pydantic import ValidationError

from activities.letters.catalogs import read_catalog
from activities.letters.colours import READABLE, Tones, contrast, dark, light
from activities.letters.mjml import check_tags, to_html
from activities.letters.shop import Shop
from activities.mailer import LetterError
from tests.letter_samples import ANN, OURS, ROOT, SHOP, TEMPLATES, letters, request
from tests.test_letters import checked

PO = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'


def put(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_a_shop_replaces_one_letter_and_keeps_the_others(tmp_path: Path) -> None:
    put(
        tmp_path,
        "letters/survey.mjml",
        '{% extends "frame.mjml" %}{% import "parts.mjml" as part %}'
        '{% block content %}{{ part.hero("?", _("How did we do?")) }}{{ part.para("Tell us, mate.") }}'
        '{{ part.button("Go", page("survey")) }}{% endblock %}',
    )
    own = letters(own=[tmp_path])
    letter = own.render(request("survey"), ANN)
    checked(letter)
    assert "Tell us, mate." in letter.html
    assert letter.subject == "How did we do? One click is enough"
    assert own.render(request("stalled"), ANN) == OURS.render(request("stalled"), ANN)


def test_a_shop_adds_to_a_letter_of_ours(tmp_path: Path) -> None:
    put(
        tmp_path,
        "letters/welcome.mjml",
        '{% extends "built_in/letters/welcome.mjml" %}'
        "{% block footer %}<mj-text>Family-owned since 1911</mj-text>{{ super() }}{% endblock %}",
    )
    letter = letters(own=[tmp_path]).render(request("welcome"), ANN)
    assert "Family-owned since 1911" in letter.html
    assert "Welcome, and thank you" in letter.html and "Rosenweg 4" in letter.html


def test_a_shop_changes_the_frame_of_all_letters(tmp_path: Path) -> None:
    put(tmp_path, "frame.css", ".card { outline: 1px solid red }")
    for name in ("survey", "stalled"):
        assert "outline: 1px solid red" in letters(own=[tmp_path]).render(request(name), ANN).html


def test_a_shop_words_a_sentence_its_own_way_even_in_english(tmp_path: Path) -> None:
    put(tmp_path, "locale/en.po", PO + '\nmsgid "Your parcel has arrived"\nmsgstr "Knock, knock!"\n')
    put(tmp_path, "locale/de.po", PO + '\nmsgid "Your parcel has arrived"\nmsgstr "Klopf, klopf!"\n')
    own = letters(own=[tmp_path])
    assert own.render(request("delivered"), ANN).subject == "Knock, knock!"
    german = own.render(request("delivered"), ANN.model_copy(update={"locale": "de-AT"}))
    assert german.subject == "Klopf, klopf!"
    assert "Paket verfolgen" not in german.text and "Ihre Bestellung ansehen" in german.text


def test_a_shop_brings_a_language_and_what_it_does_not_say_is_listed_and_english(tmp_path: Path) -> None:
    put(tmp_path, "locale/fr.po", PO + '\nmsgid "Your parcel has arrived"\nmsgstr "Votre colis est là"\n')
    own = letters(own=[tmp_path])
    letter = own.render(request("delivered"), ANN.model_copy(update={"locale": "fr-CA"}))
    assert letter.subject == "Votre colis est là"
    assert "Get the most out of it" in letter.text
    missing = own.missing_translations()
    assert list(missing) == ["fr"]
    assert "Get the most out of it" in missing["fr"] and "Your parcel has arrived" not in missing["fr"]
    assert len(missing["fr"]) > 150


def test_a_translation_with_other_placeholders_is_listed(tmp_path: Path) -> None:
    wrong = '\nmsgid "Your order %(number)s is cancelled"\nmsgstr "Storniert: %(nummer)s"\n'
    put(tmp_path, "locale/nl.po", PO + wrong)
    assert any("placeholders differ" in each for each in letters(own=[tmp_path]).missing_translations()["nl"])


def test_our_languages_are_complete() -> None:
    assert OURS.languages == ["en", "ar", "de"]
    assert OURS.missing_translations() == {}
    for language in ("ar", "de"):
        catalog = read_catalog(TEMPLATES / "locale" / f"{language}.po")
        assert len(catalog) == len(OURS.sentences())
        assert not catalog.obsolete


@pytest.mark.parametrize("count", [0, 1, 2, 3, 11, 100, 101, 1000])
def test_arabic_counts_as_arabic_does(count: int) -> None:
    said = {
        0: "لا منتجات أخرى",
        1: "ومنتج واحد آخر",
        2: "ومنتجان آخران",
        3: "و3 منتجات أخرى",
        11: "و11 منتجًا آخر",
        100: "و100 منتج آخر",
        101: "و101 منتج آخر",
        1000: "و1000 منتج آخر",
    }
    words = OURS.language("ar").templates.from_string(
        '{{ ngettext("and %(num)s more item", "and %(num)s more items", count) }}'
    )
    assert words.render(count=count) == said[count]


def test_catalogs_are_in_step_with_the_templates(tmp_path: Path) -> None:
    put(tmp_path, "letters/hello.txt", '{{ _("A sentence of our own") }}')
    command = [sys.executable, "-m", "activities.letters.upkeep", "--folder", str(tmp_path), "nl"]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True, timeout=60)
    ids = {message.id for message in read_catalog(tmp_path / "locale" / "nl.po")}
    assert {"A sentence of our own", "Your parcel has arrived"} <= ids
    command[-1] = "--check"
    told = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert told.returncode == 1
    assert "nl: A sentence of our own" in told.stdout.splitlines()
    ours = subprocess.run([*command[:3], "--check"], check=True, cwd=ROOT, capture_output=True, timeout=60)
    assert ours.stdout == b""


@pytest.mark.parametrize(
    "accent", ["#1f5f4a", "#ff0000", "#ffe600", "#000000", "#ffffff", "#0000ff", "#777777"]
)
@pytest.mark.parametrize("tones", [light, dark], ids=["light", "dark"])
def test_any_colour_of_a_shop_gives_letters_that_can_be_read(
    accent: str, tones: Callable[[str], Tones]
) -> None:
    mode = asdict(tones(accent))
    for words in ("text", "muted", "link"):
        for ground in ("surface", "soft", "tint", "page"):
            assert contrast(mode[words], mode[ground]) >= READABLE, (words, ground)
    assert contrast(mode["on_accent"], mode["accent"]) >= READABLE
    assert contrast(mode["accent"], mode["surface"]) >= 3.0
    assert contrast(mode["warn"], mode["surface"]) >= READABLE


def test_contrast_is_reckoned_as_wcag_does() -> None:
    assert round(contrast("#000000", "#ffffff"), 1) == 21.0
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54
    assert contrast("#123456", "#123456") == 1.0


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("<mjml><mj-body><mj-buton>x</mj-buton></mj-body></mjml>", "<mj-buton> is not an MJML tag"),
        ("<mjml><mj-body><mjtext>x</mjtext></mj-body></mjml>", "<mjtext> is not an MJML tag"),
        ("<mjml><mj-body><div>x</div></mj-body></mjml>", "<div> is not allowed outside"),
        ("<mjml><mj-body><mj-text><mj-button>x</mj-button></mj-text></mj-body></mjml>", "cannot stand in"),
        ("<mjml><mj-body><mj-text>x</mj-body></mjml>", "cannot stand in"),
        ("<mjml><mj-body><mj-text>x", "<mj-text> is not closed"),
        ("<mjml><mj-body><mj-section></mj-body></mjml>", "cannot be read"),
        (
            "<mjml><mj-body><mj-include path='/etc/passwd' /></mj-body></mjml>",
            "<mj-include> is not an MJML tag",
        ),
    ],
)
def test_mjml_with_a_mistake_is_refused(source: str, complaint: str) -> None:
    with pytest.raises(LetterError, match=complaint):
        to_html(source)


def test_a_tag_in_a_comment_or_an_attribute_is_no_tag() -> None:
    check_tags(
        '<mjml><!-- <mj-nothing> --><mj-body><mj-text title="<mj-no>"><p>x</p></mj-text></mj-body></mjml>'
    )


def test_a_typo_in_a_letter_is_refused_and_named(tmp_path: Path) -> None:
    source = (TEMPLATES / "letters" / "survey.mjml").read_text(encoding="utf-8")
    put(tmp_path, "letters/survey.mjml", source.replace("{{ part.help(page) }}", "<mj-txt>hi</mj-txt>"))
    with pytest.raises(LetterError, match="letter survey: <mj-txt> is not an MJML tag"):
        letters(own=[tmp_path]).render(request("survey"), ANN)


def test_a_letter_without_a_subject_is_refused(tmp_path: Path) -> None:
    put(
        tmp_path,
        "letters/survey.txt",
        "{% block subject %} {% endblock %}{% block preheader %}x{% endblock %}",
    )
    with pytest.raises(LetterError, match=r"letter survey: letters/survey\.txt: its block subject is empty"):
        letters(own=[tmp_path]).render(request("survey"), ANN)


def test_a_letter_that_is_not_there_is_refused() -> None:
    asked = request("survey").model_copy(update={"letter": "haiku"})
    with pytest.raises(LetterError, match=r"letter haiku: there is no template letters/haiku\.txt"):
        OURS.render(asked, ANN)


def test_the_shops_logo_and_colour_are_in_every_letter() -> None:
    shop = SHOP.model_copy(update={"logo_url": "https://cdn.shop.example/logo.png", "accent": "#7a1fa2"})
    for name in ("survey", "order_confirmation"):
        html = letters(shop=shop).render(request(name), ANN).html
        assert 'src="https://cdn.shop.example/logo.png"' in html and 'alt="Koffie &amp; Co"' in html
        assert "#7a1fa2" in html and SHOP.accent not in html


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "http://shop.example"),
        ("url", "shop.example"),
        ("logo_url", "javascript:x"),
        ("review_url", "ftp://reviews.example"),
        ("accent", "green"),
        ("support_email", "nobody"),
    ],
)
def test_a_wrong_setting_of_the_shop_is_named(field: str, value: str) -> None:
    with pytest.raises(ValidationError) as told:
        Shop.model_validate({"name": "S", "url": "https://shop.example", field: value})
    assert told.value.errors()[0]["loc"] == (field,)


def test_a_catalog_that_cannot_be_read_parks_the_letter(tmp_path: Path) -> None:
    put(tmp_path, "locale/it.po", PO + "\nthis is no catalog\n")
    with pytest.raises(LetterError, match=r"letter survey: locale/it\.po, line 5"):
        letters(own=[tmp_path]).render(request("survey"), ANN.model_copy(update={"locale": "it"}))
    assert letters(own=[tmp_path]).render(request("survey"), ANN).subject
