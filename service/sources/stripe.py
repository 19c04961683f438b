"""Stripe's events about money that was captured or went back: each is kept, and taken over in the ledger.

https://docs.stripe.com/webhooks/signature. Events come up to three days late, repeatedly and in any order.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from activities.stripe_words import captured_amount, listed_refund
from journey.facts import LARGEST_SUM
from ledger.incoming import CAPTURE, REFUND, Deed, ProviderEvent
from service.sources.source import Forged, NotReadable, Post, Source, Told
from service.sources.values import Id, Loose, Wire, moment

TOLERANCE = 300
"""Seconds between Stripe's clock and ours, either way: Stripe's own verifier takes any future time."""

_CAPTURES = {"charge.captured", "payment_intent.succeeded"}


class Stripe(Source):
    """`Stripe-Signature: t=...,v1=...`: hex HMAC-SHA256 over time, dot and body."""

    name: ClassVar[str] = "stripe"
    strict: ClassVar[bool] = False

    def verify(self, post: Post, secrets: Sequence[str]) -> None:
        parts = [part.strip().partition("=") for part in post.header("stripe-signature").split(",")]
        times = [value for name, _, value in parts if name == "t"]
        given = [value.encode("utf-8", "replace") for name, _, value in parts if name == "v1"]
        if len(times) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0]):
            raise Forged
        if abs(post.at.timestamp() - int(times[0])) > TOLERANCE:
            raise Forged
        signed = times[0].encode() + b"." + post.body
        expected = [hmac.new(key.encode(), signed, hashlib.sha256).hexdigest().encode() for key in secrets]
        if not any([hmac.compare_digest(one, other) for one in expected for other in given]):
            raise Forged

    def topic(self, post: Post, data: Any) -> str:
        kind = data.get("type") if isinstance(data, dict) else None
        return kind if isinstance(kind, str) and re.fullmatch(r"[a-z_.]{1,80}", kind) else "unknown"

    def event_id(self, post: Post, data: Any) -> str:
        found = data.get("id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else ""

    def signed_id(self) -> bool:
        return True

    def translate(self, data: Any, at: datetime) -> Iterator[Told]:
        if not isinstance(data, dict):
            raise NotReadable("the body should be a JSON object")
        kind = data.get("type")
        if not isinstance(kind, str):
            return
        if kind.startswith(("refund.", "charge.refund")) or kind in _CAPTURES:
            event = _Event.model_validate(data)
            yield Told(deeds=list(event.deeds()), provider_event=event.told(at), part=event.id)


def _not_none(value: Any) -> Any:
    return {} if value is None else value


class _Metadata(Wire):
    reference: Loose = ""


class _Thing(Wire):
    id: Id
    object: Loose = ""
    amount: int | None = Field(default=None, ge=0, le=LARGEST_SUM)
    amount_captured: int | None = Field(default=None, ge=0, le=LARGEST_SUM)
    amount_received: int | None = Field(default=None, ge=0, le=LARGEST_SUM)
    amount_refunded: int | None = Field(default=None, ge=0, le=LARGEST_SUM)
    currency: Loose = ""
    status: Loose = ""
    failure_reason: Loose = ""
    charge: Loose = ""
    payment_intent: Loose = ""
    latest_charge: Loose = ""
    metadata: Annotated[_Metadata, BeforeValidator(_not_none)] = _Metadata()


class _Event(Wire):
    class _Data(Wire):
        object: _Thing

    id: Id
    type: str
    created: Any = None
    data: _Data

    def deeds(self) -> Iterator[Deed]:
        """What follows from a refund or a capture. Of a refund, a charge only says that there was one, which
        has its own event."""
        thing = self.data.object
        if self.type in _CAPTURES and (captured := captured_amount(thing.model_dump())):
            ids, amount = captured
            body = {"provider": "stripe", "event_id": self.id, "payments": ids, "captured": amount}
            yield Deed(kind=CAPTURE, body=body | {"currency": thing.currency.upper()})
        if thing.object == "refund" and thing.amount is not None:
            listed = listed_refund(thing.model_dump())
            seen = {**listed.seen._asdict(), "reason": listed.seen.reason[:200]}
            body = {"provider": "stripe", "event_id": self.id, "payments": listed.payments, "refund": seen}
            yield Deed(kind=REFUND, body=body)

    def told(self, at: datetime) -> ProviderEvent:
        thing = self.data.object
        details = thing.model_dump(exclude_none=True, exclude={"metadata"})
        return ProviderEvent(
            provider="stripe",
            event_id=self.id,
            reference=(thing.metadata.reference or thing.id)[:200],
            event=self.type[:80],
            at=moment(self.created) or at,
            reason=thing.failure_reason[:200],
            details={name: value for name, value in details.items() if value != ""},
        )
