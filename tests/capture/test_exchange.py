"""One request and its response: what is recorded of it, however it goes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from tests.capture.conftest import (
    BODY,
    CHUNK,
    GONE,
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

from fanlight.capture.exchange import Application
from fanlight.clock import ManualClock
from fanlight.core.facts import BROKE_AS, DISCONNECTED, EVENT, STREAM


def test_a_plain_request(recorder: ListRecorder) -> None:
    """API-1: one request is one fact, with method, path, status, flags and its ID."""
    sent = run(hello, recorder, http_scope("/p", "POST"))
    [fact] = recorder.requests()
    assert (fact["method"], fact["path"], fact["status"], fact["flags"], fact["error"]) == ("POST", "/p", 200, 0, None)
    assert header(sent[0], b"x-correlation-id") == fact["correlation_id"].encode()
    assert sent[1] == {"type": "http.response.body", "body": b"hello"}
    assert recorder.failures == []


def test_times() -> None:
    """API-6: duration is until the last byte was sent, first byte until the first content; not background work."""
    clock = ManualClock()
    recorder = ListRecorder(clock)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.advance(1)
        await send(START)
        clock.advance(1)
        await send({"type": "http.response.body", "more_body": True})
        await send(CHUNK)
        clock.advance(1)
        await send(BODY)
        clock.advance(100)

    async def scenario() -> None:
        async def slow_send(message: Any) -> None:
            clock.advance(0.5)

        wrapped: Application = capture(app, recorder)
        await wrapped(http_scope(), None, slow_send)

    asyncio.run(scenario())
    [fact] = recorder.requests()
    assert fact["first_byte_ns"] == 3_000_000_000
    assert fact["duration_ns"] == 5_000_000_000
    assert fact["at_ns"] == 6_000_000_000


def test_first_byte_of_a_response_in_one_piece() -> None:
    """API-6: a response in one piece has its first byte when it has its last."""
    clock = ManualClock()
    recorder = ListRecorder(clock)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.advance(2)
        await send(START)
        await send(BODY)

    run(app, recorder)
    assert recorder.requests()[0]["first_byte_ns"] == recorder.requests()[0]["duration_ns"] == 2_000_000_000


@pytest.mark.parametrize(
    ("content_type", "flags"),
    [
        (b"text/event-stream", STREAM),
        (b"text/event-stream; charset=utf-8", STREAM),
        (b"application/x-ndjson", STREAM),
        (b"application/jsonlines", STREAM),
        (b"application/json", 0),
        (b"text/plain", 0),
    ],
)
@pytest.mark.parametrize("name", [b"content-type", b"Content-Type"])
def test_streams_by_content_type(name: bytes, content_type: bytes, flags: int, recorder: ListRecorder) -> None:
    """API-6: event streams and line-delimited JSON are streams."""
    headers = [(b"x-correlation-id", b"mine"), (name, content_type), (b"x-accel-limit", b"text/event-stream")]
    run(sending(START | {"headers": headers[1:]}, BODY), recorder)
    run(sending(START | {"headers": headers}, BODY), recorder)
    run(sending(START | {"headers": tuple(headers)}, BODY), recorder)
    assert [fact["flags"] for fact in recorder.requests()] == [flags] * 3


def test_declared_streams(recorder: ListRecorder) -> None:
    """API-6: a route declared as a stream is one whatever its content type."""
    declared = ("/chat/{id}/tokens", "/raw/{rest:path}")
    for path in ("/chat/7/tokens", "/chat/7", "/raw/a/b", "/chat/7/8/tokens"):
        run(hello, recorder, http_scope(path), stream_routes=declared)
    assert [fact["flags"] for fact in recorder.requests()] == [STREAM, 0, STREAM, 0]


@pytest.mark.parametrize(
    ("last", "more"),
    [
        ({"type": "http.response.pathsend", "path": "/tmp/x"}, {}),
        ({"type": "http.response.zerocopysend", "file": 3}, {}),
        ({"type": "http.response.trailers", "headers": []}, {"trailers": True}),
    ],
)
def test_extensions_that_end_a_response(last: dict[str, Any], more: dict[str, Any], recorder: ListRecorder) -> None:
    """TTY-6: path send, zero-copy send and trailers pass as they are and end the request."""
    middle = [BODY] if more else []
    sent = run(sending(START | more, *middle, last), recorder)
    assert sent[-1] is last
    assert (sent[0].get("trailers"), len(recorder.requests())) == (more.get("trailers"), 1)
    assert recorder.requests()[0]["error"] is None


def test_other_messages_pass(recorder: ListRecorder) -> None:
    """TTY-6: early hints, push, debug and unfinished extensions pass untouched, in order."""
    early = {"type": "http.response.early_hint", "links": []}
    push = {"type": "http.response.push", "path": "/x", "headers": []}
    debug = {"type": "http.response.debug", "info": {}}
    part = {"type": "http.response.zerocopysend", "file": 3, "more_body": True}
    sent = run(sending(early, push, debug, START, part, BODY), recorder)
    assert [sent[index] for index in (0, 1, 2, 4, 5)] == [early, push, debug, part, BODY]
    assert len(recorder.requests()) == 1


def test_unhandled_error_that_was_answered(recorder: ListRecorder) -> None:
    """API-3: the 500 of an error middleware is recorded once, with the exception after it; it passes unchanged."""
    error = RuntimeError("boom")
    with pytest.raises(RuntimeError) as caught:
        run(sending(START | {"status": 500}, BODY, then=error), recorder)
    assert caught.value is error
    [fact] = recorder.requests()
    assert (fact["status"], fact["error"]) == (500, "RuntimeError: boom")


@pytest.mark.parametrize(
    ("messages", "error", "status", "flags"),
    [
        ([], ValueError("early"), 500, 0),
        ([START, CHUNK], ValueError("in the middle"), 200, 0),
        ([], asyncio.CancelledError(), 499, DISCONNECTED),
        ([START, CHUNK], asyncio.CancelledError(), 200, DISCONNECTED),
        ([], ClientDisconnect(), 499, DISCONNECTED),
        ([], KeyboardInterrupt("by hand"), 500, 0),
    ],
)
def test_exceptions(
    messages: list[dict[str, Any]], error: BaseException, status: int, flags: int, recorder: ListRecorder
) -> None:
    """TTY-5: an exception is recorded with what the client got, a cancellation as a client that left; it passes."""
    app = capture(sending(*messages, then=error), recorder)
    with pytest.raises(type(error)) as caught:
        drive(app, http_scope()).send(None)
    assert caught.value is error
    [fact] = recorder.requests()
    assert (fact["status"], fact["flags"]) == (status, flags)
    assert fact["error"] == (None if flags else f"{type(error).__name__}: {error}")
    assert app.active == 0


@pytest.mark.parametrize(("messages", "status"), [([], 500), ([START, CHUNK], 200)])
def test_response_left_unfinished(messages: list[dict[str, Any]], status: int, recorder: ListRecorder) -> None:
    """TTY-5: an application that just returns has failed, and the fact says so."""
    run(sending(*messages), recorder)
    [fact] = recorder.requests()
    assert fact["status"] == status
    assert "without completing" in str(fact["error"])


class Refused(Exception):
    """As HTTP exceptions of every library have it."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


