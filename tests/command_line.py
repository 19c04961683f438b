"""`python starter.py` in processes of their own, of which each is forked from one that has loaded it."""

import json
import multiprocessing
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import starter
from tests import crashes
from tests.conftest import free_port
from tests.world import ROOT

PATIENCE = 150.0
"""Seconds."""


class Answer(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, which is one line of JSON."""
        assert self.code == 0, self.err
        [line] = self.out.splitlines()
        return json.loads(line)

    def complaint(self, code: int) -> str:
        """What it complained of, in one line, without a traceback and with nothing on its output."""
        assert (self.code, self.out) == (code, ""), self
        assert "Traceback" not in self.err
        [line] = self.err.strip().splitlines()
        return line


def keep_a_port(home: Path) -> None:
    """A server that is started in this home takes a port of its own: tests that run beside it would all
    begin at the usual one. The process is none that can exist."""
    (home / "server.json").write_text(json.dumps({"pid": 2**22 + 1, "port": free_port()}))


class CommandLine:
    """The command line, with a home of its own."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        keep_a_port(home)
        ours = ("TEMPORAL_", "THEREAFTER_")
        clean = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        self.environment = {**clean, "THEREAFTER_HOME": str(home), "COLUMNS": "200"}

    def __call__(self, *words: object) -> Answer:
        process = self.start(*words)
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{words} did not end; it said {self._said(process)}")
        return Answer(process.exitcode, *self._said(process))

    def start(self, *words: object) -> BaseProcess:
        """Begin a command and go on."""
        arguments = (self.home, self.environment, [str(word) for word in words])
        process = _PROCESSES.Process(target=_run, args=arguments)
        process.start()
        return process

    def _said(self, process: BaseProcess) -> tuple[str, str]:
        stems = (self.home / f"{process.pid}.out", self.home / f"{process.pid}.err")
        out, err = (path.read_text() for path in stems)
        return out, err


def _run(home: Path, environment: dict[str, str], words: list[str]) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(home / f"{os.getpid()}.{name}", os.O_CREAT | os.O_WRONLY, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = ["starter.py", *words]
    starter.main()


_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([crashes.__name__, __name__, "worker"])
