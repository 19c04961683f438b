"""SQLite without a thread for each statement: what `aiosqlite` offers, as far as SQLAlchemy asks for it.

A statement of ours takes some 20 microseconds; handing it to a thread and back costs ten times as much, and
`aiosqlite` does so four times for each, while everybody else waits for the lock. Only for another process's
write is waited with the loop free, by asking again.
"""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

LOCK_WAIT = 30.0
"""Seconds that a write waits for another process's write."""

FIRST_PAUSE = 0.0005
LONGEST_PAUSE = 0.005
"""Seconds between two tries to get the lock. SQLite itself would soon wait for a tenth of a second."""


async def connect(path: str | Path) -> "Connection":
    """A connection that begins transactions when it is told to, and never by itself."""
    return Connection(sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False))


class Cursor:
    """The asynchronous face of a cursor."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    async def __aenter__(self) -> Self:
        return self

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    async def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Wait, if need be, for who has the lock. Raises `sqlite3.OperationalError` after half a minute."""
        pause, end = FIRST_PAUSE, time.monotonic() + LOCK_WAIT
        while True:
            try:
                self._cursor.execute(statement, parameters)
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, LONGEST_PAUSE)

    async def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> None:
        self._cursor.executemany(statement, parameters)

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def close(self) -> None:
        self._cursor.close()


class Connection:
    """The asynchronous face of a connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def cursor(self) -> Cursor:
        return Cursor(self._connection.cursor())

    async def create_function(self, *args: Any, **kwargs: Any) -> None:
        self._connection.create_function(*args, **kwargs)

    @property
    def isolation_level(self) -> str | None:
        return self._connection.isolation_level

    async def commit(self) -> None:
        """On the disk when it returns. A thread that commits would hold the lock until it gets its turn, and
        on a busy machine that takes many times as long as the disk."""
        self._connection.commit()

    async def rollback(self) -> None:
        self._connection.rollback()

    async def close(self) -> None:
        self._connection.close()

    def stop(self) -> None:
        self._connection.close()
