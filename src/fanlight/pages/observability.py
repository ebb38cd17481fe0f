"""Observability: the system pulse, every line over the range, and the slow and failed requests inside it."""

from __future__ import annotations

from fanlight.core.snapshot import Snapshot
from fanlight.pages import charts, events
from fanlight.pages.caches import cache_donut
from fanlight.pages.overview import errors
from fanlight.pages.redis import redis_latency
from fanlight.pages.requests import error_list, slow_list
from fanlight.pages.system import lag, memory
from fanlight.panels import Fact, Page, Slot, Text, View


def pulse(snapshot: Snapshot, view: View) -> Text:
    """System pulse: uptime, requests, Redis latency, cache hit rate."""
    facts = (
        Fact(name="Uptime", value=snapshot.uptime, unit="seconds"),
        Fact(name="Requests", value=snapshot.requests.total.count, unit="integer", href="requests"),
        Fact(name="Redis", value=snapshot.redis_latency, unit="seconds", href="data"),
        Fact(name="Cache hits", value=snapshot.cache_total.hit_ratio, unit="ratio", href="data"),
    )
    return Text(title="System pulse", note="since the first start", facts=facts)


def metrics_text(snapshot: Snapshot, view: View) -> Text:
    """The Prometheus text, as it would be scraped; a long one is cut."""
    code, lines = snapshot.exposition
    shown = code.count("\n")
    note = f"the first {shown} of {lines} lines" if lines > shown else "as scraped"
    return Text(title="Prometheus", note=note, code=code.rstrip(), href="metrics", empty="Open metrics to see it.")


flight = charts.gauge_chart(
    "In flight",
    "requests and WebSockets open",
    "integer",
    (("http.server.active_requests", "requests", "main"), ("websocket.connections", "WebSockets", "ok")),
)
SLOTS = (
    Slot(name="pulse", build=pulse, span=12, pace="fast"),
    Slot(name="quality", build=charts.quality, span=6),
    Slot(name="percentiles", build=charts.percentiles, span=6),
    Slot(name="throughput", build=charts.throughput, span=6),
    Slot(name="flight-chart", build=flight, span=6),
    Slot(name="route-chart", build=charts.routes, span=12),
    Slot(name="service-chart", build=charts.services, span=12),
    Slot(name="cpu-chart", build=charts.cpu, span=4),
    Slot(name="memory-chart", build=memory, span=4),
    Slot(name="lag-chart", build=lag, span=4),
    Slot(name="errors-by-type", build=errors, span=4),
    Slot(name="cache-donut", build=cache_donut, span=4),
    Slot(name="redis-latency", build=redis_latency, span=4),
    Slot(name="slow-list", build=slow_list, span=5),
    Slot(name="error-list", build=error_list, span=7),
    events.SLOT,
    Slot(name="metrics-text", build=metrics_text, span=12),
)


def page(snapshot: Snapshot, view: View) -> Page:
    """Observability."""
    return Page(name="observability", title="Observability", slots=SLOTS)
