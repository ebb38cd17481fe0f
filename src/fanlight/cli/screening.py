"""The dashboard in this terminal: the drawing half over the HTTP API of the very service this command runs."""

from __future__ import annotations

import importlib.util
import locale
import threading
from typing import TYPE_CHECKING, Final

from fanlight.cli.plan import Ready
from fanlight.errors import FanlightError
from fanlight.panels import View

if TYPE_CHECKING:
    from fanlight.faces.tui.app import TerminalDashboard

SUSPEND_KEY: Final = "ctrl+z"


def require_terminal_extra() -> None:
    """Refuse, naming the extra, when the drawing library is not installed."""
    if importlib.util.find_spec("textual") is None:
        raise FanlightError(
            "the terminal's dashboard needs textual, which the base install leaves out; "
            "run pip install 'fanlight[terminal]'"
        )


def only_ascii() -> bool:
    """Whether this terminal is told in something less than UTF-8."""
    return locale.getpreferredencoding(False).lower().replace("-", "") != "utf8"


class Screening:
    """What a console shows instead of lines; remembers from one time to the next what was looked at, and how.

    `key` opens the service's door: it was made for this run, and nobody else has it.
    """

    def __init__(self, address: str, key: str, theme: str, *, ascii: bool) -> None:
        self._address = address
        self._key = key
        self._theme = theme
        self._ascii = ascii
        self._view = View()
        self._app: TerminalDashboard | None = None

    def warm_up(self) -> None:
        """Have what is slow to import imported by the time it is wanted, on a thread."""
        threading.Thread(target=_import_drawing, name="fanlight-warm-up", daemon=True).start()

    async def run(self, ready: Ready) -> str:
        """Show the dashboard until it ends: "quit", "logs", "suspend", or "" when it was told to leave."""
        require_terminal_extra()
        from fanlight.faces.tui.app import TerminalDashboard
        from fanlight.faces.tui.client import HttpSource

        source = HttpSource(self._address + ready.prefix, self._key)
        self._app = app = TerminalDashboard(
            source, view=self._view, theme=self._theme, ascii=self._ascii or only_ascii(), toggles=True
        )
        source.on_news = app.hear
        try:
            outcome = await app.run_async(mouse=False)
        finally:
            self._app = None
            source.close()
            self._view, self._theme = app.desk.view, app.desk.theme.name
        if app.return_code:  # the library has caught it, and printed where it happened
            error = getattr(app, "_exception", None)
            raise FanlightError(f"drawing failed ({type(error).__name__}: {error})")
        return outcome or ""

    def leave(self) -> None:
        """End it soon; on its loop."""
        if self._app is not None:
            self._app.exit()


def _import_drawing() -> None:
    if importlib.util.find_spec("textual") is not None:
        import fanlight.faces.tui.app
        import fanlight.faces.tui.client  # noqa: F401 - imported to have been imported
