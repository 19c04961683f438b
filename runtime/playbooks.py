"""Reading a playbook from its YAML file, and the JSON Schema with which editors complete it."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from journey.playbook import Playbook
from runtime.inputs import InputError, Source, complaints, line_finder, read_text, yaml_tree

SCHEMA = Path(__file__).parent.parent / "playbooks" / "playbook.schema.json"
MOST_NODES = 20_000
"""A playbook of 200 steps has some 4,000 nodes; aliases of aliases can make millions."""


class PlaybookError(InputError):
    """A playbook cannot be used: `file:line: field: what would be right`, one line for each mistake."""


def load_playbook(path: Path) -> Playbook:
    """Read and validate a playbook (YAML 1.2, each key once). Raises `PlaybookError`."""
    try:
        tree = yaml_tree(read_text(path))
        data = _Plain().of(tree)
    except InputError as error:
        raise PlaybookError(str(error)) from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise PlaybookError(_unreadable(error, path)) from None
    if not isinstance(data, dict):
        raise PlaybookError(f"{path}:1: should be named fields such as `name: default` and `steps:`")
    try:
        return Playbook.model_validate(data)
    except ValidationError as error:
        raise PlaybookError(
            complaints(error, Playbook, Source(path, line_finder(tree)), say_value=True)
        ) from None


class _Plain:
    """The tree as plain dicts and lists, with an end to aliases of aliases."""

    def __init__(self) -> None:
        self.left = MOST_NODES

    def of(self, node: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ValueError("has too many nodes, or aliases of aliases")
        if isinstance(node, dict):
            return {key: self.of(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self.of(value) for value in node]
        return node


def _unreadable(error: Exception, path: Path) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        problem = (error.problem or "is not YAML").split("\n")[0]
        return f"{path}:{error.problem_mark.line + 1}: {problem}"
    if isinstance(error, RecursionError):
        return f"{path}:1: is nested too deeply"
    if isinstance(error, YAMLError):
        return f"{path}:1: is not YAML: {str(error).splitlines()[0]}"
    too_long = isinstance(error, ValueError) and "digits" in str(error)
    return f"{path}:1: {'has a number that is too long' if too_long else error}"


def json_schema() -> str:
    """The JSON Schema of a playbook, as it is committed beside the default one."""
    schema = Playbook.model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(json_schema(), encoding="utf-8")
