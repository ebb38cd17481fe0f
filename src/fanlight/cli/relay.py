"""The output of children passed on line by line: a thread per child reads, one thread writes."""

from __future__ import annotations

import os
import queue
import select
import selectors
import threading
from typing import IO, Final

BACKLOG: Final = 256
LINE_LIMIT: Final = 65_536


class Relay:
    """Passes whole lines on to this process's stdout and stderr, none lost and none torn.

    A reader that has stalled stops the children's writes once the backlog is full, as a shared terminal would;
    a reader that is gone loses its stream only. Lines over 64 KiB are passed on in pieces.
    """

    def __init__(self, out: int = 1, err: int = 2) -> None:
        self.out, self.err = out, err
        self._lines: queue.Queue[tuple[int, bytes] | None] = queue.Queue(BACKLOG)
        self._readers: list[threading.Thread] = []
        self._writer = threading.Thread(target=self._write, name="fanlight-relay", daemon=True)
        self._writer.start()

    def attach(self, stdout: IO[bytes] | None, stderr: IO[bytes] | None) -> None:
        """Pass on a child's two pipes until both are at their end; they are closed then."""
        pipes = {pipe: stream for pipe, stream in ((stdout, self.out), (stderr, self.err)) if pipe is not None}
        self._readers = [thread for thread in self._readers if thread.is_alive()]
        reader = threading.Thread(target=self._read, args=(pipes,), name="fanlight-relay-reader", daemon=True)
        self._readers.append(reader)
        reader.start()

    def say(self, text: str, stream: int | None = None) -> None:
        """Lines of this process's own, in order with the children's; on stderr unless another stream is given."""
        if text:
            self._lines.put((self.err if stream is None else stream, f"{text}\n".encode()))

    def close(self, seconds: float = 2.0) -> None:
        """Pass on what has come, then stop. Pipes that a grandchild still holds are given up after `seconds`."""
        for reader in self._readers:
            reader.join(seconds)
        self._lines.put(None)
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
                        self._lines.put((pipes[pipe], whole))
                    if not data:
                        selector.unregister(pipe)
                        pipe.close()

    def _write(self) -> None:
        gone: set[int] = set()
        while (item := self._lines.get()) is not None:
            fd, data = item
            if fd not in gone and not _written(fd, data):
                gone.add(fd)


def cut(data: bytes, *, ended: bool) -> tuple[bytes, bytes]:
    """What can be passed on now, in whole lines, and the rest that waits for its line's end."""
    if ended:
        return (data if not data or data.endswith(b"\n") else data + b"\n"), b""
    end = data.rfind(b"\n") + 1
    if len(data) - end > LINE_LIMIT:
        end = len(data)
    return data[:end], data[end:]


def _written(fd: int, data: bytes) -> bool:
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
