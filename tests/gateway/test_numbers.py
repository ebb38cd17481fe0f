"""The numbers after each fault: every request is counted once, under the status its client saw, and every attempt as
a call of its provider; nothing is counted that did not happen."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.gateway.hostile import EVENT
from tests.gateway.mcp.servers import until
from tests.gateway.serving import PATIENCE
from tests.gateway.test_faults import Open, Watched, outcome, said, watched

__all__ = ["watched"]

CHAT = "/v1/chat/completions"


def shown(gateway: Watched, path: str) -> Any:
    """What the dashboard says."""
    gateway.dashboard.pulse.tick()
    connection = http.client.HTTPConnection(gateway.address, timeout=PATIENCE)
    connection.request("GET", f"/dashboard/api/{path}")
    document = json.loads(connection.getresponse().read())
    connection.close()
    return document


def requests(gateway: Watched) -> list[dict[str, Any]]:
    """The requests for completions."""
    return [each for each in shown(gateway, "requests?limit=500")["requests"] if each["route"] == CHAT]


def statuses(gateway: Watched) -> Counter[int]:
    """How many of them had which status."""
    return Counter(each["status_code"] for each in requests(gateway))


def tokens(gateway: Watched) -> tuple[int, int, int]:
    """(calls, errors, tokens out) of all models together."""
    models = shown(gateway, "models")["models"]
    output = sum((each["tokens"].get("output") or {"total": 0})["total"] for each in models)
    return sum(each["calls"] for each in models), sum(each["errors"] for each in models), output


@pytest.mark.parametrize(
    ("model", "begins", "whole", "kind", "usage"),
    [
        ("half_a_chunk", EVENT * 3, False, "upstream", "estimated"),
        ("no_chunk", EVENT * 2, False, "upstream", "estimated"),
        ("no_events", b"\x00\xff data: [[[", True, "ok", "unknown"),
    ],
)
def test_broken_framing(watched: Open, model: str, begins: bytes, whole: bool, kind: str, usage: str) -> None:
    """X-7, TTY-5: what came of a chunk that breaks off reaches the client, and an error after it; garbage is the
    client's to see; no token is made up, nothing stays in flight, and the provider is asked anew by the next."""
    gateway = watched(settings="retries = 0\nidle_seconds = 2")
    status, _, body, ended = gateway.post(model, stream=True)
    assert (status, ended) == (200, whole)
    assert body.startswith(begins)
    assert (b'"code":"upstream_' in body) == (kind != "ok")
    assert gateway.post("fine", stream=True)[0] == 200
    broken, fine = gateway.calls(2)
    assert (outcome(broken), outcome(fine)) == (kind, "ok")
    assert said(broken)["usage"] == usage
    assert (said(broken).get("output_tokens", 0) > 0) == (usage == "estimated")
    assert said(fine)["output_tokens"] == 7
    gateway.quiet()
    assert statuses(gateway) == {200: 2}


