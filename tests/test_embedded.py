"""The server that a machine on its own brings along."""

import socket
from pathlib import Path

import pytest

from runtime import embedded
from runtime.embedded import connect_embedded, embedded_server


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
