"""The live stream: one per tab, the newest state of each panel and never a queue of old ones.

`rooms` decides whose turn it is; the Hub only waits, renders on a thread and sends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from starlette.types import Receive, Send

from fanlight.core import rules
from fanlight.core.snapshot import Snapshot
from fanlight.faces.context import FaceContext
from fanlight.faces.errors import FaceError
from fanlight.faces.threads import in_thread
from fanlight.faces.web.rendering import Rendering
from fanlight.faces.web.rooms import (
    SHARE_SECONDS,
    SLOW_SECONDS,
    Edition,
    Room,
    Viewer,
    data_lines,
    named_event,
    slot_due,
)
from fanlight.faces.web.shutdown import watch_server
from fanlight.faces.web.surroundings import badges
from fanlight.faces.web.views import INTERVALS
from fanlight.pages.events import notices
from fanlight.panels import View

HEARTBEAT_SECONDS: Final = 3.0
"""The longest silence, to a WATCH_SECONDS: a browser that hears nothing for much longer takes the stream for dead."""

STALL_SECONDS: Final = 30.0
"""How long a socket may not drain before its viewer is let go."""

GOODBYE_SECONDS: Final = 0.3
"""How long the end of a stream may take to send."""

PAUSE_SECONDS: Final = 0.002
"""Between two viewers' turns: each costs the loop some 0.1 ms, and a burst would delay the requests behind it."""

SPREAD_SECONDS: Final = 0.1
"""How long all turns together are spread over at most; of a crowd over a quarter of its share."""

CALM_SECONDS: Final = 0.000_012
"""How much longer drawing pauses for each viewer, between two slices: a crowd is told every few seconds and can wait a
tenth of one, and a request that is caught by a slice is then seldom caught by another."""

WATCH_SECONDS: Final = 0.25
"""How often the hub looks whether the server is stopping."""

RETRY_SECONDS: Final = 30
"""After how long a viewer beyond the limit may try again."""

HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
)
"""Keeps every proxy on the way from holding the stream back."""


class Guest(Protocol):
    """A live view of another kind: counted with the others and ended with them."""

    def close(self) -> None: ...


