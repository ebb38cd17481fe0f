"""Textual, as the terminal uses it; the only file that imports it, and what says how to get it when it is not there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any

from fanlight.errors import FanlightError
from fanlight.faces.tui.cells import Line, clean, differing, plain_ascii
from fanlight.faces.tui.themes import Theme, face


class MissingTextual(FanlightError):
    """The terminal dashboard needs a library that is not installed."""


try:
    from rich.segment import Segment
    from rich.style import Style
    from textual import events
    from textual.app import App, ComposeResult
    from textual.drivers.linux_driver import LinuxDriver
    from textual.geometry import Region, Size
    from textual.strip import Strip
    from textual.widget import Widget
except ImportError as error:
    missing = f"the terminal dashboard needs {error.name or 'textual'}"
    raise MissingTextual(f"{missing}, which is not installed: pip install 'fanlight[terminal]'") from error


class StdoutDriver(LinuxDriver):
    """Draws on stdout; Textual's own driver draws on stderr, which may be a log file.

    Signals that stop and continue this process end the application with "suspend" and "again", and its runner does the
    rest: Textual's own way stops in the middle of drawing, and starts its threads twice after a SIGSTOP.
    """

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self._file = sys.__stdout__ or self._file
        self._running_loop = asyncio.get_running_loop()

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
            segments = [Segment(self._safe(text), style_of(self._look, role, self._faded)) for text, role in row]
            known = self._strips[y] = Strip(segments).adjust_cell_length(
                self.size.width, style_of(self._look, "text", False)
            )
        return known

    def on_resize(self) -> None:
        """Rows are as wide as the widget; those that Textual has drawn meanwhile are as wide as it was before."""
        self._strips.clear()
        self.refresh()

    def _safe(self, text: str) -> str:
        shown = text if text.isprintable() else clean(text)
        return plain_ascii(shown) if self._ascii else shown


__all__ = ["App", "ComposeResult", "Lines", "Segment", "Size", "StdoutDriver", "Strip", "Style", "Widget", "events"]
