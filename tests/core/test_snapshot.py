"""The snapshot is the one read model: each section from a scripted recorder."""

from __future__ import annotations

import gc
import weakref

import pytest
from tests.faces.service import ScriptedService, busy_service

from fanlight.core.inputs import Inputs
from fanlight.core.recorder import Sample
from fanlight.core.sections import Instance, Supplied
from fanlight.core.snapshot import Snapshot
from fanlight.core.timeline import SPAN, STEP
from fanlight.core.totals import totals
from fanlight.core.window import Window
from fanlight.panels import View
from fanlight.settings import Settings


def snapshot_of(service: ScriptedService) -> Snapshot:
    """The service now."""
    return service.query.snapshot(View())


def test_requests_in_figures() -> None:
    """API-6: totals, errors, slow counts and percentiles; streams count as requests and never as slow."""
    requests = snapshot_of(busy_service()).requests
    assert (requests.total.count, requests.this_run.count, requests.window_count) == (13, 13, 13)
    assert (requests.total.errors, requests.window_errors) == (2, 2)
    assert (requests.slow, requests.very_slow, requests.in_flight) == (2, 1, 2)
    assert (requests.window.count, requests.streams.count) == (12, 1)
    assert requests.window.p99 == pytest.approx(6.0, rel=0.022)
    assert requests.error_ratio == pytest.approx(2 / 13)


def test_rates_are_over_settled_seconds() -> None:
    """API-6: five requests a second, one of them failing, read as 5/s and 1/s, and per minute since this start."""
    service = ScriptedService()
    for _ in range(30):
        for status in (200, 200, 200, 200, 500):
            service.request(status=status)
        service.tick()
    requests = snapshot_of(service).requests
    assert requests.per_second == 5.0
    assert requests.per_minute == pytest.approx(300)


def test_routes_are_the_busiest_first_and_remember() -> None:
    """API-6: every series with figures and its total; a route quiet for 15 minutes is still there."""
    service = busy_service()
    routes = snapshot_of(service).routes
    assert [(route.method, route.route) for route in routes[:2]] == [("GET", "/items/{id}"), ("POST", "/items")]
    assert {route.family for route in routes} == {"requests", "streams", "sockets"}
    assert next(route for route in routes if route.route == "/items").error_ratio == 0.5
    service.tick(SPAN + 20.0)
    later = snapshot_of(service).routes
    assert [(route.figures.count, route.total.count) for route in later[:1]] == [(0, 8)]
    assert later[0].error_ratio == 0.0


def test_errors_by_type_and_outcomes() -> None:
    """Issue 2, item 3: every type is there, the operator's first; a refused WebSocket counts, statuses are HTTP's."""
    snapshot = snapshot_of(busy_service())
    assert dict(snapshot.errors_by_type) == {
        "internal": 1, "upstream": 0, "timeout": 0, "auth": 1, "validation": 0, "client": 1,
    }  # fmt: skip
    assert snapshot.outcomes == {"200": 10, "201": 1, "404": 1, "500": 1}


def test_kept_things_are_the_newest_first_and_logs_last() -> None:
    """HUB-6: activity, slow, failed, events newest first; log lines newest last; audit apart from events."""
    service = busy_service()
    service.recorder.event("audit", {"outcome": "refused"})
    service.tick()
    snapshot = snapshot_of(service)
    assert len(snapshot.activity) == 13
    times = [record.at for record in snapshot.activity]
    assert times == sorted(times, reverse=True)
    assert [record.data["path"] for record in snapshot.slow] == ["/reports/3", "/items"]
    assert len(snapshot.failed) == 3
    assert [record.data["level"] for record in snapshot.logs] == ["INFO", "ERROR"]
    assert [record.data["type"] for record in snapshot.events] == ["upload"]
    assert [record.data["type"] for record in snapshot.audit] == ["audit"]


def test_requests_are_found_by_id_and_by_correlation_id() -> None:
    """X-4: an id finds one, a correlation ID all that share it, nothing finds nothing."""
    service = busy_service()
    service.request(correlation_id="read-1")
    service.tick()
    snapshot = snapshot_of(service)
    same = snapshot.find("read-1")
    assert len(same) == 2
    assert same[0].at > same[1].at
    assert snapshot.find(same[0].id) == (same[0],)
    assert snapshot.find("") == snapshot.find("nobody") == ()


