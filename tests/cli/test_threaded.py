"""`fanlight run` on WSGI applications: real Flask, real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fanlight.cli import threaded
from fanlight.errors import FanlightError

if TYPE_CHECKING:
    from tests.cli.conftest import Command

Eventually = Callable[[Callable[[], bool]], None]

FLASK = """
import threading
from flask import Flask, Response, request

app = Flask(__name__)
meet = threading.Barrier(4)

@app.get("/items/<int:item>")
def item(item):
    return str(item)

@app.post("/length")
def length():
    return str(len(request.get_data()))

@app.get("/meet")
def together():
    meet.wait(20)
    return "met"

@app.get("/boom")
def boom():
    raise RuntimeError("it broke")

@app.get("/endless")
def endless():
    def parts():
        try:
            while True:
                yield "x" * 65536
        finally:
            print("the stream was closed", flush=True)
    return Response(parts())
"""

CARRYING = (
    FLASK
    + """
from fanlight import Fanlight
dashboard = Fanlight("carried", prefix="/glass")
app.wsgi_app = dashboard.wsgi(app.wsgi_app)
"""
)


@pytest.fixture(autouse=True)
def applications(folder: Path) -> None:
    (folder / "flasky.py").write_text(FLASK)
    (folder / "carrying.py").write_text(CARRYING)


def test_a_flask_application_is_served_and_recorded(command: Command, eventually: Eventually) -> None:
    """X-8: with no change to it, its requests count once, by its own templates, errors with their text; the dashboard
    is under its prefix, health on the root, and neither counts.
    """
    running = command("run", "flasky:app", "--port", "0")
    address = running.served()
    for number in range(5):
        assert running.get(address, f"/items/{number}") == (200, str(number))
    assert running.get(address, "/boom")[0] == 500
    assert running.get(address, "/missing")[0] == 404
    assert running.get(address, "/health")[0] in (200, 503)
    assert running.get(address, "/dashboard")[0] == 200

    def told() -> bool:
        data = json.loads(running.get(address, "/dashboard/api/data")[1])
        return bool(data["performance"]["total_requests"] == 7)

    eventually(told)
    requests = running.get(address, "/dashboard/api/requests")[1]
    assert "/items/{item}" in requests
    assert "RuntimeError: it broke" in requests
    assert running.stop() == 0


def test_a_dashboard_of_its_own_is_used(command: Command, eventually: Eventually) -> None:
    """X-8: an application that was given a dashboard in its code keeps that one, recorded once."""
    running = command("run", "carrying:app", "--port", "0")
    address = running.served()
    assert address.endswith("/glass")
    running.get(address, "/items/1")

    def told() -> bool:
        data = json.loads(running.get(address, "/glass/api/data")[1])
        return bool(data["service"] == "carried" and data["performance"]["total_requests"] == 1)

    eventually(told)
    assert running.stop() == 0


def test_requests_are_served_in_threads(command: Command) -> None:
    """X-8: requests that wait for each other are served at once, and bodies arrive whole."""
    running = command("run", "flasky:app", "--port", "0")
    host, _, port = running.served().removeprefix("http://").partition("/")[0].partition(":")
    request = b"GET /meet HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    sockets = [socket.create_connection((host, int(port)), 30) for _ in range(4)]
    for each in sockets:
        each.sendall(request)
    for each in sockets:
        with each, each.makefile("rb") as answer:
            assert answer.read().endswith(b"met")
    with socket.create_connection((host, int(port)), 30) as upload, upload.makefile("rb") as answer:
        head = b"POST /length HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
        upload.sendall(head + b"u" * 200_000)
        assert answer.read().endswith(b"200000")
    assert running.stop() == 0


def test_a_stream_ends_when_its_client_leaves(command: Command) -> None:
    """X-8: an endless response is closed when nobody reads it any more, and never keeps the server from stopping."""
    running = command("run", "flasky:app", "--port", "0")
    host, _, port = running.served().removeprefix("http://").partition("/")[0].partition(":")
    with socket.create_connection((host, int(port)), 30) as leaving:
        leaving.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert leaving.recv(65_536)
    running.until("the stream was closed")
    with socket.create_connection((host, int(port)), 30) as staying:
        staying.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert staying.recv(65_536)
        running.popen.terminate()
        while staying.recv(1 << 20):
            continue
    assert running.end() == 0


def test_workers_show_one_total(command: Command, eventually: Eventually) -> None:
    """X-2, X-8: two workers of a WSGI application count together."""
    running = command("run", "flasky:app", "--port", "0", "--workers", "2")
    address = running.served()
    for number in range(40):
        running.get(address, f"/items/{number}")

    def told() -> bool:
        return bool(json.loads(running.get(address, "/dashboard/api/data")[1])["performance"]["total_requests"] == 40)

    eventually(told)
    assert running.stop() == 0


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-8: without a2wsgi it says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "a2wsgi", None)
    with pytest.raises(FanlightError, match=r"pip install 'fanlight\[wsgi\]'"):
        threaded._adapter()
