"""Who empties the inbox: a process beside the doors, or a task within a program that is small enough.

The doors have to answer at once, and the dispatcher has no hurry. In one process they would share the time of
one thread, and a webhook would wait for whatever the dispatcher does. `python -m service` therefore starts
`python -m service.dispatching` and holds the other end of its standard input: a line wakes it, and the end
of the lines ends it, whatever the doors died of.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import structlog
from temporalio.client import Client

from journey.playbook import Playbook
from ledger import Ledger
from runtime.courtesy import step_back
from runtime.delivery import Delivery
from runtime.dispatch import Dispatcher, Reach
from runtime.forgetting import forget
from runtime.logs import configure_logs, configure_telemetry
from runtime.playbooks import load_playbook
from runtime.reach import Reach as Looking
from runtime.settings import Settings, read_settings
from runtime.tidying import Tidying

Poke = Callable[[], None]
"""Says that something has come in."""

KEEP = timedelta(days=400)
"""For how long events are kept whole that had their effect; as long as Temporal keeps a journey."""

AGAIN = 1.0
"""Seconds until a dispatcher that died is started again."""

END_WITHIN = 15.0
"""Seconds that it has for what it has begun. What it leaves is taken up when its lease ends."""


@asynccontextmanager
async def dispatcher_within(
    ledger: Ledger, reach: Reach, playbook: Playbook, keep: timedelta = KEEP
) -> AsyncIterator[Poke]:
    """A dispatcher in this process, and who keeps the inbox small."""

    async def erase(client: Client, customer_id: str) -> str:
        await forget(client, ledger, customer_id)
        return "forgotten"

    dispatcher = Dispatcher(Delivery(ledger, playbook), reach, erase=erase)
    running = asyncio.create_task(dispatcher.run())
    tidying = asyncio.create_task(Tidying(ledger, keep).run())
    try:
        yield dispatcher.poke
    finally:
        tidying.cancel()
        dispatcher.end()
        with suppress(TimeoutError):
            await asyncio.wait_for(running, END_WITHIN)


@asynccontextmanager
async def dispatcher_beside() -> AsyncIterator[Poke]:
    """A dispatcher in a process of its own, which is started again if it dies."""
    beside = _Beside()
    running = asyncio.create_task(beside.run())
    try:
        yield beside.poke
    finally:
        beside.end()
        await running


class _Beside:
    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._ending = asyncio.Event()
        self._log = structlog.get_logger("thereafter.service")

    def poke(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError, RuntimeError):
                self._process.stdin.write(b"\n")

    def end(self) -> None:
        self._ending.set()

    async def run(self) -> None:
        ending = asyncio.create_task(self._ending.wait())
        while not self._ending.is_set():
            command = (sys.executable, "-m", "service.dispatching")
            try:
                self._process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
            except OSError as error:
                self._log.warning("the dispatcher cannot be started; tried again", problem=error.strerror)
                await asyncio.wait([ending], timeout=AGAIN)
                continue
            died = asyncio.create_task(self._process.wait())
            await asyncio.wait([died, ending], return_when=asyncio.FIRST_COMPLETED)
            if not self._ending.is_set():
                self._log.warning("the dispatcher died and is started again", code=died.result())
                await asyncio.wait([ending], timeout=AGAIN)
        await self._ended()

    async def _ended(self) -> None:
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), END_WITHIN)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def dispatch(settings: Settings) -> None:
    """Empty the inbox until standard input ends."""
    ledger = await Ledger.open(settings.ledger())
    looking = Looking(settings.home)
    watching = asyncio.create_task(looking.run())
    try:
        playbook, keep = load_playbook(settings.playbook), timedelta(days=settings.inbox_days)
        async with dispatcher_within(ledger, looking, playbook, keep) as poke:
            lines = await _standard_input()
            while await lines.read(1024):
                poke()
    finally:
        watching.cancel()
        await ledger.close()


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


def main() -> None:
    # Ctrl-C in a terminal reaches both; the doors end first, and then the lines do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    step_back()
    configure_logs()
    configure_telemetry()
    asyncio.run(dispatch(read_settings()))


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    # A process that used the SDK can abort while the interpreter exits, after all its work is done.
    os._exit(0)
