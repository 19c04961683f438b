"""Every source, by the last word of its address. One is switched on by its secret in the settings."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from ledger.inbox import InboxRow
from ledger.incoming import Incoming
from runtime.settings import Settings
from service.sources.aftership import AfterShip
from service.sources.easypost import EasyPost
from service.sources.sendgrid import SendGrid
from service.sources.shopify import Shopify
from service.sources.source import Post, Source, read, translated
from service.sources.standard import StandardWebhooks
from service.sources.stripe import Stripe
from service.sources.woocommerce import WooCommerce
from service.sources.woocommerce_people import Conventions, conventions_of

Sources = Mapping[str, Source]
Translate = Callable[[str, bytes, datetime], list[Incoming]]


def _all(keys: Conventions) -> Sources:
    every: tuple[Source, ...] = (
        StandardWebhooks(),
        Shopify(),
        WooCommerce(keys),
        EasyPost(),
        AfterShip(),
        Stripe(),
        SendGrid(),
    )
    return {source.name: source for source in every}


SOURCES = _all(Conventions())
"""For a shop without conventions of its own."""


def sources_of(settings: Settings) -> Sources:
    """Every source, with the conventions of this shop."""
    return _all(conventions_of(settings))


def read_again(row: InboxRow, sources: Sources = SOURCES) -> Incoming:
    """Translate once more what could not be read; it may have been our mistake."""
    return translated(sources[row.source], row)


def translate(source: str, body: bytes, at: datetime, sources: Sources = SOURCES) -> list[Incoming]:
    """What a payload tells that was fetched from a shop, and so needs no signature."""
    headers = {"x-shopify-event-id": "reconciled", "x-wc-webhook-delivery-id": "reconciled"}
    return read(sources[source], Post(headers=headers, body=body, at=at))


def translator(settings: Settings) -> Translate:
    """`translate`, with the conventions of this shop, and what it says of orders that try it."""
    reads = partial(translate, sources=sources_of(settings))
    return reads if settings.shopify_test_orders else partial(_real, reads)


def _real(reads: Translate, source: str, body: bytes, at: datetime) -> list[Incoming]:
    return [each.unless_test() for each in reads(source, body, at)]
