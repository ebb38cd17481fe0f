"""The terminal dashboard: a Textual application of a few widgets of lines, fed four times a second."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final, Literal

from fanlight.clock import Clock, SystemClock
from fanlight.faces.context import ActionResult
from fanlight.faces.tui import themes
from fanlight.faces.tui.desk import Desk, Effect
from fanlight.faces.tui.dialogs import Order
from fanlight.faces.tui.frame import Frame, frame
from fanlight.faces.tui.look import ASCII, UNICODE, Look
from fanlight.faces.tui.source import Source, SourceLost, SourceRefused, WrongValue
from fanlight.faces.tui.toolkit import App, ComposeResult, Lines, StdoutDriver, events
from fanlight.panels import View

PERIOD: Final = 0.25
"""Seconds between two frames."""

LEAST_PAUSE: Final = 0.05
"""Seconds between two frames at least, however long one took: the keys have their turn."""

PASTE_LIMIT: Final = 2_000
"""Characters of a paste that are taken."""

FOLLOW: Final = 1.0
"""Seconds between two looks at an action that runs."""

RETRY: Final = 1.0
"""Seconds between two tries of a lost connection."""

ACTION_STATES: Final = {"success": "ok", "error": "error", "running": "idle"}
"""The state that an action's status is shown as."""

Ending = Literal["quit", "logs", "detached", "suspend", "again"]
"""Why it ended: stop the server, show the plain log, leave the server alone, be stopped by the shell for a while, be
shown anew because this process was stopped."""


def _no_output() -> Sequence[str]:
    return ()


