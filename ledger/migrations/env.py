"""Run by alembic: on the program's own connection, or for a shop that prefers to read the SQL first."""

import asyncio
import os

from alembic import context
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from ledger import money_tables as _money_tables  # noqa: F401
from ledger import reconciliation_tables as _reconciliation_tables  # noqa: F401
from ledger import return_tables as _return_tables  # noqa: F401
from ledger.database import ledger_url
from ledger.tables import metadata

_URL = "THEREAFTER_LEDGER_URL"


def _run_on(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


async def _run_online(url: str) -> None:
    engine = create_async_engine(ledger_url(url), hide_parameters=True)
    async with engine.begin() as db:
        await db.run_sync(_run_on)
    await engine.dispose()


def _print_sql(url: str) -> None:
    context.configure(url=ledger_url(url), target_metadata=metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


_connection = context.config.attributes.get("connection")
if _connection is not None:
    _run_on(_connection)
elif context.is_offline_mode():
    _print_sql(os.environ[_URL])
else:
    asyncio.run(_run_online(os.environ[_URL]))
