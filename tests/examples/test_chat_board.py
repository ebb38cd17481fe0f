"""The chat service's dashboard over HTTP: what its document names, on a running service."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from tests.examples.conftest import ask, served, until

from chat_api.auth import issue
from chat_api.behaviour import CALM
from chat_api.service import create_app
from fanlight import Fanlight

AUTHORIZED = {"authorization": f"Bearer {issue('ada')}", "content_type": "application/json"}
MESSAGES = "/api/chat/groups/general/messages"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A running chat service, one of whose routes is slow for its taste."""
    logging.getLogger("chat").setLevel(logging.INFO)
    limits = {"/api/chat/groups": 0.000001}
    dashboard = Fanlight("chat-api", slow_routes=limits, very_slow_seconds=1.0)
    with served(create_app(dashboard, behaviour=CALM)) as url:
        yield url
    dashboard.close()


def test_a_correlation_id_leads_through(url: str) -> None:
    """API-3: an ID given comes back, one is made where none is, and it finds the request and its log lines."""
    sent = ask(url, "POST", MESSAGES, json.dumps({"text": "hi"}), x_correlation_id="trace-me-42", **AUTHORIZED)
    assert (sent.status, sent.headers["x-correlation-id"]) == (201, "trace-me-42")
    made = ask(url, "GET", "/api/chat/nothing").headers["x-correlation-id"]
    found = until(lambda: (a := ask(url, "GET", "/dashboard/api/requests/trace-me-42")).status == 200 and a.json)
    assert found["requests"][0]["route"] == "/api/chat/groups/{group_id}/messages"
    until(lambda: ask(url, "GET", f"/dashboard/api/requests/{made}").status == 200)
    refused = ask(url, "DELETE", "/api/chat/messages/1", x_correlation_id="trace-me-43", **AUTHORIZED)
    assert refused.status == 403
    until(lambda: ask(url, "GET", "/dashboard/api/logs?q=trace-me-43").json["count"])


def test_slow_requests_and_rates_are_judged(url: str) -> None:
    """API-6: slow requests, the error rate and each endpoint's figures are told, and colour the page."""
    for _ in range(12):
        ask(url, "GET", "/api/chat/groups")
    data = until(
        lambda: (found := ask(url, "GET", "/dashboard/api/data").json)["performance"]["slow_requests_count"] > 10
        and found
    )  # fmt: skip
    assert data["performance"]["recent_slow_requests"]
    assert data["performance"]["requests_per_minute"] > 0
    row = next(each for each in data["endpoints"] if each["endpoint"] == "GET /api/chat/groups")
    assert (row["request_count"] >= 12, row["error_count"], row["avg_response_time_ms"] > 0) == (True, 0, True)
    assert "warn" in ask(url, "GET", "/dashboard/slow-partial").text


def test_resources_are_read(url: str) -> None:
    """API-7: CPU and memory of process and machine are numbers, or "N/A"."""
    resources = until(lambda: ask(url, "GET", "/dashboard/api/data").json["system"]["resources"])
    assert {"process_memory_mb", "process_cpu_percent", "system_memory_percent"} <= set(resources)
    assert all(isinstance(value, int | float) or value == "N/A" for value in resources.values())
    assert ask(url, "GET", "/dashboard/system").status == 200


def test_prometheus_and_the_audit_stand_beside(url: str) -> None:
    """API-10: histograms are in the Prometheus text; a refused request is counted and named in the audit."""
    assert ask(url, "POST", MESSAGES, json.dumps({"text": "counted"}), **AUTHORIZED).status == 201
    until(lambda: "http_server_request_duration_seconds_count" in ask(url, "GET", "/dashboard/metrics").text)
    assert ask(url, "GET", "/dashboard/api/stats", host="evil.example").status == 403
    until(lambda: 'fanlight_events_total{type="audit"}' in ask(url, "GET", "/dashboard/metrics").text)
    until(lambda: "evil.example" in ask(url, "GET", "/dashboard/system").text)
