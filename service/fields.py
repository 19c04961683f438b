"""The page that lists every field of orders, customers and facts: `python -m service.fields` writes it.

It says what the models say, so nothing on it can be out of date; a test compares the two.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from journey.facts import FactBase, KnownFact, Line
from ledger.incoming import Consent
from service.neworder import Customer, NewOrder, PaymentDetails
from service.return_views import NewReturn, ReturnNews

PAGE = Path(__file__).parent.parent / "docs" / "facts.md"

_HEAD = """# Orders and facts, field by field

Written by `python -m service.fields` from the models themselves; `/docs` of the running doors says the same.
Fields in **bold** are needed. Money is an integer in minor units (cents); a moment carries an offset, such as
`2026-05-01T10:00:00+02:00`; an id is 1 to 64 letters, digits and `_ . : # -`. An unknown field is refused.
How to send them: [connect your own back-end](connect-your-own.md).
"""
_COMMON = ("kind", *FactBase.model_fields)


def page() -> str:
    """The page, whole."""
    return "\n".join([_HEAD, *_orders(), *_facts(), *_returns()])


def _orders() -> Iterator[str]:
    yield from _section("Order", NewOrder, "`POST /v1/orders`.", without=("customer_id",))
    yield from _section("Line", Line, "One of an order's `lines`.")
    yield from _section("Customer", Customer, "An order's `customer`, and `PUT /v1/customers/{id}`.")
    yield from _section("Consent", Consent, "A customer's `consent`.")
    yield from _section("Payment", PaymentDetails, "An order's `payment`.")


def _facts() -> Iterator[str]:
    yield from _section("Every fact", FactBase, "`POST /v1/orders/{id}/facts`, with its `kind` beside these.")
    for model in get_args(get_args(KnownFact)[0]):
        kind = model.model_fields["kind"].default
        if kind != "order_placed":
            yield from _section(f"`{kind}`", model, _said(model), without=_COMMON)


def _returns() -> Iterator[str]:
    yield from _section("Asking for a return", NewReturn, "`POST /v1/orders/{id}/returns`.")
    for model in get_args(get_args(ReturnNews)[0]):
        kind = model.model_fields["kind"].default
        parent = model.__mro__[1]
        told = f"{_said(parent)} `POST /v1/returns/{{id}}/facts`."
        yield from _section(f"`{kind}`", model, told, without=_COMMON)


def _said(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _section(title: str, model: type[BaseModel], told: str, without: tuple[str, ...] = ()) -> Iterator[str]:
    yield f"## {title}\n\n{told}\n"
    schema = model.model_json_schema()
    rows = {name: each for name, each in schema["properties"].items() if name not in without}
    if rows:
        yield "| field | is | |\n|---|---|---|"
    for name, each in rows.items():
        shown = f"**`{name}`**" if name in schema.get("required", ()) else f"`{name}`"
        yield f"| {shown} | {_is(each, schema)} | {each.get('description', '')} |"
    if rows:
        yield ""


def _is(each: dict[str, Any], schema: dict[str, Any]) -> str:
    """What may stand there, in a few words, and what holds if nothing does."""
    default = each.get("default")
    usual = f", by default `{default}`" if default not in (None, [], "") else ""
    return f"{_kind(each, schema)}{usual}".replace("True", "true").replace("False", "false")


def _kind(each: dict[str, Any], schema: dict[str, Any]) -> str:
    """The kind of value, without what only says that it may be absent."""
    if "$ref" in each:
        return _named(schema["$defs"][each["$ref"].rpartition("/")[2]])
    if "anyOf" in each:
        kinds = [_kind(one, schema) for one in each["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in each:
        return _words(each["enum"])
    if each.get("type") == "array":
        return f"list of {_kind(each.get('items', {}), schema)}"
    return _plain(each)


def _named(model: dict[str, Any]) -> str:
    return _words(model["enum"]) if "enum" in model else _apart(model.get("title", "object"))


def _apart(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _words(words: list[str]) -> str:
    return "one of " + ", ".join(f"`{word}`" for word in words)


def _plain(each: dict[str, Any]) -> str:
    match each.get("type"), each.get("format"):
        case "string", "date-time":
            return "moment"
        case "string", "date":
            return "date"
        case "string", _:
            return "text"
        case "integer", _:
            return "integer"
        case "boolean", _:
            return "true or false"
    return str(each.get("type", "value"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
