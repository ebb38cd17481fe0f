"""faces.api.routes: every JSON route, what can be asked of it, and how it refuses."""

from __future__ import annotations

import asyncio
import csv
import io
import threading
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from starlette.routing import Router
from tests.faces.service import ScriptedService, budgeted_service, busy_service, get

from fanlight.core.recorder import Sample
from fanlight.core.sections import Supplied
from fanlight.core.snapshot import Snapshot
from fanlight.faces.api import charts, parameters, routes
from fanlight.faces.api.documents import Asked
from fanlight.faces.api.encoding import encode, plain
from fanlight.faces.api.endpoints import EXPORT
from fanlight.faces.api.pages import Pages
from fanlight.faces.context import FaceContext
from fanlight.faces.threads import THREADS, in_thread
from fanlight.panels import Panel, Slot, View


def rows(service: ScriptedService, query: str) -> list[Any]:
    """The requests a query lists."""
    answer = service.get(f"/api/requests?{query}")
    assert answer.status == 200
    listed: list[Any] = answer.json["requests"]
    return listed


def test_stats_has_the_fixed_names() -> None:
    """OBS-2, OBS-3: the pulse has uptime, requests, Redis latency (null without one) and the counters by name."""
    stats = busy_service().get("/api/stats").json
    assert (stats["uptime_seconds"], stats["uptime_formatted"], stats["total_requests"]) == (2.0, "0m 2s", 13)
    assert stats["redis_latency_ms"] is None
    assert (stats["cache_hits_total"], stats["cache_misses_total"], stats["cache_hit_rate"]) == (3, 1, 75.0)
    assert (stats["dashboard_refresh_total"], stats["htmx_events_total"]) == (5, 4)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("kind=slow", {("GET", 200), ("POST", 500)}),
        ("kind=failed", {("GET", 404), ("POST", 500), ("WS", 403)}),
        ("status=error", {("GET", 404), ("POST", 500), ("WS", 403)}),
        ("status=4xx", {("GET", 404), ("WS", 403)}),
        ("status=201", {("POST", 201)}),
        ("method=post", {("POST", 201), ("POST", 500)}),
        ("route=%2Freports%2F%7Bid%7D", {("GET", 200)}),
        ("q=lost-1", {("GET", 404)}),
        ("type=internal", {("POST", 500)}),
        ("q=nothing+has+this", set()),
    ],
)
def test_requests_are_filtered(query: str, expected: set[tuple[str, int]]) -> None:
    """X-4, ORC-3: kind, status, method, route, error type and text choose among the kept requests."""
    assert {(row["method"], row["status_code"]) for row in rows(busy_service(), query)} == expected


def test_limits_are_clamped_and_said() -> None:
    """ORC-3: a limit above the greatest becomes that, the answer says so, and how many there were."""
    service = busy_service()
    assert service.get("/api/requests?limit=100000").json["limit"] == 200
    few = service.get("/api/requests?limit=2").json
    assert (few["count"], len(few["requests"]), few["matched"]) == (2, 2, 13)


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/requests?limit=0", "limit"),
        ("/api/requests?limit=-1", "limit"),
        ("/api/requests?limit=1.5", "limit"),
        ("/api/requests?limit=%D9%A3", "limit"),
        ("/api/requests?limit=99999999999999999999", "limit"),
        ("/api/requests?status=banana", "status"),
        ("/api/requests?method=G%20ET", "method"),
        ("/api/requests?kind=odd", "kind"),
        ("/api/requests?q=%00", "q"),
        ("/api/logs?level=loud", "level"),
        ("/api/wrappers/routellm/metrics?hours=soon", "hours"),
        ("/api/metrics/export?format=xml", "format"),
        ("/api/metrics/export?range=1y", "range"),
        ("/api/charts/performance?from=1&to=banana", "to"),
        ("/api/data?scope=%3Cscript%3E", "scope"),
    ],
)
def test_wrong_values_are_refused_by_name(path: str, parameter: str) -> None:
    """ORC-3: a wrong value is 422 in the one error format: the parameter, what was got, what was expected."""
    answer = busy_service().get(path)
    assert (answer.status, answer.headers["content-type"]) == (422, "application/json")
    error = answer.json["error"]
    assert set(error) == {"code", "message", "detail"}
    assert (error["code"], error["detail"]) == ("invalid_query", parameter)
    assert error["message"].startswith(f"{parameter} is ")
    assert "expected" in error["message"]