def _caused(status: int) -> Exception:
    error = RuntimeError("wrapped")
    error.__cause__ = Refused(status)
    return error


@pytest.mark.parametrize(
    ("messages", "error", "status", "flags"),
    [
        ([START, CHUNK], Refused(502), 200, BROKE_AS * 502),
        ([START | {"headers": [(b"content-type", b"text/event-stream")]}], Refused(504), 200, BROKE_AS * 504 | STREAM),
        ([START, CHUNK], _caused(503), 200, BROKE_AS * 503),
        ([START, CHUNK], Refused(404), 200, 0),  # what somebody answered the service, not the service its client
        ([START | {"status": 201}], Refused(600), 201, 0),
        ([], Refused(502), 500, 0),  # the server answers 500
    ],
)
def test_who_broke_a_response_off(
    messages: list[dict[str, Any]], error: Exception, status: int, flags: int, recorder: ListRecorder
) -> None:
    """TTY-3, X-7: what breaks off counts as the status from 500 on that its exception carries, which nobody saw."""
    with pytest.raises(type(error)):
        run(sending(*messages, then=error), recorder)
    [fact] = recorder.requests()
    assert (fact["status"], fact["flags"]) == (status, flags)


def test_client_leaves_before_the_response(recorder: ListRecorder) -> None:
    """TTY-5: what is sent to a client that has gone does not count: 499."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == GONE
        await send(START)
        await send(BODY)

    asyncio.run(drive(capture(app, recorder), http_scope(), [GONE]))
    assert [(fact["status"], fact["flags"]) for fact in recorder.requests()] == [(499, DISCONNECTED)]


@pytest.mark.parametrize("answers", [True, False])
def test_a_request_lasts_until_its_client_leaves(answers: bool, recorder: ListRecorder) -> None:
    """TTY-5, X-2: what the handler goes on doing for a client that has gone is nobody's latency; it is in flight."""
    clock = recorder.clock
    assert isinstance(clock, ManualClock)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.advance(1)
        assert await receive() == await receive() == GONE
        clock.advance(60)
        assert recorder.samples()["http.server.active_requests", ""] == 1
        for message in (START, BODY) if answers else ():
            await send(message)
        clock.advance(60)

    asyncio.run(drive(capture(app, recorder), http_scope(), [GONE, GONE]))
    [fact] = recorder.requests()
    assert (fact["status"], fact["flags"], fact["duration_ns"]) == (499, DISCONNECTED, 1_000_000_000)


