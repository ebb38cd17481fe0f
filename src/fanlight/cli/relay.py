"""The output of children passed on line by line: a thread per child reads, one thread writes.

What stands between the two is a backlog, so a reader of ours that has stalled (a terminal, a pipe) never stops a child.
"""

from __future__ import annotations

import fcntl
import os
import select
import selectors
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Final

from fanlight.cli.backlog import Backlog

LINE_LIMIT: Final = 65_536
PIPE_BYTES: Final = 1 << 20
"""The room of a child's pipe, on Linux: what anybody may have."""

Write = Callable[[int, bytes], bool]
"""Writes all of some lines to a stream; False when nobody reads it any more."""


class Relay:
    """Passes whole lines on to this process's stdout and stderr, none torn and none out of order.

    Lines wait while their reader has stalled; a reader that is gone loses its stream only. Lines over 64 KiB are passed
    on in pieces. `write` is for another way out than the two descriptors.

    Lines that come within `pause` seconds of the last are passed on together, after it: a person reads no faster, and
    each time wakes a process. What comes after quiet is passed on at once.
    """

    def __init__(self, out: int = 1, err: int = 2, write: Write | None = None, pause: float = 0.0) -> None:
        self.out, self.err = out, err
        self._write_lines = write or written
        self._pause = pause
        self._closing = threading.Event()
        self._backlog = Backlog(notes=err)
        self._readers: list[threading.Thread] = []
        self._writer = threading.Thread(target=self._write, name="fanlight-relay", daemon=True)
        self._writer.start()

    def attach(self, stdout: IO[bytes] | None, stderr: IO[bytes] | None) -> None:
        """Pass on a child's two pipes until both are at their end; they are closed then."""
        pipes = {pipe: stream for pipe, stream in ((stdout, self.out), (stderr, self.err)) if pipe is not None}
        for pipe in pipes:
            _widen(pipe)
        self._readers = [thread for thread in self._readers if thread.is_alive()]
        reader = threading.Thread(target=self._read, args=(pipes,), name="fanlight-relay-reader", daemon=True)
        self._readers.append(reader)
        reader.start()

    def say(self, text: str, stream: int | None = None) -> None:
        """Lines of this process's own, in order with the children's; on stderr unless another stream is given."""
        if text:
            self._backlog.put(self.err if stream is None else stream, f"{text}\n".encode())

    def pass_on(self, stream: int, data: bytes) -> None:
        """Something that is no line, in order with the lines."""
        self._backlog.put(stream, data)

    def close(self, seconds: float = 2.0) -> None:
        """Pass on what has come, then stop.

        Pipes that a grandchild still holds are given up after `seconds`; so are lines of which none could be passed on
        for as long.
        """
        for reader in self._readers:
            reader.join(seconds)
        self._backlog.close()
        self._closing.set()
        taken = -1
        while self._writer.is_alive() and self._backlog.taken != taken:
            taken = self._backlog.taken
            self._writer.join(seconds)

    def _read(self, pipes: dict[IO[bytes], int]) -> None:
        rests = dict.fromkeys(pipes, b"")
        with selectors.DefaultSelector() as selector:
            for pipe in pipes:
                selector.register(pipe, selectors.EVENT_READ, pipe)
            while selector.get_map():
                for key, _ in selector.select():
                    pipe = key.data
                    data = os.read(pipe.fileno(), LINE_LIMIT)
                    whole, rests[pipe] = cut(rests[pipe] + data, ended=not data)
                    if whole:
                        self._backlog.put(pipes[pipe], whole)
                    if not data:
                        selector.unregister(pipe)
                        pipe.close()

    def _write(self) -> None:
        gone: set[int] = set()
        due = 0.0
        while (item := self._backlog.get(LINE_LIMIT)) is not None:
            stream, data = item
            early = due - time.monotonic()
            if early > 0 and self._backlog.empty:
                self._closing.wait(early)
            if stream not in gone and not self._write_lines(stream, data):
                gone.add(stream)
            due = time.monotonic() + self._pause


def _widen(pipe: IO[bytes]) -> None:
    """Give a child more room: it waits for nobody while this process gets no turn on a busy machine."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # more than this user may have; it serves with less
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def cut(data: bytes, *, ended: bool) -> tuple[bytes, bytes]:
    """What can be passed on now, in whole lines, and the rest that waits for its line's end."""
    if ended:
        return (data if not data or data.endswith(b"\n") else data + b"\n"), b""
    end = data.rfind(b"\n") + 1
    if len(data) - end > LINE_LIMIT:
        end = len(data)
    return data[:end], data[end:]


def written(fd: int, data: bytes) -> bool:
    """Write all of it; False when nobody reads any more."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError:
            return False
    return True
