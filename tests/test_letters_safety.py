"""Whatever somebody writes into a name, a title or an address, a letter stays a letter (faults 14)."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.letters.formats import first_name, plain, secure_url
from activities.mailer import Letter
from journey.facts import Line, Order
from journey.messages import ParcelContent, SendRequest
from ledger.customers import Profile
from tests.letter_samples import ANN, BEANS, LETTERS, MUG, ORDER, OURS, PARCEL, letters, request
from tests.test_letters import Page

MARK = "zq7"
"""Stands in every attack, so that what became of it can be found."""

ATTACKS = [
    "{{ 7 * 191 }}zq7",
    "{% for x in ().__class__.__mro__ %}zq7{% endfor %}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}zq7",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}zq7",
    "#{7*191} ${7*191} <%= 7*191 %> zq7",
    "%(name)s %(number)s %s %n zq7",
    "<script>alert('zq7')</script>",
    "</script><script>zq7()</script>",
    "</title></head><body onload=zq7()>",
    "<img src=x onerror=zq7()>",
    "\"><a href='javascript:zq7()'>free</a>",
    "' onmouseover='zq7()",
    "</mj-text><mj-raw><script>zq7()</script></mj-raw><mj-text>",
    "<mj-include path='/etc/passwd' />zq7",
    "<!-- zq7 -->", "--> <b>zq7</b> <!--",
    "<![CDATA[<b>zq7</b>]]>",
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e; zq7",
    "&lt;b&gt;zq7&lt;/b&gt; &amp;lt;i&amp;gt; &#60;u&#62;",
    "zq7\r\nBcc: victim@evil.example\r\n\r\n<b>hi</b>",
    "zq7\nSubject: won\n", "zq7\u2028Bcc: a@b\u2029", "zq7\x00\x0b\x0c\x85\x1b[31m",
    "zq7 \u202egpj.exe\u202c \u2066abc\u2069",
    "zq7 http://evil.example/win", "zq7 javascript:alert(1)", "zq7 data:text/html,x",
    "zq7 javascript://x%0aalert(1)",
    "zq7" * 60, "\u0301" * 50 + "zq7", "\U0001f4e6 zq7 \u062a\u062c\u0631\u0628\u0629",
    "{{zq7", "{%zq7", "{#zq7", "%(zq7", "%",
]  # fmt: skip
ADDRESSES = [
    "http://plain.example/",
    "https://user:secret@evil.example/",
    "https://evil.example/\"onload='zq7()",
    "https://evil.example/<script>zq7</script>",
    "javascript:zq7()",
    "data:text/html,zq7",
    "https:///zq7",
    "https://evil.example/\r\nzq7",
    "//evil.example/zq7",
    "ftp://evil.example/zq7",
]
OWN_HOSTS = r"https://(shop|reviews|track|cdn\.shop)\.example(/|$)"


def attacked(letter: str, attack: str) -> tuple[SendRequest, Profile]:
    """A request with the attack in every text of the order, the parcel and the customer.

    `model_copy` goes past the models' own checks: the letters have to hold by themselves.
    """
    lines = tuple(line.model_copy(update={"title": attack, "category": attack}) for line in (BEANS, MUG))
    order = ORDER.model_copy(update={"lines": lines})
    parcel = PARCEL.model_copy(update={"tracking_number": attack, "carrier": attack, "parcel_id": attack})
    reader = ANN.model_copy(update={"name": attack, "phone": attack})
    return request(letter, order=order, parcel=parcel), reader


def harmless(letter: Letter) -> Page:
    page = Page(letter.html)
    assert all(re.match(OWN_HOSTS, link) for link in page.links), page.links
    assert all(re.match(OWN_HOSTS, image["src"] or "") for image in page.images)
    assert "1337" not in letter.html + letter.text + letter.subject
    assert not re.search(r"[\r\n\x00-\x1f\x7f\x85\u2028-\u202e\u2066-\u2069]", letter.subject)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", letter.html + letter.text)
    for name, value in letter.headers.items():
        assert re.fullmatch(r"[A-Za-z-]+", name) and value.isascii() and value.isprintable()
    scripts = re.findall(r"<script\b[^>]*>(.*?)</script", letter.html, re.DOTALL)
    for script in scripts:
        assert not re.search(r"[<>&']", script)
        json.loads(script)
    assert letter.html.count("<script") == letter.html.count("</script>") == len(scripts)
    assert not any(attribute in page.attributes for attribute in ("onload", "onerror", "onmouseover"))
    assert {"b", "i", "u", "mj-include", "mj-raw"}.isdisjoint(page.tags)
    return page


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_a_customer_or_a_title_says_is_evaluated(attack: str) -> None:
    for name in LETTERS:
        harmless(OURS.render(*attacked(name, attack)))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_title_is_shown_as_it_was_written(attack: str) -> None:
    letter = OURS.render(*attacked("order_confirmation", attack))
    shown = Page(letter.html).text
    assert " ".join(plain(attack).split()) in shown or not plain(attack)


@pytest.mark.parametrize("address", ADDRESSES)
def test_only_secure_addresses_become_links(address: str) -> None:
    lines = tuple(
        line.model_copy(update={"guide_url": address, "image_url": address}) for line in (BEANS, MUG)
    )
    order = ORDER.model_copy(update={"lines": lines})
    parcel = PARCEL.model_copy(update={"tracking_url": address})
    for name in LETTERS:
        letter = OURS.render(request(name, order=order, parcel=parcel), ANN)
        harmless(letter)
        assert address not in letter.html + letter.text


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=120), st.sampled_from(LETTERS))
def test_no_text_at_all_breaks_a_letter(text: str, name: str) -> None:
    if any("\ud800" <= char <= "\udfff" for char in text):
        text = text.encode("utf-8", "ignore").decode()
    harmless(OURS.render(*attacked(name, text)))


@given(st.text(max_size=300))
def test_a_secure_address_is_secure(text: str) -> None:
    for address in (text, f"https://{text}", f"https://a.example/{text}"):
        found = secure_url(address)
        assert found is None or re.fullmatch(r"https://[^\s<>\"'\\@/?#]+[^\s<>\"'\\]*", found)


@pytest.mark.parametrize(
    ("name", "greeted"),
    [
        ("Ann Smith", "Ann"),
        ("  jean-luc  picard ", "jean-luc"),
        ("O\u2019Brien Pat", "O\u2019Brien"),
        ("J.R. Tolkien", "J.R."),
        ("\u0646\u0648\u0631\u0629", "\u0646\u0648\u0631\u0629"),
        ("Win at evil.example", ""),
        ("https://evil.example", ""),
        ("www.evil.example Ann", ""),
        ("ann@home.example", ""),
        ("Call 0800 123", ""),
        ("", ""),
    ],
)
def test_nobody_is_greeted_by_an_advertisement(name: str, greeted: str) -> None:
    from babel import Locale

    assert first_name(name, Locale("en")) == greeted


def test_a_letter_that_fails_names_no_customer(tmp_path: Any) -> None:
    from activities.mailer import LetterError

    folder = tmp_path / "letters"
    folder.mkdir()
    own = letters(own=[tmp_path])
    for number, broken in enumerate(failing_templates()):
        (folder / f"broken{number}.txt").write_text(broken, encoding="utf-8")
        asked = request("survey").model_copy(update={"letter": f"broken{number}"})
        with pytest.raises(LetterError) as told:
            own.render(asked, ANN)
        assert f"broken{number}" in told.value.reason
        assert "Ann" not in told.value.reason and "Smith" not in told.value.reason


def failing_templates() -> Iterator[str]:
    blocks = "{% block subject %}s{% endblock %}{% block preheader %}"
    yield "{{ nobody }}"
    yield "{% block subject %}{{ nobody }}{% endblock %}"
    yield blocks + "{{ customer.name + 1 }}{% endblock %}"
    yield blocks + "{{ customer.name|int(none) / 0 }}{% endblock %}"
    yield blocks + "{{ {}[customer.name] }}{% endblock %}"
    yield blocks + "{{ customer.__class__.__init__.__globals__ }}{% endblock %}"
    yield blocks + "{% include customer.name %}{% endblock %}"
    yield blocks + "{{ page(customer.name) }}{% endblock %}"
    yield "{% if %}"


def test_orders_are_limited_where_letters_rely_on_it() -> None:
    with pytest.raises(ValueError, match="title"):
        Line.model_validate({**BEANS.model_dump(), "title": "x" * 201})
    with pytest.raises(ValueError, match="order_id"):
        Order.model_validate({**ORDER.model_dump(), "order_id": "a\nb"})
    assert ParcelContent(parcel_id="p").tracking_url is None
