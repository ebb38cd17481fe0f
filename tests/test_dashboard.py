"""Fanlight: the one object an application holds."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.stores.course import Service

from fanlight import BreakerOpen, Fanlight, FanlightError, SettingsError
from fanlight.panels import View
from fanlight.services.calls import record_call
from fanlight.stores.sqlite import SqliteStore

Scope = dict[str, Any]


async def hello(request: Request) -> JSONResponse:
    """What the application does."""
    return JSONResponse({"hello": request.path_params.get("name", "")})


def application() -> Starlette:
    return Starlette(routes=[Route("/hello/{name}", hello)])


async def ask(app: Callable[..., Awaitable[Any]], path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """One request straight into an ASGI application, as the local machine."""
    sent: list[dict[str, Any]] = []
    path, _, query = path.partition("?")
    named = [(b"host", b"localhost"), *((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "headers": named,
        "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], body


@pytest.fixture
def dashboard() -> Any:
    made = Fanlight("shop", prefix="/ops")
    yield made
    made.close()


def counted(dashboard: Fanlight) -> int:
    dashboard.pulse.tick()
    return dashboard.query.snapshot(View()).requests.total.count


def test_constructing_has_no_side_effects() -> None:
    """Constructing reads settings; it starts no thread, opens no file and hooks nothing."""
    threads = threading.active_count()
    made = Fanlight("quiet")
    assert threading.active_count() == threads
    assert "engine" not in vars(made)
    assert "recorder" not in vars(made)


def test_one_line_records_requests_and_serves_the_dashboard(dashboard: Fanlight) -> None:
    """API-1, X-8: one line, no code in the handlers."""
    app = application()
    dashboard.install(app)

    async def use() -> tuple[int, bytes]:
        assert await ask(app, "/hello/ada") == (200, b'{"hello":"ada"}')
        dashboard.pulse.tick()
        return await ask(app, "/ops/api/data")

    status, body = asyncio.run(use())
    assert status == 200
    assert json.loads(body)["endpoints"][0]["endpoint"] == "GET /hello/{name}"


def test_installing_twice_counts_once(dashboard: Fanlight) -> None:
    """A second install changes nothing."""
    app = application()
    dashboard.install(app)
    dashboard.install(app)
    asyncio.run(ask(app, "/hello/ada"))
    assert counted(dashboard) == 1


def test_what_is_no_starlette_is_told_what_to_use(dashboard: Fanlight) -> None:
    """A wrong argument says what was got, what was expected and what to do."""

    async def bare(scope: Scope, receive: Any, send: Any) -> None:
        """An ASGI application of no framework."""

    with pytest.raises(FanlightError, match=r"dashboard\.asgi\(app\)"):
        dashboard.install(bare)


def test_any_asgi_application_in_one_line(dashboard: Fanlight) -> None:
    """X-8: dashboard.asgi(app) is the application with the dashboard around it."""

    async def bare(scope: Scope, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = dashboard.asgi(bare)
    assert asyncio.run(ask(app, "/users/42")) == (204, b"")
    dashboard.pulse.tick()
    (route,) = dashboard.query.snapshot(View()).routes
    assert route.route == "/users/{id}"


def test_disabled_is_a_pass_through() -> None:
    """FANLIGHT_ENABLED=0 records nothing, serves nothing, and every call still works."""
    made = Fanlight("off", enabled=False)
    app = application()
    made.install(app)
    made.start()
    made.event("upload", size=3)
    made.cache("prompts").hit()
    made.websocket(group="a")
    assert asyncio.run(ask(app, "/dashboard"))[0] == 404
    assert made.asgi(app) is app
    assert "engine" not in vars(made)


def test_a_prefix_the_application_owns_fails_at_start() -> None:
    """If the application answers the prefix itself, start-up fails naming `prefix`."""
    app = Starlette(routes=[Route("/dashboard", hello)])
    made = Fanlight("clash")
    made.install(app)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(dict(message))

    asyncio.run(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send))
    (refusal,) = sent
    assert refusal["type"] == "lifespan.startup.failed"
    assert "prefix='/dashboard' is taken" in refusal["message"]
    made.close()


def test_an_unknown_setting_is_refused() -> None:
    """A mistyped keyword is one line that says what was meant."""
    with pytest.raises(SettingsError, match=r"unknown setting prefx=.*; prefix was probably meant"):
        Fanlight("x", prefx="/a")


def test_a_check_of_access_that_cannot_be_called_is_refused() -> None:
    """X-6: not at the first request, when it would shut everybody out."""
    with pytest.raises(SettingsError, match=r"^access= is 'admin'; expected a function"):
        Fanlight("shop", access="admin")  # type: ignore[arg-type]


def test_two_dashboards_in_one_process_do_not_mix() -> None:
    """Two instances in a process are ordinary."""
    one, two = Fanlight("one"), Fanlight("two")
    first, second = application(), application()
    one.install(first)
    two.install(second)

    async def use() -> None:
        await ask(first, "/hello/a")
        await ask(second, "/hello/b")
        await ask(second, "/hello/c")

    asyncio.run(use())
    assert (counted(one), counted(two)) == (1, 2)
    one.close()
    two.close()


def test_one_dashboard_is_around_one_application(dashboard: Fanlight) -> None:
    """A second application needs a second dashboard; their numbers would mix."""
    dashboard.install(application())
    with pytest.raises(FanlightError, match="another application already"):
        dashboard.install(application())


def test_start_and_close_are_idempotent_and_it_starts_again(dashboard: Fanlight) -> None:
    """Reload and tests start and close as they like; totals of a process go on."""
    app = application()
    dashboard.install(app)
    for expected in (1, 2):
        dashboard.start()
        dashboard.start()
        asyncio.run(ask(app, "/hello/a"))
        assert counted(dashboard) == expected
        dashboard.close()
        dashboard.close()


def test_the_pulse_does_not_outlive_its_dashboard() -> None:
    """A dashboard nobody holds is collected, thread and all."""
    made = Fanlight("short")
    made.start()
    pulse = made.pulse
    reference = weakref.ref(made.engine)
    made.close()
    del made
    gc.collect()
    assert not pulse.alive
    assert reference() is None


def test_an_application_nobody_holds_leaves_nothing_behind() -> None:
    """TTY-6: made, asked and dropped without a lifespan, as tests do with each of theirs, it leaves no thread, no hook
    in logging and in the collector, and no file open."""

    async def serve() -> None:
        app = application()
        Fanlight("short").install(app)
        assert await ask(app, "/hello/ada") == (200, b'{"hello":"ada"}')

    def held() -> tuple[Any, ...]:
        descriptors = psutil.Process().num_fds()
        return set(threading.enumerate()), list(gc.callbacks), logging.Logger.callHandlers, descriptors

    asyncio.run(asyncio.sleep(0))  # what the first loop of a process makes stays
    before = held()
    asyncio.run(serve())
    assert held() != before
    deadline = time.monotonic() + 20
    while held() != before and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.02)
    assert held() == before


def test_events_are_counted_and_listed(dashboard: Fanlight) -> None:
    """API-9: one call, shown without touching Fanlight's code."""
    dashboard.event("upload", name="a.txt", size=3)
    dashboard.pulse.tick()
    snapshot = dashboard.query.snapshot(View())
    (event,) = snapshot.events
    assert (event.data["type"], event.data["fields"]) == ("upload", {"name": "a.txt", "size": 3})
    assert snapshot.totals.counters["events.upload"] == 1


