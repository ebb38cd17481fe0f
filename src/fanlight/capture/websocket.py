"""WebSocket connections: each one's life as facts, and how many are open in all, per group and per user."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from fanlight.capture.correlation import restore, stamp
from fanlight.capture.exchange import Application, Message, Receive, Scope, Send, abandoned, asynchronous
from fanlight.capture.routes import BY_PATH
from fanlight.core.facts import SOCKET
from fanlight.core.recorder import Recorder, Sample

NAME_LIMIT: Final = 2_000
"""Distinct groups, and distinct users, counted apart at once; the rest count as "other"."""

SHOWN_LIMIT: Final = 50
"""Groups and users a sample names, the largest first; the rest are summed under "other"."""

OTHER: Final = "other"

_TEXT_LIMIT: Final = 128

_current: Final[ContextVar[Connection | None]] = ContextVar("fanlight_websocket", default=None)


def websocket(*, group: object = None, user: object = None) -> None:
    """Name the group or the user of the WebSocket connection being handled; at any time in it, nothing outside of one.

    Named before `accept`, they are on the "connected" event too. None leaves what is known.
    """
    connection = _current.get()
    if connection is not None:
        connection.rename(named(group), named(user))


def named(value: object) -> str | None:
    """A group's or user's name as text of bounded length; None for nothing."""
    if value is None:
        return None
    text = str(value)[:_TEXT_LIMIT]
    return (text if text.isprintable() else repr(text)[:_TEXT_LIMIT]) or None


class Names(NamedTuple):
    """Path parameters that name a connection's group and its user; the first found wins."""

    group: tuple[str, ...]
    user: tuple[str, ...]

    def of(self, scope: Scope) -> tuple[str | None, str | None]:
        """Group and user of a connection by what its path says."""
        params = scope.get("path_params") or {}
        group, user = (next((params[name] for name in names if name in params), None) for names in self)
        return named(group), named(user)


class Tally:
    """How many connections each name has, for a bounded number of names."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._shown: set[str] = set()

    def enter(self, name: str | None) -> str | None:
        """Count one more; returns the name it was counted under, which `leave` wants back."""
        if name is None:
            return None
        counts = self._counts
        if name not in counts and len(counts) >= NAME_LIMIT:
            name = OTHER
        counts[name] = counts.get(name, 0) + 1
        return name

    def leave(self, name: str | None) -> None:
        """Count one less."""
        if name is None:
            return
        left = self._counts[name] - 1
        if left:
            self._counts[name] = left
        else:
            del self._counts[name]

    def get(self, name: str) -> int:
        """Connections counted under a name."""
        return self._counts.get(name, 0)

    def top(self) -> dict[str, int]:
        """The largest names and the sum of the rest; a name of the last answer that is gone comes once more, as 0."""
        counts = self._counts.copy()  # atomic: the serving loop may be changing it
        rest = counts.pop(OTHER, 0)
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        shown = dict(ranked[:SHOWN_LIMIT])
        rest += sum(count for _, count in ranked[SHOWN_LIMIT:])
        if rest:
            shown[OTHER] = rest
        gone = self._shown - shown.keys()
        self._shown = set(shown)
        return shown | dict.fromkeys(gone, 0)


class Sockets:
    """The connections open now. Changed on the serving loop, sampled from the pulse's thread."""

    def __init__(self) -> None:
        self.total = 0
        self.groups = Tally()
        self.users = Tally()

    def sample(self) -> Iterator[Sample]:
        """Connections in all (label "") and by group, and by user: a sampler of the recorder."""
        yield Sample("websocket.connections", "", self.total, "sum", "instance")
        for group, count in self.groups.top().items():
            yield Sample("websocket.connections", group, count, "sum", "instance")
        for user, count in self.users.top().items():
            yield Sample("websocket.users", user, count, "sum", "instance")


