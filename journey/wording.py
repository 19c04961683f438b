"""What is wrong with a field, in words for whoever filled it in: what would be right, and never the value."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from journey.names import CODE, LABEL, OPAQUE_ID

Loc = tuple[int | str, ...]
Mistake = Mapping[str, Any]
"""One of pydantic's `ValidationError.errors()`."""

_A_DURATION = "should be a duration such as `30 days`, `2 hours` or `-1 week`"
_A_LABEL = "should be 1 to 100 characters, without @"
_AN_ID = "should be an identifier: letters, digits and _ . : # -, at most 64 characters, no spaces, no @"
_A_CODE = "should be a word of small letters, digits and underscores such as `changed_mind`"
_A_MOMENT = "should be a moment with an offset such as 2026-05-01T10:00:00+02:00"

_BY_PATTERN = {OPAQUE_ID: _AN_ID, LABEL: _A_LABEL, CODE: _A_CODE}
_BY_NAME = {
    **dict.fromkeys(("wait", "expires", "usual_delivery", "assume_delivered", "close_after"), _A_DURATION),
    "window": "should be hours of the day such as `09:00-20:00`",
    "name": "should be a word of small letters, digits and underscores such as `order_confirmation`",
    "message": "should be the name of a letter such as `order_confirmation`",
    "currency": "should be three capital letters, an ISO 4217 code such as `EUR`",
    "country": "should be two capital letters, an ISO 3166-1 code such as `DE`",
    "fact_id": "should be an identifier of at most 200 characters, without spaces and without @",
    "email": "should be an e-mail address",
    "locale": "should be a language such as `en` or `pt-BR`",
    "phone": "should be 3 to 40 digits, spaces and the signs + ( ) . / -",
    "id": "should be the provider's own id, without spaces and without @",
    "return_id": "should be the order's id, a colon and the return's, such as `1001:r1`",
}
"""By the name of the field, for what only fits there."""


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """A hint at the known word that the given one resembles, or nothing."""
    near = get_close_matches(word, list(words), n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def is_short_of_good_ones(item: Mistake) -> bool:
    """Whether a list is only too short because the wrong ones in it, which are told for themselves, do not
    count."""
    return item["type"] == "too_short" and bool(item.get("input"))


def located(item: Mistake) -> tuple[Loc, str]:
    """The field that a mistake is in, and what is said of it. A rule that looks at several fields names the
    one that is wrong at the start of its message."""
    said = item["msg"].removeprefix("Value error, ")
    named = re.match(r"([a-z_]+(?:\.\w+)*): (.+)$", said) if item["type"] == "value_error" else None
    if named is None:
        return item["loc"], said
    more = tuple(int(part) if part.isdigit() else part for part in named[1].split("."))
    return (*item["loc"], *more), named[2]


def what_would_be_right(item: Mistake, loc: Loc, said: str) -> str:
    """In a few words."""
    match item["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not a known field"
        case "enum" | "literal_error":
            return f"should be one of: {', '.join(known_words(item))}"
        case "union_tag_not_found" | "union_tag_invalid":
            return f"should have a `kind` that is known here{_kinds(item)}"
        case "model_type" | "dict_type" | "model_attributes_type":
            return "should be an object with named fields"
        case "timezone_aware" | "datetime_type" | "datetime_parsing" | "datetime_from_date_parsing":
            return _A_MOMENT
        case "too_short":
            return "should have at least one item"
        case "tuple_type" | "list_type":
            return "should be a list"
        case "value_error" if loc[-1:] == ("email",):
            return _BY_NAME["email"]
        case "string_pattern_mismatch":
            return _fitting(item, loc)
    return said.removeprefix("Input ").removeprefix("String ").removeprefix("Value ")


def _fitting(item: Mistake, loc: Loc) -> str:
    pattern = item.get("ctx", {}).get("pattern", "")
    last = next((part for part in reversed(loc) if isinstance(part, str)), "")
    return _BY_PATTERN.get(pattern) or _BY_NAME.get(last, _AN_ID)


def _kinds(item: Mistake) -> str:
    known = known_words(item)
    return f", one of: {', '.join(known)}" if known else ""


def known_words(item: Mistake) -> list[str]:
    """The words that would have been right, where only some are."""
    context = item.get("ctx", {})
    match item["type"]:
        case "enum" | "literal_error":
            return re.findall(r"'([^']+)'", context.get("expected", ""))
        case "union_tag_invalid":
            return re.findall(r"'([^']+)'", context.get("expected_tags", ""))
    _, _, words = item["msg"].partition("one of: ")
    return words.split(", ") if words else []