class Hub:
    """All live views of one dashboard. Belongs to the serving loop; `close` may be called from any thread."""

    def __init__(self, context: FaceContext, rendering: Rendering) -> None:
        self._context = context
        self._rendering = rendering
        self._rooms: dict[View, Room] = {}
        self._guests: set[Guest] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: Callable[[], bool] = lambda: False
        self._unlisten: Callable[[], None] = lambda: None
        self._keeper: asyncio.Task[None] | None = None
        self._drawing = asyncio.Lock()
        self._pushed = 0

    @property
    def viewers(self) -> int:
        """Open streams, those of guests included."""
        return sum(len(room.viewers) for room in tuple(self._rooms.values())) + len(self._guests)

    def close(self) -> None:
        """End every stream."""
        loop = self._loop
        if loop is not None:
            _from_thread(loop, self._end_all)

    async def respond(self, view: View, interval: float, receive: Receive, send: Send) -> None:
        """Serve one viewer until it leaves or the server stops; raises FaceError before anything was sent."""
        self._rendering.spec(view)
        self._admit()
        viewer = Viewer(interval)
        leave = self._context.pulse.watch()
        try:
            room = self._enter(view, viewer)
            try:
                await self._stream(room, viewer, receive, send)
            finally:
                self._leave(room, viewer)
        finally:
            leave()

    def enter_guest(self, guest: Guest) -> Callable[[], None]:
        """Take in a guest; what is returned lets it go. Raises FaceError when there is no room."""
        self._admit()
        unwatch = self._context.pulse.watch()
        self._open_first()
        self._guests.add(guest)

        def leave() -> None:
            self._guests.discard(guest)
            self._close_last()
            unwatch()

        return leave

    def pushed(self) -> None:
        """Something was sent to a guest."""
        self._pushed += 1

    def _admit(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop.is_closed():
            self._rooms.clear()
            self._guests.clear()
            self._unlisten()
        if self._loop is not loop and self.viewers:
            raise _full("This process already serves live views on another event loop.")
        if self._loop is not loop or not self.viewers:
            self._loop, self._stopping = loop, watch_server()
        if self._stopping():
            raise _full("The server is stopping.")
        limit = self._context.settings.max_viewers
        if self.viewers >= limit:
            raise _full(f"All {limit} live views are taken (max_viewers); this page polls instead.")

    def _enter(self, view: View, viewer: Viewer) -> Room:
        self._open_first()
        room = self._rooms.get(view)
        if room is None:
            room = self._rooms[view] = Room(view)
            room.task = asyncio.create_task(self._run(room), name="fanlight-room")
        room.viewers.add(viewer)
        room.wake.set()
        return room

    def _leave(self, room: Room, viewer: Viewer) -> None:
        room.viewers.discard(viewer)
        if not room.viewers and self._rooms.get(room.view) is room:
            del self._rooms[room.view]
            room.silence()
            _cancel(room.task)
        self._close_last()

    def _close_last(self) -> None:
        if not self._rooms and not self._guests:
            self._unlisten()
            self._count_pushes()
            _cancel(self._keeper)

    def _open_first(self) -> None:
        if self._rooms or self._guests:
            return
        loop = asyncio.get_running_loop()
        self._drawing = asyncio.Lock()  # of this loop
        self._unlisten = self._context.pulse.listen(lambda version: _from_thread(loop, self._wake_rooms))
        self._keeper = asyncio.create_task(self._keep(), name="fanlight-live")

    def _wake_rooms(self) -> None:
        for room in self._rooms.values():
            room.wake.set()

    def _end_all(self) -> None:
        for room in self._rooms.values():
            for viewer in room.viewers:
                viewer.close()
        for guest in self._guests:
            guest.close()

    async def _keep(self) -> None:
        """End everything when the server stops; look after each viewer; once a second count what was pushed."""
        while True:
            for _ in range(round(SLOW_SECONDS / WATCH_SECONDS)):
                await asyncio.sleep(WATCH_SECONDS)
                if self._stopping():
                    self._end_all()
                await self._make_rounds()
            self._count_pushes()

    async def _make_rounds(self) -> None:
        """Let those hear something who have heard nothing for long, and those go whose sockets take nothing.

        One look at all of them, because timers for each would be a quarter of what a push costs.
        """
        now = self._now()
        for viewer in [viewer for room in self._rooms.values() for viewer in room.viewers]:
            if viewer.sending and now - viewer.spoken > STALL_SECONDS:
                viewer.close()
            elif not viewer.busy and now - viewer.spoken >= HEARTBEAT_SECONDS:
                viewer.silent = True
                viewer.turn.set()
                await asyncio.sleep(PAUSE_SECONDS)

    def _count_pushes(self) -> None:
        """One fact for many pushes: a fact each would wake the pulse, which would push again."""
        if self._pushed:
            self._context.recorder.count("dashboard_refresh_total", self._pushed)
            self._pushed = 0

    async def _run(self, room: Room) -> None:
        """Render whenever there is something new and somebody to send it to."""
        while True:
            await room.wake.wait()
            room.wake.clear()
            now = self._now()
            early = room.wanted_at() - now
            if early > 0:
                room.wake_in(min(early, INTERVALS[1]), self._context.pulse.hurry)
                continue
            room.silence()
            everything = room.joined()
            try:
                async with self._drawing:  # two at once would fill each other's pauses, in which requests are served
                    found = await in_thread(self._context.pulse.pacer, self._refresh, room, everything, now)
            except Exception as error:  # a page of the application may fail; the stream goes on with heartbeats
                self._rendering.failed("live view", error)
                continue
            share = self.viewers * SHARE_SECONDS
            if room.take(*found, now, share):
                await self._give_turns(room, share)

    async def _give_turns(self, room: Room, share: float) -> None:
        """Let everybody write who may, one after the other with a pause between, so that a request waits for one at
        most."""
        viewers, missed = room.turns(self._now())
        if missed:
            self._context.recorder.count("fanlight.dropped.updates", missed)
        number = max(len(viewers), 1)
        pause = max(min(PAUSE_SECONDS, SPREAD_SECONDS / number), share / 4 / number)
        for viewer in viewers:
            viewer.silent = False
            viewer.turn.set()
            await asyncio.sleep(pause)

    def _refresh(self, room: Room, everything: bool, now: float) -> tuple[Mapping[str, Edition], Mapping[str, Any]]:
        """The room's panels and its status as they are now; runs on a thread and changes nothing of the room."""
        self._context.pulse.pacer.start(self.viewers * CALM_SECONDS)
        snapshot, page = self._rendering.layout(room.view)
        editions: dict[str, Edition] = {}
        for slot in page.slots:
            known = room.editions.get(slot.name)
            if known is not None and not slot_due(slot, known, everything, now):
                editions[slot.name] = known
                continue
            html = self._rendering.fragment(slot, snapshot, room.view)
            if known is None or known.html != html:
                known = Edition(room.state + 1, html, data_lines(self._rendering.partial(slot.name, html)), now)
            editions[slot.name] = known
        return editions, self._status(snapshot)

    def _status(self, snapshot: Snapshot) -> Mapping[str, Any]:
        return {
            "at": round(snapshot.at, 3),
            "instances": len(snapshot.live_instances),
            "uptime": round(snapshot.uptime, 1),
            "state": rules.judge(snapshot).state,
            "badges": badges(self._context, snapshot),
            "notices": notices(snapshot),
        }

    async def _stream(self, room: Room, viewer: Viewer, receive: Receive, send: Send) -> None:
        """Write until the viewer leaves or is closed, whichever comes first."""
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        writer = asyncio.create_task(self._write(room, viewer, send))
        others = (asyncio.create_task(_gone(receive)), asyncio.create_task(viewer.ended.wait()))
        try:
            await asyncio.wait((writer, *others), return_when=asyncio.FIRST_COMPLETED)
            if viewer.closed:  # the writer says goodbye, unless its socket is full
                await asyncio.wait((writer,), timeout=GOODBYE_SECONDS)
        finally:
            for task in (writer, *others):
                task.cancel()
            (outcome, *_) = await asyncio.gather(writer, *others, return_exceptions=True)
            if isinstance(outcome, Exception) and not isinstance(outcome, OSError):  # OSError: the client has left
                self._rendering.failed("live stream", outcome)

    async def _write(self, room: Room, viewer: Viewer, send: Send) -> None:
        viewer.spoken = self._now()
        while True:
            await viewer.turn.wait()
            viewer.turn.clear()
            if viewer.closed:
                break
            await self._push(room, viewer, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _push(self, room: Room, viewer: Viewer, send: Send) -> None:
        """Send a viewer what it is owed, or that the stream lives."""
        now = self._now()
        if viewer.silent:
            viewer.silent = False
            body = named_event("heartbeat", {"at": self._context.now()})
        else:
            interval = max(viewer.interval or WATCH_SECONDS, round(self.viewers * SHARE_SECONDS, 2))
            body = room.tell(viewer, now, interval)
            self._pushed += 1
        viewer.spoken, viewer.sending = now, True
        try:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        finally:
            viewer.spoken, viewer.sending = self._now(), False

    def _now(self) -> float:
        return self._context.clock.monotonic_ns() / 1e9


async def _gone(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _full(message: str) -> FaceError:
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return FaceError(503, "no_live_view", message, "Poll the page or its fragments, and try again later.", headers)


def _cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()


def _from_thread(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    """Have the loop call it; a loop that is gone has no viewers left to tell."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        if not loop.is_closed():
            raise
