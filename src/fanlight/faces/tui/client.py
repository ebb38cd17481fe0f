"""A running dashboard over HTTP: one stream at a time, read on a thread of its own, and the newest state of its page.

`http.client` is in every Python and reads chunked answers and TLS; reading blocks, so it has a thread, and the drawing
loop is only told of what came.
"""

from __future__ import annotations

import asyncio
import http.client as http_client
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from fanlight.errors import FanlightError
from fanlight.faces.context import ActionResult
from fanlight.faces.tui.document import OVERLAP_SECONDS, PageDocument, PageUpdate
from fanlight.faces.tui.source import SourceLost, SourceRefused, WrongValue
from fanlight.faces.web.views import to_query
from fanlight.panels import LogLine, View

SILENCE_SECONDS: Final = 8.0
"""How long a stream may say nothing (it speaks every three seconds) before it is taken for lost."""

ACTION_SECONDS: Final = 60.0
"""How long an action may take to be answered."""

RETRY_SECONDS: Final = 0.5
"""The least between two attempts to connect."""

LINE_LIMIT: Final = 32 << 20
"""Bytes of one line of a stream; a longer one is no page of ours."""

LINES_HELD: Final = 2_000
"""Log lines kept to be asked for again; the oldest go first."""

TRY_LATER: Final = (429, 500, 502, 503, 504)
"""Answers that the next try may find changed."""


class _Refusal(msgspec.Struct):
    code: str = ""
    message: str = ""
    detail: str = ""


class _Outcome(msgspec.Struct):
    status: Literal["success", "error", "running"] = "error"
    message: str = ""
    run: str | None = None


class _Refused(msgspec.Struct):
    error: _Refusal


class TokenNeeded(SourceRefused):
    """The dashboard lets in whoever has its token, and none or a wrong one was sent."""


