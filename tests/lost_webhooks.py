"""Fault 13: of a shop's webhooks some never arrive. The quick form is a test, the long one a soak.

The oracle is the fake shop: what it holds, what it posted, and its own log of what it was asked.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from activities.providers.shopify import ShopifyShop
from activities.providers.shopify_tokens import AdminToken
from activities.providers.woocommerce import WooCommerceShop
from activities.reconciling import Reconciling, utc_now
from activities.shops import Shop
from journey.reconciling import PassKind, PassName, PassReport, PassRequest
from ledger import Ledger
from ledger.refund_reports import Waiting
from service.sources.all import translate
from tests import payloads
from tests.fakes import shopify, woocommerce

LOSS = 0.05
AT_ONCE = 20
"""Webhooks that a shop posts side by side."""

Post = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Posts a webhook's body to the door of a source."""


@dataclass(frozen=True)
class Loss:
    """What became of a shop's orders. `missing` are orders whose beginning never came in, `doubled` are
    facts that came in more than once."""

    orders: int
    lost: int
    missing_before: int
    missing: int
    doubled: int
    report: PassReport | None

    @property
    def holds(self) -> bool:
        return self.missing == 0 and self.doubled == 0


async def lose_webhooks(  # noqa: PLR0917
    ledger: Ledger,
    post: Post,
    source: str = "shopify",
    orders: int = 100,
    seed: int = 1,
    reconciled: bool = True,
) -> Loss:
    """A shop sells, loses every twentieth of its webhooks, and is asked once what has changed; or is not, and
    then `holds` must be False."""
    rng, fake = random.Random(seed), _FAKES[source]()
    placed = [_order(source, number) for number in range(orders)]
    lost = set(rng.sample(range(orders), max(1, round(orders * LOSS))))
    rng.shuffle(shuffled := list(range(orders)))
    fake.orders.update({int(each["id"]): each for each in placed})
    fake.start()
    try:
        for batch in batched([number for number in shuffled if number not in lost], AT_ONCE):
            await asyncio.gather(*(post(source, placed[number]) for number in batch))
        before = len(await _missing(ledger, source, placed))
        report = await _asked(ledger, source, fake) if reconciled else None
    finally:
        fake.stop()
    missing = await _missing(ledger, source, placed)
    return Loss(orders, len(lost), before, len(missing), await doubled(ledger), report)


def batched(numbers: list[int], size: int) -> Iterator[list[int]]:
    yield from (numbers[start : start + size] for start in range(0, len(numbers), size))


def _order(source: str, number: int) -> dict[str, Any]:
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30) + timedelta(seconds=number % 600)
    if source == "woocommerce":
        day = f"{at:%Y-%m-%dT%H:%M:%S}"
        dates = dict.fromkeys(("date_created_gmt", "date_modified_gmt", "date_paid_gmt"), day)
        return payloads.woocommerce_order(id=10_000 + number, customer_id=number + 1, **dates)
    dates = dict.fromkeys(("created_at", "processed_at", "updated_at"), at.isoformat())
    return payloads.shopify_order(id=10_000 + number, **dates)


_FAKES: dict[str, Callable[[], Any]] = {
    # With points enough, so that nobody waits for them.
    "shopify": lambda: shopify.FakeShopify(points=1e9),
    "woocommerce": woocommerce.FakeWooCommerce,
}


def shop_of(source: str, url: str) -> ShopifyShop | WooCommerceShop:
    """The real adapter, at a fake's address."""
    if source == "woocommerce":
        return WooCommerceShop(url, woocommerce.KEY, woocommerce.SECRET)
    return ShopifyShop(url, AdminToken(shopify.TOKEN))


async def _asked(ledger: Ledger, source: str, fake: Any) -> PassReport:
    shop = shop_of(source, fake.url)
    try:
        return await reconciling(ledger, shop).reconcile_shop(request(source))
    finally:
        await shop.close()


def reconciling(ledger: Ledger, *shops: Shop, now: Callable[[], datetime] | None = None) -> Reconciling:
    """The production activities over some shops, with the production translators."""
    known = {shop.source: shop for shop in shops}
    return Reconciling(ledger, translate, known, {}, {}, now or utc_now, _nobody)


def request(source: str, token: str = "run-1", since: datetime | None = None) -> PassRequest:
    return PassRequest(name=PassName(kind=PassKind.SHOP, provider=source), token=token, since=since)


async def _nobody(_: Waiting) -> None:
    pass


async def _missing(ledger: Ledger, source: str, placed: list[dict[str, Any]]) -> set[str]:
    return {f"{source}:{each['id']}:placed" for each in placed} - set(await _facts(ledger))


async def doubled(ledger: Ledger) -> int:
    """How many facts came in more than once."""
    return sum(times > 1 for times in (await _facts(ledger)).values())


async def _facts(ledger: Ledger) -> Counter[str]:
    rows = await ledger.inbox_rows(most=1_000_000)
    return Counter(str(deed.body["fact_id"]) for row in rows for deed in row.deeds)
