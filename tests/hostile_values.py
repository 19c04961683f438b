"""A genuine payload with one thing wrong in it: every leaf and every container in turn replaced by each of
the values that programs trip over, left out, or repeated. Enumerable, so that nothing is left to luck."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple

Path = tuple[str | int, ...]

HOSTILE: dict[str, str] = {
    "null": "null",
    "true": "true",
    "minus one": "-1",
    "zero": "0",
    "a fraction": "0.5",
    "65 bits": str(2**64),
    "400 digits": "1" + "0" * 400,
    "more digits than Python reads": "9" * 5_000,
    "a large float": "1e308",
    "infinity": "-1e400",
    "NaN": "NaN",
    "nothing": '""',
    "NUL": '"a\\u0000b"',
    "half a surrogate": '"\\ud800"',
    "overlong": json.dumps("x1" * 5_000),
    "many digits as text": json.dumps("9" * 5_000),
    "digits that are none": json.dumps("\u00b2\u0663"),
    "an exponent": '"9e999999"',
    "the year 0": '"0000-01-01T00:00:00Z"',
    "after the year 9999": '"9999-12-31T23:59:59-23:59"',
    "before the year 1": '"0001-01-01T00:00:00+23:59"',
    "a zone of microseconds": '"2026-04-10T13:47:00+02:00:00.000001"',
    "a new line and an address": '"x\\r\\nBcc: y@mail.example"',
    "letters beyond ASCII": json.dumps("\u00e9\u202e\U0001f375" * 40),
    "a list": "[]",
    "a list of lists": '[[], {"kind": []}, null]',
    "an object": "{}",
    "an object of objects": '{"id": {}, "kind": {"kind": []}}',
    "a key twice": '{"a": 1, "a": 2}',
    "deep lists": "[" * 300 + '"\\u0000"' + "]" * 300,
    "too deep lists": "[" * 700 + '"\\u0000"' + "]" * 700,
    "deep objects": '{"a":' * 300 + "[]" + "}" * 300,
}
"""As they stand in a body: some of them no serializer would write."""

FRESH = "fresh-1"
"""In a genuine payload, an id that is another one in each post."""

_MARK = "\u2620 here"


class Variant(NamedTuple):
    """A body with one thing wrong, and which."""

    what: str
    body: bytes


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every leaf and every container of a payload, itself included."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*path, number))


def variants(genuine: Any) -> Iterator[Variant]:
    """Each place with each hostile value, and left out; each list much longer; each object with more keys."""
    for path in places(genuine):
        name = ".".join(map(str, path)) or "the body"
        marked = json.dumps(_with(genuine, path, _MARK))
        for word, text in HOSTILE.items():
            yield Variant(f"{name}: {word}", _unmarked(marked, text))
        if path:
            yield Variant(f"{name}: left out", json.dumps(_without(genuine, path)).encode())
        inner = _at(genuine, path)
        if isinstance(inner, list):
            yield Variant(f"{name}: 600 times", json.dumps(_with(genuine, path, inner * 600)).encode())
        if isinstance(inner, dict):
            more = {**inner, "__class__": "x", "\u00e9 \u0000": {}}
            yield Variant(f"{name}: more keys", json.dumps(_with(genuine, path, more)).encode())


def spoiled(genuine: Any, chance: random.Random) -> Variant:
    """With one to four of these at random places."""
    value, said = genuine, list[str]()
    texts = list[str]()
    for _ in range(chance.randrange(1, 5)):
        path = chance.choice(list(places(value)))
        word = chance.choice([*HOSTILE, "left out"])
        said.append(f"{'.'.join(map(str, path)) or 'the body'}: {word}")
        if word == "left out":
            value = _without(value, path) if path else {}
        else:
            value = _with(value, path, f"{_MARK} {len(texts)}")
            texts.append(HOSTILE[word])
    body = json.dumps(value)
    for number, text in enumerate(texts):
        body = body.replace(json.dumps(f"{_MARK} {number}"), text)
    return Variant(", ".join(said), body.encode())


def scratched(body: bytes, chance: random.Random) -> bytes:
    """With some bytes changed, lost or doubled."""
    worn = bytearray(body)
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(worn) + 1)
        worn[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    return bytes(worn)


def freshened(body: bytes, number: int) -> bytes:
    """The same under an id of its own: what is known already has no effect to be looked at."""
    return body.replace(FRESH.encode(), f"fresh-{number}".encode())


def _unmarked(marked: str, text: str) -> bytes:
    return marked.replace(json.dumps(_MARK), text).encode()


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _with(value: Any, path: Path, other: Any) -> Any:
    if not path:
        return other
    changed = copy.deepcopy(value)
    _at(changed, path[:-1])[path[-1]] = other
    return changed


def _without(value: Any, path: Path) -> Any:
    changed = copy.deepcopy(value)
    del _at(changed, path[:-1])[path[-1]]
    return changed
