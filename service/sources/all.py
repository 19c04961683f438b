"""Every source, by the last word of its address. One is switched on by its secret in the settings."""

from datetime import datetime

from ledger.inbox import InboxRow
from ledger.incoming import Incoming
from service.sources.aftership import AfterShip
from service.sources.easypost import EasyPost
from service.sources.sendgrid import SendGrid
from service.sources.shopify import Shopify
from service.sources.source import Post, Source, read, translated
from service.sources.standard import StandardWebhooks
from service.sources.stripe import Stripe
from service.sources.woocommerce import WooCommerce

_ALL: tuple[Source, ...] = (
    StandardWebhooks(),
    Shopify(),
    WooCommerce(),
    EasyPost(),
    AfterShip(),
    Stripe(),
    SendGrid(),
)
SOURCES: dict[str, Source] = {source.name: source for source in _ALL}


def read_again(row: InboxRow) -> Incoming:
    """Translate once more what could not be read; it may have been our mistake."""
    return translated(SOURCES[row.source], row)


def translate(source: str, body: bytes, at: datetime) -> list[Incoming]:
    """What a payload tells that was fetched from a shop, and so needs no signature."""
    headers = {"x-shopify-event-id": "reconciled", "x-wc-webhook-delivery-id": "reconciled"}
    return read(SOURCES[source], Post(headers=headers, body=body, at=at))


def translate_real(source: str, body: bytes, at: datetime) -> list[Incoming]:
    """The same, where orders that were placed to try the shop have no effect."""
    return [each.unless_test() for each in translate(source, body, at)]
