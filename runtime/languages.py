"""Languages as they are told to us."""

from functools import lru_cache
from typing import Annotated

from babel import Locale
from babel.core import parse_locale
from pydantic import AfterValidator, Field


@lru_cache(maxsize=512)
def _known(tag: str) -> str:
    try:
        language, territory, *_ = parse_locale(tag.replace("_", "-"), sep="-")
    except ValueError:
        language, territory = "", None
    english = Locale("en")
    if language not in english.languages or (territory and territory not in english.territories):
        raise ValueError("should be a language such as en or pt-BR")
    return tag


Language = Annotated[
    str,
    Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$", max_length=40),
    AfterValidator(_known),
]
"""A language tag (RFC 5646), as it was written, whose language and country exist."""
