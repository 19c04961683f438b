"""What every source has: a way to tell its own posts from forged ones, and a translator to our facts."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Protocol

from pydantic import ValidationError

from journey.facts import FactBase, problems
from ledger.inbox import InboxRow
from ledger.incoming import Deed, Incoming, Person, ProviderEvent, Wish, bounded
from ledger.orders import OrderPointer
from ledger.payments import Payment
from runtime.inputs import parse_json

LONGEST_ID = 200
"""Of a sender's own; behind it there is room for the hash of a body."""


@dataclass(frozen=True)
class Post:
    """What was posted. Header names are in small letters."""

    headers: Mapping[str, str]
    body: bytes
    at: datetime

    def header(self, name: str) -> str:
        """A header, or nothing. Header lookup does not depend on how a sender writes it."""
        return self.headers.get(name, "")


class Forged(Exception):
    """The signature is not the source's own. Whoever asks is told no more than that."""


class NotReadable(Exception):
    """The body is no JSON, or not what the sender must send. The text says what is wrong, without values."""


@dataclass(frozen=True)
class Told:
    """What one post, or one part of it, tells: things to do, and what goes to the ledger at once."""

    deeds: Sequence[Deed] = ()
    order_id: str | None = None
    tracking_number: str | None = None
    person: Person | None = None
    pointer: OrderPointer | None = None
    payment: Payment | None = None
    provider_event: ProviderEvent | None = None
    wish: Wish | None = None
    problem: str = ""
    """What of it could not be told, for people to see; it is then parked, beside the rest."""
    is_test: bool = False
    """Whether it is about an order that was placed to try the shop."""
    part: str | None = field(default=None)
    """Its own identity, where one post brings several events."""

    def by(self, now: datetime) -> "Told":
        """The same, with nothing in it later than when it was posted. Persons and consents see to that
        themselves, where they are written."""
        pointer = self.pointer
        if pointer is not None and pointer.placed_at > now:
            pointer = pointer.model_copy(update={"placed_at": now})
        return replace(self, deeds=[_happened(each, now) for each in self.deeds], pointer=pointer)


def _happened(each: Deed, now: datetime) -> Deed:
    at = each.body.get("at")
    if not isinstance(at, str) or datetime.fromisoformat(at) <= now:
        return each
    told = now.isoformat().replace("+00:00", "Z")
    return each.model_copy(update={"body": each.body | {"at": told}})


class Source(Protocol):
    """One kind of sender."""

    name: ClassVar[str]
    strict: ClassVar[bool]
    """Whether a body that cannot be translated is refused with an explanation. Others are acknowledged
    and parked: a platform that is refused again and again takes its subscription away."""

    def verify(self, post: Post, secrets: Sequence[str]) -> None:
        """Raises `Forged` unless one of the secrets fits the raw bytes."""

    def opened(self, post: Post, data: Any) -> Any:
        """The body's JSON, with what the sender says beside it in headers. Raises `NotReadable`."""
        return data

    def topic(self, post: Post, data: Any) -> str:
        """In a word, what it is about. It may come from outside the signature, so nothing rests on it."""

    def event_id(self, post: Post, data: Any) -> str:
        """The sender's own name for the event."""

    def signed_id(self) -> bool:
        """Whether the event's id is under the signature."""
        return False

    def is_ping(self, post: Post) -> bool:
        """Whether it only asks if somebody is there. It may be unsigned; it has no effect."""
        return False

    def translate(self, data: Any, at: datetime) -> Iterable[Told]:
        """Raises `NotReadable` or `ValidationError`; nothing at all means that there is nothing to do."""


