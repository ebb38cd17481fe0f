"""Textual, as the terminal uses it; the only file that imports it, and what says how to get it when it is not there."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any, Final

from fanlight.errors import FanlightError
from fanlight.faces.tui.cells import Line, clean, differing, plain_ascii
from fanlight.faces.tui.ink import Ink
from fanlight.faces.tui.themes import Theme, face


class MissingTextual(FanlightError):
    """The terminal dashboard needs a library that is not installed."""


try:
    from rich.segment import Segment
    from rich.style import Style
    from textual import constants, events
    from textual._xterm_parser import XTermParser
    from textual.app import App, ComposeResult
    from textual.drivers.linux_driver import LinuxDriver
    from textual.geometry import Region, Size
    from textual.message import Message
    from textual.strip import Strip
    from textual.widget import Widget
except ImportError as error:
    missing = f"the terminal dashboard needs {error.name or 'textual'}"
    raise MissingTextual(f"{missing}, which is not installed: pip install 'fanlight[terminal]'") from error


READ_BYTES: Final = 4_096
"""What is read of the keys at once."""

SETTLE_SECONDS: Final = 0.01
"""How much later than the parser's own limit a lone escape byte is asked about."""


class StdoutDriver(LinuxDriver):
    """Draws on stdout; Textual's own driver draws on stderr, which may be a log file.

    Keys are read on the application's own loop, and the next one only when the one before has done its work: so what
    was typed after the key that ends the application is not eaten by it. It stays in the terminal or, where it came
    with that key, in `ahead`. Textual's thread reads on for a while, and throws away what has come by then.

    Signals that stop and continue this process end the application with "suspend" and "again", and its runner does the
    rest: Textual's own way stops in the middle of drawing, and starts its threads twice after a SIGSTOP.
    """

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._file = sys.__stdout__ or self._file
        self._running_loop = asyncio.get_running_loop()
        self._parser = XTermParser()
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self.ahead = bytearray()
        self._ink = Ink()

    def write(self, data: str) -> None:
        super().write(self._ink.thinned(data))

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call] # Textual leaves it untyped
        if self._key_thread is not None:  # else the terminal is another's
            self._running_loop.add_reader(self.fileno, self._read)

    def _run_input_thread(self) -> None:
        """Nothing for a thread to do."""

    def disable_input(self) -> None:
        """Read no more keys; those that have not been read are for whoever has the terminal next."""
        self._running_loop.remove_reader(self.fileno)
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)

    def _read(self) -> None:
        try:
            data = os.read(self.fileno, READ_BYTES)
        except OSError:
            data = b""
        if not data:  # the terminal is gone, and what that means for us comes as a signal
            self._running_loop.remove_reader(self.fileno)
            return
        self.ahead += data
        self._feed()
        self._running_loop.call_later(constants.ESCAPE_DELAY + SETTLE_SECONDS, self._settle)

    def _feed(self) -> None:
        """Parse what was read up to the end of the next key."""
        while self.ahead:
            text = self._decode(bytes((self.ahead.pop(0),)))
            if text and self._pass_on(self._parser.feed(text)):
                return

    def _settle(self) -> None:
        """A lone escape byte was the Esc key."""
        self._pass_on(self._parser.tick())

    def _pass_on(self, found: Iterable[Message]) -> bool:
        """Have the application handle these; with a key among them nothing is read until it has."""
        pressed = False
        for each in found:
            self.process_message(each)
            pressed = pressed or isinstance(each, events.Key)
        if pressed:
            self._running_loop.remove_reader(self.fileno)
            self._app.call_later(self._read_on)
        return pressed

    def _read_on(self) -> None:
        if not self._app._exit:
            self._running_loop.add_reader(self.fileno, self._read)
            self._feed()

    def send_message(self, message: Message) -> None:
        """On the loop already, so that nothing overtakes a key."""
        self._app.post_message(message)

    def _sigtstp_application(self, *_: object) -> None:
        self._end("suspend")

    def _sigcont_application(self, *_: object) -> None:
        self._end("again")

    def _end(self, outcome: str) -> None:
        with suppress(RuntimeError):  # the loop is gone, and the application with it
            self._running_loop.call_soon_threadsafe(self._app.exit, outcome)


@cache
def style_of(theme: Theme, role: str, faded: bool) -> Style:
    """A role's look as Rich draws it."""
    look = face(theme, role, faded=faded)
    return Style(
        color=look.colour or None,
        bgcolor=theme.background or None,
        bold=look.bold or None,
        dim=look.dim or None,
        reverse=look.reverse or None,
        underline=look.underline or None,
    )


def _region(before: Line, after: Line, y: int) -> Region:
    """The cells of a row that may differ."""
    x, across = differing(before, after)
    return Region(x, y, across, 1)


class Lines(Widget):
    """Lines of pieces in roles, drawn as they are; only lines that have changed are sent to the terminal.

    Everything drawn passes through here, so nothing that a terminal would obey can get past it.
    """

    DEFAULT_CSS = "Lines { width: 1fr; height: auto; }"
    can_focus = False

    def __init__(self, name: str, theme: Theme, *, ascii: bool) -> None:
        super().__init__(id=name)
        self._look = theme
        self._ascii = ascii
        self._faded = False
        self._rows: list[Line] = []
        self._strips: dict[int, Strip] = {}

    def show(self, rows: Iterable[Line], *, faded: bool = False) -> int:
        """Draw these rows from now on; returns how many of them differ from those drawn before."""
        before, self._rows = self._rows, list(rows)
        if faded != self._faded or len(before) != len(self._rows):
            self._faded = faded
            self._strips.clear()
            self.refresh()
            return len(self._rows)
        changed = [y for y, (old, new) in enumerate(zip(before, self._rows, strict=True)) if old != new]
        for y in changed:
            self._strips.pop(y, None)
        if changed:
            self.refresh(*(_region(before[y], self._rows[y], y) for y in changed))
        return len(changed)

    def dress(self, theme: Theme) -> None:
        """Draw in another theme."""
        self._look = theme
        self._strips.clear()
        self.refresh()

    def text(self) -> list[str]:
        """What is drawn, without its colours."""
        return [self.render_line(y).text for y in range(self.size.height)]

    def render_line(self, y: int) -> Strip:
        """A row; empty ones below the last."""
        known = self._strips.get(y)
        if known is None:
            row = self._rows[y] if y < len(self._rows) else ()
            known = self._strips[y] = Strip(self._segments(row)).adjust_cell_length(
                self.size.width, style_of(self._look, "text", False)
            )
        return known

    def _segments(self, row: Line) -> list[Segment]:
        """The pieces in their looks; a gap has that of what stands before it, as nobody sees the difference."""
        found: list[tuple[str, Style]] = []
        gaps = False
        for text, role in row:
            style = style_of(self._look, role, self._faded)
            if found and (style is found[-1][1] or (gaps and role == "text" and text.isspace())):
                found[-1] = (found[-1][0] + self._safe(text), found[-1][1])
                continue
            found.append((self._safe(text), style))
            gaps = not (style.reverse or style.underline)
        return [Segment(text, style) for text, style in found]

    def on_resize(self) -> None:
        """Rows are as wide as the widget; those that Textual has drawn meanwhile are as wide as it was before."""
        self._strips.clear()
        self.refresh()

    def _safe(self, text: str) -> str:
        shown = text if text.isprintable() else clean(text)
        return plain_ascii(shown) if self._ascii else shown


__all__ = ["App", "ComposeResult", "Lines", "Segment", "Size", "StdoutDriver", "Strip", "Style", "Widget", "events"]
