"""What a marketer is told about a mistake in the playbook, and what an editor completes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journey.playbook import Anchor, Condition, Playbook
from runtime.inputs import InputError
from runtime.playbooks import SCHEMA, PlaybookError, json_schema, load_playbook
from tests.simulate import DEFAULT, ROOT
from tests.strategies import quick

STEP = "name: p\nsteps:\n  - name: hello\n    class: care\n    after: placed\n"

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 20))
"""Twenty lines that stand for a million words."""


def told(text: str | bytes, folder: Path) -> list[str]:
    """What is said about a playbook of this text, without the name of the folder."""
    path = folder / "p.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(PlaybookError) as refused:
        load_playbook(path)
    return str(refused.value).replace(f"{folder}/", "").splitlines()


def test_the_default_playbook_names_every_letter_that_the_story_needs() -> None:
    names = [step.name for step in DEFAULT.steps]
    assert len(names) == 22
    assert (names[0], names[-1]) == ("order_confirmation", "next_purchase_reminder")
    assert all(step.expires for step in DEFAULT.steps)
    assert all(step.window for step in DEFAULT.steps if step.message_class != "transactional")
    assert all(
        Condition.CANCELLED in step.unless for step in DEFAULT.steps if step.message_class == "marketing"
    )


def test_a_playbook_that_is_written_back_is_the_same() -> None:
    assert Playbook.model_validate_json(DEFAULT.model_dump_json()) == DEFAULT
    assert Playbook.model_validate(DEFAULT.model_dump(mode="json", by_alias=True)) == DEFAULT


def test_the_published_schema_is_that_of_today() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == json_schema(), "run: python -m runtime.playbooks"


def test_the_schema_completes_anchors_and_conditions() -> None:
    text = json_schema()
    assert all(f'"{word}"' in text for word in [*Anchor, *Condition, "unless_sent", "class"])
    first = (ROOT / "playbooks" / "default.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=playbook.schema.json"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("    windw: 09:00-20:00", "steps.0.windw: is not a known field; did you mean `window`?"),
        ("    window: 9-20", "steps.0.window: `9-20` should be hours of the day such as `09:00-20:00`"),
        ("    wait: 30", "steps.0.wait: `30` should be a valid string"),
        ("    wait: 1 month", "steps.0.wait: `1 month` should be a duration such as `30 days`, `2 hours`"),
        (
            "    per: parcell",
            "steps.0.per: `parcell` should be one of: order, parcel, line; did you mean `parcel`?",
        ),
        ("    unless: [canceled]", "steps.0.unless.0: `canceled` should be one of: first_order,"),
        ("    unless: cancelled", "steps.0.unless: `cancelled` should be a list"),
        (
            "    hold_while: [cancelled]",
            "steps.0.hold_while: cancelled cannot end by itself; it should be one of:",
        ),
        ("    unless_sent: [welcome]", "steps.0.unless_sent: should name an earlier step"),
        ("    expires: -1 day", "steps.0.expires: should be longer than nothing"),
    ],
)
def test_a_mistake_in_a_step_is_named_with_its_line_and_what_would_be_right(
    line: str, answer: str, tmp_path: Path
) -> None:
    (said,) = told(STEP + line + "\n", tmp_path)
    assert said.startswith(f"p.yaml:6: {answer}")


def test_a_word_that_is_nearly_an_anchor_is_guessed(tmp_path: Path) -> None:
    (said,) = told(STEP.replace("placed", "deliverd"), tmp_path)
    assert said.startswith("p.yaml:5: steps.0.after: `deliverd` should be `sent STEP` or one of:")
    assert said.endswith("did you mean `delivered`?")


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ("  - {name: hello, class: care, after: placed}", "steps.1.name: hello is taken by an earlier step"),
        ("  - {name: b, class: care, after: sent c}", "steps.1.after: should name an earlier step"),
        (
            "  - {name: b, class: care, after: handed_over}",
            "steps.1.after: handed_over is a moment of a parcel;",
        ),
        ("  - {name: b, class: care, after: runs_out}", "steps.1.after: runs_out is a moment of a line;"),
        (
            "  - {name: b, class: care, after: feedback, per: parcel}",
            "steps.1.after: feedback is not a moment of",
        ),
    ],
)
def test_steps_that_do_not_fit_together_are_named(more: str, answer: str, tmp_path: Path) -> None:
    (said,) = told(STEP + more + "\n", tmp_path)
    assert said.startswith(f"p.yaml:6: {answer}")


def test_a_step_after_a_parcels_letter_has_to_be_of_the_parcel(tmp_path: Path) -> None:
    text = (
        STEP.replace("placed", "handed_over\n    per: parcel")
        + "  - {name: b, class: care, after: sent hello}\n"
    )
    (said,) = told(text, tmp_path)
    assert said == "p.yaml:7: steps.1.after: hello is per parcel; this step should say `per: parcel`"


def test_all_mistakes_are_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    said = told("name: P p\nsteps:\n  - name: a\n    clas: care\n    after: placd\nclose: 1\n", tmp_path)
    assert [line.split(": ")[:2] for line in said] == [
        ["p.yaml:1", "name"],
        ["p.yaml:3", "steps.0.class"],
        ["p.yaml:4", "steps.0.clas"],
        ["p.yaml:5", "steps.0.after"],
        ["p.yaml:6", "close"],
    ]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", "p.yaml:1: should be named fields"),
        ("- a\n", "p.yaml:1: should be named fields"),
        ("name: a\nname: b\n", 'p.yaml:2: found duplicate key "name"'),
        ("name: [a\n", "p.yaml:2: "),
        ("name: a\n\tsteps: 1\n", "p.yaml:2: "),
        (LAUGHS, "p.yaml:1: has too many nodes, or aliases of aliases"),
        ("[" * 1000, "p.yaml:1: is nested too deeply"),
        ("name: " + "9" * 5000, "p.yaml:1: has a number that is too long"),
        (b"name: \xff\n", "p.yaml:1: should be UTF-8 text"),
        (b"name: a\x00b\n", "p.yaml:1: is not YAML"),
        ("name: a\n---\nname: b\n", "p.yaml:2: "),
    ],
)
def test_a_file_that_is_no_playbook_gets_one_clear_line(
    text: str | bytes, answer: str, tmp_path: Path
) -> None:
    (said,) = told(text, tmp_path)
    assert said.startswith(answer)


def test_a_playbook_that_is_not_there_or_is_a_folder_gets_one_clear_line(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(PlaybookError, match=f"cannot be read: {why}"):
            load_playbook(path)


def test_yaml_1_2_words_stay_words_and_hours_stay_hours(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("\ufeff" + STEP.replace("hello", "on") + "    window: 19:00-20:00\n", encoding="utf-8")
    (step,) = load_playbook(path).steps
    assert (step.name, step.window) == ("on", "19:00-20:00")


@quick
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_whatever_crash_the_reader(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(raw)
    with pytest.raises(InputError):
        load_playbook(path)
