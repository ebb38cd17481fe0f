"""A child that cannot outlive its parent, and the thin wire between the two.

The wire is a socket pair. The child says on it that it serves; its end of file tells the child that the parent is
gone, however it went (also `kill -9`). On Linux the kernel is asked for a signal as well, which also reaches a
child that is still importing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from typing import Final, TextIO

GRACE_SECONDS: Final = 6.0
_PR_SET_PDEATHSIG: Final = 1


class Lifeline:
    """The child's end. Hold it for as long as the process lives."""

    def __init__(self, fd: int, parent: int) -> None:
        self._fd = fd
        os.set_inheritable(fd, False)
        ask_for_parent_death_signal(signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        threading.Thread(target=self._watch, name="fanlight-lifeline", daemon=True).start()

    def tell(self, message: bytes) -> None:
        """Send one line to the parent; a parent that is gone is found out by the watch."""
        try:
            os.write(self._fd, message + b"\n")
        except OSError as error:
            sys.stderr.write(f"fanlight: the supervisor cannot be told ({error})\n")

    def _watch(self) -> None:
        while _read(self._fd):
            continue
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os._exit(1)


def leave_terminal() -> None:
    """Have nothing to do with the terminal any more: neither its signals nor its keys reach this process."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def settle(*streams: TextIO) -> None:
    """Write what is left; that a terminal is gone and takes it no more must not become the command's status, 120."""
    for stream in streams:
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def ask_for_parent_death_signal(number: int) -> bool:
    """Ask the kernel for a signal when the thread that started this process ends; False where it cannot do that."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return False
    return int(prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)) == 0


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""