def test_a_request_is_found_by_its_id_and_by_its_correlation_id() -> None:
    """API-3, X-4: either id leads to the request, with the lines logged under its correlation ID."""
    service = busy_service()
    by_correlation = service.get("/api/requests/bad-1").json
    (found,) = by_correlation["requests"]
    assert (found["status_code"], found["error"]) == (500, "ValueError: no room")
    assert [line["message"] for line in by_correlation["logs"]] == ["no room left"]
    assert service.get(f"/api/requests/{found['id']}").json["requests"] == [found]


def test_a_correlation_id_with_several_requests_lists_them_all() -> None:
    """API-3: requests that share a correlation ID are all listed, the newest first."""
    service = ScriptedService()
    for path in ("/a", "/b"):
        service.request(path=path, correlation_id="shared")
        service.tick()
    found = service.get("/api/requests/shared").json
    assert (found["count"], [row["endpoint"] for row in found["requests"]]) == (2, ["/b", "/a"])


@pytest.mark.parametrize(
    "path", ["/api/requests/nope", "/api/panels/nope", "/api/wrappers/nope/metrics?hours=24", "/health/ollama"]
)
def test_unknown_names_are_404(path: str) -> None:
    """HUB-8, ORC-3: what nothing is called answers 404 in the one error format."""
    answer = busy_service().get(path)
    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")


def test_logs_are_chosen_by_level_and_text() -> None:
    """API-3: log lines come the newest first, from a level up, or by correlation ID."""
    service = busy_service()
    assert [line["level"] for line in service.get("/api/logs").json["logs"]] == ["ERROR", "INFO"]
    assert [line["message"] for line in service.get("/api/logs?level=WARNING").json["logs"]] == ["no room left"]
    assert [line["message"] for line in service.get("/api/logs?q=READ-1").json["logs"]] == ["stored"]
    assert service.get("/api/logs?limit=1").json["matched"] == 2


def test_models_tell_calls_times_tokens_and_cost() -> None:
    """X-7, HUB-5: the document of models says what their calls said, in milliseconds, tokens and dollars."""
    document = busy_service().get("/api/models").json
    model = document["models"][0]
    assert (document["count"], model["service"], model["name"]) == (1, "openai", "small")
    assert (model["calls"], model["errors"], model["average_ms"]) == (2, 1, 3000.0)
    assert model["tokens"]["input"] == {"total": 900, "per_call": 900.0, "last_15_minutes": 900}
    assert (model["cost_usd"], model["cost_usd_last_15_minutes"]) == (0.0012, 0.0012)
    assert abs(model["time_to_first_token_p50_ms"] - 500) < 6
    assert ScriptedService().get("/api/models").json["models"] == []


def test_models_tell_budgets() -> None:
    """HUB-5: each budget with what is spent of it, in dollars and percent, when it warns and when it begins anew."""
    far, openai = budgeted_service().get("/api/models").json["budgets"]
    assert (far["name"], far["per"], far["spent_usd"], far["state"]) == ('far "off"', "month", 0, "ok")
    assert openai == {
        "name": "openai", "per": "day", "amount_usd": 0.001, "spent_usd": 0.0012, "spent_percent": 120.0,
        "warns_at_percent": 80.0, "state": "spent", "ends_at": "2023-11-15T00:00:00.000Z",
    }  # fmt: skip
    assert ScriptedService().get("/api/models").json["budgets"] == []
    rules = budgeted_service().get("/api/panels/rules").json["panel"]["rows"]
    assert [row["values"][1:] for row in rules if "openai" in row["key"]] == [
        ["Budget openai", "$0.0012, 120 %", "80 % of $0.001 a day"]
    ]


def test_an_empty_service_has_empty_lists() -> None:
    """ORC-3: before anything is called or declared the lists are empty, not errors and not made up."""
    service = ScriptedService()
    assert service.get("/api/services").json["services"] == []
    assert service.get("/api/wrappers/health").json["wrappers"] == []
    assert service.get("/api/charts/health").json["bars"] == []


