"""What the WSGI capture writes down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.capture.conftest import ListRecorder
from tests.capture.wsgi_specimen import dispatcher, text, wsgi_capture

from fanlight.clock import ManualClock
from fanlight.core.context import correlation_id
from fanlight.core.facts import DISCONNECTED, EVENT, STREAM, broken_as
from fanlight.errors import StoreError

Start = Callable[..., Any]


class Reply:
    """What a server without sockets was told."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.written: list[bytes] = []

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status, self.headers = status, headers
        return self.written.append


def environ(path: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
    """A request as a server makes it."""
    return {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path} | more


def call(app: Any, request: dict[str, Any] | None = None) -> Reply:
    """Serve one request to its end, as a server does."""
    reply = Reply()
    body = app(request or environ(), reply.start)
    try:
        reply.written.extend(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    return reply


def one(recorder: ListRecorder) -> dict[str, Any]:
    [fact] = recorder.requests()
    assert recorder.samples()["http.server.active_requests", ""] == 0
    return fact


@pytest.fixture(autouse=True)
def outside() -> Iterator[None]:
    """No test leaves its correlation ID behind: the pytest thread serves here."""
    yield
    correlation_id.set("")


@pytest.fixture
def app(tmp_path: Path) -> Any:
    (tmp_path / "page.txt").write_text("a page")
    return dispatcher(tmp_path, [])


def test_a_request_is_measured_from_its_start_to_its_last_byte(recorder: ListRecorder) -> None:
    """X-8, TTY-5: the first byte and the last have their times; close() afterwards adds nothing."""
    clock = recorder.clock
    assert isinstance(clock, ManualClock)

    def slowly(request: Any, start: Start) -> Iterator[bytes]:
        clock.advance(0.25)
        start("201 Created", [])
        yield b""
        clock.advance(0.5)
        yield b"first"
        clock.advance(1.0)
        yield b"last"

    call(wsgi_capture(slowly, recorder), environ("/things", "POST"))
    fact = one(recorder)
    assert (fact["method"], fact["status"], fact["path"], fact["flags"]) == ("POST", 201, "/things", 0)
    assert (fact["first_byte_ns"], fact["duration_ns"]) == (750_000_000, 1_750_000_000)
    assert fact["error"] is None


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/listed", 200, None),
        ("/nothing", 204, None),
        ("/written", 200, None),
        ("/missing", 404, None),
        ("/replaced", 500, "ValueError: password=[redacted] was wrong"),
        ("/boom", 500, "RuntimeError: token=[redacted] broke it"),
        ("/boom_started", 500, "RuntimeError: after the start"),
        ("/boom_late", 200, "RuntimeError: half-way"),
        ("/silent", 500, "the application returned without calling start_response"),
        ("/returns_none", 500, "TypeError: 'NoneType' object is not iterable"),
    ],
)
def test_every_way_out_is_recorded_once(
    path: str, status: int, error: str | None, app: Any, recorder: ListRecorder
) -> None:
    """X-8, TTY-5: status and redacted error are right however a request ends, and it is no longer in flight."""
    with suppress(RuntimeError, TypeError):
        call(wsgi_capture(app, recorder), environ(path))
    fact = one(recorder)
    assert (fact["status"], fact["flags"]) == (status, 0)
    assert fact["error"] == error or (fact["error"] or "").startswith(f"{error} (")
    assert recorder.failures == []


def test_a_response_that_is_another_ones_fault(recorder: ListRecorder) -> None:
    """TTY-3, X-8: what breaks off counts as the status from 500 on that its exception carries."""

    class Lost(Exception):
        status_code = 504

    def relaying(environ: Any, start: Any) -> Any:
        start("200 OK", text())
        yield b"one"
        raise Lost

    with suppress(Lost):
        call(wsgi_capture(relaying, recorder))
    fact = one(recorder)
    assert (fact["status"], broken_as(fact["flags"]), fact["error"]) == (200, 504, "Lost")


def test_an_error_in_close_is_an_event(app: Any, recorder: ListRecorder) -> None:
    """X-8: what fails after the response is no error of the request."""
    with pytest.raises(RuntimeError, match="in close"):
        call(wsgi_capture(app, recorder), environ("/boom_closing"))
    fact = one(recorder)
    assert (fact["status"], fact["error"]) == (200, None)
    [event] = [each for each in recorder.facts if each[0] == EVENT]
    assert event[3] == "failed_after_response"
    assert event[4]["error"].startswith("RuntimeError: in close")


