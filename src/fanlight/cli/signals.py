"""Signals: which ones stop a command, and how they are caught."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@contextmanager
def handled(numbers: Sequence[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have the signals go to `handler`, except SIGHUP where this process was started under nohup."""
    before = {number: signal.getsignal(number) for number in numbers}
    for number, old in before.items():
        if number != signal.SIGHUP or old is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def be_stopped() -> None:
    """Be stopped as Ctrl+Z asks; returns when the shell lets this process go on, at once where no shell would."""
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, handler)


def drained(inbox: socket.socket) -> None:
    """Take everything out of a wake-up socket."""
    try:
        while inbox.recv(4096):
            continue
    except BlockingIOError:
        return
