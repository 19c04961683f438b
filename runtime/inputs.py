"""Files that people write, and how they are told what is wrong with them.

One line for each mistake: file, line, field, what would be right. What stands in the field is shown only
where it cannot be personal.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from journey.wording import (
    Loc,
    did_you_mean,
    is_short_of_good_ones,
    known_words,
    located,
    what_would_be_right,
)

LARGEST = 4_000_000
"""Bytes; a longer file is not read."""

LineOf = Callable[[Loc], int]


class InputError(Exception):
    """A file cannot be used. Its text has one line for each thing that is wrong."""


class Source(NamedTuple):
    """Where something was read from: the file, and the line of each field."""

    path: Path
    line_of: LineOf

    def wrong(self, loc: Loc, text: str) -> str:
        """`file:line: field: text`."""
        field = ".".join(_name(part) for part in loc)
        return f"{self.path}:{self.line_of(loc)}: {f'{field}: ' if field else ''}{text}"


def read_text(path: Path) -> str:
    """The text of a file, without its byte order mark. Raises `InputError`."""
    try:
        raw = path.read_bytes() if path.stat().st_size <= LARGEST else None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a name of a file"
        raise InputError(f"{path}: cannot be read: {why}") from None
    if raw is None:
        raise InputError(f"{path}: is larger than {LARGEST:,} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: should be UTF-8 text") from None


def parse_json(text: str) -> Any:
    """Strict JSON: each key once, no NaN, valid Unicode. Raises `ValueError` with what is wrong;
    a `json.JSONDecodeError` also knows the line."""
    try:
        data = json.loads(
            text, object_pairs_hook=_each_once, parse_constant=_no_constant, parse_float=_finite
        )
        json.dumps(data, ensure_ascii=False).encode()
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("has half of a surrogate pair, which is no character") from None
    except ValueError as error:
        raise ValueError(_reason(error)) from None
    return data


def _reason(error: ValueError) -> str:
    return "has a number that is too long" if "digits" in str(error) else str(error)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
    if twice is not None:
        raise ValueError(f"{_name(twice)}: is there twice")
    return dict(pairs)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("has a number that is too large")
    return number


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def yaml_tree(text: str) -> Any:
    """The parsed YAML 1.2, which also knows on which line each thing is."""
    return YAML(typ="rt", pure=True).load(StringIO(text))


def line_finder(tree: Any) -> LineOf:
    """From the location of a field to its line, or that of the nearest thing around it."""

    def line_of(loc: Loc) -> int:
        line, node = 0, tree
        for part in loc:
            if not isinstance(node, (CommentedMap, CommentedSeq)) or part not in (node.lc.data or {}):
                break
            line = node.lc.data[part][0]
            node = node[part]
        return int(line) + 1

    return line_of


def json_lines(text: str) -> LineOf:
    """The same for JSON, which is YAML in all but a few corners; there, and in a text that would take
    long, it is the first line."""
    try:
        return line_finder(yaml_tree(text) if len(text) < 100_000 else None)
    except (YAMLError, RecursionError, ValueError):
        return lambda loc: 1


def complaints(
    error: ValidationError,
    model: type[BaseModel],
    source: Source,
    *,
    say_value: bool = False,
    flattened: str = "",
) -> str:
    """A validation error in one line for each mistake, in the order of the file's lines.

    `flattened` is a field of the model that the file does not have: what is in it stands a level higher.
    """
    told = set()
    for item in error.errors(include_url=False):
        if is_short_of_good_ones(item):
            continue
        loc, said = located(item)
        text = _what_is_wrong(item, loc, said, say_value) + _did_you_mean(item, model, loc)
        seen = loc[1:] if flattened and loc[:1] == (flattened,) else loc
        told.add((source.line_of(seen), source.wrong(seen, text)))
    return "\n".join(text for _, text in sorted(told))


def _did_you_mean(item: ErrorDetails, model: type[BaseModel], loc: Loc) -> str:
    if item["type"] == "extra_forbidden":
        return did_you_mean(str(loc[-1]), _known_keys(model, loc))
    return did_you_mean(item["input"], known_words(item)) if isinstance(item["input"], str) else ""


def _what_is_wrong(item: ErrorDetails, loc: Loc, said: str, say_value: bool) -> str:
    text = what_would_be_right(item, loc, said)
    value = item["input"]
    if say_value and text.startswith("should") and isinstance(value, (str, int, float)):
        return f"`{str(value)[:60]}` {text}"
    return text


def _known_keys(model: type[BaseModel], loc: Loc) -> list[str]:
    current: type[BaseModel] | None = model
    for part in loc[:-1]:
        if isinstance(part, int) or current is None:
            continue
        field = next((f for n, f in current.model_fields.items() if part in (n, f.alias)), None)
        current = next(_models(field.annotation), None) if field else None
    return [field.alias or name for name, field in current.model_fields.items()] if current else []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _name(part: int | str) -> str:
    """A key as it may be shown: one that is no plain word could be personal."""
    return str(part) if re.fullmatch(r"\w[\w-]{0,40}", str(part)) else "(a key that is no word)"