def test_a_client_that_leaves(recorder: ListRecorder) -> None:
    """X-8, TTY-5: a body closed before its end, and a write that fails, mean that the client is gone."""

    def endless(request: Any, start: Start) -> Iterator[bytes]:
        start("200 OK", [])
        while True:
            yield b"more"

    def writing(request: Any, start: Start) -> list[bytes]:
        start("200 OK", [])(b"one")
        return []

    def gone(status: str, headers: Any) -> Any:
        def write(data: bytes) -> None:
            raise BrokenPipeError("gone")

        return write

    body = wsgi_capture(endless, recorder)(environ(), Reply().start)
    assert next(iter(body)) == b"more"
    body.close()
    unread = wsgi_capture(endless, recorder)(environ(), Reply().start)
    unread.close()
    with pytest.raises(BrokenPipeError):
        wsgi_capture(writing, recorder)(environ(), gone)
    seen = [(fact["status"], fact["flags"], fact["error"]) for fact in recorder.requests()]
    assert seen == [(200, DISCONNECTED, None), (499, DISCONNECTED, None), (200, DISCONNECTED, None)]


def test_head_has_no_body_to_leave(recorder: ListRecorder) -> None:
    """X-8: a server that does not read the body of a HEAD, or of a 304, is no client that left."""

    def generated(request: Any, start: Start) -> Any:
        start(request["status"], [])
        return iter([b"body"])

    for method, status in (("HEAD", "200 OK"), ("GET", "304 Not Modified")):
        wsgi_capture(generated, recorder)(environ(method=method, status=status), Reply().start).close()
    assert [fact["flags"] for fact in recorder.requests()] == [0, 0]


def test_a_file_stays_the_servers_own(recorder: ListRecorder, tmp_path: Path) -> None:
    """X-8: what `wsgi.file_wrapper` made is handed back as it is; its close ends the request."""
    closed: list[str] = []

    class Wrapper:
        def __init__(self, file: Any) -> None:
            self.close = file.close

    class File:
        def close(self) -> None:
            closed.append("closed")

    class Sealed:
        __slots__ = ("file",)

        def __init__(self, file: Any) -> None:
            self.file = file

    def filed(request: Any, start: Start) -> Any:
        start("200 OK", [])
        return request["wsgi.file_wrapper"](File())

    app = wsgi_capture(filed, recorder)
    body = app(environ() | {"wsgi.file_wrapper": Wrapper}, Reply().start)
    assert type(body) is Wrapper
    assert recorder.requests() == []
    body.close()
    assert closed == ["closed"]
    assert type(app(environ() | {"wsgi.file_wrapper": Sealed}, Reply().start)) is Sealed
    assert [fact["status"] for fact in recorder.requests()] == [200, 200]
    assert recorder.samples()["http.server.active_requests", ""] == 0


def test_the_correlation_id_is_taken_made_and_returned(recorder: ListRecorder) -> None:
    """API-3, X-8: the ID of the request, else a new one, is in the context through the body and close, and returned."""
    seen: list[str] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            seen.append(correlation_id.get())
            yield b""

        def close(self) -> None:
            seen.append(correlation_id.get())

    def app(request: Any, start: Start) -> Any:
        seen.append(correlation_id.get())
        start("200 OK", [])
        return Body()

    captured = wsgi_capture(app, recorder)
    given = call(captured, environ(HTTP_X_REQUEST_ID="from-the-client", HTTP_X_CORRELATION_ID="not sound"))
    assert seen == ["from-the-client"] * 3
    assert given.headers == [("X-Correlation-ID", "from-the-client")]
    trace = "0af7651916cd43dd8448eb211c80319c"
    call(captured, environ(HTTP_TRACEPARENT=f"00-{trace}-b7ad6b7169203331-01"))
    made = dict(call(captured).headers)["X-Correlation-ID"]
    ids = [fact["correlation_id"] for fact in recorder.requests()]
    assert ids == ["from-the-client", trace, made]
    assert correlation_id.get() == ""


