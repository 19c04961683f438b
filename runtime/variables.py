"""The variables of the environment that are ours, and those that only look as if they were.

A misspelt name would be a setting that has no effect and says nothing.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from typing import get_args

from pydantic import BaseModel

from runtime.inputs import InputError

PREFIX = "THEREAFTER_"

_MISSPELT, _RESEMBLES = 0.85, 0.7
"""How alike two names are, of 1: one is taken for the other, or only resembles it."""

_PLATFORMS = re.compile(r".*_SERVICE_HOST|.*_SERVICE_PORT(_.*)?|.*_PORT(_\d+_(TCP|UDP)(_.*)?)?")
"""What Kubernetes gives every container for each service of its namespace, here for one whose name begins
with `thereafter`: nobody misspelt it.
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables"""


def known_variables(settings: type[BaseModel]) -> set[str]:
    """Every variable that is read, with those of the models within: `THEREAFTER_SHOP__NAME`."""
    return {f"{PREFIX}{'__'.join(path).upper()}" for path in _fields(settings)}


def check_names(names: Iterable[str], settings: type[BaseModel]) -> None:
    """Raise `InputError` for a name that is one of ours misspelt; say once that nobody reads others."""
    known = known_variables(settings)
    strange = sorted({name for name in map(str.upper, names) if name.startswith(PREFIX)} - known)
    typed = [name for name in strange if not _PLATFORMS.fullmatch(name)]
    misspelt = [name for name in typed if _meant(name, known, _MISSPELT)]
    if misspelt:
        raise InputError("\n".join(_nobody_reads(name, known) for name in misspelt))
    for name in strange:
        _warn(_nobody_reads(name, known))


def _nobody_reads(name: str, known: set[str]) -> str:
    near = _meant(name, known, _RESEMBLES)
    return f"{name}: nobody reads it" + (f"; did you mean {near}?" if near else "")


def _meant(name: str, known: set[str], alike: float) -> str:
    """The known name that resembles it; what all of them begin with says nothing."""
    bare = {each.removeprefix(PREFIX) for each in known}
    near = get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=alike)
    return f"{PREFIX}{near[0]}" if near else ""


@cache
def _warn(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (name,)
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from ((name, *inner) for inner in _fields(part))
