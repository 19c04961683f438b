"""Fault 2: the Temporal server is killed again and again while webhooks come in."""

import asyncio
import random
import statistics
import time
from pathlib import Path

from tests.soak.shop import Shop, open_shop
from tests.soak.verdict import Progress, Verdict, unseen
from tests.world import new_order_id

AT_ONCE = 60
"""Orders without effect beyond which no more come in: a soak is about kills, not about load."""

PATIENCE = 900.0
"""Seconds after the last kill in which everything has its effect."""

MOST_ROUNDS = 5
"""By chance a short run may hit nothing."""

CONTROL_PATIENCE = 10.0
"""Without the protection, what has no effect soon never has one."""


async def kill_servers(
    home: Path,
    seed: int,
    seconds: float,
    progress: Progress = unseen,
    *,
    control: bool = False,
    apart: tuple[float, float] = (1.0, 4.0),
    rate: float = 3.0,
    least: int = 0,
) -> Verdict:
    """Kill the server every few seconds, each time for up to two. With `control`, what comes in is handed on
    from memory instead of being committed first, which has to lose some of it. A run in which fewer than
    `least` kills landed, or of a control that lost nothing yet, goes on for as long again."""
    verdict, chance, begun = Verdict("2 server killed", seed), random.Random(seed), time.monotonic()
    doors = "tests.soak.forgetful_doors" if control else "service"
    async with open_shop(home, doors=doors) as shop:
        for _ in range(MOST_ROUNDS):
            end = time.monotonic() + seconds
            orders = asyncio.create_task(_orders(shop, end, rate))
            while time.monotonic() < end:
                await asyncio.sleep(chance.uniform(*apart))
                await _kill(shop, chance, verdict)
                progress(1 - max(0.0, end - time.monotonic()) / seconds, f"{verdict.figures['kills']} kills")
            await orders
            await _effects(shop, CONTROL_PATIENCE if control else PATIENCE, progress)
            if shop.without_effect() if control else verdict.landed >= least:
                break
        await _judge(shop, verdict)
    verdict.failures += shop.damage()
    verdict.seconds = time.monotonic() - begun
    return verdict


async def _kill(shop: Shop, chance: random.Random, verdict: Verdict) -> None:
    verdict.landed += bool(shop.without_effect())
    await shop.kill_server()
    await asyncio.sleep(chance.uniform(0, 2))
    await shop.start_server()
    verdict.figures["kills"] = verdict.figures.get("kills", 0) + 1


async def _orders(shop: Shop, end: float, rate: float) -> None:
    begun = []
    while time.monotonic() < end:
        if len(shop.without_effect()) < AT_ONCE:
            begun.append(asyncio.create_task(shop.order(new_order_id())))
        await asyncio.sleep(1 / rate)
    await asyncio.gather(*begun)


async def _effects(shop: Shop, patience: float, progress: Progress) -> None:
    end = time.monotonic() + patience
    while (left := len(shop.without_effect())) and time.monotonic() < end:
        progress(1.0, f"{left} orders still without effect")
        await asyncio.sleep(0.2)
    shop.provider.settle()


ENOUGH = 100
"""Answers of which a hundredth may be late. Of fewer, that would be the latest one, whatever delayed it."""


async def _judge(shop: Shop, verdict: Verdict) -> None:
    down = [answer.seconds for answer in shop.answers if answer.while_down]
    verdict.runs = 2 * len(shop.acknowledged())
    verdict.figures |= {"orders": len(shop.acknowledged()), "answers_while_down": len(down)}
    verdict.broke("answer other than 2xx", sum(answer.status != 200 for answer in shop.answers))
    verdict.broke("order acknowledged and without effect", len(shop.without_effect()))
    twice = sum(len(subjects) != len(set(subjects)) for subjects in shop.letters().values())
    verdict.broke("letter taken twice", twice)
    verdict.broke("event parked", await shop.parked())
    if len(down) >= ENOUGH:
        late = statistics.quantiles(down, n=100, method="inclusive")[98]
        verdict.figures["p99_seconds_while_down"] = round(late, 3)
        verdict.broke(f"p99 of {late:.2f} s while the server was down", int(late >= 1))
