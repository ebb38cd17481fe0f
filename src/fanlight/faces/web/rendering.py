"""Pages and fragments made on threads of their own, in small slices, each fragment once for however many look.

Nothing here runs on the serving loop, and a panel that fails shows so in its place without taking its page along.
"""

from __future__ import annotations

import gzip
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Final, NamedTuple

from fanlight.core.snapshot import Snapshot
from fanlight.faces.context import FaceContext, PageSpec, Visit
from fanlight.faces.errors import NotFound
from fanlight.faces.web.chrome import Chrome
from fanlight.faces.web.render import Renderer
from fanlight.faces.web.surroundings import chrome
from fanlight.panels import Page, Panel, Slot, Text, View

FRAGMENTS: Final = 512
"""Fragments kept; the one not asked for longest goes first."""

COMPRESS_FROM: Final = 1_024
"""Bytes from which an answer is compressed."""

DETAIL_PAGES: Final[Mapping[tuple[str, str], str]] = {("requests", "id"): "request", ("services", "name"): "service"}
"""Pages of one thing, by the list page whose address they are under and the path value that names the thing."""


PageWriter = Callable[[Page, Mapping[str, Panel], Chrome, View], Iterable[str]]
"""Writes a whole page, panels by slot name."""


class Made(NamedTuple):
    """A fragment as it was last made: at which version, of what, and its text."""

    version: int
    panel: Panel
    html: str


class Rendering:
    """Makes what the browser sees; every method is thread-safe and takes milliseconds: call on a thread."""

    def __init__(self, context: FaceContext, renderer: Renderer | None = None) -> None:
        self._context = context
        self._renderer = renderer or Renderer()
        self._lock = Lock()
        self._made: OrderedDict[tuple[View, str], Made] = OrderedDict()

    def spec(self, view: View) -> PageSpec:
        """The page a view is on; raises NotFound, naming the pages there are."""
        pages = self._context.pages
        for name, value in view.path:
            detail = DETAIL_PAGES.get((view.page, name), "") if value else ""
            if detail in pages:
                return pages[detail]
        if view.page not in pages:
            raise NotFound("page", view.page, (name for name, spec in pages.items() if spec.in_menu))
        return pages[view.page]

    def layout(self, view: View) -> tuple[Snapshot, Page]:
        """The present snapshot and the page's slots."""
        spec = self.spec(view)
        snapshot = self._context.query.snapshot(view)
        self._breathe()
        return snapshot, spec.build(snapshot, view)

    def page(self, view: View, visit: Visit, notice: str = "") -> str:
        """A whole page with data in its first paint; `notice` says what of the query could not be read."""
        return self._whole(self._renderer.page_chunks, view, visit, notice)

    def report(self, view: View, visit: Visit, notice: str = "") -> str:
        """A whole page as it goes on paper."""
        return self._whole(self._renderer.report_chunks, view, visit, notice)

    def _whole(self, write: PageWriter, view: View, visit: Visit, notice: str) -> str:
        snapshot, page = self.layout(view)
        slots = (*_notice_slots(notice), *page.slots)
        page = Page(name=page.name, title=page.title, slots=slots)
        panels = {slot.name: self._panel(slot, snapshot, view) for slot in slots}
        frame = chrome(self._context, snapshot, view, visit)
        try:
            return self._joined(write(page, panels, frame, view))
        except Exception as error:
            self.failed(f"rendering page {page.name}", error)
            mended = {slot.name: self._shown(slot, panels[slot.name], view)[0] for slot in slots}
            return self._joined(write(page, mended, frame, view))

    def named_panel(self, name: str, view: View) -> Panel:
        """The present panel by its name; raises NotFound, naming the panels there are."""
        return self._panel(self._slot(name, view), self._context.query.snapshot(view), view)

    def named_fragment(self, name: str, view: View) -> str:
        """The present fragment of a panel by its name; raises NotFound, naming the panels there are."""
        slot = self._slot(name, view)
        return self.fragment(slot, self._context.query.snapshot(view), view)

    def fragment(self, slot: Slot, snapshot: Snapshot, view: View) -> str:
        """A panel's HTML, made anew only when its data has changed; equal data gives the very same text."""
        key = (view, slot.name)
        version = snapshot.version
        known = self._known(key)
        if known is not None and known.version == version:
            return known.html
        panel = self._panel(slot, snapshot, view)
        if known is not None and known.panel == panel:
            made = Made(version, panel, known.html)
        else:
            made = Made(version, panel, self._shown(slot, panel, view)[1])
            self._breathe()
        self._keep(key, made)
        del known, panel
        self._breathe()  # what was made before has been let go of, hundreds of rows
        return made.html

    def partial(self, slot_name: str, html: str) -> str:
        """A fragment addressed to its panel, as the live stream sends it."""
        return self._renderer.partial(slot_name, html)

    def failed(self, where: str, error: BaseException) -> None:
        """Something of ours failed: counted and shown."""
        self._context.recorder.failed(where, error)

    def _slot(self, name: str, view: View) -> Slot:
        panels = self._context.panels
        if name in panels:
            return panels[name]
        for slot in self.layout(view)[1].slots if view.page in self._context.pages else ():
            if slot.name == name:
                return slot
        raise NotFound("panel", name, panels)

    def _panel(self, slot: Slot, snapshot: Snapshot, view: View) -> Panel:
        try:
            panel = slot.build(snapshot, view)
        except Exception as error:
            self.failed(f"panel {slot.name}", error)
            panel = _broken(slot)
        self._breathe()
        return panel

    def _shown(self, slot: Slot, panel: Panel, view: View) -> tuple[Panel, str]:
        """The panel and its HTML, or what stands in its place when the browser cannot show it."""
        try:
            return panel, self._joined(self._renderer.panel_chunks(slot.name, panel, view))
        except Exception as error:
            self.failed(f"rendering panel {slot.name}", error)
            panel = _broken(slot)
            return panel, self._joined(self._renderer.panel_chunks(slot.name, panel, view))

    def _joined(self, chunks: Iterable[str]) -> str:
        pieces: list[str] = []
        for chunk in chunks:
            pieces.append(chunk)
            self._breathe()
        return "".join(pieces)

    def _known(self, key: tuple[View, str]) -> Made | None:
        with self._lock:
            known = self._made.get(key)
            if known is not None:
                self._made.move_to_end(key)
            return known

    def _keep(self, key: tuple[View, str], made: Made) -> None:
        with self._lock:
            self._made[key] = made
            self._made.move_to_end(key)
            while len(self._made) > FRAGMENTS:
                self._made.popitem(last=False)

    def _breathe(self) -> None:
        self._context.pulse.pacer.breathe()


def compressed(body: bytes, accepted: bool) -> tuple[bytes, dict[str, str]]:
    """A body as it is sent, and the headers that say how; small ones are left alone."""
    if not accepted or len(body) < COMPRESS_FROM:
        return body, {"Vary": "Accept-Encoding"}
    return gzip.compress(body, 5, mtime=0), {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"}


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header allows gzip."""
    for part in header.lower().split(","):
        coding, _, parameter = part.strip().partition(";")
        if coding.strip() in ("gzip", "*"):
            return parameter.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _broken(slot: Slot) -> Panel:
    return Text(title=slot.name, error="This panel failed; the failure is counted on the system page.")


def _notice_slots(notice: str) -> tuple[Slot, ...]:
    if not notice:
        return ()
    return (Slot(name="notice", build=lambda snapshot, view: Text(title="Notice", text=notice), pace="still"),)