class TerminalDashboard(App[Ending]):
    """Draws a source until a key ends it; `await run_async(mouse=False)` gives the reason.

    `toggles` offers to leave for the log; `attached` leaves the server alone at the end; `output` gives the last raw
    lines of the server, shown while there is nothing better. `desk` holds what was chosen: give its `view` and `theme`
    to the next one.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layers: base above; }
    #over { layer: above; display: none; width: auto; }
    """

    def __init__(
        self,
        source: Source,
        *,
        view: View | None = None,
        theme: str = "auto",
        ascii: bool = False,
        toggles: bool = False,
        attached: bool = False,
        output: Callable[[], Sequence[str]] = _no_output,
        clock: Clock | None = None,
        zone: tzinfo | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        chosen = themes.chosen(theme, environ)
        super().__init__(driver_class=StdoutDriver, ansi_color=True)
        look = Look(glyphs=ASCII if ascii else UNICODE, zone=zone)
        self.desk = Desk(view or View(), look, chosen, toggles=toggles)
        self._source, self._attached, self._output = source, attached, output
        self._clock = clock or SystemClock()
        self._hurry = asyncio.Event()
        self._parts = {name: Lines(name, chosen, ascii=ascii) for name in ("header", "page", "log", "footer", "over")}
        self._heights: tuple[int, ...] = ()
        self._acting: set[asyncio.Task[None]] = set()

    def compose(self) -> ComposeResult:
        """The parts of the screen, from above; what stands over them last."""
        yield from self._parts.values()

    def on_mount(self) -> None:
        """Dress, draw, and follow the source."""
        self._dress()
        self.draw()
        self.run_worker(self._follow(), name="follow", exit_on_error=True)

    def on_unmount(self) -> None:
        """Actions go on in the service; here nobody waits for them any more."""
        for task in self._acting:
            task.cancel()

    def on_resize(self, event: events.Resize) -> None:
        """Everything in its new place at once."""
        self.draw(event.size.width, event.size.height)

    async def on_event(self, event: events.Event) -> None:
        """Keys are ours alone, whatever Textual would make of them."""
        if isinstance(event, events.Key):
            self._pressed(event.key, event.character)
            return
        if isinstance(event, events.Paste):
            self._pasted(event.text)
            return
        await super().on_event(event)

    @property
    def ahead(self) -> bytes:
        """What was typed in one go with the key that ended it, and after it."""
        return bytes(self._driver.ahead) if isinstance(self._driver, StdoutDriver) else b""

    def hear(self) -> None:
        """The source has something new: draw it now, not at the next turn."""
        self._hurry.set()

    def _now(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    def _pasted(self, text: str) -> None:
        """Pasted text is typed where text is typed, and nowhere else: it must not run what its letters are keys of."""
        if self.desk.types:
            for character in text[:PASTE_LIMIT]:
                self.desk.press("", character, self._now())
            self.draw()

    def _pressed(self, key: str, character: str | None) -> None:
        theme = self.desk.theme
        effect = self.desk.press(key, character, self._now())
        if self.desk.theme is not theme:
            self._dress()
        if effect is not None:
            self._do(effect)
        self.draw()

    def _do(self, effect: Effect) -> None:
        if effect.kind == "quit":
            self.exit("detached" if self._attached else "quit")
        elif effect.kind == "logs" or effect.kind == "suspend":
            self.exit(effect.kind)
        elif effect.kind == "fetch":
            self._hurry.set()
        elif effect.order is not None:
            task = asyncio.ensure_future(self._act(effect.order))
            self._acting.add(task)
            task.add_done_callback(self._acting.discard)

    async def _act(self, order: Order) -> None:
        """Run an action and say what becomes of it, however long it takes."""
        title, desk = order.button.title, self.desk
        desk.begun(title)
        try:
            result = await self._source.act(order.button.action, order.values)
            while result.status == "running" and result.run:
                await asyncio.sleep(FOLLOW)
                result = await self._followed(result)
                desk.begun(title, result.message)
                self.draw()
            desk.now = self._now()
            desk.ended(title, ACTION_STATES[result.status], f"{result.status}: {result.message}")
        except WrongValue as error:
            desk.now = self._now()
            desk.refused(order, error.name, str(error))
        except (SourceLost, SourceRefused) as error:
            desk.now = self._now()
            desk.ended(title, "error", str(error))
        self._hurry.set()
        self.draw()

    async def _followed(self, last: ActionResult) -> ActionResult:
        """How a run stands; while the dashboard is away as it last stood."""
        try:
            return await self._source.follow(last.run)
        except SourceLost:
            return last

    async def _follow(self) -> None:
        """Ask for the page, draw it, wait a little; for ever."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            pause = await self._fetch()
            self.draw()
            try:
                await asyncio.wait_for(self._hurry.wait(), max(began + pause - loop.time(), LEAST_PAUSE))
            except TimeoutError:
                continue
            finally:
                self._hurry.clear()

    async def _fetch(self) -> float:
        """Ask once; returns how long to wait then."""
        desk = self.desk
        try:
            document = await self._source.page(desk.view, desk.backlog.newest)
        except (SourceLost, SourceRefused) as error:
            desk.lose(str(error), self._now())
            return RETRY
        desk.take(document, self._now())
        return PERIOD

    def text(self) -> list[str]:
        """What is on the screen, without its colours: each part's lines from above, then what stands over them."""
        return [line for part in self._parts.values() if part.display for line in part.text()]

    def draw(self, width: int = 0, height: int = 0) -> None:
        """Draw the present frame; only lines that differ reach the terminal."""
        width, height = width or self.size.width, height or self.size.height
        if width <= 0 or height <= 0 or not self.is_running:
            return
        made = frame(self.desk, width, height, self._now(), self._output())
        self._share_out(made)
        parts = self._parts
        parts["header"].show(made.header, faded=made.faded)
        parts["page"].show(made.page, faded=made.faded)
        parts["log"].show(made.log)
        parts["footer"].show(made.footer)
        self._lay_over(made, width, height)

    def _share_out(self, made: Frame) -> None:
        """Give the parts their lines; a layout, so only when they have changed."""
        heights = tuple(map(len, (made.header, made.page, made.log, made.footer)))
        if heights == self._heights:
            return
        self._heights = heights
        for name, lines in zip(self._parts, heights, strict=False):
            self._parts[name].styles.height = lines
            self._parts[name].display = lines > 0

    def _lay_over(self, made: Frame, width: int, height: int) -> None:
        over = self._parts["over"]
        if not made.over:
            over.display = False
            return
        across = max(sum(len(text) for text, _ in line) for line in made.over)
        over.styles.width, over.styles.height = across, len(made.over)
        over.styles.offset = ((width - across) // 2, (height - len(made.over)) // 2)
        over.show(made.over)
        over.display = True

    def _dress(self) -> None:
        """Put on the desk's theme."""
        theme: Any = self.desk.theme
        self.screen.styles.background = theme.background or "ansi_default"
        for part in self._parts.values():
            part.styles.background = theme.background or "ansi_default"
            part.dress(theme)
