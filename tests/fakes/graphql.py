"""As much of GraphQL as a fake needs to answer exactly what was selected, and to refuse what is not there."""

import re
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r"\.\.\.|[{}():@!$,\[\]]|[A-Za-z_]\w*|-?\d+|\"[^\"]*\"|=")


class UnknownField(Exception):
    """The schema has no such field."""


class Connection(list[Any]):
    """A list that is asked for page by page."""


@dataclass
class Selection:
    """A field with its arguments (`$name` for a variable) and what is selected of it."""

    name: str
    args: dict[str, str] = field(default_factory=dict)
    include: str | None = None
    of: "list[Selection]" = field(default_factory=list)


def read(query: str) -> list[Selection]:
    """The top fields of a question."""
    tokens = _TOKEN.findall(query)
    start = _after_arguments(tokens, 2) if tokens[2] == "(" else 2
    found, end = _selections(tokens, start)
    assert end == len(tokens), "something follows the question"
    return found


def _selections(tokens: list[str], at: int) -> tuple[list[Selection], int]:
    assert tokens[at] == "{", tokens[at]
    found: list[Selection] = []
    at += 1
    while tokens[at] != "}":
        if tokens[at] == "...":
            inner, at = _selections(tokens, at + 3)
            found += inner
            continue
        each = Selection(tokens[at])
        at += 1
        if tokens[at] == "(":
            end = _after_arguments(tokens, at)
            each.args = _arguments(tokens[at + 1 : end - 1])
            at = end
        if tokens[at] == "@":
            end = _after_arguments(tokens, at + 2)
            each.include = tokens[end - 2]
            at = end
        if tokens[at] == "{":
            each.of, at = _selections(tokens, at)
        found.append(each)
    return found, at + 1


def _after_arguments(tokens: list[str], at: int) -> int:
    depth = 0
    while True:
        depth += {"(": 1, ")": -1}.get(tokens[at], 0)
        at += 1
        if depth == 0:
            return at


def _arguments(tokens: list[str]) -> dict[str, str]:
    text = " ".join(token for token in tokens if token != ",").replace("$ ", "$")
    return dict(re.findall(r"(\w+) : (\$?[\w.]+)", text))


def answered(value: Any, wanted: list[Selection], variables: dict[str, Any]) -> Any:
    """What was selected of a value, and no more. Raises `UnknownField`."""
    if value is None or not wanted:
        return value
    if isinstance(value, list):
        return [answered(each, wanted, variables) for each in value]
    told = {}
    for each in wanted:
        if each.include is not None and not variables[each.include]:
            continue
        if each.name not in value:
            raise UnknownField(each.name)
        told[each.name] = _field(value[each.name], each, variables)
    return told


def _field(value: Any, each: Selection, variables: dict[str, Any]) -> Any:
    args = {name: _argument(text, variables) for name, text in each.args.items()}
    return answered(paged(value, args), each.of, variables)


def paged(value: Any, args: dict[str, Any]) -> Any:
    """As much of a list as was asked for; anything else as it is."""
    if isinstance(value, Connection):
        start = int(args["after"]) if args.get("after") else 0
        page = value[start : start + args["first"]]
        more = len(value) > start + len(page)
        info = {"hasNextPage": more, "endCursor": str(start + len(page)) if page else None}
        return {"nodes": page, "pageInfo": info}
    if isinstance(value, list) and "first" in args:
        return value[: args["first"]]
    return value


def cost(wanted: list[Selection], variables: dict[str, Any]) -> int:
    """Points, by the dearest rule that Shopify has published: one for each object that may be returned, and
    two for a connection."""
    return sum(_cost(each, variables) for each in wanted)


def _cost(each: Selection, variables: dict[str, Any]) -> int:
    if not each.of or each.name == "pageInfo":
        return 0
    children = cost(each.of, variables)
    if "first" not in each.args:
        return children + 1
    size = int(_argument(each.args["first"], variables))
    paged = [of for of in each.of if of.name == "nodes"]
    return 2 + size * cost(paged, variables) if paged else size * (children + 1)


def _argument(text: str, variables: dict[str, Any]) -> Any:
    if text.startswith("$"):
        return variables[text[1:]]
    return int(text) if text.isdigit() else text