def test_an_id_the_application_returns_is_the_one_recorded(app: Any, recorder: ListRecorder) -> None:
    """API-3, X-8: a header the application set is neither doubled nor contradicted."""
    reply = call(wsgi_capture(app, recorder), environ("/own_id"))
    assert [value for name, value in reply.headers if name.lower() == "x-correlation-id"] == ["of-the-application"]
    assert one(recorder)["correlation_id"] == "of-the-application"


def test_the_log_line_about_a_failure_has_its_id(app: Any, recorder: ListRecorder) -> None:
    """API-3, X-8: after an exception the ID stays for the server's log line; the next request has its own."""
    captured = wsgi_capture(app, recorder)
    with pytest.raises(RuntimeError):
        call(captured, environ("/boom", HTTP_X_CORRELATION_ID="failed"))
    assert correlation_id.get() == "failed"
    call(captured, environ("/listed"))
    assert correlation_id.get() == ""


def test_streams_are_marked(recorder: ListRecorder) -> None:
    """API-6, X-8: by content type, or as the settings declare."""

    def app(request: Any, start: Start) -> Any:
        start("200 OK", [("content-type", request["kind"])])
        return [b"data: 1\n\n"]

    captured = wsgi_capture(app, recorder, stream_routes=("/chat/{id}",))
    for path, kind in (("/a", "text/event-stream"), ("/a", "text/plain"), ("/chat/7", "text/plain")):
        call(captured, environ(path, kind=kind))
    assert [fact["flags"] for fact in recorder.requests()] == [STREAM, 0, STREAM]


def test_paths_are_text_and_templates_lose_their_ids(recorder: ListRecorder) -> None:
    """X-8, HUB-3: bytes handed over as Latin-1 become text, a mount stays apart, ids collapse, 404 is unmatched."""

    def app(request: Any, start: Start) -> Any:
        start(request.get("status", "200 OK"), [])
        return [b""]

    captured = wsgi_capture(app, recorder)
    call(captured, environ("/größe/42".encode().decode("latin-1"), SCRIPT_NAME="/shop", REQUEST_METHOD="MAKE"))
    call(captured, environ("/none", status="404 Not Found"))
    first, second = recorder.requests()
    assert (first["path"], first["root_path"], first["method"]) == ("/shop/größe/42", "/shop", "OTHER")
    assert (first["template"], second["template"]) == ("/größe/{id}", "unmatched")


def test_excluded_paths_are_counted_apart(app: Any, recorder: ListRecorder) -> None:
    """X-8, API-1: what is excluded is answered and not recorded."""
    captured = wsgi_capture(app, recorder, exclude=("/listed", "/sev*"))
    assert call(captured, environ("/listed")).headers == [("Content-Type", "text/plain")]
    call(captured, environ("/several"))
    call(captured, environ("/nothing"))
    assert one(recorder)["path"] == "/nothing"
    assert recorder.counts == {"fanlight.excluded.requests": 2}


def test_what_is_no_request_is_the_applications_to_refuse(recorder: ListRecorder) -> None:
    """X-8, TTY-6: a broken environ reaches the application, and is counted as our own failure."""

    def app(request: Any, start: Start) -> Any:
        return [b"answered"]

    assert wsgi_capture(app, recorder)({"PATH_INFO": 5}, Reply().start) == [b"answered"]
    assert [where for where, _ in recorder.failures] == ["capture"]
    assert recorder.samples()["http.server.active_requests", ""] == 0


def test_a_start_that_fails_is_said_and_never_hurts(
    app: Any, recorder: ListRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    """X-8, TTY-6: a store that cannot be opened is counted and logged once; requests are served."""
    captured = wsgi_capture(app, recorder)
    attempts: list[str] = []

    def start() -> None:
        attempts.append("tried")
        raise StoreError("the store cannot be opened")

    captured._on_startup = start
    with caplog.at_level(logging.ERROR, "fanlight"):
        for _ in range(2):
            assert call(captured, environ("/listed")).status == "200 OK"
    assert (attempts, [record.message for record in caplog.records]) == (["tried"], ["the store cannot be opened"])
    assert [where for where, _ in recorder.failures] == ["startup"]
