"""The keeper of one stdio server: a process between the gateway and the server, so that none is ever left behind.

Run as `python -I -S keeper.py FD COMMAND [ARGUMENT...]`. The server inherits the keeper's stdin, stdout and stderr, so
what it says does not pass through here. FD is the lifeline, a socket: the keeper says on it `pid N`, `failed REASON`
and `exit N`, and its end, however the gateway ended, stops the server: 2 s for the closed stdin, SIGTERM, 2 s, SIGKILL.
When the keeper itself is killed, the kernel kills the server (Linux). The server leads a process group of its own; the
keeper is the reaper of whatever the server starts and leaves, and kills that too.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

PATIENCE_SECONDS: Final = 2.0
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


def main() -> int:
    """Start the server, and end when it has ended."""
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    os.set_inheritable(lifeline, False)
    ask_kernel(_PR_SET_CHILD_SUBREAPER, 1)
    bell = _bell()
    server, reason = _start(command)
    if reason:
        _tell(lifeline, f"failed {reason}")
        return 1
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    _tell(lifeline, f"pid {server}")
    status = _watch(server, lifeline, bell)
    _tell(lifeline, f"exit {status}")
    _clear(server)
    return 0


def ask_kernel(option: int, value: int) -> None:
    """Call prctl where there is one."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _bell() -> int:
    """What can be read once a child has ended."""
    heard, rung = os.pipe()
    os.set_blocking(heard, False)
    os.set_blocking(rung, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(rung, warn_on_full_buffer=False)
    return heard


def _start(command: list[str]) -> tuple[int, str]:
    """The server's pid, or why there is none."""
    trouble, told = os.pipe()
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        ask_kernel(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(1)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execvp(command[0], command)  # noqa: S606 - the command of the configuration, without a shell
        except OSError as error:
            os.write(told, str(error.strerror).encode())
        os._exit(127)
    os.close(told)
    reason = os.read(trouble, 1_000).decode(errors="replace")
    os.close(trouble)
    return pid, reason


def _watch(server: int, lifeline: int, bell: int) -> int:
    """The server's exit status, negative for a signal; stops it when the lifeline ends."""
    steps: list[Callable[[], None]] = [lambda: _kill(server, signal.SIGTERM), lambda: _kill(server, signal.SIGKILL)]
    due: float | None = None
    while True:
        waited = [bell] if due is not None else [bell, lifeline]
        ready = select.select(waited, [], [], None if due is None else max(due - time.monotonic(), 0))[0]
        if bell in ready:
            os.read(bell, 4_096)
            status = _reaped(server)
            if status is not None:
                return status
        if lifeline in ready:
            due = time.monotonic() + PATIENCE_SECONDS
        elif due is not None and time.monotonic() >= due:
            if steps:
                steps.pop(0)()
            due = time.monotonic() + PATIENCE_SECONDS


def _reaped(server: int) -> int | None:
    """Bury whatever ended; the server's status when it did."""
    found: int | None = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == server:
            found = os.waitstatus_to_exitcode(status)


def _clear(server: int) -> None:
    """Kill what the server left: its group, and those that went to a group of their own."""
    _kill(server, signal.SIGKILL)
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                left = [int(pid) for pid in file.read().split()]
        except OSError:
            return
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except OSError:
                continue


def _kill(server: int, number: int) -> None:
    try:
        os.killpg(server, number)
    except OSError:
        return  # there is nobody left in it


def _tell(lifeline: int, said: str) -> None:
    try:
        os.write(lifeline, f"{said}\n".encode())
    except OSError:
        return  # the gateway is gone


if __name__ == "__main__":
    sys.exit(main())