class HttpSource:
    """The dashboard at a root such as http://127.0.0.1:8000/dashboard; belongs to one loop. `token` is never shown.

    `on_news` is called on that loop whenever something has come.
    """

    def __init__(self, root: str, token: str = "", on_news: Callable[[], None] = lambda: None) -> None:
        self.root = root.rstrip("/")
        self._http = Http(self.root, token)
        self.on_news = on_news
        self._stream: _Stream | None = None
        self._lines: dict[str, LogLine] = {}
        self._given: PageDocument | None = None

    @property
    def name(self) -> str:
        """The address."""
        return self.root

    async def page(self, view: View, after: float) -> PageDocument:
        """The newest state of a page; the same object while nothing has come. See `source.Source`."""
        stream = self._stream
        if stream is None or stream.view != view or stream.over:
            stream = await self._opened(view, after)
        await stream.began.wait()
        if stream.failure is not None:
            stream.over = True
            raise stream.failure
        if stream.fresh or self._given is None:
            stream.fresh = False
            assert stream.page is not None, "a stream begins with a page or a failure"
            self._keep(stream.page.lines)
            lines = tuple(line for line in self._lines.values() if line.at > after - OVERLAP_SECONDS)
            self._given = msgspec.structs.replace(stream.page, lines=lines)
            stream.page = msgspec.structs.replace(stream.page, lines=())
        return self._given

    async def act(self, action: str, values: Mapping[str, Any]) -> ActionResult:
        """Run an action by its address relative to the root; see `source.Source`."""
        return await asyncio.to_thread(self._asked, "POST", f"/{action.lstrip('/')}", msgspec.json.encode(values))

    async def follow(self, run: str) -> ActionResult:
        """How a run stands; see `source.Source`."""
        return await asyncio.to_thread(self._asked, "GET", f"/api/runs/{quote(run, safe='')}")

    def close(self) -> None:
        """Let go of the connection."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    async def _opened(self, view: View, after: float) -> _Stream:
        before = self._stream
        self.close()
        if before is not None and before.view == view:
            await asyncio.sleep(max(0.0, before.opened + RETRY_SECONDS - time.monotonic()))
        self._given = None
        self._stream = _Stream(view, self._http, address(view, "/stream", after), lambda: self.on_news())
        return self._stream

    def _keep(self, lines: Iterable[LogLine]) -> None:
        for line in lines:
            self._lines[line.key] = line
        for key in list(islice(self._lines, max(len(self._lines) - LINES_HELD, 0))):
            del self._lines[key]

    def _asked(self, method: str, path: str, body: bytes | None = None) -> ActionResult:
        found = msgspec.json.decode(self._http.read(method, path, ACTION_SECONDS, body), type=_Outcome)
        return ActionResult(found.status, found.message, found.run or "")


class _Stream:
    """One stream of one view: read on a thread, told on the loop that made it."""

    def __init__(self, view: View, http: Http, path: str, on_news: Callable[[], None]) -> None:
        self.view = view
        self.opened = time.monotonic()
        self.began = asyncio.Event()
        self.page: PageDocument | None = None
        self.fresh = self.over = False
        self.failure: FanlightError | None = None
        self._http, self._path, self._on_news = http, path, on_news
        self._loop = asyncio.get_running_loop()
        self._connection: http_client.HTTPConnection | None = None
        self._closed = False
        threading.Thread(target=self._read, name="fanlight-stream", daemon=True).start()

    def close(self) -> None:
        """Nothing more is told; the thread ends when its socket does."""
        self._closed = self.over = True
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        try:
            self._connection, response = self._http.open("GET", self._path, SILENCE_SECONDS)
            with closing(self._connection), closing(response), translated(self._http.root):
                while not self._closed and (line := response.readline(LINE_LIMIT)):
                    self._tell(self._take, msgspec.json.decode(line, type=PageUpdate))
            failure: FanlightError = SourceLost("the connection was closed")
        except (SourceLost, SourceRefused) as error:
            failure = error
        except msgspec.MsgspecError:
            failure = SourceRefused(f"{self._http.root} sends no pages this Fanlight can read; use one of its release")
        self._tell(self._fail, failure)

    def _tell(self, tell: Callable[[Any], None], what: object) -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it whoever would be told
            self._loop.call_soon_threadsafe(tell, what)

    def _take(self, update: PageUpdate) -> None:
        if not self._closed:
            self.page = update.page if self.page is None else merged(self.page, update)
            self.fresh = True
            self._news()

    def _fail(self, failure: FanlightError) -> None:
        if not self._closed:
            self.failure = failure
            self._news()

    def _news(self) -> None:
        self.began.set()
        self._on_news()


class Http:
    """Requests to one dashboard; every method blocks and raises SourceLost and SourceRefused."""

    def __init__(self, root: str, token: str = "") -> None:
        place = urlsplit(root)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise FanlightError(
                f"{root!r} is no dashboard's address; expected one like http://127.0.0.1:8000/dashboard"
            )
        self.root = root
        self._place = place
        self._token = token

    def read(self, method: str, path: str, seconds: float, body: bytes | None = None) -> bytes:
        """A whole answer; a body is JSON."""
        connection, response = self.open(method, path, seconds, body)
        with closing(connection), translated(self.root):
            return response.read()

    def open(
        self, method: str, path: str, seconds: float, body: bytes | None = None
    ) -> tuple[http_client.HTTPConnection, http_client.HTTPResponse]:
        """An answer that says yes, yet to be read; `seconds` without a byte are too many."""
        kind = http_client.HTTPSConnection if self._place.scheme == "https" else http_client.HTTPConnection
        connection = kind(str(self._place.hostname), self._place.port, timeout=seconds)
        try:
            with translated(self.root):
                headers = self._headers() if body is None else {**self._headers(), "Content-Type": "application/json"}
                connection.request(method, self._place.path + path, body, headers)
                response = connection.getresponse()
                if response.status >= 300:
                    raise _no(response)
                return connection, response
        except BaseException:
            connection.close()
            raise

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json, application/x-ndjson", "User-Agent": "fanlight"}
        return {**headers, "Authorization": f"Bearer {self._token}"} if self._token else headers


def address(view: View, what: str = "", after: float = 0.0) -> str:
    """A page as data, relative to the root: once, or (`what` is "/stream") as it changes."""
    query = "&".join(part for part in (to_query(view), urlencode({"after": f"{after:.3f}"}) if after else "") if part)
    return f"/api/pages/{quote(view.page, safe='')}{what}" + (f"?{query}" if query else "")


def merged(page: PageDocument, update: PageUpdate) -> PageDocument:
    """The page after an update; the lines are those of both."""
    lines = (*page.lines, *update.page.lines)[-LINES_HELD:]
    if update.whole:
        return msgspec.structs.replace(update.page, lines=lines)
    changed = {slot.name: slot for slot in update.page.slots}
    slots = tuple(changed.get(slot.name, slot) for slot in page.slots)
    return msgspec.structs.replace(update.page, slots=slots, lines=lines)


@contextmanager
def translated(root: str) -> Iterator[None]:
    """What can go wrong on the way, as SourceLost."""
    try:
        yield
    except msgspec.MsgspecError:  # a ValueError, too, but nothing of the way's
        raise
    except TimeoutError as error:
        raise SourceLost(f"{root} does not answer") from error
    except (OSError, http_client.HTTPException, ValueError, AttributeError) as error:
        # ValueError and AttributeError: http.client reading from a connection that was closed meanwhile
        raise SourceLost(f"{root} cannot be reached ({error or type(error).__name__})") from error


def _no(response: http_client.HTTPResponse) -> SourceLost | SourceRefused:
    """What an answer that is no yes means."""
    try:
        said = msgspec.json.decode(response.read(65_536), type=_Refused).error
    except (msgspec.MsgspecError, http_client.HTTPException, OSError):
        said = _Refusal(f"it answered {response.status} {response.reason}")
    text = " ".join(part for part in (said.message, said.detail) if part)
    if said.code == "invalid_parameter":
        return WrongValue(said.detail, said.message)
    if response.status == 401:
        return TokenNeeded(text)
    return SourceLost(text) if response.status in TRY_LATER else SourceRefused(text)
