"""The real Temporal server on this machine, with nothing to install: the binary is a Python package.

One folder holds one server. Whoever comes first starts it and stops it at the end; whoever comes meanwhile
joins it. A server whose starter was killed is adopted by the next one.
"""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from runtime.convert import DATA_CONVERTER
from workflows.visibility import ALL_KEYS

NAMESPACE = "default"
RETENTION_DAYS = 400
"""How long finished journeys stay in the UI; the ledger keeps their final state for ever."""

USUAL_PORT = 7233
"""Temporal's usual port; the UI's is a thousand above."""

MOST_PORTS = 3
"""How many are tried: between the look at a port and its use, somebody else may take it."""

EXACT_TIMERS = 'history.timerProcessorMaxTimeShift="1ms"'

READY_WITHIN = 30.0
ANSWERS_WITHIN = 5.0
"""Seconds."""


@dataclass(frozen=True)
class Server:
    """Where a folder's server is; written to `server.json` in it."""

    pid: int
    port: int
    joined: bool = False
    """Whether another process looks after it."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def ui(self) -> str:
        return f"http://127.0.0.1:{self.port + 1000}"

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


def binary(name: str) -> str:
    """The path of a program that a package brought. Raises `FileNotFoundError` with the remedy."""
    beside_python = Path(sys.executable).parent / name
    found = str(beside_python) if beside_python.exists() else shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; `make demo` installs it from the lock file")
    return found


@asynccontextmanager
async def embedded_server(home: Path, settings: Sequence[str] = ()) -> AsyncIterator[Server]:
    """Join the server of the folder `home`, or start one and stop it at the end.

    `settings` are more of Temporal's dynamic settings for a server that is started, as `name=JSON`.
    Raises `ConnectionError` when it does not get ready, with the place of its log.
    """
    with _lock(home / "server.lock") as mine:
        if not mine:
            yield await _joined(home)
            return
        server = running_server(home) or await _started(home, known_server(home), settings)
        try:
            yield server
        finally:
            await _stop(server.pid)


async def connect_embedded(server: Server) -> Client:
    return await Client.connect(server.address, namespace=NAMESPACE, data_converter=DATA_CONVERTER)


def known_server(home: Path) -> Server | None:
    """The server that was last started in the folder, whether or not it runs."""
    with suppress(OSError, ValueError, TypeError):
        return Server(**json.loads((home / "server.json").read_text()))
    return None


def running_server(home: Path) -> Server | None:
    """The server of the folder if it runs. It holds a lock as long as it lives, so that a process which
    was given its number later is never taken for it."""
    server = known_server(home)
    if server is None or not home.is_dir():
        return None
    with _lock(home / "server.alive") as dead:
        return server if not dead and server.answers() else None


async def _joined(home: Path) -> Server:
    for _ in range(int(READY_WITHIN / 0.1)):
        if server := running_server(home):
            return replace(server, joined=True)
        await asyncio.sleep(0.1)
    raise ConnectionError(f"another process holds {home} and its server is not ready")


async def _started(home: Path, before: Server | None, settings: Sequence[str]) -> Server:
    """Start it on the port of the last time, so that bookmarks of the UI hold, or on another."""
    wanted = before.port if before else USUAL_PORT
    for _ in range(MOST_PORTS):
        port = _free_port(wanted)
        command = [binary("temporal"), "server", "start-dev", *_arguments(home, port, settings)]
        server = Server(_spawn(command, home), port)
        (home / "server.json").write_text(json.dumps({"pid": server.pid, "port": server.port}))
        try:
            await _prepare(server)
        except (RPCError, RuntimeError, TimeoutError):
            await _stop(server.pid)
            break
        if _alive(server.pid):
            return server
        wanted = _any_port()
    raise ConnectionError(f"the Temporal server did not get ready; see {home / 'temporal.log'}")


def _spawn(command: list[str], home: Path) -> int:
    """Start it in a process group of its own, so that Ctrl-C reaches us first and it last. It inherits the
    lock that says that it lives."""
    with (home / "temporal.log").open("ab") as log, (home / "server.alive").open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        files = [(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)]
        files.append((os.POSIX_SPAWN_DUP2, alive.fileno(), 3))
        return os.posix_spawn(command[0], command, os.environ, file_actions=files, setpgroup=0)


def _arguments(home: Path, port: int, settings: Sequence[str]) -> list[str]:
    """WAL with synchronous=NORMAL survives a killed process, and is two to three times as fast as the
    default; the shift makes timers exact to a tenth of a second instead of one."""
    kinds = [f"{key.name}={_kind(key.indexed_value_type.name)}" for key in ALL_KEYS]
    return [
        *("--ip", "127.0.0.1", "--port", str(port), "--ui-port", str(port + 1000)),
        *("--db-filename", str(home / "temporal.db"), "--log-level", "warn"),
        *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"),
        *(word for setting in (EXACT_TIMERS, *settings) for word in ("--dynamic-config-value", setting)),
        *(word for kind in kinds for word in ("--search-attribute", kind)),
    ]


def _kind(indexed_value_type: str) -> str:
    return "".join(part.capitalize() for part in indexed_value_type.split("_"))


def _free_port(wanted: int) -> int:
    """`wanted`, or another port, of which the one a thousand above is free as well."""
    for port in (wanted, *(_any_port() for _ in range(20))):
        if all(_is_free(candidate) for candidate in (port, port + 1000)):
            return port
    raise ConnectionError("no free ports on 127.0.0.1")


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError, OverflowError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


async def _prepare(server: Server) -> None:
    """Wait until it answers, or is no more."""
    async with asyncio.timeout(READY_WITHIN):
        while _alive(server.pid):
            # Whoever else has the port may never answer.
            with suppress(RPCError, RuntimeError, TimeoutError):
                async with asyncio.timeout(ANSWERS_WITHIN):
                    return await _keep_long(await connect_embedded(server))
            await asyncio.sleep(0.05)


async def _keep_long(client: Client) -> None:
    retention = Duration(seconds=RETENTION_DAYS * 86_400)
    config = NamespaceConfig(workflow_execution_retention_ttl=retention)
    await client.workflow_service.update_namespace(UpdateNamespaceRequest(namespace=NAMESPACE, config=config))


async def _stop(pid: int) -> None:
    """Ask it to end, and end it if it does not within five seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        for _ in range(50):
            if not _alive(pid):
                return
            await asyncio.sleep(0.1)


def _alive(pid: int) -> bool:
    with suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Whether nobody else holds the lock; then we do. It dies with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