def test_services_tell_their_score_and_what_made_it() -> None:
    """ORC-2, ORC-3, HUB-2: status, score, factors with weights, calls, errors by type, the worst first."""
    document = busy_service().get("/api/services").json
    found = {row["name"]: row for row in document["services"]}
    assert [row["name"] for row in document["services"]] == ["openai", "postgres", "routellm"]
    row = found["postgres"]
    assert (row["kind"], row["status"], row["declared"], row["required"]) == ("database", "healthy", False, False)
    assert (row["calls"], row["errors"], row["success_rate_percent"]) == (1, 1, 0.0)
    assert row["errors_by_type"] == {"timeout": 1}
    factors = {factor["name"]: factor for factor in row["factors"]}
    assert list(factors) == ["success rate", "latency", "recency", "probe", "breaker"]
    assert row["score"] == round(100 - sum(factor["lost"] for factor in row["factors"]), 1)
    assert factors["success rate"]["lost"] <= factors["success rate"]["weight"] == 70
    assert busy_service().get("/api/wrappers/health").json["wrappers"] == document["services"]
    bars = busy_service().get("/api/charts/health").json["bars"]
    assert bars[0] == {"name": "openai", "score": found["openai"]["score"], "status": "healthy"}


def test_one_wrapper_tells_its_operations_and_its_steps() -> None:
    """ORC-1, ORC-3: `hours` is validated; what is kept is answered, and how much that is is said."""
    service = busy_service()
    document = service.get("/api/wrappers/openai/metrics?hours=24").json
    assert [row["operation"] for row in document["operations"]] == ["chat"]
    assert (document["hours"], document["step_seconds"]) == (24, 10)
    assert 0 < document["covered_hours"] <= 0.25
    assert sum(step["calls"] for step in document["points"]) == 2
    assert sum(step["errors"] for step in document["points"]) == 1
    assert service.get("/api/wrappers/openai/metrics?hours=0").status == 422


def declared(name: str, level: int = 0, failing: bool = False) -> list[Sample]:
    """What an instance says of a service with a probe."""
    said = [Sample("service.declared", f"{name}\x1fllm", level, "max", "instance")]
    said.append(Sample("service.probe", name, float(failing), "max", "instance"))
    if failing:
        said.append(Sample("service.probe.error", f"{name}\x1fConnectionRefusedError", 1.0, "max", "instance"))
    return said


@pytest.mark.parametrize(("level", "failing", "status"), [(0, True, 200), (1, False, 200), (1, True, 503)])
def test_health_is_503_only_when_a_required_service_is_down(level: int, failing: bool, status: int) -> None:
    """HUB-8, ORC-3: a probe that fails takes the application down only where it cannot do without the service."""
    service = ScriptedService()
    service.levels = declared("ollama", level, failing)
    service.request()
    service.tick()
    answer = service.get("/health")
    assert (answer.status, answer.json["status"]) == (status, "down" if status == 503 else "ok")
    assert answer.json["services"] == {"ollama": "down" if failing else "healthy"}
    one = service.get("/health/ollama")
    expected = (200, answer.json["services"]["ollama"], not failing)
    assert (one.status, one.json["status"], one.json["probe"]["ok"]) == expected
    system = {200: "degraded" if failing else "healthy", 503: "down"}
    assert service.get("/api/system/health").json["status"] == system[status]


def test_system_health_is_the_verdict_of_the_rules() -> None:
    """ORC-1, X-1: the status and the sentence are those every face shows."""
    health = busy_service().get("/api/system/health").json
    assert (health["status"], health["state"]) == ("degraded", "error")
    assert health["verdict"].startswith("Failing.")
    assert health["errors_by_type"]["internal"] == 1
    assert health["instances"][0]["live"] is True


def test_a_database_that_does_not_answer_is_down() -> None:
    """API-5: system health is "down" when the database is."""
    service = ScriptedService()
    service.supplied = Supplied(configured=True, error="refused")
    service.tick()
    assert service.get("/api/system/health").json["status"] == "down"


def test_liveness_is_ok_whatever_fails() -> None:
    """HUB-8: /health is 200 while nothing required is down, with the services there are."""
    answer = busy_service().get("/health")
    assert (answer.status, answer.json["status"]) == (200, "ok")
    assert set(answer.json["services"]) == {"openai", "postgres", "routellm"}


def test_the_performance_chart_adds_up() -> None:
    """ORC-5: steps with success rate and response time; a step without a request has gaps, not zeros."""
    service = busy_service()
    chart = service.get("/api/charts/performance").json
    assert sum(point["requests"] for point in chart["points"]) == 13
    assert sum(point["errors"] for point in chart["points"]) == 2
    busy = [point for point in chart["points"] if point["requests"]]
    assert busy[-1]["success_rate_percent"] == 84.62
    assert chart["points"][0]["p95_ms"] is None
    assert (chart["range"], chart["step_seconds"]) == ("15m", 5)


