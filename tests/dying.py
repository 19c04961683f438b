"""Processes that do one thing and die on the way, at a named point."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Coroutine
from enum import StrEnum
from typing import Any

DIED = 86


class Point(StrEnum):
    """Where a process dies."""

    BEFORE_INTENT = "before_intent"
    AFTER_INTENT = "after_intent"
    WHILE_WRITING = "while_writing"
    AFTER_WRITING = "after_writing"
    AFTER_ANSWER = "after_answer"
    AFTER_ACCEPTED_ROW = "after_accepted_row"
    BEFORE_REPORT = "before_report"


def die() -> None:
    os._exit(DIED)


_PROCESSES = multiprocessing.get_context("forkserver")
# With what is otherwise loaded at its first use, which each process would pay for.
_PROCESSES.set_forkserver_preload(
    [
        "anyio._backends._asyncio",
        "stripe._refund_service",
        "tests.crashes",
        "tests.refund_crashes",
        "tests.forgetting",
        "alembic.runtime.migration",
        "sqlalchemy.dialects.postgresql.asyncpg",
        "sqlalchemy.dialects.sqlite.aiosqlite",
        "aiosqlite",
        "asyncpg",
    ]
)


def dies(doing: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> bool:
    """Do it in a process of its own; whether it died at its point (it may not have come that far)."""
    process = _PROCESSES.Process(target=_main, args=(doing, *arguments))
    process.start()
    process.join(120)
    assert process.exitcode in (0, DIED), process.exitcode
    return process.exitcode == DIED


def _main(doing: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
    asyncio.run(doing(*arguments))
    # Nothing of the parent's is to be cleaned up from here.
    os._exit(0)
