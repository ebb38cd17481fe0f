"""faces.api.data: the chat document's fields, by name and by value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.faces.service import ScriptedService, busy_service

from fanlight.core.frame import Frame
from fanlight.core.sections import Supplied

DOCUMENTED = {
    "": {"timestamp", "system", "database", "websockets", "performance", "endpoints", "recent_activity"},
    "system": {
        "api_status",
        "uptime_seconds",
        "uptime_formatted",
        "mongodb_status",
        "mongodb_healthy",
        "resources",
    },
    "system.resources": {
        "process_memory_mb",
        "process_memory_percent",
        "process_cpu_percent",
        "system_memory_percent",
        "system_memory_available_mb",
    },
    "websockets": {
        "total_active_connections",
        "groups_with_connections",
        "connections_per_group",
        "recent_events",
    },
    "websockets.connections_per_group.0": {"group_id", "connection_count"},
    "websockets.recent_events.0": {"timestamp", "event_type", "group_id", "user_id", "connection_count"},
    "performance": {
        "total_requests",
        "total_errors",
        "error_rate_percent",
        "average_response_time_ms",
        "requests_per_minute",
        "slow_requests_count",
        "very_slow_requests_count",
        "recent_slow_requests",
    },
    "performance.recent_slow_requests.0": {
        "timestamp",
        "endpoint",
        "method",
        "duration_ms",
        "correlation_id",
        "very_slow",
    },
    "endpoints.0": {"endpoint", "request_count", "error_count", "error_rate_percent", "avg_response_time_ms"},
    "recent_activity": {"recent_requests", "recent_errors"},
    "recent_activity.recent_requests.0": {
        "timestamp",
        "endpoint",
        "method",
        "status_code",
        "duration_ms",
        "correlation_id",
    },
}
"""Every field of the chat document's API reference, by where it is."""


def data(service: ScriptedService) -> Any:
    """The document."""
    answer = service.get("/api/data")
    assert answer.status == 200
    return answer.json


def at(document: Any, place: str) -> Any:
    """The part of a document a dotted path leads to."""
    for step in place.split(".") if place else ():
        document = document[int(step) if step.isdigit() else step]
    return document


@pytest.mark.parametrize("place", DOCUMENTED)
def test_every_documented_field_is_there(place: str) -> None:
    """API-2: the sections and fields have the chat document's exact names."""
    assert DOCUMENTED[place] <= set(at(data(busy_service()), place))


def test_times_are_rfc_3339_utc() -> None:
    """API-2: timestamps are RFC 3339 in UTC."""
    service = busy_service()
    document = data(service)
    assert document["timestamp"] == "2023-11-14T22:13:22.000Z"
    moment = datetime.fromisoformat(document["recent_activity"]["recent_requests"][0]["timestamp"])
    assert moment.tzinfo is UTC or moment.utcoffset() == UTC.utcoffset(None)


def test_performance_in_figures() -> None:
    """API-6: counts, error rate, mean, slow counts and requests per minute are those of what happened."""
    performance = data(busy_service())["performance"]
    assert (performance["total_requests"], performance["total_errors"]) == (13, 2)
    assert performance["error_rate_percent"] == 15.38
    seconds = [*((20 + n) / 1000 for n in range(8)), 0.05, 0.002, 1.5, 6.0, 0.03]
    assert performance["average_response_time_ms"] == pytest.approx(sum(seconds) / 13 * 1000, abs=0.001)
    assert performance["requests_per_minute"] == 13 * 60 / 2
    assert (performance["slow_requests_count"], performance["very_slow_requests_count"]) == (2, 1)


def test_slow_requests_are_named_the_newest_first() -> None:
    """API-6: recent_slow_requests says which were very slow; a stream of 60 s with a fast first byte is not one."""
    slow = data(busy_service())["performance"]["recent_slow_requests"]
    assert [(row["endpoint"], row["duration_ms"], row["very_slow"]) for row in slow] == [
        ("/reports/3", 6000.0, True),
        ("/items", 1500.0, False),
    ]


