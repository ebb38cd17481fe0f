"""WSGI applications of many shapes, right and wrong, and a server of the standard library to serve them."""

from __future__ import annotations

import io
import socketserver
import threading
import wsgiref.simple_server
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from tests.capture.conftest import PATIENCE, ListRecorder

from fanlight.capture.asgi import CaptureOptions
from fanlight.capture.wsgi import WsgiCapture
from fanlight.core.recorder import Recorder

Start = Callable[..., Any]


def text() -> list[tuple[str, str]]:
    """Headers; a list of its own for each response, because servers may change it."""
    return [("Content-Type", "text/plain")]


def wsgi_capture(app: Any, recorder: ListRecorder, **options: Any) -> WsgiCapture:
    """A WsgiCapture over a ListRecorder."""
    return WsgiCapture(app, cast(Recorder, recorder), CaptureOptions(**options))


class Closing:
    """A body that tells of its close, and may fail in it."""

    def __init__(self, parts: list[bytes], closed: list[str], failure: str = "") -> None:
        self._parts, self._closed, self._failure = parts, closed, failure

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def close(self) -> None:
        self._closed.append("closed")
        if self._failure:
            raise RuntimeError(self._failure)


class Measured(Closing):
    """A body with a length that is no list."""

    def __len__(self) -> int:
        return len(self._parts)


class Shapes:
    """What applications return, each at the path of its name."""

    def __init__(self, folder: Path, closed: list[str]) -> None:
        self.folder, self.closed = folder, closed

    def listed(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        return [b"one"]

    def several(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        return (b"one", b"", b"two")

    def nothing(self, environ: Any, start: Start) -> Any:
        start("204 No Content", [])
        return []

    def generated(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        yield b""
        yield b"one"
        yield b"two"

    def closing(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        return Closing([b"one", b"two"], self.closed)

    def measured(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        return Measured([b"one"], self.closed)

    def written(self, environ: Any, start: Start) -> Any:
        write = start("200 OK", text())
        write(b"one")
        write(b"two")
        return [b"three"]

    def filed(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        return environ["wsgi.file_wrapper"]((self.folder / "page.txt").open("rb"), 512)

    def closeless(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        reader = io.BytesIO(b"in memory")
        return environ["wsgi.file_wrapper"](type("Reader", (), {"read": lambda self, size: reader.read(size)})())

    def echo(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]

    def own_id(self, environ: Any, start: Start) -> Any:
        start("200 OK", [*text(), ("X-Correlation-Id", "of-the-application")])
        return [b"one"]

    def repeated(self, environ: Any, start: Start) -> Any:
        start("302 Found", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Location", "/listed")])
        return [b""]

    def replaced(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        try:
            raise ValueError("password=hunter2 was wrong")
        except ValueError as error:
            start("500 Broken", text(), (ValueError, error, None))
        return [b"sorry"]

    def missing(self, environ: Any, start: Start) -> Any:
        start("404 Not Found", text())
        return [b"none"]

    def boom(self, environ: Any, start: Start) -> Any:
        raise RuntimeError("token=abcdefgh broke it")

    def boom_started(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        raise RuntimeError("after the start")

    def boom_late(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        yield b"one"
        raise RuntimeError("half-way")

    def boom_closing(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())
        return Closing([b"one"], self.closed, "in close")

    def headers_wrong(self, environ: Any, start: Start) -> Any:
        start("200 OK", (("Content-Type", "text/plain"),))
        return [b"one"]

    def status_wrong(self, environ: Any, start: Start) -> Any:
        start("fine", text())
        return [b"one"]

    def silent(self, environ: Any, start: Start) -> Any:
        return [b"no start"]

    def returns_none(self, environ: Any, start: Start) -> Any:
        start("200 OK", text())


NAMES = tuple(f"/{name}" for name, shape in vars(Shapes).items() if not name.startswith("_") and callable(shape))


def dispatcher(folder: Path, closed: list[str]) -> Callable[[dict[str, Any], Start], Any]:
    """One application that is each of the shapes at its path."""
    shapes = Shapes(folder, closed)

    def app(environ: dict[str, Any], start: Start) -> Any:
        return getattr(shapes, environ["PATH_INFO"].removeprefix("/"))(environ, start)

    return app


class _Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = False


class _Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def get_stderr(self) -> Any:
        return self.server.errors  # type: ignore[attr-defined]  # set below


@contextmanager
def wsgi_serving(app: Any) -> Iterator[tuple[int, io.StringIO]]:
    """A threaded wsgiref over a real socket; gives its port and what it wrote to its error stream."""
    errors = io.StringIO()
    with wsgiref.simple_server.make_server("127.0.0.1", 0, app, _Server, _Quiet) as server:
        server.errors = errors  # type: ignore[attr-defined]  # for the handler above
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_port, errors
        finally:
            server.shutdown()
            thread.join(PATIENCE)
