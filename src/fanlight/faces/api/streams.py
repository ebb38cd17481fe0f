"""Pages streamed as data: a line of JSON whenever something has changed, always the newest state.

What `P/live` is to a browser, this is to the terminal: one connection and one line in the server's access log, however
long it is watched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fanlight.faces import errors
from fanlight.faces.api import parameters
from fanlight.faces.api.encoding import encode
from fanlight.faces.api.endpoints import PAGE_PARAMETERS
from fanlight.faces.api.pages import Pages
from fanlight.faces.context import VISIT, FaceContext, Visit
from fanlight.faces.errors import FaceError, Failed
from fanlight.faces.threads import in_thread
from fanlight.faces.tui.document import PageDocument, PageUpdate, SlotDocument
from fanlight.faces.web.live import HEADERS as LIVE_HEADERS
from fanlight.faces.web.live import HEARTBEAT_SECONDS, RETRY_SECONDS, STALL_SECONDS, WATCH_SECONDS
from fanlight.faces.web.rooms import COALESCE_SECONDS, HURRY_SECONDS, SLOW_SECONDS
from fanlight.faces.web.shutdown import watch_server
from fanlight.panels import View

NO_STORE: Final[Mapping[str, str]] = {"cache-control": "no-store"}

CONTENT_TYPE: Final = "application/x-ndjson"

FRAME_SECONDS: Final = 0.25
"""Between two lines with news in the long run: four a second."""

HEADERS: Final = ((b"content-type", CONTENT_TYPE.encode()), *LIVE_HEADERS[1:])


def refusal(error: FaceError) -> Response:
    """The answer to a request that is refused."""
    headers = {**NO_STORE, **error.headers}
    return Response(encode(error.document()), error.status, headers, errors.CONTENT_TYPE)


class Reader:
    """One open stream: what it was sent, so that the next update holds only what is new. For one thread at a time."""

    def __init__(self, view: View, role: str, after: float) -> None:
        self.view = view
        self._role = role
        self._after = after
        self._sent: PageDocument | None = None
        self._seen: frozenset[str] = frozenset()

    def update(self, pages: Pages) -> tuple[bytes, bool]:
        """The next line, and whether anything but the time in it is new; runs on a thread."""
        page = pages.document(self.view, role=self._role, after=self._after, streamed=True)
        before = {slot.name: slot for slot in self._sent.slots} if self._sent else {}
        whole = list(before) != [slot.name for slot in page.slots]
        slots = page.slots if whole else tuple(slot for slot in page.slots if _changed(slot, before[slot.name]))
        lines = tuple(line for line in page.lines if line.key not in self._seen)
        self._sent = page
        self._seen = frozenset(line.key for line in page.lines)
        self._after = max((line.at for line in page.lines), default=self._after)
        update = PageUpdate(whole=whole, page=msgspec.structs.replace(page, slots=slots, lines=lines))
        return encode(update) + b"\n", bool(slots or lines)


class Pace:
    """When the next line may go: four with news a second, two close together after a quiet moment. Times are seconds.

    The generic cell rate algorithm (ITU-T I.371): `_due` is when lines at an even pace would be used up.
    """

    def __init__(self) -> None:
        self._due = self._last = float("-inf")

    def pushed(self, now: float, moved: bool) -> None:
        """A line was sent; `moved` when it had news."""
        self._last = now
        if moved:
            self._due = max(self._due, now) + FRAME_SECONDS

    def next_at(self) -> float:
        """The earliest moment of the next line."""
        return max(self._last + COALESCE_SECONDS, self._due - FRAME_SECONDS)


class Streams:
    """`GET /api/pages/{name}/stream`. Belongs to the serving loop; `close` may be called from any thread."""

    def __init__(self, context: FaceContext) -> None:
        self.pages = Pages(context)
        self._context = context
        self._open = 0
        self._closed = False
        self._pushed, self._counted_at = 0, 0.0

    def close(self) -> None:
        """End every stream within a quarter of a second."""
        self._closed = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one reader until it leaves or the server stops."""
        try:
            reader = self._admitted(Request(scope))
            first, _ = await in_thread(self._context.pulse.pacer, reader.update, self.pages)
        except FaceError as error:
            await refusal(error)(scope, receive, send)
            return
        except Exception as error:
            self._context.recorder.failed("page stream", error)
            await refusal(Failed())(scope, receive, send)
            return
        leave = self._context.pulse.watch()
        self._open += 1
        try:
            await self._stream(reader, first, receive, send)
        finally:
            self._open -= 1
            leave()

    def _admitted(self, request: Request) -> Reader:
        view, values = parameters.read(PAGE_PARAMETERS, str(request.path_params["name"]), request.query_params)
        limit = self._context.settings.max_viewers
        if self._closed or self._open >= limit:
            text = "The server is stopping." if self._closed else f"All {limit} page streams are taken (max_viewers)."
            headers = {"Retry-After": str(RETRY_SECONDS)}
            raise FaceError(503, "no_live_view", text, "Ask for the page itself, and try again later.", headers)
        visit: Visit | None = request.scope.get(VISIT)
        return Reader(view, visit.role if visit else "viewer", values["after"])

    async def _stream(self, reader: Reader, first: bytes, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        writer = asyncio.create_task(self._write(reader, first, send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait((writer, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            writer.cancel()
            gone.cancel()
            (outcome, _) = await asyncio.gather(writer, gone, return_exceptions=True)
            if isinstance(outcome, Exception) and not isinstance(outcome, OSError):  # OSError: the reader has left
                self._context.recorder.failed("page stream", outcome)

    async def _write(self, reader: Reader, line: bytes, send: Send) -> None:
        loop, ticked, stopping = asyncio.get_running_loop(), asyncio.Event(), watch_server()
        unlisten = self._context.pulse.listen(lambda version: _set(loop, ticked))
        pace = Pace()
        try:
            moved = True
            while True:
                async with asyncio.timeout(STALL_SECONDS):
                    await send({"type": "http.response.body", "body": line, "more_body": True})
                self._count_push()
                pace.pushed(loop.time(), moved)
                ticked.clear()
                if await self._over(ticked, stopping):
                    break
                await self._turn(pace.next_at() - loop.time(), ticked)
                line, moved = await in_thread(self._context.pulse.pacer, reader.update, self.pages)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            return  # a socket that does not drain is let go
        finally:
            unlisten()

    async def _turn(self, seconds: float, ticked: asyncio.Event) -> None:
        """Wait until a line may go, and then for what has come meanwhile: it shall not wait for the line after."""
        if seconds <= 0:
            return
        await asyncio.sleep(seconds)
        ticked.clear()
        self._context.pulse.hurry()
        with suppress(TimeoutError):
            async with asyncio.timeout(HURRY_SECONDS):
                await ticked.wait()

    def _count_push(self) -> None:
        """One fact a second for many pushes: a fact each would wake the pulse, which would push again."""
        self._pushed += 1
        now = self._context.clock.monotonic_ns() / 1e9
        if now - self._counted_at >= SLOW_SECONDS:
            self._context.recorder.count("dashboard_refresh_total", self._pushed)
            self._pushed, self._counted_at = 0, now

    async def _over(self, ticked: asyncio.Event, stopping: Callable[[], bool]) -> bool:
        """Wait for a tick, or for as long as a reader may hear nothing; whether the stream is to end."""
        for _ in range(round(HEARTBEAT_SECONDS / WATCH_SECONDS)):
            if self._closed or stopping():
                return True
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await ticked.wait()
                return False
        return False


async def _gone(receive: Receive) -> None:
    """Returns when the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _changed(slot: SlotDocument, before: SlotDocument) -> bool:
    return slot is not before and slot != before


def _set(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """Have the loop set it; a loop that is gone has no readers left."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(event.set)