def test_totals_outlive_a_restart_and_this_run_is_beside_them() -> None:
    """HUB-10, API-2: total_* count since the first start, *_this_run since this one."""
    service = busy_service()
    service.earlier.add(service.recorder.totals)
    service.tick()
    performance = data(service)["performance"]
    assert (performance["total_requests"], performance["total_requests_this_run"]) == (26, 13)
    assert (performance["total_errors"], performance["total_errors_this_run"]) == (4, 2)


def test_endpoints_are_method_and_template() -> None:
    """API-6: each endpoint has its count, errors, mean and p95; WebSockets are listed without times."""
    rows = {row["endpoint"]: row for row in data(busy_service())["endpoints"]}
    assert set(rows) == {
        "GET /items/{id}",
        "POST /items",
        "GET /reports/{id}",
        "GET /feed",
        "GET unmatched",
        "WS /ws/{group}",
    }
    posts = rows["POST /items"]
    assert (posts["request_count"], posts["error_count"], posts["error_rate_percent"]) == (2, 1, 50.0)
    assert posts["avg_response_time_ms"] == pytest.approx(775.0)
    assert rows["GET /items/{id}"]["p95_ms"] == pytest.approx(27, rel=0.03)
    assert rows["WS /ws/{group}"]["avg_response_time_ms"] is None
    assert (rows["GET /feed"]["kind"], rows["GET /feed"]["avg_response_time_ms"]) == ("stream", 30.0)


def test_recent_activity_holds_twenty_with_their_correlation_ids() -> None:
    """API-3, HUB-6: the last 20 requests and the last 20 errors, the newest first, each with its correlation ID."""
    service = ScriptedService()
    for number in range(30):
        service.request(status=200 if number % 2 else 500, correlation_id=f"c{number}")
        service.clock.advance(0.01)
    service.tick()
    recent = data(service)["recent_activity"]
    assert [row["correlation_id"] for row in recent["recent_requests"]] == [f"c{n}" for n in range(29, 9, -1)]
    assert [row["correlation_id"] for row in recent["recent_errors"]] == [f"c{n}" for n in range(28, -1, -2)]


def test_websockets_per_group_and_their_events() -> None:
    """API-4: connections in all and per group, and the last events with user, group and count."""
    websockets = data(busy_service())["websockets"]
    assert (websockets["total_active_connections"], websockets["groups_with_connections"]) == (3, 2)
    assert websockets["connections_per_group"][0] == {"group_id": "g1", "connection_count": 2}
    events = [(event["event_type"], event["group_id"], event["user_id"]) for event in websockets["recent_events"]]
    assert events == [("refused", None, None), ("disconnected", "g1", "u1"), ("connected", "g1", "u1")]


@pytest.mark.parametrize(
    ("supplied", "status", "healthy"),
    [
        (Supplied(), "not configured", None),
        (Supplied(configured=True, data={"total_groups": 2}), "connected", True),
        (Supplied(configured=True, error="timed out after 5 s"), "timed out after 5 s", False),
    ],
)
def test_the_database_is_what_the_application_supplied(supplied: Supplied, status: str, healthy: bool | None) -> None:
    """API-5: the database section is the application's own, and its health is connected, the error, or unknown."""
    service = busy_service()
    service.supplied = supplied
    service.tick()
    document = data(service)
    assert document["database"] == dict(supplied.data)
    assert (document["system"]["mongodb_status"], document["system"]["mongodb_healthy"]) == (status, healthy)


