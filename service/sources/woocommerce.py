"""WooCommerce's webhooks: orders, whole, whenever they change, and accounts.

`X-WC-Webhook-Signature` is base64 of HMAC-SHA256 over the body; topic and delivery id are outside of it. Of
two dates only `*_gmt` has a known zone, though none is written in it.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

from ledger.incoming import GONE, Deed
from service.sources.source import NotReadable, Post, Source, Told, hmac_fits
from service.sources.values import Id, Wire, base64_bytes
from service.sources.woocommerce_orders import order_told
from service.sources.woocommerce_people import Conventions, account_told


class _Deleted(Wire):
    id: Id
    deleted: Literal["order", "customer"]


class WooCommerce(Source):
    """`order.created`, `order.updated`, `customer.created`, `customer.updated`; what is deleted tells its
    number alone, and not whether it was an order or a customer. A new webhook's ping has no order in it."""

    name: ClassVar[str] = "woocommerce"
    strict: ClassVar[bool] = False

    def __init__(self, keys: Conventions) -> None:
        self._keys = keys

    def verify(self, post: Post, secrets: Sequence[str]) -> None:
        hmac_fits(base64_bytes(post.header("x-wc-webhook-signature")), post.body, secrets)

    def is_ping(self, post: Post) -> bool:
        # A new webhook is only switched on if its unsigned ping is answered with 200.
        return re.fullmatch(rb"webhook_id=\d{1,20}", post.body) is not None

    def opened(self, post: Post, data: Any) -> Any:
        # Only of what is deleted is the topic needed, which is not signed: a person decides what follows.
        gone = re.fullmatch(r"(order|customer)\.deleted", post.header("x-wc-webhook-topic"))
        number = data.get("id") if isinstance(data, dict) and len(data) == 1 else None
        known = isinstance(number, int) and 0 < number < 10**20
        return {"id": number, "deleted": gone[1]} if gone and known else data

    def topic(self, post: Post, data: Any) -> str:
        return post.header("x-wc-webhook-topic") or "unknown"

    def event_id(self, post: Post, data: Any) -> str:
        # The second is what WooCommerce's page calls it, and not what it sends.
        return post.header("x-wc-webhook-delivery-id") or post.header("x-wc-delivery-id")

    def translate(self, data: Any, at: datetime) -> Iterator[Told]:
        if not isinstance(data, dict):
            raise NotReadable("the body should be a JSON object")
        if "line_items" in data and "status" in data:
            yield from order_told(data, self._keys, at)
        elif "is_paying_customer" in data and "billing" in data:
            if person := account_told(data, self._keys, at):
                yield Told(person=person)
        elif set(data) == {"id", "deleted"}:
            gone = _Deleted.model_validate(data)
            body = {gone.deleted: gone.id}
            yield Told(deeds=[Deed(kind=GONE, body=body)], part=f"deleted/{gone.deleted}/{gone.id}")
