"""A redis-server of the example's own, on a free port of loopback, that keeps nothing."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

START_SECONDS: Final = 5.0


def available() -> bool:
    """Whether there is a redis-server here, and the library to talk to it."""
    with suppress(ImportError):
        import redis  # noqa: F401 - asked whether it is there

        return shutil.which("redis-server") is not None
    return False


@contextmanager
def private_redis() -> Iterator[str]:
    """The URL of a redis-server that ends with this; "" where there is none or it does not start."""
    program = shutil.which("redis-server")
    if program is None or not available():
        yield ""
        return
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="uploads-", ignore_cleanup_errors=True) as folder:
        words = [
            program, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no",
            "--maxmemory", "200mb", "--logfile", f"{folder}/redis.log",
        ]  # fmt: skip
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL)  # noqa: S603 - our own words
        try:
            yield f"redis://127.0.0.1:{port}/0" if _answers(process, port) else ""
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return True
        time.sleep(0.02)
    return False
