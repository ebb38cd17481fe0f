"""The ASGI capture: what it counts, where it sends a request, how it starts and stops with the application."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import Any, cast

import pytest
from tests.capture.conftest import (
    BODY,
    CHUNK,
    START,
    ListRecorder,
    capture,
    drive,
    header,
    hello,
    http_scope,
    run,
    sending,
)

from fanlight.capture.asgi import Capture, CaptureOptions
from fanlight.capture.exchange import Application
from fanlight.clock import SystemClock
from fanlight.core.context import correlation_id
from fanlight.core.recorder import Recorder
from fanlight.errors import FanlightError


def test_in_flight(recorder: ListRecorder) -> None:
    """TTY-5: in-flight counts rise at the start and fall at the last byte, not at the end of background work."""
    seen: list[float | None] = []

    async def scenario() -> None:
        release = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await release.wait()
            await send(START)
            await send(BODY)
            seen.append(recorder.samples()["http.server.active_requests", ""])

        wrapped = capture(app, recorder)
        tasks = [asyncio.create_task(drive(wrapped, http_scope())) for _ in range(3)]
        await asyncio.sleep(0)
        seen.append(recorder.samples()["http.server.active_requests", ""])
        tasks[0].cancel()
        await asyncio.sleep(0)
        seen.append(recorder.samples()["http.server.active_requests", ""])
        release.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scenario())
    assert seen == [3, 2, 1, 0]


def test_peak(recorder: ListRecorder) -> None:
    """TTY-3: requests shorter than the time between samples show in the peak."""
    run(hello, recorder)
    assert recorder.samples()["http.server.active_requests.peak", ""] == 1
    assert recorder.samples()["http.server.active_requests.peak", ""] == 0


def test_correlation_id_in_the_handler(recorder: ListRecorder) -> None:
    """API-3: the ID is in the context while the application runs; after an error it stays for the server's log."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(correlation_id.get())
        if scope["path"] == "/boom":
            raise ValueError
        await send(START)
        await send(BODY)

    async def scenario() -> None:
        wrapped = capture(app, recorder, exclude=("/quiet",))
        for path in ("/", "/boom", "/quiet", "/"):
            headers = [(b"x-request-id", path.encode())]
            try:
                await drive(wrapped, http_scope(path, headers=headers))
            except ValueError:
                seen.append(correlation_id.get())
        seen.append(correlation_id.get())

    contextvars.Context().run(lambda: asyncio.run(scenario()))
    assert seen == ["/", "/boom", "/boom", "", "/", "/boom"]


def test_own_failures_stay_inside(recorder: ListRecorder) -> None:
    """TTY-6: when the capture itself fails, the application is served all the same, and the failure is counted."""

    def broken(fact: Any) -> None:
        raise MemoryError("no room")

    wrapped = capture(hello, recorder)
    wrapped.append = broken
    sent = asyncio.run(drive(wrapped, http_scope()))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    scope = http_scope()
    del scope["headers"]
    assert len(asyncio.run(drive(wrapped, scope))) == 2
    assert [where for where, _ in recorder.failures] == ["capture", "capture"]


async def face(scope: Any, receive: Any, send: Any) -> None:
    assert correlation_id.get() == ""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4000})
        return
    await send(START | {"status": 299})
    await send(BODY)


@pytest.mark.parametrize(
    ("path", "root_path", "status"),
    [
        ("/dash", "", 299),
        ("/dash/", "", 299),
        ("/dash/api/data", "", 299),
        ("/dashboardish", "", 200),
        ("/x/dash", "", 200),
        ("/proxy/dash", "/proxy", 299),
        ("/dash", "/proxy", 299),
        ("/proxy/dashes", "/proxy", 200),
    ],
)
def test_the_face(path: str, root_path: str, status: int, recorder: ListRecorder) -> None:
    """OBS-2: the dashboard answers exactly its prefix; its requests are counted apart and are none of the service's."""
    wrapped = capture(hello, recorder, face, prefix="/dash")
    sent = asyncio.run(drive(wrapped, http_scope(path, root_path=root_path)))
    assert sent[0]["status"] == status
    ours = status == 299
    assert recorder.counts == ({"fanlight.dashboard.requests": 1} if ours else {})
    assert len(recorder.requests()) == (not ours)
    assert (header(sent[0], b"x-correlation-id") is None) == ours


def test_the_face_over_websocket(recorder: ListRecorder) -> None:
    """OBS-2: WebSockets under the prefix go to the dashboard too."""
    scope = http_scope("/dash/live") | {"type": "websocket"}
    sent = asyncio.run(drive(capture(hello, recorder, face, prefix="/dash"), scope))
    assert sent == [{"type": "websocket.close", "code": 4000}]
    assert (recorder.counts, recorder.facts) == ({"fanlight.dashboard.requests": 1}, [])


