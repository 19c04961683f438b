"""Asks a shop, and somebody who is not there, and keeps the history of it for ever.

`python -m tests.histories.record_reconciliation v2` adds to a folder; a file that is there is never written
again.
"""

import asyncio
import os
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import worker
from journey.reconciling import PassKind, PassName
from runtime.embedded import embedded_server
from runtime.schedule import reconcile_now
from tests.fakes.shopify import FakeShopify, Fault
from tests.histories.record import keep_history
from tests.lost_webhooks import shop_of
from tests.world import ROOT, dev_world

PASSES = (
    PassName(kind=PassKind.MAIL, provider="carrier_pigeon"),
    PassName(kind=PassKind.SHOP, provider="shopify"),
)


async def record(folder: Path) -> None:
    """One run: a pass that nobody can make, and one whose shop is busy at first."""
    fake = FakeShopify(faults=deque([Fault.THROTTLED]))
    fake.start()
    shop: Any = shop_of("shopify", fake.url)
    worker.build_shops = lambda _: {"shopify": shop}  # type: ignore[assignment]
    try:
        with tempfile.TemporaryDirectory(prefix="record-") as home:
            async with embedded_server(Path(home)) as server, dev_world(server, Path(home)) as world:
                handle = await reconcile_now(world.client, PASSES)
                await handle.result()
                await keep_history(world, handle.id, folder, "reconciliation")
    finally:
        await shop.close()
        fake.stop()


def main() -> int:
    asyncio.run(record(ROOT / "tests" / "histories" / sys.argv[1]))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # A process that used the SDK can abort while the interpreter exits, after all its work is done.
    os._exit(code)