def test_a_chosen_span_is_clamped_to_the_window() -> None:
    """ORC-3: from and to cut the points; what is not kept is not made up."""
    service = busy_service()
    now = int(service.snapshot().at)
    chart = service.get(f"/api/charts/performance?from={now - 60}&to={now}").json
    assert 11 <= len(chart["points"]) <= 13
    week = service.get(f"/api/charts/performance?from={now - 600_000}&to={now}").json
    assert len(week["points"]) <= 180
    everything = service.get("/api/charts/performance?from=0&to=99999999999").json
    assert sum(point["requests"] for point in everything["points"]) == 13
    past = service.get(f"/api/charts/performance?from={now - 600_000}&to={now - 500_000}").json
    assert past["points"] == []


def test_export_as_json_holds_all_figures() -> None:
    """ORC-3: the export has endpoints, steps, counts by status and error type, and counters."""
    export = busy_service().get("/api/metrics/export?range=7d").json
    assert export["range"] == "15m"
    assert export["by_status"] == {"200": 10, "201": 1, "404": 1, "500": 1}
    assert export["counters"]["events.upload"] == 1
    assert sum(step["requests"] for step in export["timeline"]) == 13


def read_csv(text: str) -> list[dict[str, str]]:
    """A CSV as a spreadsheet reads it."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_export_as_csv() -> None:
    """ORC-3: the CSV has one row per endpoint, or per step, and is offered as a file."""
    service = busy_service()
    answer = service.get("/api/metrics/export?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="fanlight-chat-api-endpoints.csv"'
    by_name = {row["endpoint"]: row for row in read_csv(answer.text)}
    assert by_name["GET /items/{id}"]["request_count"] == "8"
    assert by_name["WS /ws/{group}"]["p95_ms"] == ""
    steps = read_csv(service.get("/api/metrics/export?format=csv&table=timeline").text)
    assert sum(int(step["requests"]) for step in steps) == 13


def test_csv_is_streamed_in_pieces() -> None:
    """TTY-6: many rows are made and sent piece by piece, not as one body."""
    service = ScriptedService()
    for number in range(450):
        service.request(route=f"/r{number}")
    service.tick()
    answer = service.get("/api/metrics/export?format=csv")
    assert len(read_csv(answer.text)) == 450
    assert answer.chunks >= 5


@pytest.mark.parametrize("route", ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\t=1", "\r=1", '=HYPERLINK("x","y")'])
def test_csv_cells_are_never_formulas(route: str) -> None:
    """X-6: a route a spreadsheet would run is marked as text."""
    service = ScriptedService()
    service.request(method="GET", route=route)
    service.tick()
    (row,) = read_csv(service.get("/api/metrics/export?format=csv").text)
    assert row["route"] == f"'{route}"


def test_csv_cells_with_quotes_and_lines_stay_one_cell() -> None:
    """ORC-3: commas, quotes and line ends in a route survive."""
    service = ScriptedService()
    service.request(route='/a,"b"\r\nc')
    service.tick()
    (row,) = read_csv(service.get("/api/metrics/export?format=csv").text)
    assert row["route"] == '/a,"b"\r\nc'


def test_a_strange_service_name_makes_a_safe_file_name() -> None:
    """X-6: nothing of the name gets out of the header's quotes."""
    service = ScriptedService(name='x"; evil\r\nSet-Cookie: a=b/../é')
    disposition = service.get("/api/metrics/export?format=csv").headers["content-disposition"]
    assert disposition == 'attachment; filename="fanlight-x-evil-Set-Cookie-a-b-endpoints.csv"'