@pytest.mark.parametrize(
    ("path", "excluded"), [("/healthz", True), ("/healthz/x", False), ("/internal/a", True), ("/internal", False)]
)
def test_excluded_paths(path: str, excluded: bool, recorder: ListRecorder) -> None:
    """API-1: excluded paths reach the application untouched and are counted apart."""
    sent = run(hello, recorder, http_scope(path), exclude=("/healthz", "/internal/*"))
    assert len(sent) == 2
    assert (header(sent[0], b"x-correlation-id") is None) == excluded
    assert recorder.counts == ({"fanlight.excluded.requests": 1} if excluded else {})
    assert len(recorder.requests()) == (not excluded)


class Calls:
    """What was called, in order."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def lifespan(self, *endings: str) -> Application:
        """An application that has a lifespan."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "lifespan":
                return await hello(scope, receive, send)
            assert (await receive())["type"] == "lifespan.startup"
            self.made.append("application starts")
            for ending in endings:
                await send({"type": ending})
            self.made.append("application stopped")
            return None

        return app

    def around(self, app: Application, recorder: ListRecorder, startup_error: Exception | None = None) -> Capture:
        """A Capture that notes its start and stop."""

        def start() -> None:
            self.made.append("start")
            if startup_error is not None:
                raise startup_error

        return Capture(app, cast(Recorder, recorder), CaptureOptions(), None, start, lambda: self.made.append("stop"))


LIFESPAN = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
STARTUP = {"type": "lifespan.startup"}


def test_lifespan(recorder: ListRecorder) -> None:
    """TTY-6: it starts before the application and stops after it, before the server hears that all is done."""
    calls = Calls()
    app = calls.around(calls.lifespan("lifespan.startup.complete", "lifespan.shutdown.complete"), recorder)
    sent = asyncio.run(drive(app, dict(LIFESPAN), [STARTUP]))
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert calls.made == ["start", "application starts", "stop", "application stopped"]


def test_lifespan_that_fails(recorder: ListRecorder) -> None:
    """TTY-6: an application that cannot start fails as it would, and what was begun is ended."""
    calls = Calls()
    app = calls.around(calls.lifespan("lifespan.startup.failed"), recorder)
    sent = asyncio.run(drive(app, dict(LIFESPAN), [STARTUP]))
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert calls.made == ["start", "application starts", "stop", "application stopped"]


def test_wrong_setting_stops_the_start(recorder: ListRecorder) -> None:
    """X-6: a FanlightError at start-up is the server's start-up failure, in its own words."""
    calls = Calls()
    app = calls.around(calls.lifespan(), recorder, FanlightError("prefix is taken"))
    sent = asyncio.run(drive(app, dict(LIFESPAN), [STARTUP]))
    assert sent == [{"type": "lifespan.startup.failed", "message": "prefix is taken"}]
    assert calls.made == ["start"]


def test_own_trouble_does_not_stop_the_start(recorder: ListRecorder) -> None:
    """TTY-6: any other error of ours at start-up is counted, and the service starts."""
    calls = Calls()
    app = calls.around(calls.lifespan("lifespan.startup.complete"), recorder, OSError("disk full"))
    assert len(asyncio.run(drive(app, dict(LIFESPAN), [STARTUP]))) == 1
    assert [where for where, _ in recorder.failures] == ["startup"]


def test_start_without_lifespan(recorder: ListRecorder, caplog: pytest.LogCaptureFixture) -> None:
    """API-1: without a lifespan the first request starts it, once; a wrong setting is logged then."""
    calls = Calls()
    app = calls.around(hello, recorder, FanlightError("prefix is taken"))
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            asyncio.run(drive(app, http_scope()))
    assert calls.made == ["start"]
    assert caplog.messages == ["prefix is taken"]
    assert len(recorder.requests()) == 2


def test_lifespan_not_supported(recorder: ListRecorder) -> None:
    """TTY-6: an application without lifespan says so itself; it goes on being recorded."""
    calls = Calls()

    async def no_lifespan(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await hello(scope, receive, send)

    app = calls.around(no_lifespan, recorder)
    with pytest.raises(AssertionError):
        asyncio.run(drive(app, dict(LIFESPAN), [STARTUP]))
    asyncio.run(drive(app, http_scope()))
    assert calls.made == ["start"]


def test_unknown_scope_types_pass(recorder: ListRecorder) -> None:
    """TTY-6: a protocol nobody knows yet is the application's business."""

    async def app(scope: Any, receive: Any, send: Any) -> str:
        return f"answer to {scope['type']}"

    wrapped: Any = capture(app, recorder)
    assert asyncio.run(wrapped({"type": "carrier.pigeon"}, None, None)) == "answer to carrier.pigeon"


def test_with_the_real_recorder() -> None:
    """API-6, X-1: the facts fold into series by method and template, with streams apart."""
    recorder = Recorder(SystemClock())
    stream = START | {"headers": [(b"content-type", b"text/event-stream")]}
    app = Capture(hello, recorder, CaptureOptions())
    streaming = Capture(sending(stream, CHUNK, BODY), recorder, CaptureOptions())
    asyncio.run(drive(app, http_scope("/users/42")))
    asyncio.run(drive(streaming, http_scope("/users/43")))
    frame = recorder.take()
    assert frame.series["requests"]["GET", "/users/{id}"].count == 1
    assert frame.series["streams"]["GET", "/users/{id}"].outcomes == {"200": 1}
    assert recorder.last_failure == ""
