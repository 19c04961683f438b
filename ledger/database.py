"""The connection to the ledger: SQLite in one file, or PostgreSQL; the same statements on both."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, Self

from alembic.util import CommandError
from asyncpg.exceptions import PostgresError
from sqlalchemy import Column, ColumnElement, Table, event, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from ledger import inline_sqlite
from ledger.address_keys import AddressKeys
from ledger.inline_sqlite import LOCK_WAIT
from ledger.migration import migrate
from ledger.send_tables import ledger_secrets

Insert = postgresql.Insert | sqlite.Insert

_OWN_SECRET = select(ledger_secrets.c.value).where(ledger_secrets.c.name == "address_key")


class Place(NamedTuple):
    """Where a ledger is, and by which secrets it hashes addresses: the first one, which all its users have
    to share, and those from before. Without one it uses a secret of its own, which lies beside the hashes."""

    url: str
    address_secrets: tuple[str, ...] = ()


class LedgerError(Exception):
    """The ledger cannot be used as it is configured."""


class Database:
    """An engine, and the two kinds of transaction. Open it with `await Ledger.open(url)`."""

    def __init__(self, engine: AsyncEngine, patient: AsyncEngine | None = None) -> None:
        self._engine = engine
        self._writer = engine.execution_options(ledger_write=True)
        self._patient = patient or engine
        self.addresses = AddressKeys([])
        self.is_sqlite = engine.dialect.name == "sqlite"
        # Waiting in line costs less than SQLite's polling for its lock.
        self._turn: AbstractAsyncContextManager[Any] = asyncio.Lock() if self.is_sqlite else nullcontext()

    @classmethod
    async def open(cls, place: str | Place) -> Self:
        """Connect and bring the tables up to date; two processes may do so at once.

        Raises `LedgerError` for a URL that is neither a SQLite file nor PostgreSQL with an async driver,
        for a database that cannot be reached, and for tables that are newer than this program.
        """
        url, secrets = (place, ()) if isinstance(place, str) else place
        database = cls(*_engines(url))
        try:
            async with database.writing() as db:
                await migrate(db)
                own = (await db.execute(_OWN_SECRET)).scalar_one()
            database.addresses = AddressKeys([*secrets, own])
        except (OSError, DBAPIError, PostgresError) as error:
            await database.close()
            raise LedgerError(
                f"THEREAFTER_LEDGER_URL: this database cannot be opened: {_cause(error)}"
            ) from None
        except CommandError:
            await database.close()
            raise LedgerError(
                "THEREAFTER_LEDGER_URL: the tables there were made by a newer version"
            ) from None
        return database

    async def close(self) -> None:
        await self._patient.dispose()
        await self._engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that changes nothing."""
        async with self._engine.connect() as db:
            yield db

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is committed at the end of the block, or not at all."""
        async with self._turn, self._writer.begin() as db:
            yield db

    @asynccontextmanager
    async def bare(self) -> AsyncIterator[AsyncConnection]:
        """A connection outside any transaction, for what has no place in one and may take its time."""
        options = {"isolation_level": "AUTOCOMMIT", "ledger_bare": True}
        async with self._turn, self._patient.execution_options(**options).connect() as db:
            yield db

    def insert(self, table: Table) -> Insert:
        """An insert that can say what to do on a conflict."""
        return insert_into(table, self.is_sqlite)

    def upsert(
        self,
        table: Table,
        values: dict[str, Any],
        key: Iterable[Any],
        where: ColumnElement[bool] | None = None,
    ) -> Insert:
        """Write a row, over the one that has the same key (if `where` holds for that one)."""
        statement = self.insert(table).values(values)
        return statement.on_conflict_do_update(index_elements=list(key), set_=values, where=where)

    async def upsert_all(
        self, db: AsyncConnection, table: Table, rows: list[dict[str, Any]], key: Iterable[Any]
    ) -> None:
        """Write rows, all of the same columns, over those that have the same keys."""
        if rows:
            names = frozenset(rows[0])
            await db.execute(overwriting(self.is_sqlite, table, names, tuple(key)), rows)


@cache
def overwriting(is_sqlite: bool, table: Table, names: frozenset[str], key: tuple[Column[Any], ...]) -> Insert:
    """An insert that writes these columns over those of a row with the same key. To build a statement costs
    more than to run it, so each is built once."""
    statement = insert_into(table, is_sqlite)
    written = {name: statement.excluded[name] for name in names}
    return statement.on_conflict_do_update(index_elements=list(key), set_=written)


def insert(db: AsyncConnection, table: Table) -> Insert:
    """`Database.insert` for who has only a connection."""
    return insert_into(table, db.dialect.name == "sqlite")


def insert_into(table: Table, is_sqlite: bool) -> Insert:
    return sqlite.insert(table) if is_sqlite else postgresql.insert(table)


def _cause(error: Exception) -> str:
    if isinstance(error, DBAPIError):
        return str(error.orig)
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _engines(url: str) -> tuple[AsyncEngine, ...]:
    """The engine for transactions, and the one for what takes its time if that is another."""
    parsed = ledger_url(url)
    if parsed.drivername == "sqlite+aiosqlite":
        return _sqlite_engines(parsed)
    return (create_async_engine(parsed, hide_parameters=True, pool_pre_ping=True),)


_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
"""What platforms hand out names the database alone, and there is one driver for each that we use."""


def ledger_url(url: str) -> URL:
    """A ledger's URL with the driver that we use. Raises `LedgerError` where it cannot be one."""
    right = "should be postgresql://USER:PASSWORD@HOST/DATABASE or sqlite:///FILE"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise LedgerError(f"THEREAFTER_LEDGER_URL: {right}") from None
    driver = _DRIVERS.get(parsed.drivername, parsed.drivername)
    if driver not in _DRIVERS.values():
        raise LedgerError(f"THEREAFTER_LEDGER_URL: {right}, not {driver}://")
    # By libpq's name for it, which asyncpg calls otherwise.
    query = {"ssl" if name == "sslmode" else name: value for name, value in parsed.query.items()}
    return parsed.set(drivername=driver, query=query)


def _sqlite_engines(url: URL) -> tuple[AsyncEngine, ...]:
    if not url.database or url.database == ":memory:":
        raise LedgerError("THEREAFTER_LEDGER_URL: should name a file, since a ledger outlives its process")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(f"THEREAFTER_LEDGER_URL: its folder cannot be made: {_cause(error)}") from None
    creator = partial(inline_sqlite.connect, url.database)
    engines = (
        create_async_engine(url, hide_parameters=True, async_creator=creator),
        create_async_engine(url, hide_parameters=True, connect_args={"timeout": LOCK_WAIT}),
    )
    for engine in engines:
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engines


def _prepare_sqlite(connection: Any, _: ConnectionPoolEntry) -> None:
    # The driver's own idea of when a transaction begins is switched off: `_begin_sqlite` says it.
    if connection.isolation_level is not None:
        connection.isolation_level = None
    cursor = connection.cursor()
    try:
        _use_wal(cursor)
        # FULL: a claim that a power cut takes back would send a letter twice.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        # What is deleted is overwritten: a forgotten customer is not to be found in free pages.
        cursor.execute("PRAGMA secure_delete=ON")
    finally:
        cursor.close()


def _use_wal(cursor: Any) -> None:
    """SQLite does not wait for a lock when it changes the journal's mode. It does when it begins a
    transaction, so we wait there and ask again."""
    for _ in range(100):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("COMMIT")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later can deadlock with its like; this one cannot.
    if connection.get_execution_options().get("ledger_bare"):
        return
    write = connection.get_execution_options().get("ledger_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
