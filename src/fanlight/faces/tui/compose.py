"""Makes a page's document from the running dashboard; on a thread, as all work of the faces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from fanlight.core import rules
from fanlight.core.snapshot import Snapshot
from fanlight.faces.context import FaceContext
from fanlight.faces.errors import NotFound
from fanlight.faces.tui.document import OVERLAP_SECONDS, PageDocument, PageLink, RangeLink, SlotDocument
from fanlight.faces.web.chrome import RANGE_TITLES
from fanlight.faces.web.surroundings import badges, page_address
from fanlight.pages.logs import log_line
from fanlight.panels import LogLine, Panel, Slot, Text, View

NONE_KNOWN: Final[Mapping[str, Panel]] = {}


def page_document(
    context: FaceContext,
    view: View,
    *,
    role: str = "viewer",
    after: float = 0.0,
    known: Mapping[str, Panel] = NONE_KNOWN,
) -> PageDocument:
    """The page of a view with all its panels, and the kept log lines from shortly before `after` (Unix seconds) on.

    Panels that are `known` by their slot's name are taken as they are. A panel that fails is counted and shows so in
    its place. Raises NotFound, naming the pages there are.
    """
    spec = context.pages.get(view.page)
    if spec is None:
        raise NotFound("page", view.page, (name for name, spec in context.pages.items() if spec.in_menu))
    snapshot = context.query.snapshot(view)
    page = spec.build(snapshot, view)
    own = snapshot.own
    return PageDocument(
        version=snapshot.version,
        at=snapshot.at,
        service=snapshot.service,
        release=snapshot.release,
        role=role,
        instances=len(snapshot.live_instances),
        uptime=snapshot.uptime,
        page=page.name,
        title=page.title,
        verdict=rules.judge(snapshot),
        pages=tuple(_links(context, snapshot)),
        ranges=tuple(_ranges()),
        viewers=own.viewers,
        cost=own.cpu_percent,
        history=own.history,
        dropped=sum(own.dropped.values()),
        slots=tuple(_slot(context, slot, snapshot, view, known.get(slot.name)) for slot in page.slots),
        lines=newest_lines(snapshot, after),
        lines_dropped=own.dropped.get("logs", 0),
    )


def newest_lines(snapshot: Snapshot, after: float) -> tuple[LogLine, ...]:
    """The kept lines younger than `after`, and a few seconds of older ones, the newest last."""
    return tuple(log_line(record) for record in snapshot.logs if record.at > after - OVERLAP_SECONDS)


def _links(context: FaceContext, snapshot: Snapshot) -> Iterator[PageLink]:
    counts = badges(context, snapshot)
    for name, spec in tuple(context.pages.items()):
        if spec.in_menu:
            yield PageLink(name=name, title=spec.title, badge=counts.get(page_address(name), 0))


def _ranges() -> Iterator[RangeLink]:
    for name, title in RANGE_TITLES.items():
        yield RangeLink(name=name, title=title)


def _slot(context: FaceContext, slot: Slot, snapshot: Snapshot, view: View, known: Panel | None) -> SlotDocument:
    panel = known or _panel(context, slot, snapshot, view)
    context.pulse.pacer.breathe()
    return SlotDocument(name=slot.name, span=slot.span, rows=slot.rows, pace=slot.pace, panel=panel)


def _panel(context: FaceContext, slot: Slot, snapshot: Snapshot, view: View) -> Panel:
    try:
        return slot.build(snapshot, view)
    except Exception as error:
        context.recorder.failed(f"panel {slot.name}", error)
        return Text(title=slot.name, error="This panel failed; the failure is counted on the system page.")
