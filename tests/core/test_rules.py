"""The rules judge the last fifteen minutes and say so in one plain, true sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.faces.service import ScriptedService

from fanlight.core import rules
from fanlight.core.frame import Record
from fanlight.core.recorder import Sample
from fanlight.core.sections import Supplied
from fanlight.core.timeline import SPAN
from fanlight.formats import NARROW_SPACE
from fanlight.panels import Verdict, View

Script = Callable[[ScriptedService], None]


def requests(count: int, status: int = 200, seconds: float = 0.01, route: str = "/items") -> Script:
    """This many requests, a hundred to the second."""

    def play(service: ScriptedService) -> None:
        for number in range(count):
            service.request("GET", route, status, seconds)
            if number % 100 == 99:
                service.tick()
        service.tick()

    return play


def passes(seconds: float) -> Script:
    """Time passes."""
    return lambda service: service.tick(seconds)


def level(name: str, value: float) -> Script:
    """A gauge says this from now on."""

    def play(service: ScriptedService) -> None:
        service.levels = [Sample(name, "", value, "sum", "instance")]
        service.tick()

    return play


def database(error: str) -> Script:
    """The database answers with an error."""

    def play(service: ScriptedService) -> None:
        service.supplied = Supplied(configured=True, error=error)

    return play


def stream(service: ScriptedService) -> None:
    """One stream."""
    service.request("GET", "/feed", 200, 60.0, stream=True, first_byte=0.02)
    service.tick()


def full(service: ScriptedService) -> None:
    """The window has been filling for its whole span."""
    service.tick(SPAN + 1.0)


def judged(*script: Script) -> Verdict:
    """The verdict after this script."""
    service = ScriptedService()
    for play in script:
        play(service)
    return rules.judge(service.query.snapshot(View()))


GOLDEN: dict[str, tuple[tuple[Script, ...], str]] = {
    "new": ((), "idle: Idle. No request since the start; the first one shows here at once."),
    "quiet": ((full,), "idle: Idle. No request in 15 minutes; the first one shows here at once."),
    "one socket": (
        (level("websocket.connections", 1.0),),
        "ok: Healthy. 1 open WebSocket, no request since the start.",
    ),
    "sockets": (
        (full, level("websocket.connections", 3.0)),
        "ok: Healthy. 3 open WebSockets, no request in 15 minutes.",
    ),
    "healthy": (
        (full, requests(100), passes(9.0)),
        "ok: Healthy. 10 requests/s, p95 10 ms, nothing failed in 15 minutes.",
    ),
    "healthy just now": (
        (requests(3), passes(2.0)),
        "ok: Healthy. 1.5 requests/s, p95 10 ms, nothing failed since the start.",
    ),
    "streams": ((stream,), "ok: Healthy. 1 request/s, nothing failed since the start."),
    "one caller erred": (
        (full, requests(99), requests(1, 404), passes(9.0)),
        "ok: Healthy. 10 requests/s, p95 10 ms, 1 of 100 failed in 15 minutes, not on our side.",
    ),
    "callers erred": (
        (full, requests(98), requests(2, 422), passes(9.0)),
        "ok: Healthy. 10 requests/s, p95 10 ms, 2 of 100 failed in 15 minutes, none on our side.",
    ),
    "one failed": (
        (full, requests(99), requests(1, 500), passes(9.0)),
        "ok: Healthy. 10 requests/s, p95 10 ms, 1 of 100 failed in 15 minutes.",
    ),
    "one very slow": (
        (full, requests(50), requests(1, seconds=6.0, route="/report")),
        "warn: Degraded. 1 request took over 5 s, on GET /report.",
    ),
    "several very slow": (
        (full, requests(50), requests(2, seconds=6.0, route="/report"), requests(20, seconds=1.5, route="/b")),
        "warn: Degraded. 2 requests took over 5 s, all through GET /report.",
    ),
    "slow": (
        (full, requests(200), requests(12, seconds=1.5), requests(3, seconds=2.0, route="/b")),
        "warn: Degraded. 15 slow requests in 15 minutes, most of them through GET /items.",
    ),
    "long": (
        (full, requests(9, seconds=0.8), requests(9, seconds=0.3, route="/b")),
        "warn: Degraded. Requests take 550 ms on average, most of the time in GET /items.",
    ),
    "callers err a lot": (
        (full, requests(90), requests(10, 404, route="/old")),
        "warn: Degraded. 10 % of requests failed, all through GET /old, just now.",
    ),
    "failing": (
        (full, requests(90), requests(10, 503), requests(20, 404, route="/old")),
        "error: Failing. 8.33 % of requests failed on our side (10 in 15 minutes), all through GET /items, just now.",
    ),
    "failing for a while": (
        (full, *(requests(2, 500), passes(14.0)) * 10),
        "error: Failing. 100 % of requests failed on our side (20 in 15 minutes), all through GET /items, for 2m 31s.",
    ),
    "failed a while ago": (
        (full, requests(90), requests(10, 500), passes(300.0)),
        "error: Failing. 10 % of requests failed on our side (10 in 15 minutes), all through GET /items, "
        "the last 4m 58s ago.",
    ),
    "few of many": (
        (full, requests(980), requests(12, 500), requests(11, seconds=1.2)),
        "warn: Degraded. 12 requests failed on our side, all through GET /items, just now, and 11 were slow.",
    ),
    "memory": (
        (full, requests(5), level("system.memory.percent", 91.0)),
        "warn: Busy. Memory of the machine is at 91 %; requests are fine so far.",
    ),
    "processors": (
        (full, level("system.cpu.percent", 97.4)),
        "warn: Busy. The machine's processors are at 97.4 %.",
    ),
    "database": (
        (full, requests(5), database("connection\n refused.")),
        "error: Down. The database does not answer: connection refused.",
    ),
    "a long error": (
        (full, requests(5), database("server db-1.internal " * 6 + "answered 503")),
        f"error: Down. The database does not answer: {'server db-1.internal ' * 5}server […].",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_verdict_in_words(name: str) -> None:
    """Issue 2, item 5: each verdict is a plain sentence, right in number and true of what was scripted."""
    script, expected = GOLDEN[name]
    verdict = judged(*script)
    assert f"{verdict.state}: {verdict.sentence.replace(NARROW_SPACE, ' ')}" == expected


def test_a_few_failures_of_callers_are_no_share_of_anything() -> None:
    """Issue 2, item 5: an icon that is not there does not degrade a new service; a third one, or one of ours, does."""
    service = ScriptedService()
    for status, expected in ((404, "ok"), (404, "ok"), (404, "warn")):
        service.request(status=status)
        service.tick()
        assert rules.judge(service.query.snapshot(View())).state == expected
    service = ScriptedService()
    service.request(status=500)
    service.tick()
    assert rules.judge(service.query.snapshot(View())).state == "error"


def test_websocket_errors_do_not_make_requests_fail() -> None:
    """API-6: the share of failed requests is of HTTP requests alone, so it can never pass 100 %."""
    service = ScriptedService()
    service.request()
    for _ in range(9):
        service.socket("disconnected", 1011)
    service.tick()
    snapshot = service.query.snapshot(View())
    assert rules.server_errors(snapshot) == 0
    assert rules.judge(snapshot).state == "ok"


def test_a_verdict_links_to_the_route_it_blames() -> None:
    """X-4: the named route is a link to its requests; the series beyond the cap has no page and no link."""
    blamed = judged(full, requests(3, 500))
    assert [phrase.href for phrase in blamed.phrases if phrase.href] == ["requests?method=GET&route=%2Fitems"]
    assert (blamed.href, blamed.link) == ("requests?status=error", "Show those requests")
    service = ScriptedService(max_series=1)
    requests(1)(service)
    requests(9, 404, route="/b")(service)
    sentence = rules.judge(service.query.snapshot(View())).sentence
    assert "all through routes beyond the limit" in sentence


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (rules.error_state(0.05), "ok"),
        (rules.error_state(0.0501), "warn"),
        (rules.mean_state(0.5), "ok"),
        (rules.mean_state(0.501), "warn"),
        (rules.slow_state(10), "ok"),
        (rules.slow_state(11), "warn"),
        (rules.very_slow_state(0), "ok"),
        (rules.very_slow_state(1), "error"),
        (rules.busy_state(80.0), "ok"),
        (rules.busy_state(80.1), "warn"),
        (rules.busy_state(None), "idle"),
        (rules.lag_state(0.1), "ok"),
        (rules.lag_state(0.2), "warn"),
        (rules.lag_state(None), "idle"),
        (rules.status_state(200), "ok"),
        (rules.status_state(404), "warn"),
        (rules.status_state(500), "error"),
        (rules.status_state(1011), "error"),
        (rules.status_state(1000), "ok"),
    ],
)
def test_thresholds(state: str, expected: str) -> None:
    """API-6: error rate over 5 %, mean over 500 ms, slow over 10, very slow over 0, memory and CPU over 80 %."""
    assert state == expected


def test_durations_are_judged_by_the_settings() -> None:
    """API-6: amber from slow on, red from very slow on."""
    settings = {"slow_seconds": 0.2, "very_slow_seconds": 0.4, "slow_routes": {"/report": 2.0, "/ping": 0.1}}
    snapshot = ScriptedService(**settings).query.snapshot(View())
    states = {
        route: [rules.duration_state(seconds, route, snapshot) for seconds in (0.1, 0.2, 0.4, 2.0, 4.0)]
        for route in ("/", "/report", "/ping")
    }
    assert states == {
        "/": ["", "warn", "error", "error", "error"],
        "/report": ["", "", "", "warn", "error"],
        "/ping": ["warn", "warn", "error", "error", "error"],
    }


def test_the_mean_is_judged_without_routes_that_may_be_slow() -> None:
    """API-6: what is known to take long, such as a model's answer, does not make the service look degraded."""
    service = ScriptedService(slow_routes={"/v1/chat/completions": 30.0})
    requests(3, seconds=4.0, route="/v1/chat/completions")(service)
    requests(3, seconds=0.1)(service)
    service.tick()
    snapshot = service.query.snapshot(View())
    assert snapshot.requests.window.mean > rules.MEAN_SECONDS
    assert rules.judged_mean(snapshot) == pytest.approx(0.1)
    assert rules.judge(snapshot).state == "ok"


def test_a_database_that_is_not_set_up_is_never_red() -> None:
    """API-2: unconfigured is idle, connected fine, an error red."""
    service = ScriptedService()
    assert rules.database_state(service.query.snapshot(View())) == "idle"
    service.supplied = Supplied(configured=True)
    service.tick()
    assert rules.database_state(service.query.snapshot(View())) == "ok"


@pytest.mark.parametrize(
    ("status", "error_type", "state"),
    [(200, "", "ok"), (200, "upstream", "error"), (200, "timeout", "error"), (404, "client", "warn"),
     (500, "internal", "error")],
)  # fmt: skip
def test_a_response_that_broke_off_stands_out(status: int, error_type: str, state: str) -> None:
    """HUB-6: in a list of requests it is marked as an error, although 200 had been sent."""
    record = Record(at=1.0, id="a", kind="request", data={"status": status, "error_type": error_type})
    assert rules.record_state(record) == state
