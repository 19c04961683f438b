"""The dispatcher in a process of its own, and the ledger that it shares with the doors on one machine."""

import asyncio
import os
import signal
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.inline_sqlite import connect
from service import dispatching
from tests.doors import until
from tests.sending import NOON
from tests.test_inbox import event


def _children() -> set[int]:
    """Processes of ours that are dispatchers. Threads and processes may end while one looks."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in (task / "children").read_text().split():
                if b"service.dispatching" in _words(child):
                    found.add(int(child))
    return found


def _words(process: str) -> bytes:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux to look at processes")
async def test_a_dispatcher_that_dies_is_started_again_and_none_outlives_the_doors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEREAFTER_HOME", str(tmp_path))
    monkeypatch.setattr(dispatching, "AGAIN", 0.0)

    async def another_than(known: set[int]) -> set[int]:
        return _children() - known

    async with dispatching.dispatcher_beside() as poke:
        first = await until(lambda: another_than(set()))
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        assert await until(lambda: another_than(first))
        poke()
    assert _children() == set()


async def test_who_waits_for_another_process_s_write_holds_up_nobody_in_his_own(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = await Ledger.open(f"sqlite+aiosqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(ledger.accept([event()], NOON))
    for _ in range(100):
        await asyncio.sleep(0)
    assert await ledger.count_inbox() == {} and not writing.done()
    other.execute("COMMIT")
    other.close()
    assert [str(each) for each in await writing] == ["accepted"]
    await ledger.close()


async def test_an_error_other_than_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    connection = await connect(tmp_path / "x.db")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await connection.cursor().execute("SELECT * FROM absent")
    await connection.close()
