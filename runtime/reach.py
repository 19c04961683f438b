"""The way to Temporal for those who go on without it: looked for again and again, and watched."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from runtime.connection import configured_address, connect_configured
from runtime.embedded import connect_embedded, running_server

LOOK_EVERY = 1.0
"""Seconds."""


class Reach:
    """Call it for the client: `None` while nobody answers. It never starts a server of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._client: Client | None = None
        self._port: int | None = None
        self._alive = False
        self._log = structlog.get_logger("thereafter.reach")

    def __call__(self) -> Client | None:
        return self._client if self._alive else None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            alive = await self._look()
            if alive != self._alive:
                self._log.info("Temporal answers" if alive else "Temporal is away")
            self._alive = alive
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self) -> bool:
        with suppress(RPCError, RuntimeError, ConnectionError, OSError):
            client = await self._found()
            if client is not None:
                return await client.service_client.check_health(timeout=timedelta(seconds=3))
        return False

    async def _found(self) -> Client | None:
        if configured_address() is not None:
            self._client = self._client or await connect_configured()
            return self._client
        server = running_server(self._home)
        if server is None:
            return None
        if self._client is None or self._port != server.port:
            self._client, self._port = await connect_embedded(server), server.port
        return self._client
