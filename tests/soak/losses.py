"""Fault 13: of a shop's webhooks some never arrive."""

import random
import tempfile
import time
from pathlib import Path

from ledger import Ledger
from tests.doors import open_world
from tests.lost_webhooks import lose_webhooks
from tests.soak.verdict import Progress, Verdict, unseen

AT_A_TIME = 200
"""Orders of one shop, of which ten webhooks are lost."""


async def lost(seed: int, seconds: float, progress: Progress = unseen, *, control: bool = False) -> Verdict:
    """Shop after shop loses a twentieth of its webhooks and is asked once. With `control` nobody asks."""
    verdict, chance, begun = Verdict("13 webhooks lost", seed), random.Random(seed), time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        source = chance.choice(["shopify", "woocommerce"])
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            ledger = await Ledger.open(f"sqlite+aiosqlite:///{Path(folder) / 'ledger.db'}")
            async with open_world(ledger) as world:
                told = await lose_webhooks(
                    ledger, world.post, source, AT_A_TIME, chance.randrange(10**9), reconciled=not control
                )
            await ledger.close()
        verdict.runs += told.orders
        verdict.landed += told.lost
        verdict.broke(f"{source}: order missing after the pass", told.missing)
        verdict.broke(f"{source}: fact that came in twice", told.doubled)
        progress(passed / seconds, f"{verdict.landed} webhooks lost")
    verdict.seconds = time.monotonic() - begun
    return verdict
