"""A WSGI application is served bare and captured, and what its clients see is compared byte for byte."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest
from tests.capture.conftest import ListRecorder, get, talk
from tests.capture.wsgi_specimen import NAMES, dispatcher, wsgi_capture, wsgi_serving

UPLOAD = get("/echo", "content-length: 70000", method="POST", body=b"u" * 70000)
SOUND = ("/listed", "/several", "/nothing", "/closing", "/measured", "/written", "/filed", "/echo", "/missing")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.txt").write_text("a page\n" * 2000)
    return tmp_path


def witnessed(folder: Path, recorder: ListRecorder | None, requests: list[bytes]) -> tuple[list[bytes], list[str], str]:
    """Answers, closes, and what the server logged, with or without a capture around the application."""
    closed: list[str] = []
    app: Any = dispatcher(folder, closed)
    if recorder is not None:
        app = wsgi_capture(app, recorder)
    with wsgi_serving(app) as (port, errors):
        answers = [comparable(talk(port, request)) for request in requests]
    said = re.findall(r"^\w+Error.*$", errors.getvalue(), re.MULTILINE)
    return answers, closed, "\n".join(said)


def comparable(answer: bytes) -> bytes:
    """The answer without the header Fanlight adds and without the date."""
    return re.sub(rb"(?mi)^(date: .*|x-correlation-id: (?!of-the).*)\r\n", b"", answer)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_shape_of_response(method: str, folder: Path, recorder: ListRecorder) -> None:
    """X-8, TTY-6: status, headers but ours, body, closes and the server's error lines are the same."""
    requests = [*(get(name, method=method) for name in NAMES), UPLOAD]
    with_us, without_us = witnessed(folder, recorder, requests), witnessed(folder, None, requests)
    for name, seen, expected in zip((*NAMES, "upload"), with_us[0], without_us[0], strict=True):
        assert seen == expected, name
    assert with_us[1:] == without_us[1:]
    assert len(recorder.requests()) == len(requests)
    assert recorder.samples()["http.server.active_requests", ""] == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SOUND)
def test_both_sides_keep_to_the_protocol(name: str, folder: Path, recorder: ListRecorder) -> None:
    """X-8: the standard library's validator, around the capture and inside of it, has nothing to say."""
    app = validator(wsgi_capture(validator(dispatcher(folder, [])), recorder))
    with wsgi_serving(app) as (port, errors):
        answer = talk(port, get(name))
    assert answer.startswith(b"HTTP/1.0 ")
    assert errors.getvalue() == ""
    assert [fact["path"] for fact in recorder.requests()] == [name]


def test_requests_at_once_are_each_recorded(folder: Path, recorder: ListRecorder) -> None:
    """X-8, TTY-5: threads that meet inside the application are all in flight, and none afterwards."""
    meet = threading.Barrier(8)

    def app(environ: dict[str, Any], start: Any) -> Any:
        meet.wait(20)
        start("200 OK", [])
        yield environ["PATH_INFO"].encode()

    with wsgi_serving(wsgi_capture(app, recorder)) as (port, _):
        clients = [threading.Thread(target=talk, args=(port, get(f"/{number}"))) for number in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert sorted(fact["path"] for fact in recorder.requests()) == [f"/{number}" for number in range(8)]
    assert len({fact["correlation_id"] for fact in recorder.requests()}) == 8
    samples = recorder.samples()
    assert samples["http.server.active_requests", ""] == 0
    assert samples["http.server.active_requests.peak", ""] == 8
