"""What the README says is so."""

import re
import textwrap
from pathlib import Path

import pytest
import typer.main

import starter
from journey.playbook import Playbook
from runtime.playbooks import load_playbook
from service import fields

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")),
    *(f"docs/adr/{p.name}" for p in ROOT.glob("docs/adr/*")),
]


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    assert found
    return found.group(1)


def _commands() -> set[str]:
    group = typer.main.get_command(starter.app)
    return set(getattr(group, "commands", {}))


def test_the_loop_is_the_one_that_runs() -> None:
    source = textwrap.dedent((ROOT / "workflows" / "order_journey.py").read_text(encoding="utf-8"))
    assert textwrap.indent(_block("python").strip(), "    ") in source


def test_the_step_is_the_one_of_the_default_playbook() -> None:
    assert _block("yaml") in (ROOT / "playbooks" / "default.yaml").read_text(encoding="utf-8")
    assert isinstance(load_playbook(ROOT / "playbooks" / "default.yaml"), Playbook)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert [target for target in targets if not ((ROOT / page).parent / target).exists()] == []


def test_every_command_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make (demo|test|check|lock)\b", README):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    named = set(re.findall(r"starter\.py (\w+)", README + operations))
    assert named
    assert named - _commands() == set()


def test_the_page_of_fields_says_what_the_models_say() -> None:
    assert fields.PAGE.read_text(encoding="utf-8") == fields.page(), "run: python -m service.fields"


def test_the_page_of_fields_has_what_a_shop_may_tell() -> None:
    page = fields.page()
    for field in ("first_order", "ship_by", "deliver_by", "category", "lifespan_days", "guide_url", "reason"):
        assert re.search(rf"\| \**`{field}`\** \| [^|]+ \| \w[^|]+ \|", page), field


def test_every_example_exists() -> None:
    examples = re.findall(r"examples/[\w./]+\w", README)
    assert examples
    assert [path for path in examples if not (ROOT / path).exists()] == []


def test_what_the_image_asks_for_its_health_exists() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r'HEALTHCHECK .*"starter\.py", "(\w+)"', dockerfile)
    assert found
    assert found.group(1) in _commands()
