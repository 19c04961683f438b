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

from journey.facts import CarrierStatus, ExpectedDateChanged, ParcelMoved
from service.sources.source import Forged, NotReadable, Post, Source, Told, deed, hmac_fits
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
    est_delivery_date: Loose = ""
    updated_at: Loose = ""
    tracking_details: Annotated[tuple[_Detail, ...], BeforeValidator(_list)] = ()

    def happened(self) -> datetime | None:
        """When the present status was reached."""
        times = [detail.datetime for detail in self.tracking_details if detail.status == self.status]
        return moment(times[0]) if times else None


class _Event(Wire):
    id: Id
    created_at: Loose = ""
    result: _Tracker


def _told(event: _Event, at: datetime) -> Told:
    tracker, told_at = event.result, moment(event.created_at) or at
    number = label(tracker.tracking_code)
    if number is None:
        raise NotReadable("result.tracking_code: should be the carrier's number")
    word = tracker.status.lower()
    moved = ParcelMoved(
        fact_id=f"easypost:{event.id}",
        at=tracker.happened() or moment(tracker.updated_at) or told_at,
        source="easypost",
        # The ledger names the parcel when it is delivered to its journey.
        parcel_id="pending",
        status=_STATUSES.get(word, CarrierStatus.UNKNOWN),
        raw=label(word, 200),
    )
    facts = [deed(moved)]
    if expected := moment(tracker.est_delivery_date):
        fact_id = f"easypost:{event.id}:expected"
        changed = ExpectedDateChanged(
            fact_id=fact_id, at=told_at, source="easypost", parcel_id="pending", expected=expected
        )
        facts.append(deed(changed))
    return Told(deeds=facts, tracking_number=number)
