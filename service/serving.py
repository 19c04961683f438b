"""Running the doors, and beside them or within them the dispatcher that empties the inbox."""

import asyncio
import errno
import gc
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import structlog
import uvicorn

from journey.playbook import Playbook
from ledger import Ledger
from runtime.dispatch import Reach
from runtime.inputs import InputError
from runtime.playbooks import load_playbook
from runtime.reach import Reach as Looking
from runtime.settings import Settings
from runtime.stopping import when_asked_to_stop
from service.app import build_app
from service.dispatching import Poke, dispatcher_beside, dispatcher_within
from service.doors import Doors
from service.intake import Intake
from service.links import links_of
from service.sources.all import sources_of

STOP_WITHIN = 15
"""Seconds that requests under way have when the service is asked to stop."""


KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than load balancers keep theirs, which is 60 by custom, or
they would now and then send a webhook into a connection that is being closed."""


class _Server(uvicorn.Server):
    """One that leaves the signals to the program around it: its own way with them ends the process
    before the inbox is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Answer what has been asked, then end."""
        self.should_exit = True


@asynccontextmanager
async def open_doors(
    settings: Settings, ledger: Ledger, reach: Reach, playbook: Playbook, poke: Poke
) -> AsyncIterator[Doors]:
    """Everything behind the routes, at work."""
    async with Intake(ledger, poke) as intake:
        secrets, links = settings.secrets(), links_of(settings)
        yield Doors(
            ledger,
            intake,
            reach,
            playbook,
            secrets,
            settings.largest_body,
            links,
            sources_of(settings),
            settings.shopify_test_orders,
        )


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; then answer what has been asked, and end. Raises `InputError` where it
    cannot listen."""
    listening = _bound(settings.service_host, settings.service_port)
    playbook = load_playbook(settings.playbook)
    ledger = await Ledger.open(settings.ledger())
    looking = Looking(settings.home)
    watching = asyncio.create_task(looking.run())
    try:
        async with (
            dispatcher_beside() as poke,
            open_doors(settings, ledger, looking, playbook, poke) as doors,
        ):
            server = _Server(_config(doors, settings))
            # What is there for good need not be looked through again and again, while webhooks wait.
            gc.collect()
            gc.freeze()
            when_asked_to_stop(server.stop)
            await server.serve(sockets=listening)
    finally:
        await _ended(watching)
        await ledger.close()


@asynccontextmanager
async def doors_within(
    settings: Settings, ledger: Ledger, reach: Reach, playbook: Playbook
) -> AsyncIterator[str]:
    """The doors within another program, which has the signals; their address."""
    listening = _listening(settings.service_host, settings.service_port)
    async with (
        dispatcher_within(ledger, reach, playbook) as poke,
        open_doors(settings, ledger, reach, playbook, poke) as doors,
    ):
        server = _Server(_config(doors, settings))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            host, port = listening.getsockname()[:2]
            yield f"http://{host}:{port}"
        finally:
            server.stop()
            await serving
            listening.close()


def _config(doors: Doors, settings: Settings) -> uvicorn.Config:
    structlog.get_logger("thereafter.service").info(
        "listening", host=settings.service_host, port=settings.service_port, sources=sorted(doors.secrets)
    )
    return uvicorn.Config(
        build_app(doors),
        host=settings.service_host,
        port=settings.service_port,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN,
        timeout_keep_alive=KEEP_ALIVE,
    )


def _bound(host: str, port: int) -> list[socket.socket]:
    """A socket on each address of the host. It listens when the doors are open, and not before."""
    bound: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            bound.append(socket.socket(family, socket.SOCK_STREAM))
            bound[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound[-1].bind(address)
    except OSError as error:
        for each in bound:
            each.close()
        raise InputError(_why_not(host, port, error)) from None
    return bound


def _why_not(host: str, port: int, error: OSError) -> str:
    """In the words of the settings."""
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"THEREAFTER_SERVICE_PORT: somebody else listens on {port}; name a free one, or end the other"
            )
        case errno.EACCES:
            return f"THEREAFTER_SERVICE_PORT: this user may not listen on {port}; name one above 1023"
    reason = (error.strerror or str(error)).lower()
    return f"THEREAFTER_SERVICE_HOST: {host} is no address to listen on here: {reason}"


def _listening(host: str, port: int) -> socket.socket:
    """A socket on the port, or on a free one where somebody else has it."""
    for wanted in (port, 0):
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((host, wanted))
        except OSError:
            opened.close()
            continue
        opened.listen()
        return opened
    raise ConnectionError(f"no free port on {host}")


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
