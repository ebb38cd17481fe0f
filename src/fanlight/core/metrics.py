"""Metrics: the one table of what Fanlight's numbers are called outside: OpenTelemetry and Prometheus names.

Every exporter reads this table and no other place knows these names. OpenTelemetry's semantic conventions where they
have a name, our own where they have none. The Prometheus name is written out, because a few differ from the mechanical
translation: `promtool check metrics` wants no `_count` on a gauge, and the OBS-2 names are fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fanlight.core.metric import Metric

METHOD: Final = "http.request.method"
ROUTE: Final = "http.route"
STATUS: Final = "http.response.status_code"
ERROR: Final = "error.type"
CLOSE_CODE: Final = "websocket.close_code"
PEER: Final = "peer.service"
OPERATION: Final = "operation"
PROVIDER: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"

PERCENT: Final = 0.01
"""The scale from percent to a fraction of 1."""

HISTOGRAMS: Final[Mapping[str, Metric]] = {
    "requests": Metric(
        "http.server.request.duration",
        "http_server_request_duration_seconds",
        "histogram",
        "s",
        "Duration of HTTP requests to the last byte, streams left out, since the first start.",
        attributes=(METHOD, ROUTE),
    ),
    "streams": Metric(
        "http.server.stream.time_to_first_byte",
        "http_server_stream_time_to_first_byte_seconds",
        "histogram",
        "s",
        "Time to the first byte of streamed responses, since the first start.",
        attributes=(METHOD, ROUTE),
    ),
    "stream_durations": Metric(
        "http.server.stream.duration",
        "http_server_stream_duration_seconds",
        "histogram",
        "s",
        "Duration of streamed responses to the last byte, since the first start.",
        attributes=(METHOD, ROUTE),
    ),
    "sockets": Metric(
        "websocket.connection.duration",
        "websocket_connection_duration_seconds",
        "histogram",
        "s",
        "Duration of WebSockets that ended or were refused, since the first start.",
        attributes=("", ROUTE),
    ),
    "calls": Metric(
        "service.call.duration",
        "service_call_duration_seconds",
        "histogram",
        "s",
        "Duration of calls to services, since the first start.",
        attributes=(PEER, OPERATION),
    ),
    "models": Metric(
        "gen_ai.client.operation.duration",
        "gen_ai_client_operation_duration_seconds",
        "histogram",
        "s",
        "Duration of calls to language models, since the first start.",
        attributes=(PROVIDER, MODEL),
        exponents=range(-6, 9),
    ),
    "model_first_tokens": Metric(
        "gen_ai.server.time_to_first_token",
        "gen_ai_server_time_to_first_token_seconds",
        "histogram",
        "s",
        "Time to the first token of calls to language models, since the first start.",
        attributes=(PROVIDER, MODEL),
    ),
    "model_tokens": Metric(
        "gen_ai.client.token.usage",
        "gen_ai_client_token_usage",
        "histogram",
        "{token}",
        "Tokens of calls to language models by type, since the first start; input holds cached, output reasoning.",
        attributes=(PROVIDER, MODEL, "gen_ai.token.type"),
        exponents=range(0, 21, 2),
    ),
    "model_speeds": Metric(
        "gen_ai.client.output.speed",
        "gen_ai_client_output_tokens_per_second",
        "histogram",
        "{token}/s",
        "Output tokens per second of calls to language models, since the first start.",
        attributes=(PROVIDER, MODEL),
        exponents=range(12),
    ),
    "model_costs": Metric(
        "gen_ai.client.cost",
        "gen_ai_client_cost_usd",
        "histogram",
        "{USD}",
        "Cost of calls to language models in US dollars, since the first start.",
        attributes=(PROVIDER, MODEL),
        exponents=range(-20, 4, 2),
    ),
}
"""By family of cells."""

OUTCOMES: Final[tuple[tuple[tuple[str, ...], Metric], ...]] = (
    (
        ("requests", "streams"),
        Metric(
            "http.server.responses",
            "http_server_responses_total",
            "counter",
            "{response}",
            "HTTP responses by status, streams included, since the first start.",
            attributes=(METHOD, ROUTE, STATUS, ERROR),
        ),
    ),
    (
        ("sockets",),
        Metric(
            "websocket.closes",
            "websocket_closes_total",
            "counter",
            "{connection}",
            "WebSockets that ended, by close code; refused ones by HTTP status; since the first start.",
            attributes=("", ROUTE, CLOSE_CODE, ERROR),
        ),
    ),
    (
        ("calls",),
        Metric(
            "service.calls",
            "service_calls_total",
            "counter",
            "{call}",
            "Calls to services by outcome: ok, cancelled or the type of the error; since the first start.",
            attributes=(PEER, OPERATION, "outcome", ""),
        ),
    ),
)
"""Families whose cells are counted by outcome, and what that count is called; the last two attributes are the outcome
and its error type."""

GAUGES: Final[Mapping[str, Metric]] = {
    "http.server.active_requests": Metric(
        "http.server.active_requests",
        "http_server_active_requests",
        "gauge",
        "{request}",
        "HTTP requests being answered now.",
    ),
    "websocket.connections": Metric(
        "websocket.connections", "websocket_connections", "gauge", "{connection}", "WebSockets open now."
    ),
    "process.cpu.percent": Metric(
        "process.cpu.utilization",
        "process_cpu_utilization_ratio",
        "gauge",
        "1",
        "CPU used by the service's processes; 1 is one core kept busy.",
        PERCENT,
    ),
    "process.memory.bytes": Metric(
        "process.memory.usage",
        "process_memory_usage_bytes",
        "gauge",
        "By",
        "Physical memory used by the service's processes.",
    ),
    "process.memory.percent": Metric(
        "process.memory.utilization",
        "process_memory_utilization_ratio",
        "gauge",
        "1",
        "Memory used by the service's processes as a fraction of the machine's.",
        PERCENT,
    ),
    "process.threads": Metric(
        "process.thread.count", "process_threads", "gauge", "{thread}", "Threads of the service's processes."
    ),
    "process.open_fds": Metric(
        "process.open_file_descriptor.count",
        "process_open_fds",
        "gauge",
        "{count}",
        "File descriptors the service's processes hold open.",
    ),
    "system.cpu.percent": Metric(
        "system.cpu.utilization",
        "system_cpu_utilization_ratio",
        "gauge",
        "1",
        "CPU of the machine in use; of several machines the busiest.",
        PERCENT,
    ),
    "system.memory.percent": Metric(
        "system.memory.utilization",
        "system_memory_utilization_ratio",
        "gauge",
        "1",
        "Memory of the machine in use; of several machines the fullest.",
        PERCENT,
    ),
    "system.memory.available.bytes": Metric(
        "system.memory.available",
        "system_memory_available_bytes",
        "gauge",
        "By",
        "Memory of the machine left; of several machines the least.",
    ),
    "event_loop.lag.seconds": Metric(
        "asyncio.event_loop.lag", "asyncio_event_loop_lag_seconds", "gauge", "s", "How late the event loop answers."
    ),
    "gc.pause.seconds": Metric(
        "cpython.gc.pause",
        "cpython_gc_pause_seconds",
        "gauge",
        "s",
        "Longest pause of the garbage collector in the last second.",
    ),
    "redis.latency.seconds": Metric(
        "redis.latency", "redis_latency_seconds", "gauge", "s", "Time of a PING to the watched Redis."
    ),
    "redis.memory.bytes": Metric(
        "redis.memory.used", "redis_memory_used_bytes", "gauge", "By", "Memory the watched Redis uses."
    ),
    "redis.clients": Metric(
        "redis.clients.connected", "redis_clients_connected", "gauge", "{client}", "Clients of the watched Redis."
    ),
    "redis.keys": Metric("redis.db.keys", "redis_db_keys", "gauge", "{key}", "Keys in the watched database."),
    "redis.commands_per_second": Metric(
        "redis.commands", "redis_commands_per_second", "gauge", "{command}/s", "Commands a second on the watched Redis."
    ),
    "fanlight.cpu.percent": Metric(
        "fanlight.cpu.utilization",
        "fanlight_cpu_utilization_ratio",
        "gauge",
        "1",
        "CPU used by Fanlight's own thread; 1 is one core kept busy.",
        PERCENT,
    ),
}
"""By gauge name. Only the level without a label: a series per group or user would be without bound over time."""

COUNTERS: Final[Mapping[str, Metric]] = {
    "dashboard_refresh_total": Metric(
        "fanlight.dashboard.refreshes",
        "dashboard_refresh_total",
        "counter",
        "{refresh}",
        "Refreshes and pushes delivered to viewers.",
    ),
    "htmx_events_total": Metric(
        "fanlight.htmx.events",
        "htmx_events_total",
        "counter",
        "{request}",
        "Requests to the dashboard with an HX-Request header.",
    ),
    "requests.slow": Metric(
        "http.server.slow_requests",
        "http_server_slow_requests_total",
        "counter",
        "{request}",
        "HTTP requests over their slow threshold.",
    ),
    "requests.very_slow": Metric(
        "http.server.very_slow_requests",
        "http_server_very_slow_requests_total",
        "counter",
        "{request}",
        "HTTP requests over the very slow threshold.",
    ),
    "websocket.connects": Metric(
        "websocket.connects", "websocket_connects_total", "counter", "{connection}", "WebSockets accepted."
    ),
    "fanlight.dashboard.requests": Metric(
        "fanlight.dashboard.requests",
        "fanlight_dashboard_requests_total",
        "counter",
        "{request}",
        "Requests to the dashboard itself, left out of the service's numbers.",
    ),
    "fanlight.excluded.requests": Metric(
        "fanlight.excluded.requests",
        "fanlight_excluded_requests_total",
        "counter",
        "{request}",
        "Requests to excluded paths, left out of the service's numbers.",
    ),
    "fanlight.failures": Metric(
        "fanlight.failures", "fanlight_failures_total", "counter", "{failure}", "Failures inside Fanlight."
    ),
}
"""By counter name."""

COUNTER_GROUPS: Final[Mapping[str, Metric]] = {
    "fanlight.dropped.": Metric(
        "fanlight.dropped",
        "fanlight_dropped_total",
        "counter",
        "{item}",
        "What Fanlight had no room for, by kind.",
        attributes=("kind",),
    ),
    "log.lines.": Metric(
        "log.lines", "log_lines_total", "counter", "{line}", "Log lines by level.", attributes=("level",)
    ),
    "events.": Metric(
        "fanlight.events",
        "fanlight_events_total",
        "counter",
        "{event}",
        "Events the application recorded, by type.",
        attributes=("type",),
    ),
    "breakers.refused.": Metric(
        "breaker.refusals",
        "breaker_refusals_total",
        "counter",
        "{call}",
        "Calls that were not made because a breaker was open.",
        attributes=("breaker",),
    ),
    "gen_ai.usage.": Metric(
        "gen_ai.client.usage",
        "gen_ai_client_usage_total",
        "counter",
        "{call}",
        "Calls to language models by how well their tokens are known.",
        attributes=("usage",),
    ),
}
"""By the beginning of a counter's name; the rest is the value of the one attribute."""

