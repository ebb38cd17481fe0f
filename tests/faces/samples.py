"""Panels of every kind and an overview made of them, as a busy service would give them; always the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from tests.faces.curves import NOW, charts, figures

from fanlight.faces.web.chrome import Chrome, NavItem, range_choices, scope_choices
from fanlight.panels import (
    ActionButton,
    Actions,
    Bar,
    Bars,
    Column,
    Donut,
    Fact,
    Feed,
    FeedItem,
    Filter,
    Gauge,
    Log,
    LogLine,
    Meter,
    Page,
    Panel,
    Phrase,
    Row,
    Section,
    Slot,
    Span,
    State,
    Status,
    StatusItem,
    Table,
    Text,
    Unit,
    Verdict,
    View,
    Waterfall,
)

if TYPE_CHECKING:
    from fanlight.core.snapshot import Snapshot


def _activity() -> Table:
    columns = (
        Column(name="time", title="Time", unit="time"),
        Column(name="method", title="Method", unit="method"),
        Column(name="path", title="Route", unit="route", wide=True),
        Column(name="status", title="Status", unit="status"),
        Column(name="duration", title="Duration", unit="bar"),
    )
    requests: tuple[tuple[str, str, int, float, State], ...] = (
        ("POST", "/mcp/context7/tools/call", 200, 0.045, ""),
        ("GET", "/api/chat/groups", 200, 0.012, ""),
        ("POST", "/v1/chat/completions", 200, 1.24, ""),
        ("POST", "/ollama/enhance", 200, 1.18, ""),
        ("POST", "/route", 503, 5.0, "error"),
        ("GET", "/api/chat/groups/{id}/messages", 200, 0.023, ""),
        ("POST", "/api/chat/groups", 422, 0.009, "warn"),
        ("GET", "/health", 200, 0.0021, ""),
        ("GET", "/api/chat/groups", 200, 0.0115, ""),
        ("POST", "/mcp/sequential-thinking/tools/call", 200, 0.031, ""),
        ("WS", "/api/chat/ws/{group}", 101, 0.0009, ""),
        ("GET", "/api/chat/groups/{id}", 404, 0.003, "warn"),
    )
    rows = tuple(
        Row(
            key=f"r{place}",
            values=(NOW - place * 0.37, method, path, status, duration),
            state=state,
            href=f"requests/r{place}",
        )
        for place, (method, path, status, duration, state) in enumerate(requests)
    )
    return Table(title="Recent activity", note="last 50", href="requests", columns=columns, rows=rows)


def _services() -> Table:
    columns = (
        Column(name="name", title="Service"),
        Column(name="kind", title="Kind"),
        Column(name="health", title="Health", unit="score"),
        Column(name="calls", title="Calls", unit="per_minute"),
        Column(name="p95", title="p95", unit="seconds"),
        Column(name="breaker", title="Breaker", unit="state"),
    )
    services: tuple[tuple[str, str, int, float, float, str, State, str], ...] = (
        ("ollama", "llm", 98, 214, 1.2, "closed", "ok", ""),
        ("context7", "mcp", 96, 62, 0.045, "closed", "ok", ""),
        ("desktop-commander", "mcp", 61, 8, 2.4, "half-open", "warn", "probing · 5 timeouts"),
        ("sequential-thinking", "mcp", 99, 19, 0.031, "closed", "ok", ""),
        ("redis", "cache", 100, 1904, 0.0004, "none", "ok", ""),
        ("routellm", "wrapper", 18, 3, 5.0, "open", "error", "retry in 14 s · upstream 503"),
    )
    rows = tuple(
        Row(
            key=name,
            values=(name, kind, health, calls, p95, breaker),
            state=state,
            detail=detail,
            href=f"services/{name}",
        )
        for name, kind, health, calls, p95, breaker, state, detail in services
    )
    return Table(title="Services", note="6, 1 down, 1 degraded", href="services", columns=columns, rows=rows)


def _models() -> Table:
    units: tuple[tuple[str, str, Unit], ...] = (
        ("model", "Model", "text"),
        ("calls", "Calls", "integer"),
        ("in", "In", "integer"),
        ("out", "Out", "integer"),
        ("ttft", "TTFT", "seconds"),
        ("speed", "Tok/s", "number"),
    )
    models = (
        ("llama3.2", 654, 1_900_000, 412_000, 0.18, 61),
        ("deepseek-r1", 201, 804_000, 388_000, 0.42, 34),
        ("claude-sonnet", 88, 640_000, 71_000, 0.51, 78),
        ("gpt-4o-mini", 41, 120_000, 22_000, 0.39, None),
    )
    columns = tuple(Column(name=name, title=title, unit=unit) for name, title, unit in units)
    return Table(
        title="Models", note="since start", columns=columns, rows=tuple(Row(key=m[0], values=m) for m in models)
    )


def _endpoints() -> Table:
    columns = (
        Column(name="route", title="Route", unit="route", wide=True),
        Column(name="count", title="Requests", unit="integer"),
        Column(name="errors", title="Errors", unit="percent"),
        Column(name="mean", title="Mean", unit="seconds"),
        Column(name="p95", title="p95", unit="bar"),
    )
    rows = (
        Row(
            key="GET /api/chat/groups",
            values=("GET /api/chat/groups", 48_211, 0.0, 0.0121, 0.031),
            href="requests?route=a",
        ),
        Row(key="POST /route", values=("POST /route", 301, 7.6, 1.9, 5.0), state="error", href="requests?route=b"),
        Row(key="other", values=("other", 12, None, None, None)),
    )
    fields = (
        Filter(name="q", title="Find", value="chat"),
        Filter(name="status", title="Status", choices=(("", "any"), ("error", "errors"), ("slow", "slow"))),
    )
    return Table(title="Endpoints", columns=columns, rows=rows, sortable=True, sorted="-count", more=3, filters=fields)


def _log() -> Log:
    words: tuple[tuple[str, str, str], ...] = (
        ("INFO", "chat.api", "message stored group=General"),
        ("DEBUG", "chat.cache", "prompt cache hit key=4f2a"),
        ("WARNING", "router", "breaker half-open for desktop-commander, one probe allowed"),
        ("ERROR", "router", "routellm 503, breaker stays open (19)"),
        ("INFO", "uvicorn.access", "GET /api/chat/groups 200"),
    )
    lines = tuple(
        LogLine(
            key=f"l{place}",
            at=NOW - (40 - place) * 0.8,
            level=words[place % 5][0],
            logger=words[place % 5][1],
            message=words[place % 5][2],
            source="api.py:214",
            correlation_id="9f3ac2d1" if place % 5 == 3 else "",
        )
        for place in range(40)
    )
    levels = Filter(name="level", title="Level", choices=(("", "all"), ("ERROR", "errors")))
    return Log(title="Logs", note="newest last", lines=lines, dropped=12, filters=(levels,))


def panels() -> dict[str, Panel]:
    """At least one panel of every kind, by slot name."""
    return {
        "verdict": Verdict(
            state="warn",
            phrases=(
                Phrase("Degraded.", strong=True),
                Phrase(
                    " routellm is failing (breaker open since 12:32:10, retries in 14 s) and p99 rose to 390 ms: "
                    "23 slow requests, all through "
                ),
                Phrase("POST /route", href="requests?route=POST+/route"),
                Phrase("."),
            ),
            link="Show those requests",
            href="requests?status=slow",
        ),
        **figures(),
        **charts(),
        "services": _services(),
        "models": _models(),
        "activity": _activity(),
        "system": Gauge(
            title="System",
            href="system",
            meters=(
                Meter(name="CPU", value=34, maximum=100, unit="percent"),
                Meter(name="Memory", value=256 << 20, maximum=512 << 20, unit="bytes"),
                Meter(name="Loop lag", value=0.0008, maximum=0.1, unit="seconds"),
                Meter(name="Disk", value=91, maximum=100, unit="percent", state="error"),
                Meter(name="Swap", value=None, maximum=100, unit="percent", text="N/A", state="idle"),
                Meter(name="Fanlight", value=0.4, maximum=100, unit="percent"),
            ),
        ),
        "actions": Actions(
            title="Quick actions",
            buttons=(
                ActionButton(
                    title="Clear prompt cache",
                    action="actions/clear-cache",
                    confirm="Clear the prompt cache on all 4 workers?",
                ),
                ActionButton(
                    title="Restart desktop-commander", action="actions/restart/desktop-commander", confirm="Restart it?"
                ),
                ActionButton(
                    title="Run nightly-docs", action="actions/pipelines/nightly-docs", disabled="already running"
                ),
            ),
        ),
        "types": Bars(
            title="Errors",
            note="last 15 min",
            bars=(
                Bar(name="upstream", value=19, tone="error", detail="503 from routellm", href="requests?type=upstream"),
                Bar(name="timeout", value=5, tone="warn", detail="desktop-commander"),
                Bar(name="validation", value=4, tone="muted", detail="POST /api/chat/groups"),
                Bar(name="auth", value=2, tone="muted", detail="/api/chat/ws"),
            ),
        ),
        "more": Section(title="More"),
        "endpoints": _endpoints(),
        "cachering": Donut(
            title="Cache",
            text="87 %",
            slices=(
                Bar(name="hits", value=847, tone="ok"),
                Bar(name="misses", value=123, tone="muted", detail="since start"),
            ),
        ),
        "health": Status(
            title="Health",
            items=(
                StatusItem(name="ollama", state="ok", kind="llm", text="healthy"),
                StatusItem(
                    name="desktop-commander",
                    state="warn",
                    kind="mcp",
                    text="degraded",
                    href="services/desktop-commander",
                ),
                StatusItem(name="routellm", state="error", text="down"),
                StatusItem(name="mongodb", state="idle", text="not configured"),
            ),
        ),
        "events": Feed(
            title="Events",
            items=(
                FeedItem(key="e1", at=NOW - 4, type="upload", text="report.pdf, 2.1 MB by ana", state="ok"),
                FeedItem(
                    key="e2",
                    at=NOW - 90_000,
                    type="websocket",
                    text="closed 1011 in General",
                    state="error",
                    href="connections",
                ),
            ),
        ),
        "waterfall": Waterfall(
            title="Request 9f3ac2d1",
            duration=1.24,
            spans=(
                Span(name="POST /v1/chat/completions", start=0, duration=1.24),
                Span(name="redis get", start=0.002, duration=0.0004, depth=1, state="ok"),
                Span(name="ollama chat", start=0.011, duration=1.21, depth=1, state="warn", detail="llama3.2"),
            ),
        ),
        "text": Text(
            title="Process",
            text="One process of four.",
            facts=(
                Fact(name="python", value="3.11.9"),
                Fact(name="started", value=NOW - 190_000, unit="time"),
                Fact(name="store", value="sqlite:///fanlight.db", unit="code"),
                Fact(name="database", value="down", unit="state"),
                Fact(name="descriptors", value=None, unit="integer"),
            ),
            code="# TYPE http_server_active_requests gauge\nhttp_server_active_requests 17",
        ),
        "logs": _log(),
        "uploads": Table(
            title="Recent uploads",
            columns=(Column(name="name", title="Name"),),
            empty='Uploads appear here once recorded: `dashboard.event("upload", name=..., size=...)`',
        ),
        "failed": Gauge(title="GPU", meters=(), error="could not be read: NVMLError driver not loaded"),
    }


SPANS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("requests", "errors", "p95", "inflight", "tokens", "cache"), 2),
    **dict.fromkeys(("throughput", "latency", "success", "health", "text", "waterfall"), 6),
    **dict.fromkeys(("services", "activity", "endpoints", "logs"), 8),
    **dict.fromkeys(("models", "system", "actions", "types", "cachering", "events", "uploads", "failed"), 4),
}

ROWS: Final[Mapping[str, int]] = {"activity": 3, "logs": 2}

OVERVIEW: Final = (
    "verdict",
    "requests",
    "errors",
    "p95",
    "inflight",
    "tokens",
    "cache",
    "throughput",
    "latency",
    "services",
    "models",
    "activity",
    "system",
    "actions",
    "types",
)


def _unbuilt(snapshot: Snapshot, view: View) -> Panel:
    raise AssertionError("samples are built beforehand")


def page(*names: str, title: str = "Overview") -> Page:
    """A page of sample panels; all of them when none is named."""
    slots = tuple(
        Slot(name=name, build=_unbuilt, span=SPANS.get(name, 12), rows=ROWS.get(name, 1))
        for name in names or tuple(panels())
    )
    return Page(name="overview", title=title, slots=slots)


def chrome(view: View | None = None, theme: str = "auto", role: str = "operator", base: str = "/dashboard/") -> Chrome:
    """A header and navigation as a service with four workers has them."""
    view = view or View()
    badges = {"Services": 1, "Logs": 3, "Alerts": 1}
    names = (
        "Overview",
        "Requests",
        "Services",
        "Models",
        "Connections",
        "Data",
        "System",
        "Logs",
        "Observability",
        "Alerts",
        "Uploads",
    )
    return Chrome(
        service="chat-api",
        base=base,
        stream="live?page=overview",
        at=NOW,
        instances=4,
        release="v1.4.2",
        uptime_seconds=190_805,
        nav=tuple(
            NavItem(
                title=name,
                href="./" if name == "Overview" else name.lower(),
                current=name == "Overview",
                badge=badges.get(name, 0),
                key=name[0].lower(),
                disabled="needs fanlight[alerts]" if name == "Alerts" else "",
            )
            for name in names
        ),
        ranges=range_choices(view),
        scopes=scope_choices(view, 4, "web1-4242-9f3a"),
        theme=theme,
        role=role,
        version="0.1.0",
        cost="0.4 % of a core",
    )