def test_client_leaves_after_the_response(recorder: ListRecorder) -> None:
    """TTY-5: a disconnect after the last byte is how every connection ends."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(BODY)
        assert await receive() == GONE

    asyncio.run(drive(capture(app, recorder), http_scope(), [GONE]))
    assert [(fact["status"], fact["flags"]) for fact in recorder.requests()] == [(200, 0)]


def test_failure_after_the_response(recorder: ListRecorder) -> None:
    """API-3: a background task that fails is an event with the request's ID; the request itself went well."""
    with pytest.raises(RuntimeError):
        run(sending(START, BODY, then=RuntimeError("late")), recorder)
    [fact] = recorder.requests()
    assert (fact["status"], fact["error"]) == (200, None)
    [event] = [fact for fact in recorder.facts if fact[0] == EVENT]
    assert event[3:] == ("failed_after_response", {"path": "/", "error": "RuntimeError: late"}, fact["correlation_id"])


@pytest.mark.parametrize(("theirs", "recorded"), [(b"theirs", "theirs"), (b"not sound", "ours")])
def test_id_set_by_the_application(theirs: bytes, recorded: str, recorder: ListRecorder) -> None:
    """API-3: an application's own X-Correlation-ID is returned, alone, and recorded if sound."""
    start = START | {"headers": [(b"X-Correlation-Id", theirs)]}
    sent = run(sending(start, BODY), recorder, http_scope(headers=[(b"x-correlation-id", b"ours")]))
    assert sent[0]["headers"] == [(b"X-Correlation-Id", theirs)]
    assert recorder.requests()[0]["correlation_id"] == recorded


def test_hostile_requests_are_bounded(recorder: ListRecorder) -> None:
    """TTY-6: a path is cut, a made-up method is "OTHER"."""
    run(hello, recorder, http_scope("/" + "a" * 60_000, "BREW"))
    [fact] = recorder.requests()
    assert (len(fact["path"]), fact["method"]) == (2048, "OTHER")