def scraped(gateway: Watched) -> dict[tuple[str, str], float]:
    """What Prometheus reads, by the metric and the one label that matters here; samples alike in it added up."""
    gateway.dashboard.pulse.tick()
    connection = http.client.HTTPConnection(gateway.address, timeout=PATIENCE)
    connection.request("GET", "/dashboard/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            told = sample.labels
            which = ("http_response_status_code", "outcome", "gen_ai_token_type", "usage")
            key = (sample.name, next((told[each] for each in which if each in told), ""))
            found[key] = found.get(key, 0.0) + sample.value
    return found


def service(gateway: Watched) -> dict[str, Any]:
    """The provider as the dashboard shows it."""
    listed: list[dict[str, Any]] = shown(gateway, "services")["services"]
    return next(each for each in listed if each["name"] == "bad")


BROKEN = {
    "long_line": ("", 7, False), "error_in_the_stream": ("upstream", 3, False),
    "reset_in_the_middle": ("upstream", 4, True), "half_an_event": ("upstream", 4, True),
}  # fmt: skip
"""Streams that go wrong: the type of the error they are, the tokens they tell, or by their characters made, and whether
the request broke off."""


@pytest.mark.parametrize("model", BROKEN)
def test_every_face_tells_the_same_of_a_stream_that_went_wrong(watched: Open, model: str) -> None:
    """X-7, TTY-7, HUB-5: between two sound streams, one with a line of 10 MB, an error inside, or a reset in the
    middle, between two events or in one: JSON and Prometheus have three requests of status 200, one of them an error
    if it broke off, the error of the call by its type, the tokens that were told, and nothing in flight."""
    gateway = watched(settings="retries = 0\nidle_seconds = 5")
    kind, made, broke = BROKEN[model]
    for each in ("fine", model, "fine"):
        assert gateway.post(each, stream=True)[0] == 200
    _, broken, _ = gateway.calls(3)
    gateway.quiet()
    assert said(broken)["output_tokens"] == made
    (endpoint,) = (each for each in shown(gateway, "data")["endpoints"] if each["route"] == CHAT)
    assert (endpoint["request_count"], endpoint["error_count"]) == (3, broke)
    assert statuses(gateway) == {200: 3}
    assert tokens(gateway) == (3, bool(kind), 14 + made)
    until(lambda: service(gateway)["in_flight"] == 0)  # levels are read by the second
    until(lambda: scraped(gateway)["http_server_active_requests", ""] == 0)
    provider = service(gateway)
    assert (provider["calls"], provider["errors"], provider["in_flight"]) == (3, bool(kind), 0)
    assert provider["errors_by_type"] == ({kind: 1} if kind else {})
    metrics = scraped(gateway)
    assert metrics["http_server_responses_total", "200"] == 3 - broke
    assert metrics.get(("http_server_responses_total", "502"), 0) == broke
    outcomes = {outcome: count for (name, outcome), count in metrics.items() if name == "service_calls_total"}
    assert outcomes == ({"ok": 2, kind: 1} if kind else {"ok": 3})
    assert metrics["gen_ai_client_token_usage_sum", "output"] == 14 + made
    usages = {usage: count for (name, usage), count in metrics.items() if name == "gen_ai_client_usage_total"}
    assert usages == ({"exact": 2, "estimated": 1} if kind else {"exact": 3})


FAULTS: dict[str, tuple[int, int]] = {
    "fine": (200, 7), "refused": (400, 0), "limited": (429, 0), "broken": (500, 0), "reset": (502, 0),
    "no_http": (502, 0), "hang": (504, 0),
}  # fmt: skip
"""The status of each, and the tokens it gives."""


def test_every_request_is_counted_once_under_its_status(watched: Open) -> None:
    """X-7, HUB-5: after one of each the dashboard has as many requests of each status, calls, errors and tokens."""
    gateway = watched(settings="retries = 0\nfirst_byte_seconds = 0.3")
    for model, (status, _) in FAULTS.items():
        assert gateway.post(model)[0] == status
    gateway.calls(len(FAULTS))
    assert statuses(gateway) == Counter(status for status, _ in FAULTS.values())
    assert tokens(gateway) == (len(FAULTS), len(FAULTS) - 1, 7)
    gateway.quiet()


def test_attempts_are_calls_and_one_request(watched: Open) -> None:
    """X-7: a request that was tried twice is one request of status 200 and two calls, one of them failed."""
    gateway = watched(settings="retries = 1")
    assert gateway.post("once_limited")[0] == 200
    gateway.calls(2)
    assert statuses(gateway) == {200: 1}
    assert tokens(gateway) == (2, 1, 7)


def test_refused_requests_are_counted_and_ask_nobody(watched: Open) -> None:
    """X-6, X-7: bad JSON, an unknown model, a body of 100 MB and a wrong method are requests of their status and no
    calls; nothing stays in flight."""
    gateway = watched(limits="[gateway]\nmax_body_megabytes = 1\n")
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n".encode()
    for data in (b"{", b'{"model":"unheard-of"}'):
        gateway.raw(head + b"content-length: %d\r\n\r\n" % len(data) + data)
    gateway.raw(head + b"content-length: 100000000\r\n\r\n")
    gateway.raw(f"DELETE {CHAT} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    gateway.quiet()
    assert statuses(gateway) == {400: 1, 404: 1, 413: 1, 405: 1}
    assert gateway.calls(0) == []
    assert tokens(gateway) == (0, 0, 0)
    assert gateway.provider.asked == []


def test_a_client_that_leaves_is_counted_as_such(watched: Open) -> None:
    """TTY-5, X-7: its request ends as disconnected and no error, its call as cancelled with the tokens so far."""
    gateway = watched()
    _leave(gateway, "endless")
    assert gateway.provider.left.wait(PATIENCE)
    gateway.quiet()
    (call,) = gateway.calls(1)
    assert outcome(call) == "cancelled"
    calls, errors, output = tokens(gateway)
    assert (calls, errors, output) == (1, 0, said(call)["output_tokens"])
    (request,) = requests(gateway)
    assert (request["disconnected"], request["stream"]) == (True, True)


def _leave(gateway: Watched, model: str) -> None:
    connection = http.client.HTTPConnection(gateway.address, timeout=PATIENCE)
    connection.request("POST", CHAT, json.dumps({"model": model, "stream": True, "messages": []}))
    assert b"word" in connection.getresponse().read(len(EVENT) * 2)
    connection.close()
