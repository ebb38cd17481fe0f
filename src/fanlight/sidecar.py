"""The setting `port`: the dashboard in a process of its own beside the service, one however many workers there are."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from logging import getLogger
from typing import Final

import msgspec

from fanlight.errors import FanlightError, SettingsError
from fanlight.settings import Settings

HOST: Final = "127.0.0.1"
RETRY_SECONDS: Final = 2.0
"""How often a worker that has not got the port looks whether it has become free."""
LOOK_SECONDS: Final = 0.5
"""How often the worker that has it looks whether its dashboard still runs."""
STOP_SECONDS: Final = 3.0
"""How long the dashboard may take to end."""
PROBE_SECONDS: Final = 1.0
UNANSWERED: Final = 5


class Sidecar:
    """Keeps the dashboard served at the port as long as this process lives; the first worker to bind it serves.

    All work is on a daemon thread. What fails is counted by `failed` and logged, each thing once, and tried again. A
    port that is taken and does not answer is given UNANSWERED tries: a dashboard that has just been started is silent.
    """

    def __init__(self, settings: Settings, failed: Callable[[str, BaseException], None]) -> None:
        self._settings = settings
        self._failed = failed
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._said = ""
        self._unanswered = 0

    def start(self) -> None:
        """Begin; a second start does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, name="fanlight-port", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the dashboard, if it is this process that has it, and wait for that."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2 * STOP_SECONDS)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve()
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                self._complain(self._taken() if taken else f"port {self._settings.port} cannot be had: {error}")
            self._stopping.wait(RETRY_SECONDS)

    def _serve(self) -> None:
        """Have the dashboard served until it ends or this is closed; raises OSError where the port cannot be had."""
        ours, theirs = socket.socketpair()  # its end of file tells the child that this process is gone, however it went
        with ours:
            with theirs, self._listening() as listener:
                process = self._spawned(listener.fileno(), theirs.fileno())
            while process.poll() is None and not self._stopping.wait(LOOK_SECONDS):
                pass
        status = ended(process)
        self._complain(f"the dashboard on port {self._settings.port} ended with status {status}; it is started again")

    def _listening(self) -> socket.socket:
        listener = socket.socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, self._settings.port))
            listener.listen()  # at once: until then Linux lets a second one bind
        except OSError:
            listener.close()
            raise
        return listener

    def _spawned(self, listener: int, lifeline: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - the command line is our own
            [sys.executable, "-P", "-m", "fanlight", "_dashboard", str(listener), str(lifeline), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(listener, lifeline),
            start_new_session=True,
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin:  # one that ended at once says so by its status
            process.stdin.write(msgspec.json.encode(self._settings))  # not by its arguments: it may hold a token
        return process

    def _taken(self) -> str:
        """What is wrong with the port being taken: nothing when another worker of this service has it."""
        port = self._settings.port
        try:
            name = server_at(port)
        except OSError:
            name, self._unanswered = "", self._unanswered + 1
            if self._unanswered < UNANSWERED:
                return ""
        if name == server_name(self._settings):
            return ""
        by = "the dashboard of another service" if name.startswith("fanlight/") else "another program"
        return f"port {port} is taken by {by}; give port= (FANLIGHT_PORT) another number"

    def _complain(self, text: str) -> None:
        """Say it once, where the operator looks."""
        if text and text != self._said and not self._stopping.is_set():
            self._said = text
            self._failed("port", FanlightError(text))
            getLogger("fanlight").warning("%s", text)


def check(settings: Settings) -> None:
    """Refuse a port over a store that the process beside the service could not read; raises SettingsError."""
    if settings.port and settings.enabled and settings.store == "memory://":
        raise SettingsError(
            f"port is {settings.port} and store is memory://, which no other process can read; expected a shared "
            "store: set store='sqlite:////var/lib/app/fanlight.db', or leave port away"
        )


def ended(process: subprocess.Popen[bytes]) -> int:
    """End a process and wait for it; its status."""
    process.terminate()
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def server_name(settings: Settings) -> str:
    """What the dashboard of this service and store calls itself in the Server header; tells neither."""
    place = f"{settings.store}\n{settings.name}"
    return f"fanlight/{hashlib.sha256(place.encode()).hexdigest()[:16]}"


def server_at(port: int) -> str:
    """What serves at a port of this machine calls itself, "" when it does not say; raises OSError without an answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PROBE_SECONDS)
    try:
        connection.request("HEAD", "/")
        return connection.getresponse().getheader("Server") or ""
    except http.client.HTTPException:
        return ""
    finally:
        connection.close()
