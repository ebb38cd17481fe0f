"""Lists are sorted and filtered as the view asks, and never otherwise."""

from __future__ import annotations

import pytest
from tests.faces.service import ScriptedService, busy_service

from fanlight.core.facts import ERROR_TYPES
from fanlight.core.snapshot import Snapshot
from fanlight.core.timeline import SPAN
from fanlight.pages import charts
from fanlight.pages.charts import throughput
from fanlight.pages.listing import chosen_requests, sort_rows
from fanlight.pages.logs import log_panel
from fanlight.pages.overview import errors
from fanlight.pages.requests import ROUTE_COLUMNS, page, request_list, routes_table, slow_list
from fanlight.panels import Row, View


def snapshot_of(service: ScriptedService) -> Snapshot:
    """The service now."""
    return service.query.snapshot(View())


def filtered(**filters: str) -> View:
    """A view of requests with these filters."""
    return View(page="requests", filters=tuple(sorted(filters.items())))


@pytest.mark.parametrize(
    ("filters", "paths"),
    [
        ({"kind": "slow"}, ["/reports/3", "/items"]),
        ({"kind": "failed"}, ["/ws/", "/items", "/nowhere"]),
        ({"status": "error"}, ["/ws/", "/items", "/nowhere"]),
        ({"status": "5xx"}, ["/items"]),
        ({"status": "404"}, ["/nowhere"]),
        ({"type": "internal"}, ["/items"]),
        ({"method": "POST"}, ["/items", "/items"]),
        ({"method": "WS", "status": "error"}, ["/ws/"]),
        ({"route": "/reports/{id}"}, ["/reports/3"]),
        ({"q": "READ-3"}, ["/items/3"]),
        ({"q": "nowhere", "method": "POST"}, []),
        ({"status": "2xx", "kind": "slow"}, ["/reports/3"]),
    ],
    ids=str,
)
def test_filters(filters: dict[str, str], paths: list[str]) -> None:
    """Issue 2, item 5: each filter alone and together, the newest first."""
    found = chosen_requests(snapshot_of(busy_service()), filtered(**filters))
    assert [record.data["path"] for record in found] == paths


def test_a_span_lists_what_happened_inside_it() -> None:
    """X-4: a zoom into a chart lists the requests of those seconds, from the beginning of time too."""
    snapshot = snapshot_of(busy_service())
    moment = snapshot.activity[-1].at
    early = chosen_requests(snapshot, View(start=0.0, end=moment + 0.5))
    assert len(early) == 10
    assert chosen_requests(snapshot, View(start=moment + 100)) == []


def test_a_filtered_page_shows_what_it_asked_for_first() -> None:
    """Issue 2, item 5: the list comes first, and says when nothing matches."""
    snapshot, view = snapshot_of(busy_service()), filtered(q="nobody")
    assert page(snapshot, view).slots[0].name == "request-list"
    assert request_list(snapshot, view).empty == "Nothing kept matches; widen the filter."
    assert routes_table(snapshot, view).empty == "No route matches; widen the filter."
    assert request_list(snapshot, filtered(kind="slow")).title == "Slow requests"


def test_no_errors_are_said_in_a_line() -> None:
    """LOOK: where nothing failed the errors say so; where something did, every type has its row."""
    assert errors(snapshot_of(ScriptedService()), View()).empty == "Nothing failed, last 15 min."
    assert errors(snapshot_of(ScriptedService()), View()).bars == ()
    assert {bar.name for bar in errors(snapshot_of(busy_service()), View()).bars} == set(ERROR_TYPES)


def test_a_time_without_requests_says_so() -> None:
    """LOOK: a new service is told what fills its panels; one that was asked earlier is not told that it never was."""
    new, quiet = ScriptedService(), busy_service()
    quiet.tick(SPAN + 20.0)
    for service, said in ((new, charts.NO_REQUESTS), (quiet, "No request is kept of this time.")):
        snapshot = snapshot_of(service)
        for panel in (throughput(snapshot, View()), routes_table(snapshot, View()), request_list(snapshot, View())):
            assert panel.empty == said


@pytest.mark.parametrize("column", [column.name for column in ROUTE_COLUMNS])
def test_routes_sort_by_every_column_both_ways(column: str) -> None:
    """Issue 2, item 5: ascending, descending, what is missing last either way; an unknown column is the default."""
    service = busy_service()
    service.tick(1_000.0)
    service.request("GET", "/new")
    service.tick()
    snapshot = snapshot_of(service)
    place = [known.name for known in ROUTE_COLUMNS].index(column)
    for sort in (column, f"-{column}"):
        table = routes_table(snapshot, View(sort=sort))
        values = [row.values[place] for row in table.rows]
        present = [value for value in values if value is not None]
        assert values[: len(present)] == present == sorted(present, reverse=sort.startswith("-"))
        assert table.sorted == sort
    assert routes_table(snapshot, View(sort="unheard")).sorted == "-count"


def test_routes_are_limited_and_searched() -> None:
    """Issue 2, item 5: the overview's few say how many more there are; a search is by part of the route."""
    snapshot = snapshot_of(busy_service())
    few = routes_table(snapshot, View(), limit=2)
    assert (len(few.rows), few.more, few.href) == (2, len(snapshot.routes) - 2, "requests")
    assert [row.values[1] for row in routes_table(snapshot, filtered(q="REPORT")).rows] == ["/reports/{id}"]


def test_the_series_beyond_the_cap_has_no_page() -> None:
    """Issue 2, item 2: `other` is shown, and leads nowhere."""
    service = ScriptedService(max_series=1)
    for route in ("/a", "/b"):
        service.request("GET", route)
    service.tick()
    links = {row.values[1]: row.href for row in routes_table(snapshot_of(service), View()).rows}
    assert links == {"/a": "requests?method=GET&route=%2Fa", "other": ""}


def test_slow_requests_are_counted_in_words() -> None:
    """OBS-1, API-6: how many were slow, how many of them very slow when any was, and over which time."""
    service = ScriptedService()
    service.request(seconds=1.5)
    service.tick()
    assert slow_list(snapshot_of(service), View()).note == "1, last 15 min"
    service.request(seconds=6.0)
    service.tick()
    assert slow_list(snapshot_of(service), View()).note == "2, 1 of them very slow, last 15 min"
    nothing = slow_list(snapshot_of(ScriptedService()), View(range="7d"))
    assert nothing.empty == "Nothing was slow in the last 7 days."


def test_none_sorts_last_either_way() -> None:
    """Issue 2, item 5: a dash is never the greatest."""
    rows = [Row(key=str(key), values=(value,)) for key, value in enumerate((2, None, 1))]
    for sort, expected in (("method", ["2", "0", "1"]), ("-method", ["0", "2", "1"])):
        assert [row.key for row in sort_rows(rows, ROUTE_COLUMNS[:1], sort, "method")[0]] == expected


def test_logs_are_filtered_by_level_and_text() -> None:
    """TTY-3: a level and above, and part of message, logger or correlation ID."""
    snapshot = snapshot_of(busy_service())

    def said(**filters: str) -> list[str]:
        return [line.message for line in log_panel(snapshot, filtered(**filters)).lines]

    assert said() == ["stored", "no room left"]
    assert said(level="error") == ["no room left"]
    assert said(q="READ-1") == ["stored"]
    assert said(q="nothing") == []
