"""faces.prometheus: the exposition, read back by promtool and by prometheus_client's own parsers."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from tests.faces.service import ScriptedService, budgeted_service, busy_service

from fanlight.core import metrics
from fanlight.core.cell import Cell
from fanlight.core.frame import Frame
from fanlight.core.metric import SECONDS as EXPONENTS
from fanlight.core.recorder import Sample
from fanlight.faces.prometheus import accepts_openmetrics, bucket_counts, expose

HOSTILE = ('/a"b', "/a\\b", "/a\nb", '/a"} 1\nfake_total{x="', "/ü/{id}", "/\x00\r\t", "/a\udc80b", "{}", "#", "")


def samples(families: Iterable[Metric]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels; a sample told twice fails."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def scrape(service: ScriptedService) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus would read at /metrics."""
    return samples(read_text(service.get("/metrics").text))


def total(found: dict[tuple[str, tuple[tuple[str, str], ...]], float], name: str) -> float:
    """A metric's samples together."""
    return sum(value for (named, _), value in found.items() if named == name)


def test_promtool_accepts_what_a_busy_service_exposes_without_a_complaint(promtool: str) -> None:
    """API-10: `promtool check metrics` reads /metrics and has nothing to say about its names."""
    body = busy_service().get("/metrics").body
    checked = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, timeout=60, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_promtool_accepts_hostile_routes(promtool: str) -> None:
    """API-10, TTY-6: quotes, newlines and backslashes in a route leave the text valid."""
    service = ScriptedService()
    for route in HOSTILE:
        service.request(route=route)
    service.tick()
    body = service.get("/metrics").body
    checked = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, timeout=60, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_every_name_in_the_table_is_exposed_once() -> None:
    """X-1: the table of names has no name twice, neither outside nor inside."""
    every = metrics.every()
    assert len({metric.prometheus for metric in every}) == len({metric.name for metric in every}) == len(every)


def test_budgets_are_gauges(promtool: str) -> None:
    """HUB-5, API-10: what is spent of each and what may be, by its name; nothing where there is none."""
    service = budgeted_service()
    found = scrape(service)
    openai, far = (("budget", "openai"), ("per", "day")), (("budget", 'far "off"'), ("per", "month"))
    assert found["gen_ai_budget_spent_usd", openai] == pytest.approx(0.0012)
    assert found["gen_ai_budget_limit_usd", openai] == 0.001
    assert (found["gen_ai_budget_spent_usd", far], found["gen_ai_budget_limit_usd", far]) == (0, 50)
    body = service.get("/metrics").body
    checked = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, timeout=60, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    assert b"budget" not in ScriptedService().get("/metrics").body


def test_health_and_breakers_are_gauges() -> None:
    """HUB-2, HUB-3, X-1: an alert can ask how each service is, and whether a breaker is open anywhere."""
    service = ScriptedService()
    service.recorder.samplers.append(
        lambda: [
            Sample("breaker.state", "git", 2.0, "max", "instance"),
            Sample("breaker.state", "openai", 0.0, "max", "instance"),
            Sample("service.probe", "git", 1.0, "max", "host"),
            Sample("service.declared", "git\x1fmcp", 4.0, "max", "instance"),
            Sample("service.declared", "idle\x1fmcp", 0.0, "max", "instance"),
        ]
    )
    service.call("openai", "chat", 0.5)
    service.tick()
    found = {key: value for key, value in scrape(service).items() if key[0].startswith(("service_health", "breaker_"))}
    assert found == {
        ("service_health_ratio", (("peer_service", "git"),)): 0.0,
        ("service_health_ratio", (("peer_service", "openai"),)): 1.0,
        ("breaker_open_ratio", (("breaker", "git"),)): 1.0,
        ("breaker_open_ratio", (("breaker", "openai"),)): 0.0,
    }


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text"])
def test_hostile_labels_are_read_back_as_they_were(accept: str) -> None:
    """TTY-6: a parser reads every route back, and no sample that nobody recorded."""
    service = ScriptedService()
    for route in HOSTILE:
        service.request(route=route)
    service.tick()
    read = read_openmetrics if "openmetrics" in accept else read_text
    found = samples(read(service.get("/metrics", accept=accept).text))
    routes = {dict(labels)["http_route"] for name, labels in found if name == "http_server_responses_total"}
    assert routes == {route.replace("\udc80", "?") for route in HOSTILE}
    assert not any(name == "fake_total" for name, _ in found)


def test_bounds_count_exactly_what_a_prometheus_client_counts() -> None:
    """X-1: buckets agree with prometheus_client given the same bounds, also for values exactly on a bound."""
    bounds = [2.0**exponent for exponent in EXPONENTS]
    amounts = [0, 1, 999, 10_000_000_000_000]
    amounts += [int(bound * 1e9) + step for bound in bounds for step in (-2, 0, 2)]
    cell, registry = Cell(), CollectorRegistry()
    theirs = Histogram("x", "x", buckets=bounds, registry=registry)
    for amount in amounts:
        cell.record(amount)
        theirs.observe(amount / 1e9)
    expected = [
        sample.value for sample in next(iter(registry.collect())).samples if sample.labels.get("le", "+Inf") != "+Inf"
    ]
    assert bucket_counts(cell) == expected


def test_slow_is_a_bound() -> None:
    """API-6: 1 s, the slow threshold, is one of the bounds, so slow requests can be counted from the histogram."""
    assert 2.0**0 in [2.0**exponent for exponent in EXPONENTS]


