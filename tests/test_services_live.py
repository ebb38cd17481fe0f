"""A real HTTP service that fails, slows down, hangs and recovers, as the dashboard of its caller sees it."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fanlight import BreakerOpen, Fanlight
from fanlight.core.breaker import Policy
from fanlight.core.sections import Service
from fanlight.panels import View
from fanlight.services.probe import http as http_probe

PATIENCE = 40.0
"""Seconds after which the test is given up; nothing is judged by time."""


class Answers(BaseHTTPRequestHandler):
    """Answers as its server's mode says."""

    server: Upstream

    def do_GET(self) -> None:
        mode = self.server.mode
        if mode == "hang":
            self.server.released.wait(PATIENCE)
        elif mode == "slow":
            self.server.released.wait(0.3)
        status = 503 if mode == "fail" else 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Upstream(ThreadingHTTPServer):
    """A service whose mood a test sets."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.mode = "fine"
        self.released = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self.released.set()
        self.shutdown()
        self._thread.join(PATIENCE)
        self.server_close()


class UpstreamError(Exception):
    """What a client raises for a status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"answered {status}")
        self.status_code = status


class Caller:
    """Calls the service fifty times a second, on two threads, through its dashboard."""

    def __init__(self, dashboard: Fanlight, port: int) -> None:
        self._dashboard = dashboard
        self._port = port
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            try:
                with self._dashboard.call("search", "query"):
                    self._ask()
            except (UpstreamError, BreakerOpen, OSError):
                continue

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request("GET", "/")
            status = connection.getresponse().status
        finally:
            connection.close()
        if status >= 400:
            raise UpstreamError(status)

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(PATIENCE)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    made = Upstream()
    yield made
    made.stop()


@pytest.fixture
def dashboard(upstream: Upstream) -> Iterator[Fanlight]:
    """A dashboard whose service has a probe and a breaker that tries again soon."""
    made = Fanlight("caller", store="memory://")
    probe = http_probe(f"http://127.0.0.1:{upstream.server_port}/")
    policy = Policy(failures=20, recovery=0.5)
    made.service("search", kind="http", probe=probe, breaker=policy, interval=1.0, timeout=1.0)
    made.start()
    yield made
    made.close()


def wait_for(dashboard: Fanlight, what: Callable[[Service], bool]) -> Service:
    """The service once it is known and as wanted."""
    pause, last = threading.Event(), time.monotonic() + PATIENCE
    while True:
        row = dashboard.query.snapshot(View()).service_named("search")
        if row is not None and what(row):
            return row
        assert time.monotonic() < last, row
        pause.wait(0.05)


def test_score_status_and_breaker_follow_a_real_service(dashboard: Fanlight, upstream: Upstream) -> None:
    """Issue 5, ORC-2, HUB-3: it fails, recovers, slows down, hangs, recovers; each shows, and all calms down again."""
    caller = Caller(dashboard, upstream.server_port)
    try:
        wait_for(dashboard, lambda row: row.health.status == "healthy" and row.figures.count > 50)
        upstream.mode = "fail"
        row = wait_for(dashboard, lambda row: row.health.status == "down" and row.breaker.state != "closed")  # type: ignore[union-attr]  # it has one
        assert row.breaker is not None
        assert "answered 503" in row.breaker.reason
        assert dashboard.get_system_health()["status"] == "degraded"
        upstream.mode = "fine"
        wait_for(dashboard, lambda row: row.health.status == "healthy" and row.breaker.state == "closed")  # type: ignore[union-attr]  # it has one
        upstream.mode = "slow"
        row = wait_for(dashboard, lambda row: row.health.status == "degraded")
        assert max(row.health.factors, key=lambda factor: factor.lost).name == "latency"
        upstream.mode = "hang"
        row = wait_for(dashboard, lambda row: row.oldest > 1.0)
        assert (row.in_flight, row.health.status != "healthy") == (2, True)
        wait_for(dashboard, lambda row: row.probe is not None and bool(row.probe.failing_on))
        upstream.mode = "fine"
        upstream.released.set()
        row = wait_for(dashboard, lambda row: row.health.status == "healthy")
        assert (row.in_flight <= 2, row.oldest < 1.0) == (True, True)
    finally:
        upstream.released.set()
        caller.stop()
    assert dashboard.get_active_wrappers() == ["search"]
    dashboard.pulse.hurry()
    dashboard.pulse.refresh(PATIENCE)  # the caller has ended: what it did is counted now, and no tick comes between
    points = dashboard.get_wrapper_metrics("search", time.time() - 3_600)
    assert sum(point["calls"] for point in points) == wait_for(dashboard, lambda row: True).figures.count
    assert sum(point["errors"] for point in points) >= 20
