"""Observability: the system pulse and every line over the window."""

from __future__ import annotations

from fanlight.core.snapshot import Snapshot
from fanlight.pages import charts
from fanlight.pages.caches import cache_donut
from fanlight.pages.overview import errors
from fanlight.pages.redis import redis_latency
from fanlight.panels import Fact, Feed, FeedItem, Page, Slot, Text, View

METRICS_LINES = 150


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
    lines = snapshot.exposition.splitlines()
    left = len(lines) - METRICS_LINES
    note = f"the first {METRICS_LINES} of {len(lines)} lines" if left > 0 else "as scraped"
    code = "\n".join(lines[:METRICS_LINES])
    return Text(title="Prometheus", note=note, code=code, href="metrics", empty="Open metrics to see it.")


NO_EVENTS = 'None yet. dashboard.event("upload", name=...) adds one.'


def events(snapshot: Snapshot, view: View) -> Feed:
    """The application's own events."""
    items = tuple(
        FeedItem(
            key=record.id,
            at=record.at,
            type=record.data["type"],
            text=" · ".join(f"{name} {value}" for name, value in record.data["fields"].items()),
        )
        for record in snapshot.events[:50]
    )
    return Feed(title="Events", note="of the application", items=items, empty=NO_EVENTS)


flight = charts.gauge_chart(
    "In flight",
    "requests and WebSockets open",
    "integer",
    (("http.server.active_requests", "requests", "main"), ("websocket.connections", "WebSockets", "ok")),
)
SLOTS = (
    Slot(name="pulse", build=pulse, span=12, pace="fast"),
    Slot(name="throughput", build=charts.throughput, span=6),
    Slot(name="percentiles", build=charts.percentiles, span=6),
    Slot(name="flight-chart", build=flight, span=6),
    Slot(name="cpu-chart", build=charts.cpu, span=6),
    Slot(name="cache-donut", build=cache_donut, span=4),
    Slot(name="redis-latency", build=redis_latency, span=4),
    Slot(name="errors-by-type", build=errors, span=4),
    Slot(name="events", build=events, span=12),
    Slot(name="metrics-text", build=metrics_text, span=12),
)


def page(snapshot: Snapshot, view: View) -> Page:
    """Observability."""
    return Page(name="observability", title="Observability", slots=SLOTS)
