"""Real servers with several workers, real clients, and what each worker's dashboard says."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.cli.conftest import PATIENCE, Running, environ, eventually, folder

from fanlight.core.cell import Cell
from fanlight.core.frame import Frame
from fanlight.stores import open_store

__all__ = ["environ", "eventually", "folder"]

Launch = Callable[..., Running]

WSGI: Final = """
import os
from flask import Flask
from fanlight import Fanlight

app = Flask(__name__)
dashboard = Fanlight("shop", exclude=["/pid"])
prompts = dashboard.cache("prompts", clear=lambda: print("cleared by", os.getpid(), flush=True))

@app.get("/pid")
def pid():
    return str(os.getpid())

@app.get("/items/<int:item>")
def item(item):
    return str(item)

app.wsgi_app = dashboard.wsgi(app.wsgi_app)
"""

ASGI: Final = """
import os
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from fanlight import Fanlight

def pid(request):
    return PlainTextResponse(str(os.getpid()))

async def item(request):
    return PlainTextResponse(request.path_params["item"])

app = Starlette(routes=[Route("/pid", pid), Route("/items/{item}", item)])
dashboard = Fanlight("shop", exclude=["/pid"])
dashboard.install(app)
"""


@pytest.fixture
def launch(folder: Path, environ: dict[str, str]) -> Iterator[Launch]:
    """Starts `python -m MODULE WORDS...` in a folder with a WSGI `shop` and an ASGI `stall`; all end with the test."""
    (folder / "shop.py").write_text(WSGI)
    (folder / "stall.py").write_text(ASGI)
    started: list[Running] = []

    def start(module: str, *words: str, **variables: str) -> Running:
        store = {"FANLIGHT_STORE": f"sqlite:///{folder}/shop.db"}
        started.append(Running(list(words), folder, {**environ, **store, **variables}, module))
        return started[-1]

    yield start
    for running in started:
        if running.popen.poll() is None:
            for process in running.family():
                process.kill()
            running.popen.kill()
        running.end()


def listening(running: Running) -> str:
    """Wait until gunicorn or uvicorn says where it listens; the host and port."""
    found = re.search(r"http://([\d.]+:\d+)", running.until("http://127.0.0.1:"))
    assert found is not None
    return found[1]


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answer(connection: http.client.HTTPConnection, path: str, method: str = "GET") -> tuple[int, str]:
    """Status and body of a request on a connection that is kept."""
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def document(connection: http.client.HTTPConnection, path: str) -> Any:
    status, body = answer(connection, path)
    assert status == 200, body
    return json.loads(body)


def connected(place: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(place, timeout=PATIENCE)


def drive(place: str, kept: int, fresh: int) -> int:
    """Have clients make so many requests over four kept connections, and over new ones; how many that were."""

    def keep() -> None:
        connection = connected(place)
        for number in range(kept // 4):
            assert answer(connection, f"/items/{number}")[0] == 200
        connection.close()

    def renew() -> None:
        for number in range(fresh // 4):
            connection = connected(place)
            assert answer(connection, f"/items/{number}")[0] == 200
            connection.close()

    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    clients = [threading.Thread(target=guarded, args=(work,)) for work in (keep, renew) * 4]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert failures == []
    return kept // 4 * 4 + fresh // 4 * 4


def each_worker(
    place: str, workers: int, eventually: Callable[[Callable[[], bool]], None]
) -> dict[int, http.client.HTTPConnection]:
    """A kept connection to every worker, by its pid."""
    found: dict[int, http.client.HTTPConnection] = {}

    def enough() -> bool:
        connection = connected(place)
        try:
            pid = int(answer(connection, "/pid")[1])
        except (OSError, http.client.HTTPException):  # uvicorn says where it listens before it does
            connection.close()
            return False
        if pid in found:
            connection.close()
        else:
            found[pid] = connection
        return len(found) == workers

    eventually(enough)
    return found


def close(connections: dict[int, http.client.HTTPConnection]) -> None:
    """Close them all."""
    for connection in connections.values():
        connection.close()


def stored_histogram(folder: Path) -> Cell:
    """All that the totals in the store count, in one histogram."""
    store, merged = open_store(f"sqlite:///{folder}/shop.db"), Cell()
    for blob in store.totals("shop").values():
        for cell in Frame.decode(blob).totals.values():
            merged.add(cell)
    store.close()
    return merged


def stored_requests(folder: Path) -> int:
    """The requests that the totals in the store count."""
    return stored_histogram(folder).count
