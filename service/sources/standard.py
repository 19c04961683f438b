"""Standard Webhooks with one of our own facts as the body: the way in for any back-end.

The specification is at standardwebhooks.com. The fact may also travel in a CloudEvents 1.0 envelope
(structured mode), or in the specification's own `type`, `timestamp`, `data`.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

from pydantic import TypeAdapter, ValidationError
from standardwebhooks import Webhook

from journey.facts import KINDS, read_fact
from journey.names import OpaqueId
from journey.own_returns import OursToTell, check_source
from ledger.incoming import PLACE
from service.neworder import NewOrder
from service.sources.source import Forged, NotReadable, Post, Source, Told, deed

_ID: TypeAdapter[str] = TypeAdapter(OpaqueId)


class StandardWebhooks(Source):
    """`webhook-id`, `webhook-timestamp` and `webhook-signature`, all three under the signature."""

    name: ClassVar[str] = "standard"
    strict: ClassVar[bool] = True

    def verify(self, post: Post, secrets: Sequence[str]) -> None:
        headers = {name: post.header(name) for name in post.headers if name.startswith("webhook-")}
        if not any([_fits(secret, post.body, headers) for secret in secrets]):
            raise Forged

    def topic(self, post: Post, data: Any) -> str:
        kind = _unwrapped(data).get("kind") if isinstance(data, dict) else None
        return kind if isinstance(kind, str) and kind in KINDS else "unknown"

    def event_id(self, post: Post, data: Any) -> str:
        return post.header("webhook-id")

    def signed_id(self) -> bool:
        return True

    def translate(self, data: Any, at: datetime) -> Iterator[Told]:
        if not isinstance(data, dict):
            raise NotReadable("the body should be a JSON object with named fields such as kind")
        fields = _unwrapped(data)
        kind = fields.pop("kind", None)
        if not isinstance(kind, str) or kind not in KINDS:
            raise NotReadable(f"kind: should be one of: {', '.join(sorted(KINDS))}")
        yield placed(fields) if kind == PLACE else reported(kind, fields)


def _fits(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except Exception:
        # The verifier raises half a dozen kinds of errors on malformed input, none of them documented.
        return False
    return True


def _unwrapped(data: dict[str, Any]) -> dict[str, Any]:
    """The fact itself; an envelope's own fields stand in for those that the fact leaves out."""
    inner = data.get("data")
    if not isinstance(inner, dict) or not isinstance(data.get("type"), str):
        return dict(data)
    around = {
        "kind": data["type"].rpartition(".")[2],
        "at": data.get("time") or data.get("timestamp"),
        "fact_id": data.get("id"),
        "order_id": data.get("subject"),
    }
    return {name: value for name, value in around.items() if value is not None} | inner


def placed(fields: dict[str, Any]) -> Told:
    """An order with its customer: the fields of `POST /v1/orders`. Raises `ValidationError`."""
    known = {name: value for name, value in fields.items() if name not in ("at", "fact_id", "source")}
    if "placed_at" not in known and "at" in fields:
        known["placed_at"] = fields["at"]
    order = NewOrder.model_validate(known)
    return Told(
        deeds=[order.deed("standard")],
        order_id=order.order_id,
        person=order.person(),
        pointer=order.pointer(),
        payment=order.paid(),
    )


def reported(kind: str, fields: dict[str, Any]) -> Told:
    """A fact about an order. Raises `NotReadable` and `ValidationError`."""
    try:
        order_id = _ID.validate_python(fields.pop("order_id", None))
    except ValidationError:
        raise NotReadable("order_id: should be the id under which the order was placed") from None
    try:
        check_source(fields)
    except OursToTell as refusal:
        raise NotReadable(str(refusal)) from None
    fact = read_fact({"source": "standard", **fields, "kind": kind})
    return Told(deeds=[deed(fact)], order_id=order_id)
