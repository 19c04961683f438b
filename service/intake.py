"""From the doors into the inbox. What comes in during a commit is committed together by the next one,
since a commit costs a write to the disk whatever is in it."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ledger import Ledger
from ledger.incoming import Acceptance, Incoming

TOGETHER = 100
"""Posts in one commit."""

_Waiting = tuple[Sequence[Incoming], asyncio.Future[list[Acceptance]]]


class Intake:
    """Accepts events; when `accept` returns they are safe on the disk. Use it as a context manager."""

    def __init__(self, ledger: Ledger, poke: Callable[[], None]) -> None:
        self._ledger = ledger
        self._poke = poke
        self._waiting: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Intake":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Commit what has been handed in, then end."""
        self._waiting.put_nowait(None)
        if self._task is not None:
            await self._task

    async def accept(self, incoming: Sequence[Incoming]) -> list[Acceptance]:
        """Commit events, all or none of them."""
        done: asyncio.Future[list[Acceptance]] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((incoming, done))
        return await done

    async def _run(self) -> None:
        while (first := await self._waiting.get()) is not None:
            posts, last = [first], False
            while len(posts) < TOGETHER and not self._waiting.empty():
                following = self._waiting.get_nowait()
                if following is None:
                    last = True
                    break
                posts.append(following)
            await self._commit(posts)
            self._poke()
            if last:
                return

    async def _commit(self, posts: list[_Waiting]) -> None:
        now = datetime.now(UTC)
        try:
            told = await self._ledger.accept([each for incoming, _ in posts for each in incoming], now)
        except Exception as error:
            await self._commit_singly(posts, error)
            return
        answers = iter(told)
        for incoming, done in posts:
            _answer(done, [next(answers) for _ in incoming])

    async def _commit_singly(self, posts: list[_Waiting], error: Exception) -> None:
        """One that cannot be committed does not take the others with it."""
        if len(posts) == 1:
            if not posts[0][1].done():
                posts[0][1].set_exception(error)
            return
        for post in posts:
            await self._commit([post])


def _answer(done: asyncio.Future[list[Acceptance]], told: list[Acceptance]) -> None:
    if not done.done():
        done.set_result(told)
