"""The orchestrator over real sockets: each requirement of its document, driven as a user drives it."""

from __future__ import annotations

import csv
import http.client
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Running, environ, folder
from tests.examples.conftest import ask, served, until
from tests.servers.conftest import free_port
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from fanlight import Fanlight
from orchestrator.app import create_app

__all__ = ["environ", "folder"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ORIGIN = "https://board.example"


@pytest.fixture(scope="module")
def dashboard() -> Fanlight:
    return Fanlight("orchestrator", release="2.0.0", local_role="operator", cors_origins=(ORIGIN,))


@pytest.fixture(scope="module")
def url(dashboard: Fanlight) -> Iterator[str]:
    """A running orchestrator."""
    with served(create_app(dashboard)) as url:
        yield url
    dashboard.close()


@pytest.fixture(autouse=True)
def fine(url: str) -> Iterator[None]:
    """Every knob is turned back after a test."""
    yield
    for wrapper in ask(url, "GET", "/knobs").json:
        turn(url, wrapper, "fine")


def turn(url: str, wrapper: str, mood: str) -> None:
    assert ask(url, "PUT", f"/knobs/{wrapper}", json.dumps({"mood": mood})).status == 200


def run(url: str, name: str = "summarise", text: str = "Why does the queue grow? The cache is cold.") -> int:
    return ask(url, "POST", f"/pipelines/{name}", json.dumps({"text": text})).status


def service(url: str, name: str) -> Any:
    return next((each for each in ask(url, "GET", "/api/wrappers/health").json["wrappers"] if each["name"] == name), {})


def busy(url: str, until_seen: Callable[[Any], bool], name: str, pipeline: str = "summarise") -> Any:
    """The service once it is as wanted, while the pipelines are in use."""

    def seen() -> Any:
        run(url, pipeline, f"Why {time.monotonic_ns()}?")
        row = service(url, name)
        return row if row and until_seen(row) else None

    return until(seen)


def test_operations_are_recorded_and_read(url: str, dashboard: Fanlight) -> None:
    """ORC-1: calls of a wrapper are listed by operation with successes, errors, times and their own attributes."""
    assert run(url, "explain") == 200
    turn(url, "poml", "fail")
    answer = ask(url, "POST", "/pipelines/explain", json.dumps({"text": "And why a retry?"}), x_request_id="find-me-1")
    assert (answer.status, answer.json) == (503, {"error": "poml is overloaded"})
    since = time.time() - 3_600
    until(lambda: service(url, "poml").get("errors"))
    compiler = ask(url, "GET", "/api/wrappers/poml/metrics?hours=24").json
    operation = compiler["operations"][0]
    assert (operation["operation"], operation["errors"]) == ("compile", 1)
    assert operation["calls"] >= 2
    assert compiler["points"]
    assert "template explain" in ask(url, "GET", "/dashboard/services/poml").text
    assert set(dashboard.get_active_wrappers()) == {"routellm", "poml", "knowledge", "models"}
    assert sum(point["calls"] for point in dashboard.get_wrapper_metrics("poml", since)) >= 2
    assert dashboard.get_wrapper_metrics("poml", time.time() + 3_600) == []
    assert dashboard.get_system_health()["service"] == "orchestrator"
    page = ask(url, "GET", "/dashboard/requests/find-me-1").text
    assert all(said in page for said in ("GET /facts", "compile", "poml is overloaded"))


def _breaker(row: dict[str, Any]) -> str:
    """The state of a service's breaker, "" until one was told of."""
    return str(row["breaker"]["state"]) if row["breaker"] else ""


@pytest.mark.parametrize("wrapper", ["routellm", "knowledge"])
def test_a_wrapper_that_fails_and_recovers_is_followed(url: str, wrapper: str) -> None:
    """ORC-2: score, status, factors and breaker follow a wrapper that fails; restarting it turns its knob back."""
    pipeline = "review" if wrapper == "knowledge" else "summarise"
    row = busy(url, lambda row: row["status"] == "healthy" and _breaker(row) == "closed", wrapper, pipeline)
    assert row["score"] > 80
    assert [factor["name"] for factor in row["factors"]] == ["success rate", "latency", "recency", "probe", "breaker"]
    turn(url, wrapper, "fail")
    row = busy(url, lambda row: row["status"] == "down" and _breaker(row) == "open", wrapper, pipeline)
    assert row["score"] < 40
    assert row["score"] == pytest.approx(max(100 - sum(factor["lost"] for factor in row["factors"]), 0), abs=0.2)
    assert run(url, pipeline, f"refused {time.monotonic_ns()}") == 503
    answer = ask(url, "POST", f"/dashboard/actions/restart/{wrapper}", "{}", content_type="application/json")
    assert answer.json["status"] == "success", answer.text
    assert ask(url, "GET", "/knobs").json[wrapper] == "fine"
    busy(url, lambda row: row["status"] == "healthy" and row["breaker"]["state"] == "closed", wrapper, pipeline)


def test_a_wrapper_that_slows_down_is_degraded(url: str) -> None:
    """ORC-2: a wrapper that takes ten times its normal loses points for its latency, and says so."""
    busy(url, lambda row: row["calls"] >= 20, "poml")
    turn(url, "poml", "slow")
    row = busy(url, lambda row: row["status"] != "healthy", "poml")
    assert max(row["factors"], key=lambda factor: factor["lost"])["name"] == "latency"


ROUTES = (
    "/health", "/api/system/health", "/api/wrappers/health", "/api/wrappers/routellm/metrics?hours=24",
    "/api/metrics/export", "/api/charts/performance", "/api/charts/health", "/health/routellm",
)  # fmt: skip


@pytest.mark.parametrize("path", ROUTES)
def test_the_addresses_of_the_document_answer(url: str, path: str) -> None:
    """ORC-3: each address answers JSON at the root as below the prefix."""
    run(url)
    until(lambda: service(url, "routellm"))
    for prefix in ("", "/dashboard"):
        answer = ask(url, "GET", prefix + path)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json


def test_export_is_also_csv_and_mistakes_have_one_form(url: str) -> None:
    """ORC-3: the export as CSV has a row for each endpoint; wrong queries and names are refused without internals."""
    run(url)
    rows = until(lambda: list(csv.DictReader(io.StringIO(ask(url, "GET", "/api/metrics/export?format=csv").text))))
    assert any("/pipelines/summarise" in row.values() for row in rows)
    wrong = {
        "/api/wrappers/routellm/metrics?hours=0": 422, "/api/metrics/export?format=xml": 422,
        "/api/charts/performance?range=1y": 422, "/api/wrappers/nobody/metrics": 404, "/api/nothing": 404,
    }  # fmt: skip
    for path, status in wrong.items():
        answer = ask(url, "GET", path)
        assert answer.status == status, path
        assert set(answer.json["error"]) == {"code", "message", "detail"}
        assert "Traceback" not in answer.text


def test_programs_are_told_over_a_websocket(url: str) -> None:
    """ORC-4: a client connects, subscribes to a wrapper, gets its updates and the broadcast, and disconnects."""
    run(url)
    until(lambda: service(url, "routellm"))
    with connect(f"{url.replace('http', 'ws', 1)}/api/live") as socket:
        first = json.loads(socket.recv(20))
        assert (first["event"], first["data"]["service"]) == ("connect", "orchestrator")
        wanted = {"wrappers": ["routellm"], "interval": 0.25}
        socket.send(json.dumps({"event": "subscribe_metrics", "data": wanted}))
        told: dict[str, Any] = {}
        while not {"metrics_update", "metrics_broadcast"} <= set(told):
            message = json.loads(socket.recv(20))
            told[message["event"]] = message["data"]
        assert "routellm" in json.dumps(told["metrics_update"])
        assert "models" not in json.dumps(told["metrics_update"])
        assert told["metrics_broadcast"]["total_requests"] > 0
        socket.send(json.dumps({"event": "disconnect"}))
        with suppress(ConnectionClosed):
            while socket.recv(20):
                continue
        assert socket.close_code == 1000


@pytest.mark.parametrize("range", ["15m", "1h", "24h", "7d"])
def test_charts_have_their_ranges(url: str, range: str) -> None:
    """ORC-5: the performance chart has success rates and response times in steps; health scores come with a status."""
    run(url)
    points = until(lambda: ask(url, "GET", f"/api/charts/performance?range={range}").json["points"])
    assert {"timestamp", "requests", "success_rate_percent"} <= set(points[0])
    bars = until(lambda: ask(url, "GET", "/api/charts/health").json["bars"])
    assert all({"name", "score", "status"} <= set(bar) for bar in bars)


@pytest.mark.parametrize(("kind", "beginning"), [("svg", "<svg"), ("pdf", "%PDF-")])
def test_charts_are_files(url: str, kind: str, beginning: str) -> None:
    """ORC-5: a chart of the page is a link to a file that arrives with its content."""
    run(url)
    link = re.compile(rf'href="([^"]*throughput[^"]*{kind}[^"]*)"')
    found = until(lambda: link.search(ask(url, "GET", "/dashboard").text))
    address = found[1].replace("&amp;", "&")
    path = address if address.startswith("/") else f"/dashboard/{address.removeprefix('./')}"
    answer = raw(url, path)
    assert answer[0] == 200
    assert answer[1].startswith(beginning.encode())


def raw(url: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


def test_knobs_are_shown_and_turned_from_the_dashboard(url: str) -> None:
    """ORC-6: what the orchestrator declares is in the page, and a knob turned there is an event of the feed."""
    body = json.dumps({"wrapper": "poml", "mood": "slow"})
    answer = ask(url, "POST", "/dashboard/actions/turn-knob", body, content_type="application/json")
    assert (answer.json["status"], ask(url, "GET", "/knobs").json["poml"]) == ("success", "slow")
    until(lambda: "slow" in ask(url, "GET", "/dashboard/knobs-partial").text)
    until(lambda: "knob" in ask(url, "GET", "/dashboard/events-partial").text)
    done = ask(url, "POST", "/dashboard/actions/run-pipelines", "{}", content_type="application/json").json
    ended = until(lambda: (run := ask(url, "GET", f"/api/runs/{done['run']}").json)["status"] != "running" and run)
    assert ended["status"] == "success", ended


def test_other_origins_are_named(url: str) -> None:
    """ORC-8: a page of a named origin may read the JSON, one of another may not."""
    allowed = ask(url, "GET", "/api/system/health", origin=ORIGIN).headers
    assert allowed["access-control-allow-origin"] == ORIGIN
    other = ask(url, "GET", "/api/system/health", origin="https://other.example").headers
    assert "access-control-allow-origin" not in other


def test_wrong_requests_are_refused(url: str) -> None:
    """ORC-3: the orchestrator's own routes say what they expect."""
    assert ask(url, "POST", "/pipelines/summarise", "no json").status == 422
    assert ask(url, "POST", "/pipelines/translate", "{}").status == 404
    assert ask(url, "PUT", "/knobs/nobody", '{"mood": "fine"}').status == 404
    assert ask(url, "PUT", "/knobs/poml", '{"mood": "bad"}').status == 422
    assert set(ask(url, "GET", "/").json["pipelines"]) == {"summarise", "explain", "review"}


def test_the_launcher(folder: Path, environ: dict[str, str]) -> None:
    """ORC-7: `python -m orchestrator --host --port --debug --sample-data` serves, and clients make its data."""
    port = free_port()
    places = f"{environ['PYTHONPATH']}:{EXAMPLES}"
    words = ["--host", "127.0.0.1", "--port", str(port), "--debug", "--sample-data"]
    running = Running(words, folder, {**environ, "PYTHONPATH": places}, "orchestrator")
    try:
        running.until(f"orchestrator: dashboard at http://127.0.0.1:{port}/dashboard")
        running.until("Application startup complete")
        place = f"http://127.0.0.1:{port}"
        until(lambda: ask(place, "GET", "/api/data").json["performance"]["total_requests"] > 5)
    finally:
        running.stop()
    assert not any("Traceback" in line for line in running.lines), "\n".join(running.lines)
