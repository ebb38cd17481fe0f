"""A watched Redis: its figures and its latency."""

from __future__ import annotations

from fanlight.core.snapshot import Snapshot
from fanlight.pages import charts
from fanlight.panels import Fact, Line, State, Text, TimeSeries, Unit, View

HOW = "No Redis is watched. dashboard.redis(URL or client) watches one."

FIGURES: tuple[tuple[str, str, Unit], ...] = (
    ("latency_seconds", "Latency", "seconds"),
    ("memory_bytes", "Memory", "bytes"),
    ("keys", "Keys", "integer"),
    ("clients", "Clients", "integer"),
    ("commands_per_second", "Commands per second", "integer"),
    ("hit_percent", "Keys found", "percent"),
    ("evicted", "Evicted", "integer"),
    ("expired", "Expired", "integer"),
    ("uptime_seconds", "Uptime", "seconds"),
    ("version", "Version", "text"),
)


def redis(snapshot: Snapshot, view: View) -> Text:
    """How the watched Redis does."""
    watched = snapshot.redis
    if not watched.configured:
        return Text(title="Redis", empty=HOW)
    state: State = "error" if watched.error else "ok" if watched.data else "idle"
    status = Fact(name="Status", value=watched.error or ("connected" if watched.data else "not read yet"), state=state)
    known = FIGURES if watched.data else ()
    facts = (Fact(name=title, value=watched.data.get(name), unit=unit) for name, title, unit in known)
    return Text(title="Redis", note="as the server counts it", facts=(status, *facts))


def redis_latency(snapshot: Snapshot, view: View) -> TimeSeries:
    """The time of a PING, step by step."""
    watched = snapshot.redis
    line = Line(name="PING", values=charts.level(snapshot, "redis.latency.seconds"), tone="main")
    why = watched.error or "Not read yet." if watched.configured else HOW
    note = "no answer now: Data says why" if watched.error else "time of a PING"
    return charts.series(snapshot, "Redis latency", note, "seconds", (line,), why)
