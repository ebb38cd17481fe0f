"""The browser's renderer: pages and panels as HTML, whole or in chunks.

A panel's fragment is the same text wherever it goes: inside its page, from its `-partial` route, in the live stream.
It holds no theme, role, prefix or time zone, so equal panels and views give equal bytes for every viewer.

**What the live stream sends** (`Content-Type: text/event-stream`). The page holds one element with `hx-sse:connect`;
the browser's side is htmx with its SSE extension, and `live.js`, which does all reconnecting.

- On every connection first a `status` event, then every panel of the page (also the still ones), since the page may
  be older than the stream. Afterwards what has changed, as often as the view's `interval` parameter says (seconds;
  absent: as the slots' pace).
- Fragments go as UNNAMED messages, one or several of `Renderer.partial(slot, html)` in one message, each line of it
  prefixed `data: `. Only unnamed messages are swapped; the `<hx-partial>` names its own target and swap, so nothing
  else is touched.
- `event: status`, data `{"at": 1763683441.2, "next": 1.0, "dropped": 0, "instances": 4}` with every refresh, also
  one in which no panel has changed: `at` is the snapshot's time in Unix seconds, `next` the seconds until the next
  refresh, `dropped` what this viewer was not sent, `instances` how many report. Optional: `panels`, the names of those
  the page has, whenever they are others than before (the browser then gets the page anew), `uptime` in seconds,
  `badges` as {nav href: count}, `notices`, the newest
  events to be told of as [{key, at, type, text, state}].
- `event: heartbeat` (any data, not empty) whenever nothing else was sent for the interval, and every 3 s or so
  while the interval is shorter: the browser reconnects after 2.5 intervals + 5 s of silence.
- A stream that cannot be served answers 503 (too many viewers: the browser polls the page and tries again later) or
  401/403.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from fanlight.errors import FanlightError
from fanlight.faces.plots.charts import sheet
from fanlight.faces.plots.svg import svg
from fanlight.faces.web.chrome import Chrome
from fanlight.faces.web.drawings import Drawing, Grid, draw, share
from fanlight.faces.web.marks import MARKS
from fanlight.faces.web.rows import table_rows
from fanlight.faces.web.views import chart_file
from fanlight.faces.web.words import FILTERS
from fanlight.panels import Page, Panel, Slot, Text, TimeSeries, View

PIECES_PER_CHUNK: Final = 16
"""Template pieces joined before control goes back: about 0.1 ms of work."""

CHARACTERS_PER_CHUNK: Final = 1_000
"""The same for long pieces, such as a line of a chart."""

_CONTENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "gauge": ("meters",),
    "status": ("items",),
    "table": ("rows",),
    "bars": ("bars",),
    "donut": ("slices",),
    "feed": ("items",),
    "log": ("lines",),
    "waterfall": ("spans",),
    "text": ("text", "facts", "code"),
    "actions": ("buttons",),
    "verdict": ("phrases",),
}
"""The fields that hold a panel's content: all of them empty means an empty panel."""


_SCROLLING: Final = frozenset({"table", "feed", "log"})
"""Kinds that scroll inside when they stand beside a stack; the others are as high as they are."""


class UnknownPanel(FanlightError):
    """A panel of a kind the browser has no template for."""


@dataclass(frozen=True, slots=True)
class PanelView:
    """What a panel's template gets, under the name `view`. `save` is where a chart's files are, with {kind} in it."""

    name: str
    kind: str
    template: str
    panel: Panel
    drawing: Drawing | Markup
    empty: bool
    save: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A place in the page's grid of 12 columns: one panel, or several stacked beside a tall one, which is as high as
    they are and scrolls."""

    span: int
    views: tuple[PanelView, ...]
    figure: bool = False
    tall: bool = False


class Renderer:
    """Renders for the browser; thread-safe, one is enough for a process."""

    def __init__(self) -> None:
        self._environment = environment()
        self._page = self._environment.get_template("page.html")
        self._report = self._environment.get_template("report.html")

    def page(self, page: Page, panels: Mapping[str, Panel], chrome: Chrome, view: View) -> str:
        """A whole page; `panels` by slot name."""
        return "".join(self.page_chunks(page, panels, chrome, view))

    def page_chunks(self, page: Page, panels: Mapping[str, Panel], chrome: Chrome, view: View) -> Iterator[str]:
        """A whole page in chunks, so that the caller can let others run in between."""
        views = []
        for slot in page.slots:
            views.append(self.view(slot.name, panels.get(slot.name) or _missing(slot), view))
            yield ""
        laid = cells(page.slots, views)
        yield from _chunks(self._page, {**_names(chrome), "title": page.title, "cells": laid})

    def report_chunks(self, page: Page, panels: Mapping[str, Panel], chrome: Chrome, view: View) -> Iterator[str]:
        """A page as it goes on paper, in chunks: one panel after the other, its charts drawn here."""
        laid = []
        for slot in page.slots:
            drawn = _on_paper(self.view(slot.name, panels.get(slot.name) or _missing(slot), view))
            laid.append(Cell(slot.span, (drawn,), figure=drawn.kind == "stat"))
            yield ""
        yield from _chunks(self._report, {**_names(chrome), "title": page.title, "cells": tuple(laid)})

    def panel(self, slot_name: str, panel: Panel, view: View) -> str:
        """A panel's fragment: one element with the id `panel-{slot_name}`."""
        return "".join(self.panel_chunks(slot_name, panel, view))

    def panel_chunks(self, slot_name: str, panel: Panel, view: View) -> Iterator[str]:
        """A panel's fragment in chunks, so that the caller can let others run in between."""
        panel_view = self.view(slot_name, panel, view)
        yield from _chunks(self._environment.get_template(panel_view.template), {"view": panel_view})

    def view(self, slot_name: str, panel: Panel, view: View) -> PanelView:
        """What the panel's template gets; raises UnknownPanel for a kind without one."""
        kind = panel_kind(panel)
        return PanelView(
            name=slot_name,
            kind=kind,
            template=f"panels/{kind}.html",
            panel=panel,
            drawing=None if panel.error else draw(panel, view, slot_name),
            empty=_empty(kind, panel),
            save=chart_file(view, slot_name) if kind in CHARTS else "",
        )

    @staticmethod
    def partial(slot_name: str, html: str) -> str:
        """A fragment as the live stream sends it: addressed to its panel and morphed into it."""
        return f'<hx-partial hx-target="#panel-{slot_name}" hx-swap="outerMorph">{html}</hx-partial>'