def test_the_first_histogram_holds_requests_by_method_and_route() -> None:
    """API-10: `http_server_request_duration_seconds` has OpenTelemetry's labels, count and sum."""
    found = scrape(busy_service())
    labels = (("http_request_method", "GET"), ("http_route", "/items/{id}"))
    name = "http_server_request_duration_seconds"
    assert found[(f"{name}_count", labels)] == 8
    assert found[(f"{name}_sum", labels)] == pytest.approx(0.188)
    assert found[(f"{name}_bucket", (*labels, ("le", "0.03125")))] == 8


def test_streams_are_apart() -> None:
    """API-6: a stream is judged by its first byte in metrics of its own, and is no request of 60 s."""
    found = scrape(busy_service())
    assert total(found, "http_server_stream_time_to_first_byte_seconds_sum") == pytest.approx(0.03)
    assert total(found, "http_server_stream_duration_seconds_sum") == pytest.approx(60.0)
    assert total(found, "http_server_request_duration_seconds_sum") < 10


def test_responses_are_counted_by_status_and_error_type() -> None:
    """TTY-3: each status is a series with its error type, "" when it is none."""
    found = scrape(busy_service())
    name = "http_server_responses_total"
    route = (("http_request_method", "POST"), ("http_response_status_code", "500"), ("http_route", "/items"))
    assert found[(name, (("error_type", "internal"), *route))] == 1
    assert total(found, name) == 13
    closes = [dict(labels) for named, labels in found if named == "websocket_closes_total"]
    assert {(close["websocket_close_code"], close["error_type"]) for close in closes} == {("1000", ""), ("403", "auth")}


def test_the_fixed_names_are_there() -> None:
    """OBS-2: dashboard_refresh_total, htmx_events_total, the cache counters and their rate in percent."""
    found = scrape(busy_service())
    names = ("dashboard_refresh_total", "htmx_events_total", "cache_hits_total", "cache_misses_total", "cache_hit_rate")
    assert [found[(name, ())] for name in names] == [5, 4, 3, 1, 75.0]


def test_before_the_first_lookup_the_hit_rate_is_no_number() -> None:
    """OBS-2: a hit rate of nothing is NaN, neither 0 nor 100."""
    service = ScriptedService()
    service.tick()
    found = scrape(service)
    assert math.isnan(found[("cache_hit_rate", ())])
    assert found[("cache_hits_total", ())] == 0


def test_unreadable_gauges_are_left_out() -> None:
    """API-7: what the machine does not tell is absent; what it tells is in base units."""
    found = scrape(busy_service())
    assert ("system_memory_available_bytes", ()) not in found
    assert found[("process_memory_usage_bytes", ())] == 256 * 1024 * 1024
    assert found[("process_cpu_utilization_ratio", ())] == 0.125


def test_groups_are_no_labels() -> None:
    """API-4, TTY-6: open WebSockets are one series however many groups come and go."""
    found = scrape(busy_service())
    assert [value for (name, _), value in found.items() if name == "websocket_connections"] == [3]


def test_series_beyond_the_cap_are_one() -> None:
    """TTY-6: with more routes than the cap the exposition stops growing, and says how much it left out."""
    service = ScriptedService(max_series=5)
    for number in range(50):
        service.request(route=f"/r{number}")
    service.tick()
    found = scrape(service)
    counts = [labels for name, labels in found if name == "http_server_request_duration_seconds_count"]
    assert len(counts) == 6
    assert total(found, "http_server_request_duration_seconds_count") == 50
    assert found[("fanlight_dropped_total", (("kind", "series"),))] > 0


def test_openmetrics_is_spoken_when_asked_for() -> None:
    """API-10: with Prometheus's own Accept header the answer is OpenMetrics with the same numbers."""
    service = busy_service()
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    answer = service.get("/metrics", accept=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    found = samples(read_openmetrics(answer.text))  # type: ignore[no-untyped-call]  # the parser has no types
    assert found == scrape(service)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/html", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.5", False),
        ("application/openmetrics-text;q=nonsense", False),
        ("APPLICATION/OPENMETRICS-TEXT; Version=1.0.0; Q=0.5, text/plain;q=0.1", True),
        ("," * 5_000, False),
    ],
)
def test_negotiation(accept: str, expected: bool) -> None:
    """API-10: plain text unless OpenMetrics is preferred; nonsense in Accept is plain text."""
    assert accepts_openmetrics(accept) is expected


def test_a_scrape_is_never_stored_and_says_its_format() -> None:
    """API-10: Cache-Control and the version of the text format are set."""
    answer = busy_service().get("/metrics")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_nothing_recorded_is_still_a_whole_document() -> None:
    """API-1: a service that has seen nothing exposes its counters at zero."""
    service = ScriptedService()
    text = expose(service.snapshot(), Frame(0, 0)).decode()
    found = samples(read_text(text))
    assert found[("http_server_slow_requests_total", ())] == 0
    build = next(dict(labels) for name, labels in found if name == "fanlight_build_info")
    assert (build["service"], build["release"]) == ("chat-api", "1.4.2")


def test_counts_of_a_worker_that_ended_stay() -> None:
    """X-2: what earlier instances counted is exposed too, so counters do not go down when a worker ends."""
    service = busy_service()
    before = total(scrape(service), "http_server_responses_total")
    service.earlier.add(service.recorder.totals)
    service.tick()
    assert total(scrape(service), "http_server_responses_total") == 2 * before


def test_building_breathes() -> None:
    """TTY-6: many series are written in slices: there is a breath at least every 20 samples."""
    service = busy_service()
    breaths: list[int] = []
    body = expose(service.snapshot(), service.query.cumulative("all"), breathe=lambda: breaths.append(1))
    lines = [line for line in body.splitlines() if not line.startswith(b"#")]
    assert len(breaths) >= len(lines) / 20
