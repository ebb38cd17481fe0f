"""One WSGI request and its response, from the call of the application to the close of what it returned (PEP 3333)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from fanlight.capture import correlation
from fanlight.capture.exchange import METHODS, PATH_LIMIT, STREAM_TYPES, UNOWNED, abandoned, broken_by, described
from fanlight.capture.frameworks import ERROR, django_rule, flask_rule
from fanlight.capture.routes import BY_PATH
from fanlight.core.context import correlation_id
from fanlight.core.facts import DISCONNECTED, REQUEST, STREAM

if TYPE_CHECKING:
    from fanlight.capture.wsgi import WsgiCapture

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApplication = Callable[[Environ, StartResponse], Any]

RESPONSE_HEADER: Final = "X-Correlation-ID"
_LOWER_HEADER: Final = RESPONSE_HEADER.lower()
_STREAM_TYPES: Final = tuple(kind.decode() for kind in STREAM_TYPES)
_REQUEST_KEYS: Final = {
    "HTTP_X_CORRELATION_ID": b"x-correlation-id",
    "HTTP_X_REQUEST_ID": b"x-request-id",
    "HTTP_TRACEPARENT": b"traceparent",
}
_BODILESS: Final = (204, 304)

ARRIVED: Final = "fanlight.arrived_ns"
"""In the ASGI scope beneath a WSGI environ: when the server took the request, which then waited for a thread."""


class Exchange:
    """One request and its response; makes exactly one REQUEST fact. The body that the server iterates, too."""

    __slots__ = (
        "began_ns", "body", "capture", "correlation_id", "ended", "environ", "error", "first_byte_ns", "flags",
        "iterator", "path", "root_path", "route", "server_start", "server_write", "status",
    )  # fmt: skip

    def begin(self, capture: WsgiCapture, environ: Environ, start_response: StartResponse) -> None:
        """Start the clock. Not `__init__`: calling a class that has one costs 0.1 µs more on CPython 3.11."""
        below = environ.get("asgi.scope")
        self.began_ns = capture.now_ns() if below is None else below.get(ARRIVED) or capture.now_ns()
        self.capture = capture
        self.environ = environ
        self.server_start = start_response
        self.root_path = environ.get("SCRIPT_NAME") or ""
        self.path = self.root_path + (environ.get("PATH_INFO") or "")
        self.status = self.flags = self.first_byte_ns = 0
        self.ended = False
        self.error: str | None = None
        self.route: str | None = None
        self.body: Any = None
        self.iterator: Any = None
        for key in _REQUEST_KEYS:
            if key in environ:
                self.correlation_id = _given(environ) or correlation.make()
                break
        else:
            self.correlation_id = correlation.make()
        live = capture.live
        live.add(id(self))
        if len(live) > capture.peak:
            capture.peak = len(live)

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """`start_response` for the application: adds the correlation ID, unless the application did."""
        sent, flags = headers, 0
        try:
            if type(headers) is list:  # the server says what is wrong with anything else
                flags, named = _noted(headers)
                self.correlation_id = named or self.correlation_id
                sent = headers if named is not None else [*headers, (RESPONSE_HEADER, self.correlation_id)]
        except Exception as error:
            self.capture.recorder.failed("capture", error)
        self.server_write = self.server_start(status, sent, *((exc_info,) if exc_info else ()))
        try:
            self.status = int(status[:3])
            self.route = flask_rule(self.environ, self.root_path)
            self.flags = self.flags & ~STREAM | flags
            if exc_info:
                self.error = described(exc_info[1])
        except Exception as error:
            self.capture.recorder.failed("capture", error)
        return self.write

    def write(self, data: bytes) -> Any:
        """The `write` for the application: notes the first byte, and a client that has gone."""
        try:
            result = self.server_write(data)
        except OSError:
            self.flags |= DISCONNECTED
            raise
        if data and not self.first_byte_ns:
            self.first_byte_ns = self.capture.now_ns() - self.began_ns or 1
        return result

    def opened(self, body: Any) -> Any:
        """What the server gets in place of the body the application returned."""
        self.body = body
        if type(body) is list or type(body) is tuple:
            if not self.first_byte_ns:
                self.first_byte_ns = self.capture.now_ns() - self.began_ns or 1
            return Sized(self, body, body)
        if _is_servers_own(body, self.environ):
            return self._hooked(body)
        return Sized(self, body, self) if hasattr(body, "__len__") else self

    def __iter__(self) -> Exchange:
        try:
            self.iterator = iter(self.body)
        except BaseException as error:
            self.end(error)
            raise
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self.iterator)  # a server calls iter() first
        except StopIteration:
            self.end(None)
            raise
        except BaseException as error:
            self.end(error)
            raise
        if chunk and not self.first_byte_ns:
            self.first_byte_ns = self.capture.now_ns() - self.began_ns or 1
        return chunk

    def close(self) -> None:
        """The server is done with the body; before its end, the client must have gone."""
        if not self.ended:
            if self.environ.get("REQUEST_METHOD") != "HEAD" and self.status not in _BODILESS:
                self.flags |= DISCONNECTED
            self.end(None)
        self.put_away(getattr(self.body, "close", None))

    def put_away(self, close: Callable[[], object] | None) -> None:
        """The application's own `close`, the last that runs under the correlation ID."""
        try:
            if close is not None:
                close()
        except BaseException as error:
            self._note_late(error)
            raise
        finally:
            correlation_id.set("")
            self.body = self.iterator = None

    def end(self, error: BaseException | None) -> None:
        """The last byte is out, or the application raised; recorded once, never raises."""
        if self.ended:
            return
        self.ended = True
        ended_ns = self.capture.now_ns()
        self.capture.live.discard(id(self))
        try:
            self._judge(error)
            self._record(ended_ns)
        except Exception as failure:
            self.capture.recorder.failed("capture", failure)

    def _hooked(self, body: Any) -> Any:
        """A body of the server's own kind (a file to send), itself; its end is heard by its `close`."""
        close = getattr(body, "close", None)

        def closing() -> None:
            self.end(None)
            self.put_away(close)

        self.first_byte_ns = self.first_byte_ns or self.capture.now_ns() - self.began_ns
        try:
            body.close = closing
        except (AttributeError, TypeError):  # it takes no other; then the hand-over is the last that is seen
            self.end(None)
            correlation_id.set("")
        return body

    def _judge(self, error: BaseException | None) -> None:
        """Settle status, flags and error."""
        if error is not None and abandoned(error):
            self.flags |= DISCONNECTED
            error = None
        if self.flags & DISCONNECTED:
            self.status = self.status or 499
        elif error is not None:
            self.error = described(error)
            if not self.first_byte_ns:  # the start was noted only: the server can still answer 500, and does
                self.status = 500
            self.flags |= broken_by(error)
        elif not self.status:
            self.status = 500
            self.error = "the application returned without calling start_response"
        elif self.status < 500:
            self.error = None  # what it said to start_response it answered in its own way
        if self.status >= 500:
            self.error = self.error or self.environ.get(ERROR)

    def _note_late(self, error: BaseException) -> None:
        fields = {"path": self.path[:200], "error": (described(error) or "")[:300]}
        self.capture.recorder.event("failed_after_response", fields, self.correlation_id)

    def _record(self, ended_ns: int) -> None:
        capture, environ, status = self.capture, self.environ, self.status
        root_path, path = _text(self.root_path), _text(self.path)
        if capture.is_declared_stream is not None and capture.is_declared_stream(path[len(root_path) :]):
            self.flags |= STREAM
        if status == 404 and UNOWNED in environ.get("asgi.scope", ()):
            capture.recorder.count("fanlight.dashboard.requests")
            return
        route: Any = self.route or django_rule(environ, self.root_path, self.body)
        if route is None and status != 404:
            route = BY_PATH
        method = environ.get("REQUEST_METHOD", "")
        duration_ns = ended_ns - self.began_ns
        capture.append(
            (
                REQUEST,
                capture.next_seq(),
                ended_ns,
                duration_ns,
                self.first_byte_ns or duration_ns,
                method if method in METHODS else "OTHER",
                route,
                root_path,
                status,
                self.flags,
                path if len(path) <= PATH_LIMIT else path[:PATH_LIMIT],
                self.correlation_id,
                self.error,
            )
        )