def test_a_cache_is_one_by_name(dashboard: Fanlight) -> None:
    """HUB-4: hits, misses, hit rate and the true number of entries."""
    prompts = dashboard.cache("prompts")
    assert dashboard.cache("prompts") is prompts
    prompts.hit(3)
    prompts.miss()
    prompts.size(7)
    dashboard.pulse.tick()
    (figures,) = dashboard.query.snapshot(View()).caches
    assert (figures.name, figures.hits, figures.misses, figures.hit_ratio, figures.size) == ("prompts", 3, 1, 0.75, 7)


def test_clearing_caches_is_done_before_it_is_reported() -> None:
    """HUB-7: the action truly clears and then says so; with nothing to clear it is unknown."""
    made = Fanlight("hub", local_role="operator")
    app = application()
    made.install(app)
    entries = {"a": 1}

    async def clear() -> tuple[int, bytes]:
        return await ask(app, "/dashboard/actions/clear-cache", "POST")

    assert asyncio.run(clear())[0] == 404
    made.cache("prompts", clear=entries.clear)
    status, body = asyncio.run(clear())
    assert status == 200
    assert json.loads(body)["status"] == "success"
    assert "prompts" in json.loads(body)["message"]
    assert entries == {}
    made.close()


def test_the_database_is_what_the_application_says(dashboard: Fanlight) -> None:
    """API-5: @dashboard.database supplies the figures, asked when somebody looks."""

    @dashboard.database
    def figures() -> dict[str, int]:
        return {"total_groups": 4}

    assert dashboard.query.snapshot(View()).database.data == {"total_groups": 4}
    assert figures() == {"total_groups": 4}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forking with threads is what is tested
def test_a_fork_is_an_instance_of_its_own(dashboard: Fanlight) -> None:
    """X-2: the child of a fork has a name and a pulse of its own, and counts from zero."""
    app = application()
    dashboard.install(app)
    dashboard.start()
    asyncio.run(ask(app, "/hello/a"))
    parent = dashboard.instance
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        asyncio.run(ask(app, "/hello/b"))
        end = time.monotonic() + 20
        while not (dashboard.pulse.alive and counted(dashboard)) and time.monotonic() < end:
            pass  # it starts by itself, a moment after the fork
        told = f"{dashboard.instance != parent} {dashboard.pulse.alive} {counted(dashboard)}"
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "True True 1"
    os.waitpid(child, 0)
    assert counted(dashboard) == 1


