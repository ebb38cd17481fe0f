"""Commands run as a user runs them: in a process of their own, in an empty folder."""

from __future__ import annotations

import http.client
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import psutil
import pytest
from tests.cli.terminal import CHATTY, Start, Terminal

SOURCE = Path(__file__).resolve().parents[2] / "src"
PATIENCE = 40.0
"""Seconds after which a test that waits for something is given up; nothing is judged by time."""

APPLICATION = """
import os, sys

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    path = scope["path"]
    if path == "/print":
        for number in range(500):
            print(f"out {os.getpid()} {number}", flush=True)
            print(f"err {os.getpid()} {number}", file=sys.stderr, flush=True)
    body = f"{os.getpid()}".encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    status = 404 if path in ("/health", "/missing") else 200
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""


class Running:
    """A running command: its output so far, and its service."""

    def __init__(
        self,
        words: list[str],
        folder: Path,
        environ: dict[str, str],
        module: str = "fanlight",
        before: Sequence[str] = (),
    ) -> None:
        self.popen = subprocess.Popen(
            [*before, sys.executable, *(("-m", module) if module else ()), *words],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._fresh: queue.Queue[str | None] = queue.Queue()  # None at the end of each stream
        self._readers = [
            threading.Thread(target=self._read, args=(pipe,)) for pipe in (self.popen.stdout, self.popen.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        with pipe:
            for line in pipe:
                self._fresh.put(line.decode().rstrip("\n"))
        self._fresh.put(None)

    def until(self, text: str) -> str:
        """The first line from here on that contains the text; fails when it has not come in time."""
        ends, last = 0, time.monotonic() + PATIENCE
        while ends < len(self._readers):
            try:
                line = self._fresh.get(timeout=max(last - time.monotonic(), 0.0))
            except queue.Empty:
                break
            ends += line is None
            self.lines += [] if line is None else [line]
            if line is not None and text in line:
                return line
        raise AssertionError("\n".join([f"no line contains {text!r}:", *self.lines]))

    def served(self) -> str:
        """Wait for the banner; the dashboard's address."""
        return self.until("fanlight: dashboard at").split()[3]

    def get(self, address: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and body over a connection of its own."""
        host = address.removeprefix("http://").partition("/")[0]
        connection = http.client.HTTPConnection(host, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Connection": "close", **(headers or {})})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit status. All output is in `lines` after it."""
        self.popen.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Wait for the end; the exit status."""
        status = self.popen.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        while not self._fresh.empty():
            self.lines += filter(None, [self._fresh.get()])
        return status

    def family(self) -> list[psutil.Process]:
        """The processes the command has started."""
        return psutil.Process(self.popen.pid).children(recursive=True)


Command = Callable[..., Running]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with an application in it."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "plain.py").write_text(APPLICATION)
    return tmp_path


@pytest.fixture
def environ(folder: Path) -> dict[str, str]:
    """An environment without settings, whose temporary folder is the test's own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("FANLIGHT_", "COV_"))}
    places = [
        str(SOURCE),
        *(os.path.abspath(place) for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place),
    ]
    own = {"TMPDIR": str(folder / "tmp"), "XDG_RUNTIME_DIR": str(folder / "run"), "NO_COLOR": "1"}
    state = {"XDG_STATE_HOME": str(folder / "state")}
    return {**kept, "PYTHONPATH": os.pathsep.join(places), **own, **state}


@pytest.fixture
def command(folder: Path, environ: dict[str, str]) -> Iterator[Command]:
    """Starts `fanlight WORDS...`; whatever still runs at the end of the test is killed."""
    started: list[Running] = []

    def start(*words: str, **variables: str) -> Running:
        started.append(Running(list(words), folder, {**environ, **variables}))
        return started[-1]

    yield start
    for running in started:
        if running.popen.poll() is None:
            for process in running.family():
                process.kill()
            running.popen.kill()
        running.end()


@pytest.fixture
def start(folder: Path, environ: dict[str, str]) -> Iterator[Start]:
    """Starts `fanlight WORDS...` in a terminal of its own, for the chatty service; ends it after the test."""
    (folder / "chatty.py").write_text(CHATTY)
    started: list[Terminal] = []

    def begin(*words: str, rate: float = 0, before: tuple[str, ...] = (), **variables: str) -> Terminal:
        line = [*before, sys.executable, "-m", "fanlight", *words]
        started.append(Terminal(line, {**environ, "RATE": str(rate), **variables}, str(folder)))
        return started[-1]

    yield begin
    for terminal in started:
        terminal.clean()


@pytest.fixture
def refused(command: Command) -> Callable[..., str]:
    """Runs `fanlight WORDS...`, which must end with status 2 and one line; the line."""

    def run(*words: str, **variables: str) -> str:
        running = command(*words, **variables)
        status = running.end()
        assert status == 2, running.lines
        assert len(running.lines) == 1, running.lines
        assert running.lines[0].startswith("fanlight: ")
        return running.lines[0]

    return run


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Waits until a check holds; fails when it never does. `patience` is in seconds."""

    def wait(check: Callable[[], bool], patience: float = PATIENCE) -> None:
        pause, last = threading.Event(), time.monotonic() + patience
        while not check():
            assert time.monotonic() < last, f"never came true: {check}"
            pause.wait(0.05)

    return wait
