"""The doors without their inbox: what comes in is answered, and handed to Temporal once, from memory.

It is what many services do, and what fault 2 has to catch.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from unittest.mock import patch

from journey.playbook import Playbook
from ledger import Ledger
from ledger.inbox import InboxRow
from ledger.incoming import Acceptance, Incoming
from runtime.delivery import Delivery
from runtime.dispatch import Reach
from runtime.settings import Settings
from service import __main__ as program
from service import serving
from service.dispatching import Poke
from service.doors import Doors


class Forgetful:
    """An intake that keeps nothing."""

    def __init__(self, ledger: Ledger, reach: Reach, playbook: Playbook) -> None:
        self._ledger, self._reach = ledger, reach
        self._delivery = Delivery(ledger, playbook)
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_order = asyncio.Lock()

    async def accept(self, incoming: Sequence[Incoming]) -> list[Acceptance]:
        task = asyncio.create_task(self._handed_on(incoming))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return [Acceptance.NEW for _ in incoming]

    async def _handed_on(self, incoming: Sequence[Incoming]) -> None:
        for each in incoming:
            if each.person is not None:
                await self._ledger.keep_person(each.person)
            if each.pointer is not None:
                await self._ledger.keep_order(each.pointer)
            async with self._in_order:
                with suppress(Exception):
                    client = self._reach()
                    assert client is not None
                    await self._delivery.of(client, _row(each))


def _row(each: Incoming) -> InboxRow:
    now = datetime.now(UTC)
    frame = each.model_dump(
        include={"source", "event_id", "body_hash", "topic", "order_id", "tracking_number"}
    )
    rest = {"number": 1, "state": "received", "reason": "", "raw": None, "leased_until": None, "attempts": 0}
    return InboxRow(**frame, **rest, deeds=each.deeds, received_at=now, due_at=now, ended_at=None)


@asynccontextmanager
async def open_doors(
    settings: Settings, ledger: Ledger, reach: Reach, playbook: Playbook, poke: Poke
) -> AsyncIterator[Doors]:
    intake = Forgetful(ledger, reach, playbook)
    doors = Doors(ledger, intake, reach, playbook, settings.secrets())  # type: ignore[arg-type]
    yield doors


if __name__ == "__main__":
    with patch.object(serving, "open_doors", open_doors):
        sys.exit(program.main())
