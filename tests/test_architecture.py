"""The rules that keep the parts apart. Each is also shown a piece of code that breaks it."""

import ast
import builtins
import importlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.worker.workflow_sandbox import (
    SandboxedWorkflowRunner,
    SandboxRestrictions,
    UnintentionalPassthroughError,
)

ROOT = Path(__file__).parent.parent

BELOW_THE_DOORS = {"journey", "ledger", "activities", "workflows"}
MAY_IMPORT = {
    "journey": {"journey"},
    "ledger": {"journey", "ledger"},
    "activities": {"journey", "ledger", "activities"},
    "workflows": BELOW_THE_DOORS,
    "service": BELOW_THE_DOORS | {"service", "runtime"},
    "runtime": BELOW_THE_DOORS | {"runtime"},
    "commands": BELOW_THE_DOORS | {"service", "runtime", "worker", "commands"},
    "starter": BELOW_THE_DOORS | {"service", "runtime", "commands", "starter"},
    "worker": BELOW_THE_DOORS | {"service", "runtime", "worker", "activities.providers"},
}
"""Who may import whom. A package named here is meant whole; a module, alone."""
OURS = set(MAY_IMPORT)
APART = {"tests", "benchmarks", "examples", "docs"}
"""Not part of what runs in production, so free to import anything."""

PROVIDERS = "activities.providers"
SDKS = {"sendgrid", "stripe", "easypost", "python_http_client", "aiosmtplib"}
DOORS = ["starter", "service.serving"]

CLOCKS = {"time", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"} | {
    "datetime.date.today"
}
CHANCE = {"random", "secrets", "uuid.uuid1", "uuid.uuid4", "os.urandom"}
WORLD = {
    "builtins.open",
    "builtins.print",
    "builtins.input",
    "pathlib.Path",
    "os",
    "io",
    "socket",
    "subprocess",
}
WORLD |= {
    "threading",
    "multiprocessing",
    "shutil",
    "tempfile",
    "sqlite3",
    "urllib.request",
    "http",
    "logging",
}
UNORDERED = {"asyncio.wait", "asyncio.wait_for", "asyncio.as_completed", "asyncio.to_thread"}


@dataclass(frozen=True)
class Module:
    """A file of ours, by its dotted name."""

    name: str
    tree: ast.Module
    is_package: bool = False

    @property
    def layer(self) -> str:
        return self.name.split(".")[0]

    def imports(self) -> Iterator[str]:
        """Every module, or name in a module, that is imported anywhere in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{self._source(node)}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                yield from (str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))

    def uses(self) -> set[str]:
        """Every dotted name in the file with its imports resolved; a builtin has `builtins.` before it."""
        known = dict(self._bindings())
        names = {
            ast.unparse(node) for node in ast.walk(self.tree) if isinstance(node, ast.Name | ast.Attribute)
        }
        resolved = {_resolved(name, known) for name in names}
        return {name for name in resolved if name} | set(self.imports())

    def _bindings(self) -> Iterator[tuple[str, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.split(".")[0]
                    yield (alias.asname, alias.name) if alias.asname else (first, first)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    yield alias.asname or alias.name, f"{self._source(node)}.{alias.name}"

    def _source(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        base = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*base, *([node.module] if node.module else [])])


def _resolved(name: str, known: dict[str, str]) -> str | None:
    first, _, rest = name.partition(".")
    if first in known:
        return f"{known[first]}.{rest}" if rest else known[first]
    return f"builtins.{name}" if hasattr(builtins, first) else None


def _covers(rule: str, name: str) -> bool:
    return name == rule or name.startswith(f"{rule}.")


def _any_covers(rules: set[str], name: str) -> bool:
    return any(_covers(rule, name) for rule in rules)


def _module(path: Path, root: Path) -> Module:
    relative = path.relative_to(root).with_suffix("")
    is_package = relative.name == "__init__"
    name = ".".join(relative.parent.parts if is_package else relative.parts)
    return Module(name, ast.parse(path.read_text(encoding="utf-8")), is_package)


def _modules(*layers: str, root: Path = ROOT) -> list[Module]:
    paths = [path for layer in layers for path in [root / f"{layer}.py", *root.glob(f"{layer}/**/*.py")]]
    return [_module(path, root) for path in sorted(paths) if path.exists()]


def _source(text: str, name: str = "journey.synthetic") -> Module:
    return Module(name, ast.parse(textwrap.dedent(text)))


def against_the_direction(module: Module) -> set[str]:
    """Imports that the module's layer may not make."""
    allowed = MAY_IMPORT[module.layer]
    ours = {name for name in module.imports() if name.split(".")[0] in OURS}
    wrong = {name for name in ours if not _any_covers(allowed, name)}
    inside = _covers(PROVIDERS, module.name)
    return wrong | {
        name for name in ours if _covers(PROVIDERS, name) and not inside and PROVIDERS not in allowed
    }


