"""Standard Webhooks with one of our own facts as the body: the way in for any back-end.

The specification is at standardwebhooks.com. The fact may also travel as a CloudEvent
(`service/sources/cloudevents.py`), or in the specification's own `type`, `timestamp`, `data`.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

from pydantic import TypeAdapter, ValidationError
from standardwebhooks import Webhook

from journey.facts import KINDS, read_fact
from journey.names import Label, OpaqueId
from journey.own_returns import OursToTell, check_source
from journey.return_facts import FACTS
from ledger.incoming import PLACE, Deed
from service.clocks import Dated, ahead
from service.neworder import NewOrder
from service.sources.cloudevents import as_structured
from service.sources.source import Forged, NotReadable, Post, Source, Told, deed

_ID: TypeAdapter[str] = TypeAdapter(OpaqueId)
_NUMBER: TypeAdapter[str] = TypeAdapter(Label)
_KINDS = KINDS | set(FACTS)


class StandardWebhooks(Source):
    """`webhook-id`, `webhook-timestamp` and `webhook-signature`, all three under the signature."""

    name: ClassVar[str] = "standard"
    strict: ClassVar[bool] = True

    def verify(self, post: Post, secrets: Sequence[str]) -> None:
        headers = {name: post.header(name) for name in post.headers if name.startswith("webhook-")}
        if not any([_fits(secret, post.body, headers) for secret in secrets]):
            raise Forged

    def opened(self, post: Post, data: Any) -> Any:
        return as_structured(post, data)

    def topic(self, post: Post, data: Any) -> str:
        kind = _unwrapped(data).get("kind") if isinstance(data, dict) else None
        return kind if isinstance(kind, str) and kind in _KINDS else "unknown"

    def event_id(self, post: Post, data: Any) -> str:
        return post.header("webhook-id")

    def signed_id(self) -> bool:
        return True

    def translate(self, data: Any, at: datetime) -> Iterator[Told]:
        if not isinstance(data, dict):
            raise NotReadable("the body should be a JSON object with named fields such as kind")
        fields = _unwrapped(data)
        kind = fields.pop("kind", None)
        if not isinstance(kind, str) or kind not in _KINDS:
            raise NotReadable(f"kind: should be one of: {', '.join(sorted(_KINDS))}")
        if kind in FACTS:
            yield of_return(kind, fields, at)
        else:
            yield placed(fields, at) if kind == PLACE else reported(kind, fields, at)


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


def placed(fields: dict[str, Any], now: datetime) -> Told:
    """An order with its customer: the fields of `POST /v1/orders`. Raises `NotReadable` and
    `ValidationError`."""
    known = {name: value for name, value in fields.items() if name not in ("at", "fact_id", "source")}
    if "placed_at" not in known and "at" in fields:
        known["placed_at"] = fields["at"]
    order = NewOrder.model_validate(known)
    if problem := ahead(order.dated(), now):
        raise NotReadable(problem)
    return Told(
        deeds=[order.deed("standard")],
        order_id=order.order_id,
        person=order.person(),
        pointer=order.pointer(),
        payment=order.paid(),
    )


def reported(kind: str, fields: dict[str, Any], now: datetime) -> Told:
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
    if problem := ahead([Dated("at", fact.at)], now):
        raise NotReadable(problem)
    return Told(deeds=[deed(fact)], order_id=order_id)


def of_return(kind: str, fields: dict[str, Any], now: datetime) -> Told:
    """A fact about a return, by its id such as `1001:r1`; a scan also by the carrier's number of its label.
    Raises `NotReadable` and `ValidationError`."""
    return_id, number = str(fields.pop("return_id", "")), fields.pop("tracking_number", None)
    of_order = fields.pop("order_id", None)
    try:
        check_source(fields)
    except OursToTell as refusal:
        raise NotReadable(str(refusal)) from None
    fact = FACTS[kind].model_validate({"source": "standard", **fields})
    if problem := ahead([Dated("at", fact.at)], now):
        raise NotReadable(problem)
    body = fact.model_dump(mode="json", exclude_unset=True)
    order_id, _, own = return_id.rpartition(":")
    try:
        if kind == "return_moved" and not return_id:
            return Told(deeds=[Deed(kind=kind, body=body)], tracking_number=_NUMBER.validate_python(number))
        deeds = [Deed(kind=kind, body={**body, "return_id": _ID.validate_python(own)})]
        return Told(deeds=deeds, order_id=_ID.validate_python(order_id or of_order))
    except ValidationError:
        raise NotReadable("return_id: should be the return's id, such as 1001:r1") from None