ALWAYS_DROPPED: Final = ("facts", "frames", "logs", "series")
"""Kinds of dropped things that are shown while still at zero, so that their first one is a rise."""

CACHE_HITS: Final = Metric("cache.hits", "cache_hits_total", "counter", "{lookup}", "Cache lookups that found it.")
CACHE_MISSES: Final = Metric("cache.misses", "cache_misses_total", "counter", "{lookup}", "Cache lookups that did not.")
CACHE_HIT_RATE: Final = Metric(
    "cache.hit_rate", "cache_hit_rate", "gauge", "%", "Cache lookups that found it, in percent; NaN before the first."
)
UPTIME: Final = Metric("process.uptime", "process_uptime_seconds", "gauge", "s", "Time since this start.")
BUILD: Final = Metric(
    "fanlight.build.info",
    "fanlight_build_info",
    "gauge",
    "1",
    "Always 1; what runs is in its labels.",
    attributes=("version", "service", "release"),
)

BUDGET_SPENT: Final = Metric(
    "gen_ai.budget.spent",
    "gen_ai_budget_spent_usd",
    "gauge",
    "{USD}",
    "US dollars spent of a budget in its present day or month of UTC.",
    attributes=("budget", "per"),
)
BUDGET_LIMIT: Final = Metric(
    "gen_ai.budget.limit",
    "gen_ai_budget_limit_usd",
    "gauge",
    "{USD}",
    "US dollars a budget may come to in a day or month of UTC.",
    attributes=("budget", "per"),
)

HEALTH: Final = Metric(
    "service.health", "service_health_ratio", "gauge", "1", "Health score: 1 is well, below 0.4 down.", 0.01, (PEER,)
)
BREAKER: Final = Metric(
    "breaker.open", "breaker_open_ratio", "gauge", "1", "Instances whose breaker is open.", attributes=("breaker",)
)

SINGLE: Final = (CACHE_HITS, CACHE_MISSES, CACHE_HIT_RATE, UPTIME, BUILD, BUDGET_SPENT, BUDGET_LIMIT, HEALTH, BREAKER)
"""Metrics made from the snapshot as a whole."""


def every() -> tuple[Metric, ...]:
    """All metrics, each once."""
    outcomes = tuple(metric for _, metric in OUTCOMES)
    tables = (HISTOGRAMS, GAUGES, COUNTERS, COUNTER_GROUPS)
    return tuple(metric for table in tables for metric in table.values()) + outcomes + SINGLE
