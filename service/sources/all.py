"""Every source, by the last word of its address. One is switched on by its secret in the settings."""

from ledger.inbox import InboxRow
from ledger.incoming import Incoming
from service.sources.aftership import AfterShip
from service.sources.easypost import EasyPost
from service.sources.sendgrid import SendGrid
from service.sources.shopify import Shopify
from service.sources.source import Source, translated
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
