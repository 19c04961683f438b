"""One way to Temporal: the server that Temporal's environment configuration names, or the embedded one."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.service import RPCError

from runtime.convert import DATA_CONVERTER
from runtime.embedded import Server, connect_embedded, embedded_server
from runtime.inputs import InputError


@dataclass(frozen=True)
class Connection:
    """A client, and the embedded server behind it if it is one."""

    client: Client
    server: Server | None


def configured_address() -> str | None:
    """The address that `TEMPORAL_ADDRESS`, a profile or `temporal.toml` names, if any does.

    Raises `InputError` for a configuration that cannot be read.
    """
    return _configuration().get("target_host")


def _configuration() -> ClientConnectConfig:
    named = os.environ.get("TEMPORAL_CONFIG_FILE")
    if named and not Path(named).is_file():
        raise InputError(f"TEMPORAL_CONFIG_FILE: there is no file {named}")
    try:
        return ClientConfig.load_client_connect_config()
    except Exception as error:
        raise InputError(f"TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE: {error}") from None


@asynccontextmanager
async def temporal(home: Path) -> AsyncIterator[Connection]:
    """Connect to the configured server or cluster; with none configured, to the embedded server of `home`.

    Raises `ConnectionError` when nobody answers there.
    """
    if configured_address() is None:
        async with embedded_server(home) as server:
            yield Connection(await connect_embedded(server), server)
        return
    yield Connection(await connect_configured(), None)


async def connect_configured() -> Client:
    """Connect as Temporal's environment configuration says. Raises `ConnectionError`."""
    config = _configuration()
    try:
        return await Client.connect(**config, data_converter=DATA_CONVERTER)
    except (RPCError, RuntimeError, ValueError) as error:
        raise ConnectionError(f"TEMPORAL_ADDRESS: {config.get('target_host')}: {_reason(error)}") from error


_REASONS = {
    "ConnectionRefused": "nobody listens there",
    "dns error": "no such host is known",
    "ertificate": "its TLS certificate is not believed",
    "TimedOut": "no answer in time",
    "deadline has elapsed": "no answer in time",
}
"""By what the transport's own errors have in them, which are written for who writes transports."""


def _reason(error: Exception) -> str:
    said = str(error)
    known = next((reason for sign, reason in _REASONS.items() if sign in said), None)
    return known or said.splitlines()[0][:200]