def test_a_panel_that_fails_is_counted_and_tells_nothing() -> None:
    """ORC-3: an exception's text stays inside; the answer is 500 in the one error format."""

    def broken(snapshot: Snapshot, view: View) -> Panel:
        raise RuntimeError("password=hunter2")

    service = busy_service()
    app = Router(routes=routes(_with_panel(service, Slot(name="x", build=broken))))
    answer = get(app, "/api/panels/x")
    assert (answer.status, answer.json["error"]["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    assert "hunter2" in service.recorder.last_failure


def _with_panel(service: ScriptedService, slot: Slot) -> FaceContext:
    return replace(service.context, panels={slot.name: slot})


def test_panels_declared_later_appear() -> None:
    """X-5: a panel added while the service runs is answered without new routes."""
    service = busy_service()
    panels: dict[str, Slot] = {}
    context = replace(service.context, panels=panels)
    app = Router(routes=routes(context))
    assert get(app, "/api/panels/stats").status == 404
    panels["stats"] = service.context.panels["stats"]
    assert get(app, "/api/panels/stats").json["panel"]["panel"] == "text"


@pytest.mark.parametrize("path", ["/api/data", "/api/requests/nope", "/health", "/api/metrics/export?format=csv"])
def test_nothing_is_stored_by_caches(path: str) -> None:
    """X-6: every answer, refusals included, says no-store."""
    assert busy_service().get(path).headers["cache-control"] == "no-store"


def test_documents_are_made_off_the_serving_loop() -> None:
    """TTY-6, HUB-11: a panel's function runs on a thread that is not the loop's."""
    seen: list[int] = []

    def note(snapshot: Snapshot, view: View) -> Panel:
        seen.append(threading.get_ident())
        return service.context.panels["stats"].build(snapshot, view)

    service = busy_service()
    app = Router(routes=routes(_with_panel(service, Slot(name="note", build=note))))
    assert get(app, "/api/panels/note").status == 200
    assert seen != [threading.get_ident()]


def test_few_documents_are_made_at_once() -> None:
    """TTY-6: however many ask, only THREADS documents are being made at a time."""
    service, now, most = ScriptedService(), 0, 0
    lock, full = threading.Lock(), threading.Barrier(THREADS)

    def work() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        full.wait(timeout=30)
        with lock:
            now -= 1
        full.wait(timeout=30)

    async def ask() -> None:
        pacer = service.context.pulse.pacer
        await asyncio.gather(*(in_thread(pacer, work) for _ in range(3 * THREADS)))

    asyncio.run(ask())
    assert most == THREADS


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_reading_routes_take_no_other_method(method: str) -> None:
    """X-6: the JSON face only reads."""
    for route in routes(busy_service().context):
        assert route.methods == {"GET", "HEAD"}
        assert method not in route.methods


def test_encoding_mends_what_json_cannot_hold() -> None:
    """TTY-6: surrogates, odd keys and objects without JSON become text instead of an error."""
    assert encode({"a": "x\udc80", "b": [object, {"c": "\ud800"}]}).startswith(b'{"a":"x?"')
    assert encode({("odd", "key"): 1, "s": {3}}).startswith(b"{")
    assert plain({"deep": {"deeper": {"deepest": 1}}}, depth=1) == {"deep": "{'deeper': {'deepest': 1}}"}


def test_the_export_in_pieces_is_the_export() -> None:
    """ORC-3: streamed an endpoint and a step at a time, the document is the one that is described, byte for byte."""
    service = busy_service()
    context = service.context
    view, values = parameters.read(EXPORT.parameters, EXPORT.name, {"range": "15m"})
    snapshot = service.query.snapshot(view)
    asked = Asked(snapshot, view, values, {}, context.panels, lambda: None, context.actions.follow, Pages(context), "")
    assert EXPORT.pieces is not None
    pieces = list(EXPORT.pieces(asked))
    assert "".join(pieces).encode() == encode(charts.export(asked))
    assert len(pieces) > len(snapshot.routes) + 10


def test_the_export_is_never_held_as_a_whole() -> None:
    """ORC-3, TTY-6: with 400 routes and 180 steps the pieces are small, and making them takes a fraction of the
    document's room."""
    service = busy_service()
    for number in range(400):
        service.request(path=f"/things/{number}", route=f"/things/{number}/{{id}}")
    service.tick()
    context = service.context
    view, values = parameters.read(EXPORT.parameters, EXPORT.name, {"range": "15m"})
    snapshot = service.query.snapshot(view)
    asked = Asked(snapshot, view, values, {}, context.panels, lambda: None, context.actions.follow, Pages(context), "")
    assert EXPORT.pieces is not None
    assert len(snapshot.routes) > 400
    tracemalloc.start()
    sizes = [len(piece) for piece in EXPORT.pieces(asked)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(sizes) > 100_000
    assert max(sizes) < 5_000
    assert peak < sum(sizes) / 2
