"""The process that owns the terminal: shows the children's lines or the dashboard, and turns keys into acts.

It is all that a person sees of a command and nothing that the service needs: the supervisor, the workers and what they
have written live in other processes. It may wait for a stalled terminal, be stopped by Ctrl+Z or fail in drawing.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, Protocol

import msgspec

from fanlight.cli.keyboard import ESCAPE, ESCAPE_SECONDS, FOREGROUND_SECONDS, INTERRUPT, SUSPEND, Keyboard, Keys
from fanlight.cli.lifeline import settle
from fanlight.cli.plan import Ready
from fanlight.cli.relay import written
from fanlight.cli.signals import STOP_SIGNALS, be_stopped, handled
from fanlight.cli.supervisor import ending, exit_status
from fanlight.cli.wire import READY, ConsoleEnd
from fanlight.errors import FanlightError

STUCK_SECONDS: Final = 3.0
"""How long the console may take to end after the supervisor has; after that it waits for a terminal nobody reads."""

TAKEN_SIGNALS: Final = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH, signal.SIGTTOU, signal.SIGTTIN)
"""What the drawing library leaves handlers on."""

LEAVE_SCREEN: Final = b"\x1b[?1049l\x1b[?25h"
"""Brings a terminal back from the dashboard's screen, with its cursor."""

HINT: Final = "fanlight: d shows the dashboard here, q stops"


class Show(Protocol):
    """What can be shown instead of lines. `ahead` is what was typed in one go with the key that ended it."""

    ahead: bytes

    async def run(self, prefix: str) -> str:
        """Show the dashboard under a prefix until it ends: "quit", "logs", "suspend", "again", or "" when told to."""

    def leave(self) -> None:
        """End it soon, from its own loop."""

    def warm_up(self) -> None:
        """It may be wanted soon; returns at once."""