def test_subprocesses_under_uvloop_are_left_alone(dashboard: Fanlight) -> None:
    """X-8, TTY-6: uvloop forks with Python's fork callbacks and its loop waits for the child; a dashboard that records
    starts nothing in a child that is about to become another program."""
    uvloop = pytest.importorskip("uvloop")

    async def spawn() -> list[bytes]:
        dashboard.start()
        said = []
        for number in range(20):
            dashboard.event("spawn", number=number)
            process = await asyncio.create_subprocess_exec("/bin/echo", str(number), stdout=asyncio.subprocess.PIPE)
            said.append((await process.communicate())[0])
        return said

    assert uvloop.run(spawn()) == [f"{number}\n".encode() for number in range(20)]


def act(app: Any, path: str) -> tuple[int, dict[str, Any]]:
    """What an action answers."""
    status, body = asyncio.run(ask(app, f"/dashboard/actions/{path}", "POST"))
    return status, json.loads(body)


def test_a_service_is_restarted_and_then_told() -> None:
    """HUB-7, HUB-8: restarting runs the service's own function; success after it returned, failure with its reason."""
    made = Fanlight("hub", local_role="operator")
    app = application()
    made.install(app)
    asked: list[str] = []

    async def restart() -> str:
        asked.append("ollama")
        return "process 42"

    def broken() -> None:
        raise RuntimeError("no such unit, token=abcdef")

    made.service("ollama", restart=restart)
    made.service("search", restart=broken)
    made.service("plain")
    status, document = act(app, "restart/ollama")
    assert (status, document["status"], document["message"]) == (200, "success", "Restart ollama: done: process 42")
    assert asked == ["ollama"]
    status, document = act(app, "restart/search")
    assert (status, document["status"]) == (200, "error")
    assert document["message"].startswith("Restart search: ")
    assert document["message"].endswith("RuntimeError: no such unit, token=[redacted]")
    assert [act(app, f"restart/{name}")[0] for name in ("plain", "nobody")] == [404, 404]
    made.close()


def test_breakers_are_tripped_and_reset_by_operators() -> None:
    """HUB-3: by their routes, on every instance; an unknown breaker is 404, an unknown change 422."""
    made = Fanlight("hub", local_role="operator")
    app = application()
    made.install(app)
    breaker = made.breaker("ollama")
    assert act(app, "breakers/ollama/trip")[1]["message"] == "Breaker ollama: trip: done: open"
    with pytest.raises(BreakerOpen):
        breaker.admit()
    assert act(app, "breakers/ollama/reset")[1]["message"] == "Breaker ollama: reset: done: closed"
    assert breaker.state == "closed"
    assert [act(app, f"breakers/{path}")[0] for path in ("nobody/trip", "ollama/burn")] == [404, 422]
    made.close()


def test_metrics_of_a_wrapper_reach_back_into_history(tmp_path: Path) -> None:
    """ORC-1, ORC-3, ORC-5: of more than 15 minutes as much is answered as is kept, and how much that is is said."""
    place = tmp_path / "store.db"
    past = Service(SqliteStore(place))
    for _ in range(40):
        record_call(past.workers[0].recorder, "routellm", "route", duration=0.02)
        past.pass_time(60)
    past.settle()
    past.store.close()
    made = Fanlight("chat", store=f"sqlite:///{place}", clock=past.clock)
    app = application()
    made.install(app)
    try:
        made.pulse.tick()
        status, body = asyncio.run(ask(app, "/dashboard/api/wrappers/routellm/metrics?hours=24"))
        answer = json.loads(body)
        assert (status, answer["hours"], answer["note"]) == (200, 24, "")
        assert 0.65 < answer["covered_hours"] < 1
        assert answer["step_seconds"] == 900
        assert sum(step["calls"] for step in answer["points"]) == 40
        assert answer["operations"][0]["window"]["count"] == 40
        _, body = asyncio.run(ask(app, "/dashboard/api/wrappers/routellm/metrics?hours=100000"))
        assert json.loads(body)["hours"] == 840
        now = past.clock.time_ns() / 1e9
        fine = made.get_wrapper_metrics("routellm", now - 1_800)
        assert 26 <= sum(step["calls"] for step in fine) <= 31
        assert made.get_wrapper_metrics("nobody", now - 1_800) == []
        _, page = asyncio.run(ask(app, "/dashboard/services/routellm?range=1h"))
        assert "last hour" in page.decode()
    finally:
        made.close()


def test_what_is_known_of_wrappers_can_be_asked(dashboard: Fanlight) -> None:
    """ORC-1: active wrappers, the metrics of one since a time, and the health of the system, as plain data."""
    dashboard.service("idle")
    with dashboard.call("routellm", "route"):
        pass
    dashboard.pulse.tick()
    assert dashboard.get_active_wrappers() == ["routellm"]
    since = datetime.now(UTC) - timedelta(hours=24)
    points = dashboard.get_wrapper_metrics("routellm", since)
    assert sum(point["calls"] for point in points) == 1
    assert dashboard.get_wrapper_metrics("nobody", since) == []
    health = dashboard.get_system_health()
    assert health["services"] == {"idle": "idle", "routellm": "healthy"}
    assert json.loads(json.dumps(health)) == health
