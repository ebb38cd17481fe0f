"""A real Prometheus scrapes a real service; what it says is what the dashboard says."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.e2e.service import Shop, shop

from fanlight.core.sections import Requests
from fanlight.panels import View

PATIENCE = 60.0
"""Seconds after which waiting is given up; nothing is judged by time."""

LOWEST = 2**-10
"""The lowest bound of the exported buckets in seconds: below it Prometheus knows no more than that it is below."""

CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: shop
    metrics_path: /dashboard/metrics
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Prometheus:
    """A running server."""

    def __init__(self, port: int) -> None:
        self._port = port

    def value(self, query: str) -> float | None:
        """What a query that gives one number says now, None when it says nothing, or not yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", "/api/v1/query?" + urlencode({"query": query}))
            result = json.loads(connection.getresponse().read())["data"]["result"]
            return float(result[0]["value"][1]) if result else None
        except (OSError, ValueError, KeyError):
            return None
        finally:
            connection.close()

    def until(self, query: str, wanted: float) -> None:
        """Ask until the answer is at least what is wanted."""
        end = time.monotonic() + PATIENCE
        while (found := self.value(query)) is None or found < wanted:
            assert time.monotonic() < end, f"{query} is {found}, expected {wanted}"


@contextmanager
def scraping(service: Shop, folder: Path) -> Iterator[Prometheus]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (Debian: apt install prometheus)")
    (folder / "prometheus.yml").write_text(CONFIGURATION.format(port=service.port))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    process = subprocess.Popen(
        [program, *words, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"], cwd=folder
    )
    try:
        yield Prometheus(port)
    finally:
        process.kill()
        process.wait()


@contextmanager
def load(service: Shop) -> Iterator[None]:
    """A steady hundred requests a second, some of them failing, until the block ends."""
    stop = threading.Event()

    def drive() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
        begun, sent = time.monotonic(), 0
        while not stop.wait(max(begun + sent / 100 - time.monotonic(), 0)):
            connection.request("GET", "/nowhere" if sent % 10 == 0 else f"/items/{sent}")
            connection.getresponse().read()
            sent += 1
        connection.close()

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def figures(service: Shop) -> Requests:
    return service.dashboard.query.snapshot(View()).requests


def test_rates_counts_and_percentiles_agree(tmp_path: Path) -> None:
    """X-1: Prometheus' rate() under a steady load, its counts afterwards, and its histogram_quantile are those of the
    dashboard: the counts exactly, percentiles within the bucket they fall into (bounds are powers of two)."""
    with shop() as service, scraping(service, tmp_path) as prometheus:
        with load(service):
            prometheus.until("count_over_time(up[1m])", 12)
            rate = prometheus.value("sum(rate(http_server_responses_total[10s]))")
            failed = prometheus.value('sum(rate(http_server_responses_total{error_type!=""}[10s]))')
            said = figures(service)
            assert rate is not None
            assert failed is not None
            assert rate == pytest.approx(said.per_second, rel=0.3)
            assert failed / rate == pytest.approx(said.error_ratio, rel=0.3)
        told = figures(service)
        prometheus.until("sum(http_server_responses_total)", told.total.count)
        assert prometheus.value("sum(http_server_responses_total)") == told.total.count
        for fraction, ours in ((0.5, told.window.p50), (0.95, told.window.p95), (0.99, told.window.p99)):
            buckets = "sum by (le) (http_server_request_duration_seconds_bucket)"
            theirs = prometheus.value(f"histogram_quantile({fraction}, {buckets})")
            assert theirs is not None
            assert theirs <= LOWEST or 0.5 <= theirs / ours <= 2.0