class Connection:
    """One WebSocket from handshake to end: recorded as "connected" and "disconnected", or as "refused"; each once."""

    def __init__(
        self,
        recorder: Recorder,
        sockets: Sockets,
        scope: Scope,
        root_path: str,
        receive: Receive,
        send: Send,
        names: Names,
        correlation_id: str,
    ) -> None:
        self._recorder = recorder
        self._sockets = sockets
        self._scope = scope
        self._receive = receive
        self._send = send
        self._root_path = root_path
        self._names = names
        self._correlation_id = correlation_id
        self._began_ns = recorder.clock.monotonic_ns()
        self._open = False
        self._over = False
        self._denial = 0
        self._group: str | None = None
        self._user: str | None = None
        self._counted: tuple[str | None, str | None] = (None, None)

    async def run(self, app: Application) -> Any:
        """The application's own answer to this connection; what it raises passes through."""
        token = _current.set(self)
        try:
            result = await app(self._scope, self.listen, self.forward)
        except BaseException as error:
            self._end(self._failure_code(error))
            raise
        finally:
            restore(_current, token)
        self._end(1000 if self._open else 500)
        return result

    def rename(self, group: str | None, user: str | None) -> None:
        """Take a new name for the group or the user, and count the connection there."""
        self._group = group or self._group
        self._user = user or self._user
        if self._open:
            self._leave()
            self._enter()

    async def listen(self) -> Message:
        """`receive` for the application."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._end(message.get("code") or 1005 if self._open else 499)
        return message

    @asynchronous
    def forward(self, message: Message) -> Awaitable[None]:
        """`send` for the application."""
        if message["type"] == "websocket.send":
            return self._send(message)
        return self._forward(message)

    async def _forward(self, message: Message) -> None:
        kind = message["type"]
        if kind in ("websocket.accept", "websocket.http.response.start"):
            message, self._correlation_id = stamp(message, self._correlation_id)
        await self._send(message)
        if kind == "websocket.accept":
            self._begin()
        elif kind == "websocket.close":
            self._end(message.get("code") or 1000 if self._open else 403)
        elif kind == "websocket.http.response.start":
            self._denial = message["status"]
        elif kind == "websocket.http.response.body" and not message.get("more_body"):
            self._end(self._denial)

    def _failure_code(self, error: BaseException) -> int:
        if abandoned(error):  # the server ended it, as it does when it stops
            return 1001 if self._open else 499
        return 1011 if self._open else 500

    def _begin(self) -> None:
        if self._open or self._over:
            return
        try:
            group, user = self._names.of(self._scope)
            self._group = self._group or group
            self._user = self._user or user
            self._enter()
            self._sockets.total += 1
            self._open = True
            self._record("connected", 0, 0, self._counted[0])
        except Exception as error:
            self._recorder.failed("capture", error)

    def _end(self, code: int) -> None:
        if self._over:
            return
        self._over = True
        try:
            duration_ns = self._recorder.clock.monotonic_ns() - self._began_ns
            if self._open:
                self._open = False
                self._sockets.total -= 1
                label = self._leave()
                self._record("disconnected", code, duration_ns, label)
            else:
                self._record("refused", code, duration_ns, None)
        except Exception as failure:
            self._recorder.failed("capture", failure)

    def _enter(self) -> None:
        sockets = self._sockets
        self._counted = (sockets.groups.enter(self._group), sockets.users.enter(self._user))

    def _leave(self) -> str | None:
        group, user = self._counted
        self._counted = (None, None)
        self._sockets.groups.leave(group)
        self._sockets.users.leave(user)
        return group

    def _record(self, event: str, code: int, duration_ns: int, label: str | None) -> None:
        sockets = self._sockets
        recorder, scope = self._recorder, self._scope
        endpoint = scope.get("endpoint")
        recorder.append(
            (
                SOCKET,
                recorder.next_seq(),
                recorder.clock.monotonic_ns(),
                event,
                BY_PATH if endpoint is None else endpoint,
                self._root_path,
                scope["path"][:2048],
                self._group,
                self._user,
                code,
                duration_ns,
                sockets.total if label is None else sockets.groups.get(label),
                self._correlation_id,
            )
        )
