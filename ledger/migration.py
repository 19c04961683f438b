"""Brings the tables up to date with alembic, from inside the program."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

_LOCK = 7_468_657_265
"""PostgreSQL's advisory lock under which one process migrates while the others wait."""


async def migrate(db: AsyncConnection) -> None:
    """Upgrade to the newest tables within the caller's transaction, so that it is done whole or not."""
    if db.dialect.name == "postgresql":
        await db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    await db.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")