CHARTS: Final = frozenset({"timeseries", "bars", "donut"})
"""The kinds of panel that can be saved as a file."""

KINDS: Final = frozenset((*_CONTENTS, "stat", "timeseries", "section"))
"""The kinds of panel the browser has a template for."""


def panel_kind(panel: Panel) -> str:
    """A panel's kind, such as "table"; raises UnknownPanel when the browser cannot show it."""
    config = getattr(type(panel), "__struct_config__", None)
    kind = str(getattr(config, "tag", None) or type(panel).__name__)
    if kind not in KINDS:
        raise UnknownPanel(
            f"got a panel of kind {kind!r}; the browser shows {', '.join(sorted(KINDS))}: build one of those"
        )
    return kind


def cells(slots: Iterable[Slot], views: Iterable[PanelView]) -> tuple[Cell, ...]:
    """Slots laid out: beside one that is several rows high stand, stacked, as many that fill the rest of the width."""
    pending = list(zip(slots, views, strict=True))
    laid: list[Cell] = []
    while pending:
        slot, first = pending.pop(0)
        beside = tuple(_beside(slot, pending))
        scrolls = bool(beside) and first.kind in _SCROLLING
        laid.append(Cell(slot.span, (first,), figure=first.kind == "stat", tall=scrolls))
        if beside:
            laid.append(Cell(12 - slot.span, beside))
            del pending[: len(beside)]
    return tuple(laid)


def _beside(slot: Slot, pending: list[tuple[Slot, PanelView]]) -> Iterator[PanelView]:
    """The panels in front that fill the rest beside a slot of several rows, one for each row."""
    for other, view in pending[: slot.rows if slot.rows > 1 else 0]:
        if other.span != 12 - slot.span:
            return
        yield view


def _names(chrome: Chrome) -> dict[str, Any]:
    return {field.name: getattr(chrome, field.name) for field in fields(chrome)}


def _on_paper(shown: PanelView) -> PanelView:
    """The panel for paper: nothing to click, a chart over time as a drawing, a table that is read without its head."""
    panel = shown.panel
    if isinstance(shown.drawing, Grid):
        return replace(shown, drawing=replace(shown.drawing, labelled=True), save="")
    if not isinstance(panel, TimeSeries) or shown.empty or panel.error:
        return replace(shown, save="")
    drawing = Markup(svg(sheet(panel)))  # noqa: S704  # every text in it is escaped by the writer of SVG
    return replace(shown, template="plot.html", drawing=drawing, save="")


def _missing(slot: Slot) -> Panel:
    return Text(title=slot.name, error="This panel was not built.")


def _empty(kind: str, panel: Panel) -> bool:
    if isinstance(panel, TimeSeries):
        return all(value is None for line in panel.lines for value in line.values)
    names = _CONTENTS.get(kind, ())
    return bool(names) and not any(getattr(panel, name) for name in names)


def _chunks(template: Template, context: Mapping[str, Any]) -> Iterator[str]:
    chunk, size = [], 0
    for piece in template.generate(**context):
        chunk.append(piece)
        size += len(piece)
        if len(chunk) >= PIECES_PER_CHUNK or size >= CHARACTERS_PER_CHUNK:
            yield "".join(chunk)
            chunk, size = [], 0
    yield "".join(chunk)


def environment() -> Environment:
    """The templates: they escape everything and refuse unknown names."""
    templates = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters.update(FILTERS)
    templates.globals.update(MARKS, share=share, table_rows=table_rows)
    return templates
