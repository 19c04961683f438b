"""SendGrid's Event Webhook: what became of the mails that we handed over.

Signed with ECDSA over the timestamp and the raw body, which ends in CR LF. Events come several times, and
their own id is reported to change between deliveries, so an event is known by our reference, its word and its
time. Addresses and the receiving servers' sentences are personal and are not kept.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ledger.incoming import MAIL, Deed, ProviderEvent
from service.sources.source import Forged, NotReadable, Post, Source, Told
from service.sources.values import Loose, Wire, base64_bytes, moment

OLDEST = 26 * 3600
"""Seconds. SendGrid tries for a day; what is older is a recording that somebody plays back."""

NEWEST = 300
"""Seconds that its clock may be ahead of ours."""


class SendGrid(Source):
    """`X-Twilio-Email-Event-Webhook-Signature` and `-Timestamp`."""

    name: ClassVar[str] = "sendgrid"
    strict: ClassVar[bool] = False

    def verify(self, post: Post, secrets: Sequence[str]) -> None:
        time = post.header("x-twilio-email-event-webhook-timestamp")
        if not re.fullmatch(r"[0-9]{1,12}", time):
            raise Forged
        age = post.at.timestamp() - int(time)
        if not -NEWEST <= age <= OLDEST:
            raise Forged
        signature = base64_bytes(post.header("x-twilio-email-event-webhook-signature"))
        if not any([_fits(key, signature, time.encode() + post.body) for key in secrets]):
            raise Forged

    def topic(self, post: Post, data: Any) -> str:
        return "events"

    def event_id(self, post: Post, data: Any) -> str:
        return post.header("x-twilio-email-event-webhook-timestamp")

    def translate(self, data: Any, at: datetime) -> Iterator[Told]:
        if not isinstance(data, list):
            raise NotReadable("the body should be a list of events")
        for item in data:
            if isinstance(item, dict):
                yield from _told(_Event.model_validate(item), at)


def _fits(key: str, signature: bytes, signed: bytes) -> bool:
    try:
        _public(key).verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=8)
def _public(key: str) -> EllipticCurvePublicKey:
    loaded = load_der_public_key(base64_bytes("".join(key.split())))
    if not isinstance(loaded, EllipticCurvePublicKey):
        raise Forged
    return loaded


class _Event(Wire):
    event: Loose = ""
    timestamp: Any = None
    reference: Loose = ""
    status: Loose = ""
    type: Loose = ""
    bounce_classification: Loose = ""


def _told(event: _Event, at: datetime) -> Iterator[Told]:
    if not re.fullmatch(r"[0-9a-f]{32}", event.reference) or not re.fullmatch(r"[a-z_]{1,40}", event.event):
        return
    when = moment(event.timestamp) or at
    part = f"{event.reference}/{event.event}/{int(when.timestamp())}"
    told = ProviderEvent(
        provider="sendgrid",
        event_id=part,
        reference=event.reference,
        event=event.event,
        at=when,
        reason=_code(event.status) or _code(event.type),
        details={"type": _code(event.type), "classification": _code(event.bounce_classification)},
    )
    body = told.model_dump(mode="json", include={"event_id"})
    yield Told(deeds=[Deed(kind=MAIL, body=body)], provider_event=told, part=part)


def _code(text: str) -> str:
    """A code such as 5.1.1 or `blocked`; a sentence may quote an address."""
    return text if re.fullmatch(r"[A-Za-z0-9. _-]{1,40}", text) else ""