class Sized:
    """A body whose length the server may ask for: with one part it knows the Content-Length."""

    __slots__ = ("_body", "_exchange", "_parts")

    def __init__(self, exchange: Exchange, body: Any, parts: Any) -> None:
        self._exchange = exchange
        self._body: Sequence[bytes] = body
        self._parts = parts

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parts)

    def close(self) -> None:
        if self._parts is self._body:  # a list is whole: whether its last part arrived, nobody can tell
            self._exchange.end(None)
        self._exchange.close()


def _given(environ: Environ) -> str | None:
    found = [(name, environ[key].encode("latin-1", "replace")) for key, name in _REQUEST_KEYS.items() if key in environ]
    return correlation.given(found)


def _noted(headers: list[tuple[str, str]]) -> tuple[int, str | None]:
    """STREAM for headers that make the response one, and the correlation ID they name; "" for one that is not sound."""
    flags, named = 0, None
    for name, value in headers:
        length = len(name)
        if length == 12:
            if value.startswith(_STREAM_TYPES) and name.lower() == "content-type":
                flags = STREAM
        elif length == 16 and name.lower() == _LOWER_HEADER:
            named = correlation.valid(value.encode("latin-1", "replace")) or ""
    return flags, named


def _is_servers_own(body: Any, environ: Environ) -> bool:
    """Whether the body is a file the server sends by itself, which it knows by its type, or by its being a file."""
    wrapper = environ.get("wsgi.file_wrapper")
    if wrapper is None:
        return False
    return isinstance(body, wrapper) if isinstance(wrapper, type) else hasattr(body, "fileno")


def _text(path: str) -> str:
    """A path as text: WSGI hands bytes over as Latin-1."""
    return path if path.isascii() else path.encode("latin-1", "replace").decode("utf-8", "replace")
