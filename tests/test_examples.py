"""The example orders can be read and show what their table says; a wrong file gets one clear line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey.facts import CarrierStatus, NotUnderstood, ParcelMoved, understand
from journey.state import Result
from runtime.inputs import InputError
from runtime.orderfiles import OF_RETURNS, OrderFile, read_fact_file, read_facts, read_order
from tests.simulate import DEFAULT, ROOT, example
from tests.strategies import PLACED_AT, quick

FOLDERS = sorted(path.parent for path in (ROOT / "examples" / "orders").glob("*/order.json"))
NAMES = [folder.name for folder in FOLDERS]


@pytest.mark.parametrize("folder", FOLDERS, ids=NAMES)
def test_an_example_is_read_understood_and_told_in_the_order_of_its_reports(folder: Path) -> None:
    order = read_order(folder / "order.json")
    facts = read_facts(folder / "facts.jsonl", strict=folder.name != "out_of_order")
    assert order.customer.email.endswith(("@example.com", "@example.org"))
    assert [fact.at for fact in facts] == sorted(fact.at for fact in facts)
    assert order.placed_at < facts[0].at
    told = [fact for fact in facts if fact.kind not in OF_RETURNS]
    strange = [f for f in told if isinstance(understand(f.kind, f.body, f.at), NotUnderstood)]
    assert [f.kind for f in strange] == (["gift_wrapped"] if folder.name == "out_of_order" else [])


def test_the_examples_are_as_different_as_the_world() -> None:
    orders = [read_order(folder / "order.json") for folder in FOLDERS]
    assert {"EUR", "GBP", "USD", "JPY", "KWD"} <= {order.order.currency for order in orders}
    assert {"Australia/Sydney", "America/Santiago", "Asia/Tokyo"} <= {order.order.zone for order in orders}
    assert {"en", "de", "ar", "ja"} <= {order.customer.locale[:2] for order in orders}
    assert len({order.order.order_id for order in orders}) == len(orders)
    readme = (ROOT / "examples" / "orders" / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{o.name}` | {read_order(o / 'order.json').order.order_id}," in readme for o in FOLDERS)


def test_between_them_the_examples_send_every_letter_of_the_default_playbook() -> None:
    lives = [example(name) for name in NAMES]
    sent = {o.step for life in lives for o in life.state.outcomes.values() if o.result is Result.SENT}
    assert sent == {step.name for step in DEFAULT.steps}


def test_a_carriers_unknown_word_in_an_example_is_kept() -> None:
    facts = read_facts(ROOT / "examples" / "orders" / "out_of_order" / "facts.jsonl")
    moves = [understand(f.kind, f.body, f.at) for f in facts if f.kind == "parcel_moved"]
    unknown = [m for m in moves if isinstance(m, ParcelMoved) and m.status is CarrierStatus.UNKNOWN]
    assert [move.raw for move in unknown] == ["保管中"]


# Files as they should not be.


def good_order() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        (ROOT / "examples/orders/on_time/order.json").read_text(encoding="utf-8")
    )
    return data


def told_of(text: str | bytes, path: Path) -> list[str]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError) as refused:
        read_order(path)
    return str(refused.value).replace(f"{path.parent}/", "").splitlines()


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"order_id": "1001 x"}, "order_id: should be an identifier"),
        ({"currency": "eur"}, "currency: should be three capital letters, an ISO 4217 code such as `EUR`"),
        ({"zone": "Europe/Berln"}, "zone: should be an IANA time zone such as Europe/Berlin"),
        ({"placed_at": "2026-05-01"}, "placed_at: should be a moment with an offset such as"),
        ({"deliver_by": "soon"}, "deliver_by: should be a date such as 2026-05-01, or a moment such as"),
        ({"lines": []}, "lines: should have at least one item"),
        ({"lines": {}}, "lines: should be a list"),
        ({"curency": "EUR"}, "curency: is not a known field; did you mean `currency`?"),
        ({"customer": []}, "customer: should be an object with named fields"),
        ({"customer_id": "c_1"}, "customer_id: should stand within `customer`"),
        ({"ann@example.com": 1}, "(a key that is no word): is not a known field"),
    ],
)
def test_a_wrong_field_of_an_order_is_named(change: dict[str, Any], answer: str, tmp_path: Path) -> None:
    (said,) = told_of(json.dumps({**good_order(), **change}), tmp_path / "order.json")
    assert answer in said


def test_a_wrong_line_of_an_order_is_named_with_its_place_in_the_file(tmp_path: Path) -> None:
    order = good_order()
    order["lines"][1]["quantity"] = 0
    (said,) = told_of(json.dumps(order, indent=2), tmp_path / "order.json")
    row = json.dumps(order, indent=2).splitlines().index('      "quantity": 0,') + 1
    assert said == f"order.json:{row}: lines.1.quantity: should be greater than or equal to 1"


def test_nothing_personal_is_repeated_in_what_is_told_of_a_wrong_order(tmp_path: Path) -> None:
    order = good_order()
    order["customer"] = {"customer_id": "ann@secret.example", "email": "ann at secret", "name": "Ann\nSecret"}
    order["customer"]["phone"] = {"secret": "+49"}
    said = "\n".join(told_of(json.dumps(order), tmp_path / "order.json"))
    assert "ecret" not in said
    assert all(f"customer.{field}: " in said for field in ("customer_id", "email", "name", "phone"))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", "order.json:1: is not JSON"),
        ("[]", "order.json:1: should be a JSON object"),
        ("null", "order.json:1: should be a JSON object"),
        ('{\n"order_id": 1,,}', "order.json:2: is not JSON"),
        ('{"order_id": "1", "order_id": "2"}', "order.json:1: order_id: is there twice"),
        ('{"ship_by": NaN}', "order.json:1: NaN is not JSON"),
        ("[" * 100_000, "order.json:1: is nested too deeply"),
        ('{"order_id": ' + "9" * 5000 + "}", "order.json:1: has a number that is too long"),
        ('{"order_id": "\\ud800"}', "order.json:1: has half of a surrogate pair"),
        (b'\xef\xbb\xbf{"order_id": "\xff"}', "order.json:1: should be UTF-8 text"),
        (b"\x00", "order.json:1: is not JSON"),
    ],
)
def test_a_file_that_is_no_order_gets_one_clear_line(text: str | bytes, answer: str, tmp_path: Path) -> None:
    (said,) = told_of(text, tmp_path / "order.json")
    assert said.startswith(answer)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_text("\ufeff" + json.dumps(good_order()), encoding="utf-8")
    assert read_order(path).order.order_id == "1001"


def test_what_starts_the_journey_holds_a_pointer_and_no_person() -> None:
    order: OrderFile = read_order(ROOT / "examples" / "orders" / "on_time" / "order.json")
    fact = order.placed()
    assert (fact.fact_id, fact.source, fact.order.customer_id) == ("placed:1001", "file", "c_weber")
    assert "Jonas" not in fact.model_dump_json() and "example.com" not in fact.model_dump_json()


def test_every_wrong_line_of_the_facts_is_told(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    good = '{"kind": "order_cancelled", "fact_id": "c", "at": "2026-05-01T10:00:00Z"}'
    path.write_text(f"{good}\n\n[1]\n{good[:-1]}\n{good.replace('Z', '')}\n{{}}\n", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        read_facts(path)
    assert [
        line.split(" should")[0].split("facts.jsonl:")[1] for line in str(refused.value).splitlines()
    ] == [
        "3:",
        "4: is not JSON: Expecting ',' delimiter",
        "5: at:",
        "6: kind:",
    ]


def test_an_unknown_kind_passes_as_it_is_and_is_named_when_checked(tmp_path: Path) -> None:
    path = tmp_path / "fact.json"
    path.write_text(
        '{"kind": "parcel_moveed", "at": "2026-05-01T10:00:00+02:00", "odd": 1}', encoding="utf-8"
    )
    fact = read_fact_file(path, strict=False)
    assert (fact.kind, fact.body["odd"]) == ("parcel_moveed", 1)
    with pytest.raises(InputError, match="did you mean `parcel_moved`"):
        read_fact_file(path)


def test_a_fact_that_is_reported_late_arrives_late() -> None:
    facts = read_facts(ROOT / "examples" / "orders" / "out_of_order" / "facts.jsonl")
    late = [f for f in facts if f.body["fact_id"] == "yamato:770"]
    assert [f"{f.at:%d %H:%M}" for f in late] == ["03 22:45"]
    assert "reported_at" not in late[0].body


@quick
@given(st.binary(max_size=80) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode))
def test_no_bytes_whatever_crash_the_readers(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(raw)
    for read in (read_order, read_fact_file):
        with pytest.raises(InputError):
            read(path)


@quick
@given(
    st.dictionaries(
        st.sampled_from(["kind", "fact_id", "at", "lines", "status", "parcel_id", "expected", "order"]),
        st.none() | st.integers() | st.text() | st.floats() | st.lists(st.integers()),
    )
)
def test_no_report_whatever_is_more_than_not_understood(data: dict[str, Any]) -> None:
    for kind in ("parcel_moved", "order_placed", "order_changed", "expected_date_changed"):
        assert understand(kind, data, PLACED_AT).fact_id
