"""EasyPost's tracker events.

`X-Hmac-Signature: hmac-sha256-hex=...` over the body; the secret is NFKD-normalised first. A tracker knows
the carrier's number only, so the ledger tells which order's parcel it is.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from journey.facts import CarrierStatus
from service.sources.source import Forged, NotReadable, Post, Source, Told, hmac_fits
from service.sources.tracking import reached_at, tracked
from service.sources.values import Id, Loose, Wire, label, moment

_STATUSES = {
    "pre_transit": CarrierStatus.LABEL_MADE,
    "in_transit": CarrierStatus.IN_TRANSIT,
    "out_for_delivery": CarrierStatus.OUT_FOR_DELIVERY,
    "available_for_pickup": CarrierStatus.READY_FOR_PICKUP,
    "delivered": CarrierStatus.DELIVERED,
    "return_to_sender": CarrierStatus.RETURNING,
}
"""EasyPost's tracker statuses; `failure`, `cancelled`, `error` and `unknown` say too little to act on."""

_GOING = {"in_transit", "out_for_delivery", "unknown"}
_UNDECIDED = {*_GOING, "failure", "error"}
_LATE = (
    *("delayed", "weather_delay", "held", "missorted", "awaiting_information"),
    *("transit_exception", "delivery_exception"),
)
_DETAILS = {
    **dict.fromkeys(_LATE, (_GOING, CarrierStatus.DELAYED)),
    **dict.fromkeys(("refused", "return"), (_UNDECIDED, CarrierStatus.RETURNING)),
    "lost": (_UNDECIDED, CarrierStatus.LOST),
    "received_at_origin_facility": ({"in_transit"}, CarrierStatus.HANDED_OVER),
}
"""Where `status_detail` says more than the status, and beside which statuses. `delivery_exception` is no
failed attempt: weather is one as well. `damaged` does not tell whether it comes or goes back."""


def _status(word: str, detail: str) -> CarrierStatus:
    beside, finer = _DETAILS.get(detail, (set(), CarrierStatus.UNKNOWN))
    return finer if word in beside else _STATUSES.get(word, CarrierStatus.UNKNOWN)


class EasyPost(Source):
    """`tracker.created` and `tracker.updated`."""

    name: ClassVar[str] = "easypost"
    strict: ClassVar[bool] = False

    def verify(self, post: Post, secrets: Sequence[str]) -> None:
        found = re.fullmatch(r"hmac-sha256-hex=([0-9a-fA-F]{64})", post.header("x-hmac-signature"))
        if found is None:
            raise Forged
        normal = [unicodedata.normalize("NFKD", secret) for secret in secrets]
        hmac_fits(bytes.fromhex(found[1]), post.body, normal)

    def topic(self, post: Post, data: Any) -> str:
        kind = data.get("description") if isinstance(data, dict) else None
        return kind if isinstance(kind, str) and re.fullmatch(r"[a-z_.]{1,80}", kind) else "unknown"

    def event_id(self, post: Post, data: Any) -> str:
        found = data.get("id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else ""

    def signed_id(self) -> bool:
        return True

    def translate(self, data: Any, at: datetime) -> Iterator[Told]:
        if not isinstance(data, dict):
            raise NotReadable("the body should be a JSON object")
        kind = data.get("description")
        if isinstance(kind, str) and kind.startswith("tracker."):
            yield _told(_Event.model_validate(data), at)


def _list(value: Any) -> Any:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


class _Detail(Wire):
    status: Loose = ""
    datetime: Loose = ""


class _Tracker(Wire):
    id: Id
    tracking_code: str
    status: Loose = ""
    status_detail: Loose = ""
    est_delivery_date: Loose = ""
    updated_at: Loose = ""
    tracking_details: Annotated[tuple[_Detail, ...], BeforeValidator(_list)] = ()

    @property
    def reached(self) -> CarrierStatus:
        return _status(self.status.lower(), self.status_detail.lower())

    def happened(self) -> datetime | None:
        same = (moment(each.datetime) for each in self.tracking_details if each.status == self.status)
        return reached_at(self.reached, same)


class _Event(Wire):
    id: Id
    created_at: Loose = ""
    result: _Tracker


def _told(event: _Event, at: datetime) -> Told:
    tracker, told_at = event.result, moment(event.created_at) or at
    number = label(tracker.tracking_code)
    if number is None:
        raise NotReadable("result.tracking_code: should be the carrier's number")
    words = (tracker.status.lower(), tracker.status_detail.lower())
    happened = tracker.happened() or moment(tracker.updated_at) or told_at
    moved = (tracker.reached, label("/".join(word for word in words if word), 200), happened)
    return tracked("easypost", event.id, number, moved, (moment(tracker.est_delivery_date), told_at))