class Console:
    """Owns the terminal until the supervisor has ended. Belongs to the main thread: it handles signals."""

    def __init__(self, wire: ConsoleEnd, supervisor: int, show: Show, *, at_once: bool) -> None:
        self._wire = wire
        self._supervisor = supervisor
        self._show = show
        self._at_once = at_once
        self._keyboard: Keyboard | None = Keyboard()
        self._keys = Keys()
        self._seized = False
        self._ready: Ready | None = None
        self._wanted = False
        self._status: int | None = None
        self._showing = False
        self._stopping = False
        self._gone: set[int] = set()

    def run(self) -> int:
        """Until the supervisor has ended; its exit status."""
        with (
            handled(STOP_SIGNALS, lambda *_: self._stop()),
            handled((signal.SIGCHLD,), lambda *_: self._look_after()),
            handled((signal.SIGALRM,), self._give_up),
        ):
            try:
                asyncio.run(self._serve())
            finally:
                if self._keyboard is not None:
                    self._keyboard.release()
            self._wait()
            signal.setitimer(signal.ITIMER_REAL, 0)
        settle(sys.stdout, sys.stderr)
        return self._status or 0

    def _wait(self) -> None:
        """Until the supervisor is gone: it lets go of the wire a moment earlier."""
        if self._status is None:
            with suppress(ChildProcessError):  # then the signal of its end has been handled meanwhile
                self._status = exit_status(os.waitstatus_to_exitcode(os.waitpid(self._supervisor, 0)[1]))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._turn = asyncio.Event()
        self._look_after()
        while not self._wire.ended:
            with self._lines():
                while not (self._wanted and self._seized) and not self._wire.ended:
                    self._turn.clear()
                    await self._turn.wait()
            if not self._wire.ended:
                await self._shown()

    @contextmanager
    def _lines(self) -> Iterator[None]:
        """Pass lines on and take keys meanwhile."""
        self._loop.add_reader(self._wire.socket, self._pass_on)
        self._take_keys()
        try:
            with handled((signal.SIGTSTP,), lambda *_: self._suspend()), handled((signal.SIGCONT,), self._resumed):
                yield
        finally:
            self._leave_keys()
            self._loop.remove_reader(self._wire.socket)

    def _pass_on(self) -> None:
        for stream, data in self._wire.receive():
            if stream == READY:
                self._ready = msgspec.json.decode(data, type=Ready)
                self._show.warm_up()
                if self._at_once:
                    self._ask()
            elif stream not in self._gone and not written(stream, data):
                self._gone.add(stream)
        if self._wire.ended:
            self._turn.set()

    def _say(self, text: str) -> None:
        written(2, f"fanlight: {text}\n".encode())

    def _take_keys(self) -> None:
        """Take keys now, or as soon as this process has the terminal; before that nothing is drawn in it, either."""
        if self._keyboard is None or self._seized or self._showing:
            return
        if self._keyboard.seize():
            self._seized = True
            self._loop.add_reader(self._keyboard.fd, self._typed)
            self._turn.set()
        else:
            self._loop.call_later(FOREGROUND_SECONDS, self._take_keys)

    def _leave_keys(self) -> None:
        """Read no more keys. The mode stays: the dashboard puts it back when it goes, and no key pressed just then is
        echoed."""
        if self._keyboard is not None and self._seized:
            self._seized = False
            self._loop.remove_reader(self._keyboard.fd)

    def _typed(self) -> None:
        data = self._keyboard.read() if self._keyboard is not None else b""
        if not data:  # the terminal is gone, and what that means for us comes as a signal
            self._leave_keys()
            self._keyboard = None
        self._take(data)

    def _take(self, data: bytes) -> None:
        for key in self._keys.feed(data):
            self._press(key)
        if self._keys.waiting:
            self._loop.call_later(ESCAPE_SECONDS, self._settle)

    def _settle(self) -> None:
        for key in self._keys.settle():
            self._press(key)

    def _press(self, key: str) -> None:
        if key == "d":
            self._ask()
        elif key in ("q", ESCAPE, INTERRUPT):
            self._stop()
        elif key == SUSPEND:
            self._suspend()

    def _ask(self) -> None:
        """Have the dashboard shown, as soon as there is one."""
        if self._stopping:
            self._say("the service is stopping")
        elif self._ready is None:
            self._at_once = True
            self._say("the dashboard comes as soon as the service serves")
        elif not self._ready.enabled:
            self._say("the dashboard is off (FANLIGHT_ENABLED)")
        else:
            self._wanted = True
            self._turn.set()

    async def _shown(self) -> None:
        """Show the dashboard until it ends, however it ends; lines wait meanwhile."""
        self._wanted, self._showing = False, True
        try:
            assert self._ready is not None, "asked for before the service served"
            outcome = await self._show.run(self._ready.prefix) if self._status is None and not self._stopping else ""
        except Exception as error:  # drawing is no reason for a service to end, or to go unwatched
            outcome = "logs"
            self._say(f"{_story(error)}; the service goes on, and so do its lines")
        finally:
            self._showing = False
            for number in TAKEN_SIGNALS:
                signal.signal(number, signal.SIG_DFL)
        if outcome == "quit":
            if self._keyboard is not None:
                self._keyboard.forget()  # a second Esc would not wait for the workers
            self._stop()
        elif outcome == "logs":
            self._take(self._show.ahead)
        elif outcome in ("suspend", "again"):
            if outcome == "suspend":
                self._suspend()
            self._wanted = self._status is None

    def _stop(self) -> None:
        """Ask for the end; twice, and the workers are killed. Also called by signals, in the middle of anything."""
        self._stopping = True
        self._wire.stop()
        self._leave()

    def _leave(self) -> None:
        if self._showing:
            self._loop.call_soon_threadsafe(self._show.leave)

    def _suspend(self) -> None:
        """Be stopped as Ctrl+Z asks, the terminal as it was found; returns when the shell lets it go on."""
        if self._keyboard is not None:
            self._keyboard.release()
        be_stopped()
        self._loop.call_soon_threadsafe(self._again)

    def _resumed(self, number: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._again)

    def _again(self) -> None:
        """The terminal may be in any mode, and another's."""
        if self._seized and self._keyboard is not None:
            self._seized = False
            self._loop.remove_reader(self._keyboard.fd)
            self._take_keys()

    def _look_after(self) -> None:
        """Notice the supervisor's end; what it has sent before is still to be shown."""
        code = _ended(self._supervisor) if self._status is None else None
        if code is None:
            return
        self._status = exit_status(code)
        if code < 0:
            self._say(f"the supervisor {ending(code)}")
        signal.setitimer(signal.ITIMER_REAL, STUCK_SECONDS)
        self._leave()

    def _give_up(self, number: int, frame: FrameType | None) -> None:
        """The supervisor has ended and this process has not: it waits for a terminal nobody reads."""
        if self._keyboard is not None:
            self._keyboard.release()
        with suppress(OSError):
            os.set_blocking(1, False)
            os.write(1, LEAVE_SCREEN if self._showing else b"")
        os._exit(self._status or 0)


def _ended(pid: int) -> int | None:
    """The return code of a child, None while it runs."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # it was waited for elsewhere
        return None
    return os.waitstatus_to_exitcode(status) if found else None


def _story(error: Exception) -> str:
    return str(error) if isinstance(error, FanlightError) else f"drawing failed ({type(error).__name__}: {error})"