def read(source: Source, post: Post) -> list[Incoming]:
    """Verified bytes to what goes into the inbox. Raises `NotReadable` if the source is strict."""
    try:
        data, unread = source.opened(post, parsed(post.body)), ""
    except NotReadable as error:
        data, unread = None, str(error)
    topic = source.topic(post, data)[:80]
    event_id = bounded(source.event_id(post, data), LONGEST_ID)
    body_hash = hashlib.sha256(post.body).hexdigest()
    if source.signed_id() and event_id:
        body_hash = _hash(event_id, body_hash)
    else:
        # Who repeats a signed body under another id is not believed; another body is another event.
        event_id = f"{event_id}/{body_hash[:16]}"
    frame = {"source": source.name, "event_id": event_id, "body_hash": body_hash, "topic": topic}
    try:
        if unread:
            raise NotReadable(unread)
        return [_incoming(frame, each.by(post.at)) for each in source.translate(data, post.at)]
    except (NotReadable, ValidationError) as error:
        problem = problems(error) if isinstance(error, ValidationError) else str(error)
        if source.strict:
            raise NotReadable(problem) from None
        return [Incoming(**frame, problem=problem[:500], raw=_raw(post.body))]


def _raw(body: bytes) -> str:
    """A body as a text that every database keeps, whatever it is."""
    return body.decode("utf-8-sig", errors="replace").replace("\x00", "\ufffd")


def _incoming(frame: dict[str, str], told: Told) -> Incoming:
    if told.part is not None:
        whole = _hash(frame["source"], told.part)
        frame = {**frame, "event_id": bounded(told.part), "body_hash": whole}
    return Incoming(
        **frame,
        order_id=told.order_id,
        tracking_number=told.tracking_number,
        deeds=tuple(told.deeds),
        person=told.person,
        pointer=told.pointer,
        payment=told.payment,
        provider_event=told.provider_event,
        wish=told.wish,
        problem=told.problem,
        is_test=told.is_test,
        # Nothing of the body: a note is all that there is to it, and reading it again ends it.
        raw=json.dumps({"note": told.problem}) if told.problem else None,
    )


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def parsed(body: bytes) -> Any:
    """Strict JSON of a body: UTF-8, each key once, no NaN. Raises `NotReadable`."""
    try:
        data = parse_json(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise NotReadable("the body should be UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise NotReadable(f"the body is not JSON: line {error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise NotReadable(f"the body {error}") from None
    try:
        return _without_nul(data) if b"\\u0000" in body else data
    except RecursionError:
        raise NotReadable("the body is nested too deeply") from None


def _without_nul(data: Any) -> Any:
    """PostgreSQL keeps no NUL in a text, and nobody means one."""
    if isinstance(data, str):
        return data.replace("\x00", "")
    if isinstance(data, list):
        return [_without_nul(each) for each in data]
    if isinstance(data, dict):
        return {_without_nul(key): _without_nul(value) for key, value in data.items()}
    return data


def deed(fact: FactBase) -> Deed:
    """A fact as a deed; only what was said is written."""
    body = fact.model_dump(mode="json", exclude_unset=True, exclude={"kind"})
    return Deed(kind=str(getattr(fact, "kind", "")), body=body)


def hmac_fits(given: bytes, body: bytes, secrets: Sequence[str]) -> None:
    """Raises `Forged` unless HMAC-SHA256 of the body by one of the secrets is what was given."""
    expected = [hmac.new(secret.encode(), body, hashlib.sha256).digest() for secret in secrets]
    # Every secret is tried, so that the time does not tell which one fitted.
    if not any([hmac.compare_digest(each, given) for each in expected]):
        raise Forged


def translated(source: Source, row: InboxRow) -> Incoming:
    """A parked row, translated once more under its own name. It has a `problem` if that still fails."""
    frame = row.model_dump(include={"source", "event_id", "body_hash", "topic"})
    try:
        data = parsed((row.raw or "").encode())
        at = row.received_at
        found = [_incoming(frame, each.by(at)) for each in source.translate(data, at)]
    except (NotReadable, ValidationError) as error:
        problem = problems(error) if isinstance(error, ValidationError) else str(error)
        return Incoming(**frame, problem=problem[:500] or "unreadable", raw=row.raw)
    return found[0] if found else Incoming(**frame)
