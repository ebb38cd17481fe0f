"""The dashboard in this terminal: the drawing half over a service's HTTP API."""

from __future__ import annotations

import gc
import importlib.util
import locale
import os
import sys
import threading
from functools import cache
from typing import TYPE_CHECKING

from fanlight.errors import FanlightError
from fanlight.panels import View

if TYPE_CHECKING:
    from fanlight.faces.tui.app import TerminalDashboard


def require_terminal_extra() -> None:
    """Refuse, naming the extra, when the drawing library is not installed."""
    if importlib.util.find_spec("textual") is None:
        raise FanlightError(
            "the terminal's dashboard needs textual, which the base install leaves out; "
            "run pip install 'fanlight[terminal]'"
        )


def no_terminals() -> list[str]:
    """Which of stdin and stdout are no terminal a dashboard can be drawn in."""
    drawable = os.environ.get("TERM", "dumb") != "dumb"
    streams = (("stdin", sys.stdin), ("stdout", sys.stdout))
    return [name for name, stream in streams if stream is None or not (stream.isatty() and drawable)]


def only_ascii() -> bool:
    """Whether this terminal is told in something less than UTF-8."""
    return locale.getpreferredencoding(False).lower().replace("-", "") != "utf8"


class Screening:
    """A dashboard in this terminal; remembers from one time to the next what was looked at, and how.

    `key` opens the service's door and is not shown. An `attached` one ends without ending the service. `ahead` is what
    was typed in one go with the key that ended it; what came later is still to be read from the terminal.
    """

    def __init__(
        self, address: str, key: str, *, theme: str, ascii: bool, attached: bool = False, page: str = "overview"
    ) -> None:
        self._address = address
        self._key = key
        self._theme = theme
        self._ascii = ascii
        self._attached = attached
        self._view = View(page=page)
        self._app: TerminalDashboard | None = None
        self.ahead = b""

    def warm_up(self) -> None:
        """Have what is slow to import imported by the time it is wanted, on a thread."""
        threading.Thread(target=_import_drawing, name="fanlight-warm-up", daemon=True).start()

    async def run(self, prefix: str) -> str:
        """Show the dashboard under the prefix until it ends: "quit", "logs", "detached", "suspend", "again", or "" when
        it was told to leave."""
        require_terminal_extra()
        for name in ("COLUMNS", "LINES"):  # they would win over the terminal's own size, and never change with it
            os.environ.pop(name, None)
        _import_drawing()
        from fanlight.faces.tui.app import TerminalDashboard
        from fanlight.faces.tui.client import HttpSource

        source = HttpSource(self._address + prefix, self._key)
        self._app = app = TerminalDashboard(
            source,
            view=self._view,
            theme=self._theme,
            ascii=self._ascii,
            toggles=not self._attached,
            attached=self._attached,
        )
        source.on_news = app.hear
        try:
            outcome = await app.run_async(mouse=False)
        finally:
            self._app = None
            source.close()
            self._view, self._theme, self.ahead = app.desk.view, app.desk.theme.name, app.ahead
        if app.return_code:  # the library has caught it, and printed where it happened
            error = getattr(app, "_exception", None)
            raise FanlightError(f"drawing failed ({type(error).__name__}: {error})")
        return outcome or ""

    def leave(self) -> None:
        """End it soon; on its loop."""
        if self._app is not None:
            self._app.exit()


@cache
def _import_drawing() -> None:
    """Import what draws, once; the collector need not look at it again: a tenth of what drawing costs."""
    if importlib.util.find_spec("textual") is not None:
        import fanlight.faces.tui.app
        import fanlight.faces.tui.client  # noqa: F401 - imported to have been imported

        gc.freeze()
