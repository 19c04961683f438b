"""The server that a machine on its own brings along."""

import asyncio
import socket
from pathlib import Path

import pytest

import worker
from runtime import embedded
from runtime.embedded import connect_embedded, embedded_server
from runtime.settings import Settings
from tests.conftest import free_port


async def test_a_port_that_somebody_takes_at_the_last_moment_is_left_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as theirs:
        theirs.bind(("127.0.0.1", 0))
        theirs.listen()
        taken = theirs.getsockname()[1]
        monkeypatch.setattr(embedded, "USUAL_PORT", taken)
        monkeypatch.setattr(embedded, "ANSWERS_WITHIN", 1.0)
        looked_free = iter([True, True])
        is_free = embedded._is_free
        monkeypatch.setattr(embedded, "_is_free", lambda port: next(looked_free, None) or is_free(port))
        async with embedded_server(tmp_path) as server:
            assert server.port != taken
            await (await connect_embedded(server)).service_client.check_health()


async def test_a_worker_whose_server_came_back_on_another_port_ends_and_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "USUAL_PORT", free_port())
    monkeypatch.setattr(worker, "when_asked_to_stop", lambda _: None)
    monkeypatch.setattr(worker, "configure_telemetry", lambda _: None)
    working = asyncio.Event()

    async def scheduled(*_: object) -> None:
        working.set()

    monkeypatch.setattr(worker, "_scheduled", scheduled)
    async with embedded_server(tmp_path) as before:
        serving = asyncio.create_task(worker.serve(Settings(home=tmp_path)))
        await working.wait()
    with socket.socket() as theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        theirs.bind(("127.0.0.1", before.port))
        theirs.listen()
        async with embedded_server(tmp_path) as now:
            assert now.port != before.port
            with pytest.raises(ConnectionError, match=f"is at {now.address} now"):
                await serving
