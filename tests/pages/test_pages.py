"""Every page builds for every service, and every link leads somewhere that understands it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from tests.faces.service import ScriptedService, busy_service
from tests.pages.hostile import hostile_service

from fanlight import Fanlight
from fanlight.clock import ManualClock
from fanlight.core.recorder import Sample
from fanlight.core.sections import Supplied
from fanlight.core.snapshot import Snapshot
from fanlight.core.timeline import SPAN
from fanlight.faces.web.views import FILTERS, parse_view
from fanlight.pages import PAGES, PANELS
from fanlight.pages.alerts import rule_table
from fanlight.panels import Page, Slot, Table, View


def unreadable_service() -> ScriptedService:
    """A service on a machine where nothing can be read."""
    service = busy_service()
    service.levels = [Sample(name, "", None, "sum", "instance") for name in ("process.cpu.percent", "process.threads")]
    service.tick(10.0)
    return service


def busy_with_database() -> ScriptedService:
    """Busy, with a database that answers and rows in it."""
    service = busy_service()
    rows = [{"group": "general", "messages": 42}, {"group": "random", "messages": 7}]
    data = {"total_messages": 49, "share_percent": 12.5, "last": {"day": 3}, "active": True, "top": rows}
    service.supplied = Supplied(configured=True, data=data)
    service.tick()
    return service


SERVICES: dict[str, Callable[[], ScriptedService]] = {
    "empty": ScriptedService,
    "busy": busy_with_database,
    "quiet": lambda: _quiet(),
    "unreadable": unreadable_service,
    "hostile": hostile_service,
}


def _quiet() -> ScriptedService:
    service = busy_service()
    service.tick(SPAN + 20.0)
    return service


def snapshot_of(service: ScriptedService) -> Snapshot:
    """The service now."""
    return service.query.snapshot(View())


def views(snapshot: Snapshot, page: str) -> Iterator[View]:
    """The page as it comes, of the newest request, filtered, sorted and zoomed."""
    newest = snapshot.activity[0].id if snapshot.activity else "none"
    yield View(page=page, path=(("id", newest),))
    yield View(
        page=page, path=(("id", "nobody"),), filters=(("kind", "slow"), ("level", "error"), ("q", "x")), sort="-p95"
    )
    yield View(page=page, path=(("name", "openai"),))
    yield View(page=page, start=snapshot.at - 60, end=snapshot.at, sort="nothing")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("kind", SERVICES)
def test_every_page_builds_for_every_service(kind: str, name: str) -> None:
    """Issue 2, item 5: empty, busy, quiet, unreadable or hostile: each panel is built and can be sent."""
    snapshot = snapshot_of(SERVICES[kind]())
    for view in views(snapshot, name):
        page = PAGES[name].build(snapshot, view)
        assert isinstance(page, Page)
        assert page.name == name
        assert len({slot.name for slot in page.slots}) == len(page.slots)
        for slot in page.slots:
            panel = slot.build(snapshot, view)
            assert msgspec.json.encode(panel)
            assert panel == slot.build(snapshot, view)
            assert panel.title or slot.name == "verdict"
        assert PAGES[name].badge(snapshot) >= 0


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("chosen", ["1h", "24h", "7d"])
def test_every_page_builds_for_a_range_in_which_nothing_happened(chosen: str, name: str) -> None:
    """OBS-1, ORC-5: a service that was watched and did nothing, as one is that has just started."""
    clock = ManualClock()
    dashboard = Fanlight("shop", store="memory://", clock=clock)
    for _ in range(3):
        clock.advance(1.0)
        dashboard.pulse.tick()
    view = View(page=name, range=chosen)
    snapshot = dashboard.query.snapshot(view)
    assert snapshot.range.view.widths
    panels = [slot.build(snapshot, view) for slot in PAGES[name].build(snapshot, view).slots]
    dashboard.close()
    assert all(msgspec.json.encode(panel) for panel in panels)


def test_every_slot_has_its_fragment_and_one_meaning() -> None:
    """HUB-8: each panel of each page is in PANELS, and a name on two pages is the same panel."""
    for kind in SERVICES:
        snapshot = snapshot_of(SERVICES[kind]())
        for name, spec in PAGES.items():
            view = View(page=name, path=(("id", "read-1"),))
            for slot in spec.build(snapshot, view).slots:
                assert PANELS[slot.name].build(snapshot, view) == slot.build(snapshot, view)


def test_the_fragments_the_documents_name_are_there() -> None:
    """HUB-8, OBS-3: health, stats and activity; widths and heights fit a grid of twelve."""
    assert {"health", "stats", "activity", "verdict", "request-list", "all-routes", "logs"} <= PANELS.keys()
    for name, slot in PANELS.items():
        assert isinstance(slot, Slot)
        assert slot.name == name
        assert 1 <= slot.span <= 12
        assert slot.rows >= 1


def _links(value: Any) -> Iterator[str]:
    """Every `href` and `select` in a panel."""
    if isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            inner = getattr(value, field)
            if field in ("href", "select") and inner:
                yield inner
            elif not isinstance(inner, str):
                yield from _links(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _links(inner)


@pytest.mark.parametrize("kind", SERVICES)
def test_every_link_leads_to_a_page_that_understands_it(kind: str) -> None:
    """X-4: a link is relative, its page exists, its filters are ones a view takes and the page offers."""
    snapshot = snapshot_of(SERVICES[kind]())
    found = {
        link
        for name, spec in PAGES.items()
        for view in views(snapshot, name)
        for slot in spec.build(snapshot, view).slots
        for link in _links(slot.build(snapshot, view))
    }
    assert "requests" in found
    for link in found:
        parts = urlsplit(link)
        assert not parts.scheme
        assert not parts.netloc
        page, _, rest = parts.path.partition("/")
        assert page in PAGES or page == "metrics"
        assert not rest or page in ("requests", "services")
        query = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        if kind != "hostile":
            view = parse_view(page, query)
            filters = query.keys() - {"sort", "range", "scope", "from", "to"}
            assert {name for name, _ in view.filters} == filters <= FILTERS
            assert filters <= _offered(snapshot, page)


def _offered(snapshot: Snapshot, page: str) -> set[str]:
    """The filters the panels of a page understand."""
    if page not in PAGES:
        return set()
    panels = [slot.build(snapshot, View(page=page)) for slot in PAGES[page].build(snapshot, View(page=page)).slots]
    return {chosen.name for panel in panels for chosen in getattr(panel, "filters", ())}


def test_every_row_of_a_table_fits_its_columns() -> None:
    """Issue 2, item 5: as many values as columns, keys that are unique."""
    for kind in SERVICES:
        snapshot = snapshot_of(SERVICES[kind]())
        for slot in PANELS.values():
            panel = slot.build(snapshot, View())
            if isinstance(panel, Table):
                assert all(len(row.values) == len(panel.columns) for row in panel.rows)
                assert len({row.key for row in panel.rows}) == len(panel.rows)
                assert panel.rows or panel.empty or slot.name == "siblings"


def test_every_rule_leads_to_where_one_sees_why() -> None:
    """LOOK, API-6: a rule that is broken is a question, and its row has the answer's page."""
    rows = rule_table(snapshot_of(busy_service()), View()).rows
    pages = {row.key: row.href.partition("?")[0] for row in rows}
    assert pages["Error rate"] == "requests"
    assert pages["Services"] == "services"
    assert pages["CPU of the machine"] == "system"
    assert all(pages.values())