def foreign(module: Module) -> set[str]:
    """Imports of packages that are neither ours, nor pydantic, nor in the standard library."""
    home = sys.stdlib_module_names | OURS | {"pydantic"}
    return {name for name in module.imports() if name.split(".")[0] not in home}


def impure(module: Module, rules: set[str]) -> set[str]:
    return {name for name in module.uses() if _any_covers(rules, name)}


def offences(modules: list[Module], check: object, *args: object) -> dict[str, set[str]]:
    assert callable(check)
    found = {module.name: check(module, *args) for module in modules}
    return {name: names for name, names in found.items() if names}


def test_imports_go_one_way() -> None:
    modules = _modules(*OURS)
    assert {module.layer for module in modules} >= {"journey", "workflows", "runtime", "worker"}
    assert offences(modules, against_the_direction) == {}


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("journey.plan", "import ledger"),
        ("journey.plan", "from temporalio_like import x\nimport workflows.order_journey"),
        ("ledger.sends", "from activities.mailer import Mailer"),
        ("activities.messages", "from activities.providers.outbox import Outbox"),
        ("activities.messages", "from activities import providers"),
        ("activities.messages", "from .providers import outbox"),
        ("workflows.order_journey", "import runtime.settings"),
        ("workflows.order_journey", "def later():\n    from service import pages"),
        ("runtime.orders", "from activities.providers.outbox import OutboxMailer"),
        ("starter", "import importlib\nimportlib.import_module('activities.providers.sendgrid')"),
    ],
)
def test_an_import_against_the_direction_would_be_found(importer: str, line: str) -> None:
    assert against_the_direction(_source(line, importer))


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("worker", "from activities.providers.outbox import Outbox"),
        ("activities.providers.outbox", "from activities.mailer import Mailer\nfrom . import sendgrid"),
        ("runtime.orders", "from workflows.order_journey import OrderJourney"),
        ("workflows.order_journey", "from workflows import policies"),
    ],
)
def test_an_import_along_the_direction_is_left_alone(importer: str, line: str) -> None:
    assert against_the_direction(_source(line, importer)) == set()


