"""Plays what code of another day decided otherwise, and keeps the histories of it for ever.

`python -m tests.histories.record_rules v3` adds to a folder; a file that is there is never written again.
Those of v2 were recorded by the code from before a parcel could be called off, and before the ends of one
return were ranked.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from journey.playbook import Playbook
from runtime.embedded import embedded_server
from tests.histories.record import keep_history
from tests.world import ROOT, World, dev_world, short_playbook

CONFIRMATION = {"name": "order_confirmation", "after": "placed", "unless": ["cancelled"]}
SURVEY = {"name": "survey", "after": "delivered", "wait": "1 day", "unless": ["returned"]}


async def record(folder: Path) -> None:
    """One run of each story."""
    playbook = short_playbook(CONFIRMATION, SURVEY, close="3 days", day=0.05)
    with tempfile.TemporaryDirectory(prefix="record-") as home:
        async with embedded_server(Path(home)) as server, dev_world(server, Path(home)) as world:
            for story in (parcel_called_off, return_closed_twice):
                order = await story(world, playbook)
                await world.until_over(order)
                await keep_history(world, f"order:{order}", folder, story.__name__)


async def parcel_called_off(world: World, playbook: Playbook) -> str:
    """The only parcel is on its way, and then called off. Another comes in its place, without which an order
    waits for long today; that of v2 was over without."""
    order = await world.place_order("ann", playbook=playbook)
    await world.ship(order)
    await world.move(order, "cancelled")
    await world.ship(order, "p2")
    await world.deliver(order, "p2")
    return order


async def return_closed_twice(world: World, playbook: Playbook) -> str:
    """One return ends twice: what is paid back, and a later word. Then the goods come."""
    order = await world.place_order("ann", playbook=playbook)
    await world.ship(order)
    await world.tell(order, "return_closed", return_id="x", outcome="refunded")
    await world.tell(order, "return_closed", return_id="x", outcome="exchanged")
    await world.deliver(order)
    return order


def main() -> int:
    folder = ROOT / "tests" / "histories" / sys.argv[1]
    folder.mkdir(exist_ok=True)
    asyncio.run(record(folder))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # A process that used the SDK can abort while the interpreter exits, after all its work is done.
    os._exit(code)
