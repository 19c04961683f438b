"""Shopify's webhooks.

The topic and the event's id are outside the signature, so what a body is, its own shape says: a signed body
that is replayed under another topic has no other effect. Topics arrive in any order, and each body of an
order tells all of it, so each of them can begin the journey.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from service.sources.shopify_orders import (
    fulfillment_event_told,
    fulfillment_told,
    order_told,
    refund_told,
    return_told,
)
from service.sources.shopify_people import (
    consent_told,
    data_request_told,
    redaction_told,
    shop_redaction_told,
)
from service.sources.source import NotReadable, Post, Source, Told, hmac_fits
from service.sources.values import base64_bytes

_TOPICS = {
    "line_items+financial_status": order_told,
    "fulfillment_id+happened_at": fulfillment_event_told,
    "line_items+tracking_company": fulfillment_told,
    "refund_line_items": refund_told,
    "customer_id+email_marketing_consent": consent_told,
    "orders_to_redact": redaction_told,
    "data_request": data_request_told,
    "shop_id+shop_domain": shop_redaction_told,
}
"""What a body is, by the fields that only this kind of body has."""

_A_RETURN = "gid://shopify/Return/"
"""Returns have hardly a field in common, but say what they are."""


class Shopify(Source):
    """`X-Shopify-Hmac-Sha256`: base64 of HMAC-SHA256 over the body."""

    name: ClassVar[str] = "shopify"
    strict: ClassVar[bool] = False

    def verify(self, post: Post, secrets: Sequence[str]) -> None:
        hmac_fits(base64_bytes(post.header("x-shopify-hmac-sha256")), post.body, secrets)

    def topic(self, post: Post, data: Any) -> str:
        return post.header("x-shopify-topic") or "unknown"

    def event_id(self, post: Post, data: Any) -> str:
        return post.header("x-shopify-event-id") or post.header("x-shopify-webhook-id")

    def translate(self, data: Any, at: datetime) -> Iterator[Told]:
        if not isinstance(data, dict):
            raise NotReadable("the body should be a JSON object")
        is_test = data.get("test") is True
        for told in _told(data, at):
            yield replace(told, is_test=is_test)


def _told(data: dict[str, Any], at: datetime) -> Iterator[Told]:
    for fields, told in _TOPICS.items():
        if all(field in data for field in fields.split("+")):
            yield from told(data, at)
            return
    if str(data.get("admin_graphql_api_id")).startswith(_A_RETURN):
        yield from return_told(data, at)