def test_every_package_has_its_place_in_the_order() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/*.py")} | {path.stem for path in ROOT.glob("*.py")}
    assert packages - OURS - APART == set()


def test_only_providers_know_an_sdk() -> None:
    modules = [module for module in _modules(*OURS) if not _covers(PROVIDERS, module.name)]
    assert offences(modules, impure, SDKS) == {}
    assert impure(_source("def send():\n    from sendgrid import SendGridAPIClient"), SDKS)


def test_the_rules_need_nothing_but_python_and_pydantic() -> None:
    assert offences(_modules("journey"), foreign) == {}
    assert foreign(_source("import temporalio.workflow")) == {"temporalio.workflow"}


def test_the_rules_know_no_clock_no_chance_and_no_world() -> None:
    assert offences(_modules("journey"), impure, CLOCKS | CHANCE | WORLD | {"asyncio"}) == {}


def test_workflows_ask_only_temporal_for_the_time_and_for_chance() -> None:
    assert offences(_modules("workflows"), impure, CLOCKS | CHANCE | WORLD | UNORDERED) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from datetime import datetime\nx = datetime.now()", "datetime.datetime.now"),
        ("import datetime as dt\nclock = dt.datetime.utcnow", "datetime.datetime.utcnow"),
        ("from datetime import date as day\nx = day.today()", "datetime.date.today"),
        ("import time\nx = time.monotonic()", "time.monotonic"),
        ("from time import time as clock\nx = clock()", "time.time"),
        ("from uuid import uuid4", "uuid.uuid4"),
        ("import random", "random"),
        ("def f():\n    with open('x') as file:\n        pass", "builtins.open"),
        ("from pathlib import Path\nx = Path('x').read_text()", "pathlib.Path"),
        ("import asyncio\nasync def f(x):\n    await asyncio.wait_for(x, 1)", "asyncio.wait_for"),
        ("from asyncio import wait", "asyncio.wait"),
    ],
)
def test_a_clock_chance_or_the_world_would_be_found(text: str, found: str) -> None:
    assert found in impure(_source(text), CLOCKS | CHANCE | WORLD | UNORDERED)


def test_what_only_looks_like_a_clock_is_left_alone() -> None:
    innocent = """
        from datetime import datetime, time
        from uuid import UUID
        from temporalio import workflow

        def f(now: datetime, case: object) -> bool:
            return case.open and now > datetime.combine(now, time()) and workflow.now() and workflow.uuid4()
    """
    assert impure(_source(innocent), CLOCKS | CHANCE | WORLD | UNORDERED) == set()


def _workflow_classes() -> list[type]:
    found = []
    for module in _modules("workflows"):
        loaded = importlib.import_module(module.name)
        found += [
            value
            for value in vars(loaded).values()
            if hasattr(value, "__temporal_workflow_definition") and value.__module__ == module.name
        ]
    return found


def _load_strictly(workflow_class: type) -> None:
    """Load a workflow in a sandbox that refuses every import not marked as passed through."""
    policy = workflow.SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    restrictions = SandboxRestrictions.default.with_import_notification_policy(policy)
    definition = workflow._Definition.must_from_class(workflow_class)
    SandboxedWorkflowRunner(restrictions=restrictions).prepare_workflow(definition)


async def test_every_import_of_a_workflow_is_guarded() -> None:
    classes = _workflow_classes()
    assert "OrderJourney" in {each.__name__ for each in classes}
    for each in classes:
        _load_strictly(each)


STORY = """
from temporalio import workflow
{imports}

@workflow.defn
class Story:
    @workflow.run
    async def run(self) -> None: ...
"""


def _story(name: str, imports: str, folder: Path) -> type:
    (folder / f"{name}.py").write_text(STORY.format(imports=imports), encoding="utf-8")
    story: type = importlib.import_module(name).Story
    return story


async def test_an_unguarded_import_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    guard = "with workflow.unsafe.imports_passed_through():\n    import journey.plan"
    _load_strictly(_story("guarded_story", guard, tmp_path))
    with pytest.raises(UnintentionalPassthroughError, match=r"journey\.plan"):
        _load_strictly(_story("unguarded_story", "import journey.plan", tmp_path))


def test_the_workflows_package_imports_nothing_by_itself() -> None:
    assert (ROOT / "workflows" / "__init__.py").read_text(encoding="utf-8") == ""


def _loaded_by(*modules: str) -> set[str]:
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("door", DOORS)
def test_a_door_opens_without_any_provider_s_sdk(door: str) -> None:
    loaded = _loaded_by(door)
    assert door in loaded
    assert loaded & SDKS == set()


def test_a_loaded_sdk_would_be_found() -> None:
    assert "sendgrid" in _loaded_by("sendgrid") & SDKS
