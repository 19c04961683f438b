"""The doors as a process: where they listen, and what they say when they cannot."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from runtime.inputs import InputError
from service.serving import _bound
from tests.command_line import PATIENCE, CommandLine
from tests.world import ROOT


@pytest.fixture
def shop(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def service(shop: CommandLine, **more: object) -> subprocess.Popen[str]:
    environment = shop.environment | {name: str(value) for name, value in more.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "service"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_port_that_somebody_has_is_told_in_one_line(shop: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        port = theirs.getsockname()[1]
        doors = service(shop, THEREAFTER_SERVICE_PORT=port)
        _, told = doors.communicate(timeout=PATIENCE)
    assert doors.returncode == 2
    assert told == (
        f"THEREAFTER_SERVICE_PORT: somebody else listens on {port}; name a free one, or end the other\n"
    )


def test_a_host_that_is_not_ours_is_told_in_one_line(shop: CommandLine) -> None:
    doors = service(shop, THEREAFTER_SERVICE_HOST="192.0.2.1")
    _, told = doors.communicate(timeout=PATIENCE)
    assert doors.returncode == 2
    assert told.startswith("THEREAFTER_SERVICE_HOST: 192.0.2.1 is no address to listen on here: ")
    assert told.count("\n") == 1


def test_the_doors_answer_where_they_should_and_end_when_they_are_asked_to(shop: CommandLine) -> None:
    port = free_port()
    doors = service(shop, THEREAFTER_SERVICE_PORT=port)
    try:
        assert until_it_answers(f"http://127.0.0.1:{port}/livez") == {"live": True}
    finally:
        doors.terminate()
        doors.communicate(timeout=PATIENCE)
    assert doors.returncode == 0


def test_a_name_with_two_addresses_is_listened_to_on_both(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    bound = _bound("both.example", 0)
    assert [each.getsockname()[0] for each in bound] == ["127.0.0.1", "127.0.0.2"]
    for each in bound:
        each.close()


def test_a_name_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(InputError, match="THEREAFTER_SERVICE_HOST: shopp is no address"):
        _bound("shopp", 8000)


def until_it_answers(url: str) -> object:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            return httpx.get(url, timeout=5).json()
        except httpx.TransportError:
            time.sleep(0.05)
    raise TimeoutError(url)
