"""Every letter of the default playbook, for every example order, in every language."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from activities.letters.gallery import Specimen, gallery_steps, specimen_request, write_gallery
from activities.letters.writing import Letters
from runtime.orderfiles import read_order
from tests.letter_samples import ANN, OURS, PLAYBOOK, ROOT, SHOP, letters, request
from tests.test_letters import Page, checked

ORDERS = sorted((ROOT / "examples" / "orders").glob("*/order.json"))


def specimen(path: Path) -> Specimen:
    file = read_order(path)
    return Specimen(file.order, file.placed_at, file.customer_profile())


@pytest.mark.parametrize("locale", OURS.languages)
@pytest.mark.parametrize("path", ORDERS, ids=[path.parent.name for path in ORDERS])
def test_every_letter_reads_well_for_every_example(path: Path, locale: str) -> None:
    about = specimen(path)
    reader = about.profile.model_copy(update={"locale": locale})
    for step in gallery_steps(PLAYBOOK, OURS):
        page = checked(OURS.render(specimen_request(step, about), reader))
        assert page.root["lang"] == locale
        assert page.root["dir"] == ("rtl" if locale == "ar" else "ltr")


@pytest.mark.parametrize("path", ORDERS, ids=[path.parent.name for path in ORDERS])
def test_the_customer_is_written_to_in_their_own_language_where_we_speak_it(path: Path) -> None:
    about = specimen(path)
    letter = OURS.render(specimen_request(PLAYBOOK.steps[0], about), about.profile)
    spoken = about.profile.locale[:2] if about.profile.locale[:2] in OURS.languages else "en"
    assert (Page(letter.html).root["lang"] or "")[:2] == spoken


def test_the_gallery_shows_each_letter_in_each_language(tmp_path: Path) -> None:
    summary = write_gallery(tmp_path, PLAYBOOK, [specimen(path) for path in ORDERS], OURS.languages, OURS)
    assert summary.problems == ()
    page = summary.index.read_text(encoding="utf-8")
    for each in summary.written:
        html = tmp_path / each.locale / f"{each.message}.html"
        assert html.stat().st_size == each.html_bytes > 5_000
        assert html.with_suffix(".txt").stat().st_size == each.text_bytes > 300
        assert f'src="{each.locale}/{each.message}.html"' in page
    messages = [each.message for each in summary.written if each.locale == "de"]
    assert messages[:21] == list(dict.fromkeys(step.letter for step in PLAYBOOK.steps))
    assert "replenishment_humorous" in messages


NAMESPACES = {"www.w3.org", "schema.org", "schemas-microsoft-com"}
"""Names that look like addresses and are fetched by nobody."""


def test_no_letter_tells_a_stranger_that_it_is_opened(tmp_path: Path) -> None:
    write_gallery(tmp_path, PLAYBOOK, [specimen(path) for path in ORDERS], OURS.languages, OURS)
    letters = [path for path in tmp_path.glob("*/*.html")]
    assert len(letters) > 60
    for path in letters:
        html = path.read_text(encoding="utf-8")
        hosts = set(re.findall(r"(?:https?:)?//([\w.-]+\.[a-z]+)", html)) - NAMESPACES
        assert all(host.endswith(".example") for host in hosts), (path, hosts)
        assert "@import" not in html


def test_the_gallery_shows_why_a_letter_cannot_be_written(tmp_path: Path) -> None:
    broken = tmp_path / "own" / "letters"
    broken.mkdir(parents=True)
    (broken / "survey.txt").write_text("{{ nobody_knows_this }}", encoding="utf-8")
    summary = write_gallery(
        tmp_path / "out", PLAYBOOK, [specimen(ORDERS[0])], ["en"], letters(own=[tmp_path / "own"])
    )
    (problem,) = summary.problems
    assert problem.message == "survey"
    assert problem.problem in summary.index.read_text(encoding="utf-8")


def test_machines_can_read_the_order_and_the_parcel() -> None:
    order = structured("order_confirmation")
    assert order["@type"] == "Order"
    assert (order["orderNumber"], order["price"], order["priceCurrency"]) == ("1001", "87.80", "EUR")
    parcel = structured("shipping_confirmation")
    assert parcel["@type"] == "ParcelDelivery"
    assert parcel["trackingNumber"] == "00340434161094042557"
    assert parcel["expectedArrivalUntil"] == "2026-03-05"
    assert [item["sku"] for item in parcel["itemShipped"]] == ["espresso"]


def structured(letter: str) -> dict[str, Any]:
    html = Letters(OURS.folders, SHOP).render(request(letter), ANN).html
    (found,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html)
    data: dict[str, Any] = json.loads(found)
    return data
