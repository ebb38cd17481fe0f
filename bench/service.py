"""What the live benchmarks measure: a small service under `fanlight run`, in processes of its own."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

Message = MutableMapping[str, Any]

START_SECONDS = 30.0


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
    """Answers every request with the id of the process that serves it."""
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"].removeprefix("lifespan.")
            await send({"type": f"lifespan.{kind}.complete"})
            if kind == "shutdown":
                return
    body = str(os.getpid()).encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Service:
    """A running service and the process that was started for it."""

    port: int
    process: subprocess.Popen[str]

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.port}/dashboard"

    def ask(self, path: str) -> int:
        """One request on a connection of its own; the id of the process that served it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        connection.request("GET", path)
        with connection.getresponse() as answer:
            found = int(answer.read())
        connection.close()
        return found

    def stop(self) -> float:
        """Tell it to stop; the seconds until its process has ended."""
        start = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_SECONDS)
        return time.perf_counter() - start


@contextmanager
def running(workers: int = 1) -> Iterator[Service]:
    """Serve `app` with its dashboard."""
    folder = Path(__file__).resolve().parent
    command = [sys.executable, "-m", "fanlight", "run", "service:app", "--app-dir", str(folder), "--port", "0"]
    options = ["--workers", str(workers), "--no-access-log", "--log-level", "warning", "--name", "bench"]
    with serving([*command, *options]) as service:
        yield service


@contextmanager
def serving(command: Sequence[str]) -> Iterator[Service]:
    """A command of ours that serves, once it says where."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield Service(_port(process.stdout), process)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(START_SECONDS)


def _port(lines: IO[str] | None) -> int:
    """The port in the line that says where the dashboard is."""
    assert lines is not None
    for line in lines:
        if "dashboard at http://" in line:
            return int(line.partition("dashboard at http://")[2].partition("/")[0].rpartition(":")[2])
    raise RuntimeError("the command ended before it served; run it by hand to see why")


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share lies: one of those measured, never one in between."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def row(*cells: object) -> str:
    """A row of a table in Markdown."""
    return "| " + " | ".join(map(str, cells)) + " |"
