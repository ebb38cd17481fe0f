"""What passes between the process that owns the terminal and the supervisor behind it, on one socket pair.

Lines come from the supervisor, each piece with the stream it belongs to; the console sends a byte for each request to
stop. Its end of file tells the supervisor that the console is gone, however it went.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Final

READY: Final = 0
"""The stream of what the first worker said when it served, beside 1 (stdout) and 2 (stderr)."""

_STOP: Final = b"s"
_HEAD: Final = struct.Struct("!BI")


class SupervisorEnd:
    """The supervisor's end. `send` waits for the console; the rest never does."""

    def __init__(self, socket: socket.socket) -> None:
        self.socket = socket
        self.gone = False

    def send(self, stream: int, data: bytes) -> bool:
        """Pass lines on; False when the console is gone."""
        try:
            self.socket.sendall(_HEAD.pack(stream, len(data)) + data)
        except OSError:
            return False
        return True

    def stops(self) -> int:
        """How often the console has asked to stop since the last call; the first time its end shows counts as one."""
        if self.gone:
            return 0
        try:
            heard = self.socket.recv(64, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            heard = b""
        self.gone = not heard
        return len(heard) or 1


class ConsoleEnd:
    """The console's end."""

    def __init__(self, socket: socket.socket) -> None:
        self.socket = socket
        self.ended = False
        self._rest = b""

    def stop(self) -> None:
        """Ask the supervisor to stop; once more to have the workers killed. Safe in a signal handler."""
        try:
            self.socket.send(_STOP, socket.MSG_DONTWAIT)
        except OSError:
            return  # it has ended, or has not yet read what it was asked dozens of times

    def receive(self) -> Iterator[tuple[int, bytes]]:
        """What has come, by stream; `ended` is set when nothing will come any more."""
        try:
            data = self.socket.recv(65_536)
        except OSError:
            data = b""
        self.ended = not data
        self._rest += data
        while len(self._rest) >= _HEAD.size:
            stream, size = _HEAD.unpack_from(self._rest)
            end = _HEAD.size + size
            if len(self._rest) < end:
                return
            piece, self._rest = self._rest[_HEAD.size : end], self._rest[end:]
            yield stream, piece


def pair() -> tuple[ConsoleEnd, SupervisorEnd]:
    """Both ends of a new wire."""
    ours, theirs = socket.socketpair()
    return ConsoleEnd(ours), SupervisorEnd(theirs)
