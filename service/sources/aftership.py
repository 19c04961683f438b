"""AfterShip's tracking updates.

`aftership-hmac-sha256` is base64 of HMAC-SHA256 over the body. Times may be empty, a date only, or without a
zone, and `Delivered` without any checkpoint happens.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from journey.facts import CarrierStatus
from service.sources.source import NotReadable, Post, Source, Told, hmac_fits
from service.sources.tracking import reached_at, tracked
from service.sources.values import Id, Loose, Wire, base64_bytes, day, label, moment

_TAGS = {
    **dict.fromkeys(("InfoReceived", "Pending"), CarrierStatus.LABEL_MADE),
    "InTransit": CarrierStatus.IN_TRANSIT,
    "OutForDelivery": CarrierStatus.OUT_FOR_DELIVERY,
    "AttemptFail": CarrierStatus.ATTEMPT_FAILED,
    "Delivered": CarrierStatus.DELIVERED,
    "AvailableForPickup": CarrierStatus.READY_FOR_PICKUP,
}
_EXCEPTIONS = {
    CarrierStatus.DELAYED: ("004", "005", "006", "016", "017", "018"),
    CarrierStatus.ATTEMPT_FAILED: ("002", "007"),
    CarrierStatus.RETURNING: ("003", "009", "010", "011"),
    CarrierStatus.LOST: ("013",),
}
"""By the numbers of `Exception_...`. Customs, the weather, a payment or papers that are missing make it late;
the customer has moved, or the address is wrong; refused, rejected or on its way back; lost. The others say
too little to act on: an exception (001), not collected (008: it waits, or goes back), damaged (012)."""

_SUBTAGS = {
    "InTransit_002": CarrierStatus.HANDED_OVER,
    # The customer was called, or a day was agreed upon: it is not on the van.
    **dict.fromkeys(("OutForDelivery_003", "OutForDelivery_004"), CarrierStatus.IN_TRANSIT),
    **{f"Exception_{number}": status for status, numbers in _EXCEPTIONS.items() for number in numbers},
}
"""Where the finer word says more than the tag.
https://www.aftership.com/docs/tracking/enum/delivery-sub-statuses"""


class AfterShip(Source):
    """`tracking_update` and `edd_revise`."""

    name: ClassVar[str] = "aftership"
    strict: ClassVar[bool] = False

    def verify(self, post: Post, secrets: Sequence[str]) -> None:
        hmac_fits(base64_bytes(post.header("aftership-hmac-sha256")), post.body, secrets)

    def topic(self, post: Post, data: Any) -> str:
        kind = data.get("event") if isinstance(data, dict) else None
        return kind if isinstance(kind, str) and re.fullmatch(r"[a-z_]{1,80}", kind) else "unknown"

    def event_id(self, post: Post, data: Any) -> str:
        found = data.get("event_id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else ""

    def signed_id(self) -> bool:
        return True

    def translate(self, data: Any, at: datetime) -> Iterator[Told]:
        if not isinstance(data, dict):
            raise NotReadable("the body should be a JSON object")
        if isinstance(data.get("msg"), dict):
            yield _told(_Event.model_validate(data), at)


def _list(value: Any) -> Any:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _dict(value: Any) -> Any:
    return value if isinstance(value, dict) else {}


class _Checkpoint(Wire):
    tag: Loose = ""
    checkpoint_time: Loose = ""
    created_at: Loose = ""


class _Estimate(Wire):
    datetime: Loose = ""


class _Tracking(Wire):
    tracking_number: str
    tag: Loose = ""
    subtag: Loose = ""
    updated_at: Loose = ""
    expected_delivery: Loose = ""
    latest_estimated_delivery: Annotated[_Estimate, BeforeValidator(_dict)] = _Estimate()
    checkpoints: Annotated[tuple[_Checkpoint, ...], BeforeValidator(_list)] = ()

    def status(self) -> CarrierStatus:
        return _SUBTAGS.get(self.subtag) or _TAGS.get(self.tag, CarrierStatus.UNKNOWN)

    def happened(self) -> datetime | None:
        same = (moment(each.checkpoint_time) for each in self.checkpoints if each.tag == self.tag)
        return reached_at(self.status(), same) or moment(self.updated_at)


class _Event(Wire):
    event_id: Id
    ts: Any = None
    msg: _Tracking


def _told(event: _Event, at: datetime) -> Told:
    tracking, told_at = event.msg, moment(event.ts) or at
    number = label(tracking.tracking_number)
    if number is None:
        raise NotReadable("msg.tracking_number: should be the carrier's number")
    word = label(tracking.subtag or tracking.tag, 200)
    moved = (tracking.status(), word, tracking.happened() or told_at)
    expected = day(tracking.latest_estimated_delivery.datetime or tracking.expected_delivery)
    return tracked("aftership", event.event_id, number, moved, (expected, told_at))
