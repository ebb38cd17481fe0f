"""Single keys while plain log lines are shown: the terminal's mode, and what bytes mean which key."""

from __future__ import annotations

import atexit
import os
import re
import termios
from contextlib import suppress
from typing import Any, Final

ESCAPE_SECONDS: Final = 0.1
"""How long an escape byte waits for the rest of an arrow key before it is the Esc key."""

FOREGROUND_SECONDS: Final = 0.5
"""How often a command in the background looks whether it has the terminal again."""

ESCAPE: Final = "escape"

INTERRUPT: Final = "\x03"
SUSPEND: Final = "\x1a"
"""Ctrl+C and Ctrl+Z, where they come as keys: typed while the dashboard took them so."""

_CONTROL: Final = 4
_EXTENDED: Final = re.compile(rb"\x1b\[(\d{1,3})(?::\d*)*(?:;(\d{0,3})(?::\d*)?(?:;[\d:]*)?)?u")
"""A key in kitty's protocol, which the dashboard asks for: the code, and one more than its modifiers.
https://sw.kovidgoyal.net/kitty/keyboard-protocol/"""

_SEQUENCE: Final = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|O.|[^\[O])", re.DOTALL)


class Keys:
    """Tells keys from the bytes a terminal sends. Several different ones at once are a paste, and mean nothing."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The keys that are complete; `waiting` then says whether bytes are left that time alone explains."""
        data = _SEQUENCE.sub(b"", _EXTENDED.sub(_plain, self._rest + data))
        text, escape, rest = data.partition(b"\x1b")
        self._rest = escape + rest
        return [chr(text[0])] if len(set(text)) == 1 else []

    @property
    def waiting(self) -> bool:
        """Whether an escape byte waits for what follows it."""
        return bool(self._rest)

    def settle(self) -> list[str]:
        """Nothing followed in time: a lone escape byte was the Esc key."""
        rest, self._rest = self._rest, b""
        return [ESCAPE] if rest == b"\x1b" else []


class Keyboard:
    """A terminal as keys: each one is read at once and not echoed; Ctrl+C and Ctrl+Z stay signals.

    Its mode is changed only while this process is in the terminal's foreground, and put back by `release`, at the
    latest when the interpreter ends.
    """

    def __init__(self, fd: int = 0) -> None:
        self.fd = fd
        self._before: list[Any] = termios.tcgetattr(fd)
        self._mine: list[Any] = termios.tcgetattr(fd)
        self._mine[3] &= ~(termios.ECHO | termios.ICANON)
        self._mine[3] |= termios.NOFLSH  # else Ctrl+Z and Ctrl+C throw away lines on their way to the screen
        self._mine[6] = [*self._mine[6]]
        self._mine[6][termios.VMIN], self._mine[6][termios.VTIME] = 1, 0
        atexit.register(self.release)

    @property
    def gone(self) -> bool:
        """Whether there is no such terminal any more."""
        try:
            os.tcgetpgrp(self.fd)
        except OSError:
            return True
        return False

    def seize(self) -> bool:
        """Take keys from now on; False while another process has the terminal."""
        return self._set(self._mine)

    def release(self) -> None:
        """Put the terminal back as it was found."""
        self._set(self._before)

    def forget(self) -> None:
        """Throw away what has been typed and not been read."""
        with suppress(OSError, termios.error):  # the terminal is gone
            if os.tcgetpgrp(self.fd) == os.getpgrp():
                termios.tcflush(self.fd, termios.TCIFLUSH)

    def read(self) -> bytes:
        """What has been typed; empty when the terminal is gone."""
        try:
            return os.read(self.fd, 1_024)
        except OSError:
            return b""

    def _set(self, mode: list[Any]) -> bool:
        try:
            if os.tcgetpgrp(self.fd) != os.getpgrp():
                return False
            termios.tcsetattr(self.fd, termios.TCSANOW, mode)
        except (OSError, termios.error):  # the terminal is gone
            return False
        return True


def _plain(key: re.Match[bytes]) -> bytes:
    """The byte that a key of kitty's protocol was before there was one; nothing for what had none."""
    code, modifiers = int(key[1]), int(key[2] or 1) - 1
    if modifiers == _CONTROL:
        return bytes((code & 0x1F,)) if 96 < code < 123 else b""
    return bytes((code,)) if modifiers == 0 and code < 128 else b""