def test_sockets_system_and_levels() -> None:
    """API-4, API-7: connections now by group and user; what cannot be read is None."""
    snapshot = snapshot_of(busy_service())
    assert (snapshot.sockets.connections, snapshot.sockets.refused, snapshot.sockets.connects) == (3, 1, 1)
    assert dict(snapshot.sockets.groups)["g1"] == 2
    assert snapshot.system.process_cpu_percent == 12.5
    assert snapshot.system.open_fds is None


def test_caches_and_own_figures() -> None:
    """HUB-4, X-9: hits and misses by cache and together; what Fanlight costs and lost."""
    service = busy_service()
    service.levels = [Sample("cache.size", "prompts", 7.0, "sum", "instance")]
    service.recorder.count("cache.misses.models", 2)
    service.recorder.count("fanlight.dropped.logs", 3)
    service.recorder.failed("pulse", ValueError("once"))
    service.tick()
    snapshot = snapshot_of(service)
    prompts = next(cache for cache in snapshot.caches if cache.name == "prompts")
    assert (prompts.hits, prompts.misses, prompts.size, prompts.hit_ratio) == (3, 1, 7, 0.75)
    assert snapshot.cache_total.hit_ratio == 0.5
    assert snapshot.own.dropped == {"logs": 3}
    assert (snapshot.own.failures, snapshot.own.refreshes, snapshot.own.htmx_events) == (1, 5, 4)
    assert snapshot.own.last_failure == "pulse: ValueError: once"


def test_points_cover_the_window() -> None:
    """Issue 2, item 5: 180 points, none for a family nothing was seen of."""
    snapshot = snapshot_of(busy_service())
    assert len(snapshot.points("requests")) == SPAN // STEP
    assert sum(point.count for point in snapshot.points("requests")) == 12
    assert snapshot.points("unheard of") == ()


def _with_instances(*instances: Instance) -> Snapshot:
    nothing = totals(())
    return Snapshot(
        Inputs(
            at=1_000.0, settings=Settings(name="s", release="0"), scope="all", view=Window(900.0).view(1_000.0),
            totals=nothing, this_run=nothing, instances=instances, database=Supplied(configured=True, error="refused"),
        )
    )  # fmt: skip


def test_identity_start_and_release() -> None:
    """X-2: this run began with the oldest live instance; the release is the newest one's."""
    old, new = Instance("a", "h", 1, "1.0", 100.0, 999.0), Instance("b", "h", 2, "1.1", 400.0, 999.0)
    gone = Instance("c", "h", 3, "0.9", 5.0, 20.0, live=False)
    snapshot = _with_instances(old, new, gone)
    assert (snapshot.started, snapshot.uptime, snapshot.release) == (100.0, 900.0, "1.1")
    assert snapshot.live_instances == (old, new)
    nobody = _with_instances(gone)
    assert (nobody.uptime, nobody.release) == (0.0, "0")


def test_an_empty_service_has_every_section() -> None:
    """Issue 2, item 5: nothing seen yet is zeros and empties, never an error."""
    snapshot = snapshot_of(ScriptedService())
    assert snapshot.requests.window_count == 0
    assert snapshot.requests.error_ratio == snapshot.requests.per_second == 0.0
    assert not any((snapshot.routes, snapshot.caches, snapshot.slow, snapshot.audit))
    assert snapshot.cache_total.hit_ratio is None
    assert snapshot.sockets.groups == ()


@pytest.mark.parametrize("view", [View(), View(range="24h")])
def test_a_snapshot_goes_when_the_next_is_made(view: View) -> None:
    """X-9: none waits for the collector, with the thousands of objects it holds."""
    service = busy_service()
    known = weakref.ref(service.query.snapshot(view))
    assert known() is not None
    gc.disable()
    try:
        service.tick()
        service.query.snapshot(view)
        assert known() is None
    finally:
        gc.enable()
