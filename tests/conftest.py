"""Fixtures that every test may ask for."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from ledger import Ledger
from runtime import embedded
from tests.fakes.postgres import Postgres
from tests.fakes.sendgrid import FakeSendGrid


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    # A socket's path may have 107 characters, which pytest's own folders exceed.
    with tempfile.TemporaryDirectory(prefix="pg") as folder, Postgres(Path(folder)) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'ledger.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.empty_database()


@pytest_asyncio.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    opened = await Ledger.open(ledger_url)
    yield opened
    await opened.close()


@pytest.fixture
def sendgrid() -> Iterator[FakeSendGrid]:
    fake = FakeSendGrid()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Server]:
    """The real Temporal server, for all tests that can share one."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Server]:
    """A server that suggests to continue as new after fifty events."""
    home = tmp_path_factory.mktemp("hasty")
    with running_server(home, "limit.historyCount.suggestContinueAsNew=50") as running:
        yield running


@contextmanager
def running_server(home: Path, *settings: str) -> Iterator[embedded.Server]:
    """A server on ports that nobody uses, on an event loop that outlives those of the tests."""
    with pytest.MonkeyPatch.context() as patched, asyncio.Runner() as runner:
        patched.setattr(embedded, "USUAL_PORT", free_port())
        life = embedded.embedded_server(home, settings)
        yield runner.run(life.__aenter__())
        runner.run(life.__aexit__(None, None, None))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
