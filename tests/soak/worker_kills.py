"""Fault 1b: a worker is killed again and again while orders go from their placing to a refunded return.

What the mail provider and the payment provider took, by their own logs, is what counts.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from ledger import Ledger
from ledger.keys import Scope
from tests.doors import signed
from tests.fakes.stripe import FakeStripe
from tests.payloads import sendgrid_events
from tests.soak.shop import Shop, open_shop
from tests.soak.verdict import Progress, Verdict, unseen

AT_ONCE = 30
"""Orders under way beyond which no more are placed."""

PATIENCE = 900.0
"""Seconds after the last kill in which everything is done."""

CONTROL_PATIENCE = 60.0
"""Without the protection, a letter comes twice as soon as the next worker takes up what the last had."""

SLOWNESS = 0.2
"""Seconds that the providers take for their answers, in which a worker may be killed."""

PRICE = 990
LETTERS = {"order_confirmation", "shipping_confirmation/p1"} | {
    f"return_{each}/r1" for each in ("approved", "received", "refunded")
}
"""Of each order."""


class Returns:
    """Orders of two things, of which one comes back and is refunded."""

    def __init__(self, shop: Shop, stripe: FakeStripe, ledger: Ledger, key: dict[str, str]) -> None:
        self._shop, self._stripe, self._ledger, self._key = shop, stripe, ledger, key
        self._told: set[str] = set()
        self.orders: dict[str, str] = {}
        """By their ids, how far each is."""

    async def order(self, order_id: str) -> None:
        """All that the shop and the warehouse tell."""
        self.orders[order_id] = "placed"
        self._stripe.captured[f"ch_{order_id}"] = 2 * PRICE
        await self._shop.tell(order_id, f"p-{order_id}", _placed(order_id))
        now = datetime.now(UTC).isoformat()
        for name, fact in (
            ("s", {"kind": "parcel_shipped", "carrier": "DHL"}),
            ("d", {"kind": "parcel_moved", "status": "delivered"}),
        ):
            told = {
                **fact,
                "order_id": order_id,
                "fact_id": f"{name}-{order_id}",
                "at": now,
                "parcel_id": "p1",
            }
            await self._shop.tell(order_id, told["fact_id"], told)
        asked = {"lines": [{"line_id": "l1", "quantity": 1}], "reason": "changed_mind"}
        await self._until_taken(
            f"/v1/orders/{order_id}/returns", asked, {"Idempotency-Key": f'"q-{order_id}"'}
        )
        self.orders[order_id] = "asked"
        for number, kind in enumerate(("return_received", "return_inspected")):
            fact = {"kind": kind, "fact_id": f"wh:{number}", "at": datetime.now(UTC).isoformat()}
            await self._until_taken(f"/v1/returns/{order_id}:r1/facts", fact, {})
        self.orders[order_id] = "inspected"

    async def _until_taken(self, path: str, body: dict[str, Any], more: dict[str, str]) -> None:
        """Ask again while nobody works, and while its journey has not heard that it was delivered."""
        while True:
            with suppress(httpx.HTTPError):
                answer = await self._shop.http.post(path, json=body, headers=self._key | more)
                if answer.status_code < 300:
                    return
                assert answer.status_code in (404, 422, 503), answer.text
            await asyncio.sleep(0.5)

    async def tell_events(self) -> None:
        """Post what became of each mail, as the provider does a moment later."""
        for entry in list(self._shop.provider.log):
            if entry.taken and entry.reference and entry.reference not in self._told:
                body = sendgrid_events("delivered", reference=entry.reference, timestamp=int(time.time()))
                headers = {"content-type": "application/json", **signed("sendgrid", body)}
                with suppress(httpx.HTTPError):
                    answer = await self._shop.http.post("/webhooks/sendgrid", content=body, headers=headers)
                    if answer.status_code == 200:
                        self._told.add(entry.reference)

    async def letters(self) -> dict[str, Counter[str]]:
        """What the mail provider took, by order: how often each letter."""
        keys = {}
        for order_id in self.orders:
            for send in await self._ledger.sends_of(order_id):
                keys[send.reference] = (order_id, send.key)
        found: dict[str, Counter[str]] = {order_id: Counter() for order_id in self.orders}
        for entry in list(self._shop.provider.log):
            if entry.taken:
                (person,) = entry.body["personalizations"]
                order_id = person["to"][0]["email"].partition("@")[0]
                # A reference that the ledger does not know was claimed by nobody: it counts by its subject.
                _, key = keys.get(entry.reference or "", (order_id, entry.body["subject"]))
                found[order_id][key] += 1
        return found

    def twice(self) -> int:
        """Letters of one subject that a customer has more than once: the ledger is not asked."""
        return sum(times > 1 for times in self._subjects().values())

    def _subjects(self) -> Counter[tuple[str, str]]:
        return Counter(
            (entry.body["personalizations"][0]["to"][0]["email"], entry.body["subject"])
            for entry in list(self._shop.provider.log)
            if entry.taken
        )

    async def unfinished(self) -> list[str]:
        """Orders that lack a letter, the refund, or the end of the return."""
        letters, made = await self.letters(), self._stripe.refunds
        paid = {str(each["charge"]) for each in made}
        left = []
        for order_id in self.orders:
            row = await self._ledger.return_row(order_id, "r1")
            done = row is not None and row.closed_at is not None and f"ch_{order_id}" in paid
            if not done or LETTERS - set(letters[order_id]):
                left.append(order_id)
        return left

    async def judge(self, verdict: Verdict) -> None:
        letters = await self.letters()
        verdict.broke("letter taken twice", sum(n > 1 for each in letters.values() for n in each.values()))
        verdict.broke("subject taken twice by a customer", self.twice())
        missing = sum(len(LETTERS - set(each)) for each in letters.values())
        verdict.broke("letter missing", missing)
        given = Counter({f"ch_{each}": self._stripe.given_back(f"ch_{each}") for each in self.orders})
        verdict.broke("refund that is not what was asked", sum(sum_ != PRICE for sum_ in given.values()))
        above = sum(given[charge] > self._stripe.captured[charge] for charge in given)
        verdict.broke("more refunded than captured", above)
        verdict.figures |= {"letters": self._subjects().total(), "refunds": len(self._stripe.refunds)}


def _placed(order_id: str) -> dict[str, Any]:
    line = {"line_id": "l1", "sku": "TEA", "title": "Green tea", "quantity": 2, "unit_price": PRICE}
    return {
        "kind": "order_placed",
        "order_id": order_id,
        "placed_at": datetime.now(UTC).isoformat(),
        "lines": [line],
        "currency": "EUR",
        "country": "DE",
        "zone": "Europe/Berlin",
        "payment": {"provider": "stripe", "id": f"ch_{order_id}", "captured": 2 * PRICE},
        "customer": {"customer_id": f"c_{order_id}", "email": f"{order_id}@mail.example"},
    }


async def kill_workers(
    home: Path,
    seed: int,
    seconds: float,
    progress: Progress = unseen,
    *,
    control: bool = False,
    apart: tuple[float, float] = (5.0, 40.0),
    rate: float = 1.0,
    least: int = 0,
) -> Verdict:
    """Kill the worker every few seconds. With `control` nothing is claimed before it is done and nobody
    hears what became of it, which has to write some letter twice."""
    verdict, chance, begun = Verdict("1b worker killed", seed), random.Random(seed), time.monotonic()
    stripe = FakeStripe()
    stripe.start()
    worker = ("-m", "tests.soak.hasty_worker", *(["trusting"] if control else []))
    more = {"THEREAFTER_STRIPE_API_KEY": "sk_soak", "THEREAFTER_STRIPE_HOST": stripe.host}
    try:
        async with open_shop(home, worker=worker, more=more) as shop:
            shop.provider.slowness = stripe.slowness = 2.0 if control else SLOWNESS
            ledger = await Ledger.open(shop.ledger_url)
            made = await ledger.create_key("soak", list(Scope), datetime.now(UTC))
            returns = Returns(shop, stripe, ledger, {"Authorization": f"Bearer {made.token}"})
            telling = asyncio.create_task(_again_and_again(returns.tell_events, control))
            ended, end = asyncio.Event(), time.monotonic() + seconds
            orders = asyncio.create_task(_orders(returns, ended, rate))
            while time.monotonic() < end or verdict.landed < least:
                await asyncio.sleep(chance.uniform(*apart))
                verdict.landed += await _something_is_being_done(shop, stripe)
                await shop.kill_worker()
                progress(1 - max(0.0, end - time.monotonic()) / seconds, f"{verdict.landed} kills")
            ended.set()
            await _done(returns, orders, verdict, control, progress)
            telling.cancel()
            if not control:
                # In a control the worker goes on writing.
                shop.provider.settle()
            verdict.runs = len(returns.orders)
            await returns.judge(verdict)
            verdict.broke("event parked", await shop.parked())
            await ledger.close()
    finally:
        stripe.stop()
    verdict.seconds = time.monotonic() - begun
    return verdict


async def _something_is_being_done(shop: Shop, stripe: FakeStripe) -> bool:
    """Wait for a moment in which a provider has something and has not answered; whether there is one soon."""
    with suppress(TimeoutError):
        async with asyncio.timeout(20):
            while not shop.provider.in_flight + stripe.in_flight:  # noqa: ASYNC110 nobody tells
                await asyncio.sleep(0.01)
            return True
    return False


async def _again_and_again(doing: Callable[[], Awaitable[None]], never: bool) -> None:
    while not never:
        await doing()
        await asyncio.sleep(0.5)


async def _orders(returns: Returns, ended: asyncio.Event, rate: float) -> None:
    begun: list[asyncio.Task[None]] = []
    while not ended.is_set():
        if sum(not each.done() for each in begun) < AT_ONCE:
            begun.append(asyncio.create_task(returns.order(f"o{len(begun) + 1}")))
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*begun)


async def _done(
    returns: Returns, orders: "asyncio.Task[None]", verdict: Verdict, control: bool, progress: Progress
) -> None:
    """Wait for everything to be done, for so long and no longer; in a control, for what should not be."""
    begun, patience = time.monotonic(), CONTROL_PATIENCE if control else PATIENCE
    while (left := await returns.unfinished()) and time.monotonic() - begun < patience:
        if control and returns.twice():
            break
        progress(1.0, f"{len(left)} orders unfinished")
        await asyncio.sleep(0.3)
    if not control:
        await asyncio.wait([orders], timeout=10)
    orders.cancel()
    verdict.figures["seconds_until_done"] = round(time.monotonic() - begun, 1)
    verdict.broke("order unfinished", len(left))