class Unprintable:
    """An object whose text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError


def test_strange_database_values_become_text_and_stay_bounded() -> None:
    """TTY-6, API-5: whatever a database driver returns, the document is valid JSON of bounded size."""
    endless: dict[str, Any] = {}
    endless["again"] = endless
    strange = {
        "when": datetime(2025, 11, 9, tzinfo=UTC),
        "huge": 2**80,
        "nan": float("nan"),
        "bytes": b"\xff",
        "broken": Unprintable(),
        "surrogate": "a\udc80",
        "rows": range(10_000),
        7: "a number as a key",
        "endless": endless,
        "long": "x" * 100_000,
    }
    service = busy_service()
    service.supplied = Supplied(configured=True, data=strange)
    service.tick()
    answer = service.get("/api/data")
    database = answer.json["database"]
    assert (database["nan"], database["surrogate"], database["7"]) == (None, "a?", "a number as a key")
    assert (len(database["rows"]), len(database["long"])) == (500, 2_000)
    assert database["broken"] == "(Unprintable)"


def test_unreadable_resources_say_so() -> None:
    """API-7: "N/A" where the machine does not tell, never a crash."""
    resources = data(busy_service())["system"]["resources"]
    assert resources["system_memory_percent"] == "N/A"
    assert (resources["process_memory_mb"], resources["process_cpu_percent"]) == (256.0, 12.5)


def test_hostile_paths_do_not_break_the_document() -> None:
    """TTY-6: markup stays text, and bytes no UTF-8 can hold become question marks."""
    service = ScriptedService()
    service.request(path="/<script>alert(1)</script>\udcff", correlation_id="x")
    service.tick()
    recent = data(service)["recent_activity"]["recent_requests"][0]
    assert recent["endpoint"] == "/<script>alert(1)</script>?"


def test_a_service_that_saw_nothing_has_the_whole_document() -> None:
    """API-2: with no request at all every section is there, with zeros and empty lists."""
    document = data(ScriptedService())
    assert document["performance"]["error_rate_percent"] == 0.0
    assert (document["endpoints"], document["database"]) == ([], {})


def test_json_prometheus_and_the_snapshot_say_the_same() -> None:
    """X-1: requests, errors, WebSockets and cache lookups agree in /api/data, /api/stats and /metrics, also after a
    restart and with an earlier run's counts."""
    service = busy_service()
    service.earlier.add(service.recorder.totals)
    for _ in range(3):
        service.request(status=503)
    service.tick()
    snapshot, document, stats = service.snapshot(), data(service), service.get("/api/stats").json
    samples = [s for family in text_string_to_metric_families(service.get("/metrics").text) for s in family.samples]

    def exposed(name: str, **labels: str) -> float:
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())

    responses = [s for s in samples if s.name == "http_server_responses_total"]
    requests = exposed("http_server_request_duration_seconds_count")
    requests += exposed("http_server_stream_time_to_first_byte_seconds_count")
    errors = sum(s.value for s in responses if s.labels["error_type"])
    performance = document["performance"]
    assert performance["total_requests"] == stats["total_requests"] == requests == snapshot.requests.total.count == 29
    assert performance["total_errors"] == stats["total_errors"] == errors == snapshot.requests.total.errors == 7
    assert performance["error_rate_percent"] == stats["error_rate_percent"]
    assert performance["average_response_time_ms"] == stats["average_response_time_ms"]
    sockets = document["websockets"]["total_active_connections"]
    assert sockets == stats["websocket_connections"] == exposed("websocket_connections")
    for name in ("cache_hits_total", "cache_misses_total", "cache_hit_rate", "dashboard_refresh_total"):
        assert stats[name] == exposed(name)
    for row in document["endpoints"]:
        if row["kind"] != "websocket":
            labels = {"http_request_method": row["method"], "http_route": row["route"]}
            assert exposed("http_server_responses_total", **labels) == row["request_count"]


def test_the_cumulative_frame_is_a_copy() -> None:
    """X-1: reading the histograms for a scrape leaves what is recorded as it was."""
    service = busy_service()
    before = Frame.decode(service.recorder.totals.encode())
    service.get("/metrics")
    assert service.recorder.totals == before
