"""The live API for programs: `{"event", "data"}` messages over a WebSocket, always the newest figures.

Nothing waits in a queue: a message is made when its socket can take it, so a consumer that reads slowly gets fewer and
newer ones. What a client asks is answered before the next is read, so one that only asks waits for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from starlette.types import Receive, Scope, Send

from fanlight import formats
from fanlight.clock import Clock
from fanlight.core.snapshot import Snapshot
from fanlight.faces.api import documents, services
from fanlight.faces.api.encoding import encode
from fanlight.faces.api.pages import Pages
from fanlight.faces.context import FaceContext
from fanlight.faces.errors import FaceError, shown
from fanlight.faces.threads import in_thread
from fanlight.faces.web.limits import Allowance
from fanlight.faces.web.live import GOODBYE_SECONDS, STALL_SECONDS, Hub
from fanlight.faces.web.views import INTERVALS
from fanlight.panels import View
from fanlight.version import VERSION

BROADCAST_SECONDS: Final = 1.0
"""How often everybody is told the service's figures; it is the heartbeat, too."""

MESSAGE_LIMIT: Final = 8_192
"""Characters of one message of a client."""

WRAPPER_LIMIT: Final = 100
"""Wrappers one client can name."""

NAME_LIMIT: Final = 200
"""Characters of a wrapper's name."""

RATE: Final = (20, 5.0)
"""Messages of a client at once, and per second after that."""

EVENTS: Final = ("subscribe_metrics", "unsubscribe_metrics", "ping", "disconnect")
"""What a client may send."""

NORMAL, GOING_AWAY, POLICY, TOO_LARGE, TRY_LATER = 1000, 1001, 1008, 1009, 1013
"""Close codes of RFC 6455 and its registry."""


class Incoming(msgspec.Struct, frozen=True):
    """What a client sends."""

    event: str
    data: Any = None


@dataclass(frozen=True)
class Subscription:
    """What a client wants to be told of: wrappers by name, none for all, every `interval` seconds."""

    wrappers: tuple[str, ...] = ()
    interval: float = BROADCAST_SECONDS


class Wrong(FaceError):
    """A message of a client that cannot be answered; with a `code_of_close` it ends the connection."""

    def __init__(self, code: str, message: str, code_of_close: int = 0) -> None:
        super().__init__(400, code, message)
        self.code_of_close = code_of_close


def wrapper_metrics(snapshot: Snapshot, names: Collection[str]) -> dict[str, Any]:
    """The metrics of the wrappers of these names, of all for none: each as in `P/api/services`, and its operations."""
    rows = [row for row in snapshot.services if not names or row.name in names]
    operations: dict[str, list[services.Operation]] = {row.name: [] for row in rows}
    for each in snapshot.operations:
        if each.service in operations:
            operations[each.service].append(services.operation(each))
    made = {row.name: msgspec.to_builtins(services.service(row)) for row in rows}
    return {name: {**document, "operations": operations[name]} for name, document in made.items()}


class LiveApi:
    """The route `api/live` as an ASGI application. Belongs to the serving loop."""

    def __init__(self, context: FaceContext, hub: Hub) -> None:
        self._context = context
        self._hub = hub
        self._pages = Pages(context)
        self._broadcast: tuple[int, bytes] = (-1, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (await receive())["type"] != "websocket.connect":
            return
        await send({"type": "websocket.accept"})
        client = Client(receive, send, self._context.clock)
        try:
            leave = self._hub.enter_guest(client)
        except FaceError as error:
            await client.refuse(error, TRY_LATER)
            return
        try:
            await self._serve(client)
        finally:
            leave()

    async def _serve(self, client: Client) -> None:
        """Read and write until the client leaves, misbehaves, stalls, or the server stops."""
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._write(client)),
            asyncio.create_task(client.read()),
            asyncio.create_task(client.ended.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await client.goodbye()
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, OSError):  # OSError: it has left
                    self._context.recorder.failed("live API", outcome)

    async def _write(self, client: Client) -> None:
        await client.send(await self._made(self._hello))
        while True:
            await client.turn()
            wanted = client.subscription
            if wanted is not None and client.update_at <= client.now:
                client.update_at = client.now + wanted.interval
                await client.send(await self._made(self._update, wanted))
            if client.broadcast_at <= client.now:
                client.broadcast_at = client.now + BROADCAST_SECONDS
                await client.send(await self._made(self._everybody))
            self._hub.pushed()

    async def _made(self, make: Callable[..., bytes], *arguments: Any) -> bytes:
        return await in_thread(self._context.pulse.pacer, make, *arguments)

    def _hello(self) -> bytes:
        snapshot = self._snapshot()
        data = {
            "service": snapshot.service,
            "release": snapshot.release,
            "version": VERSION,
            "instance": self._context.recorder.instance,
            "interval": BROADCAST_SECONDS,
            "wrappers": sorted(row.name for row in snapshot.services),
        }
        return message("connect", data)

    def _everybody(self) -> bytes:
        """Made once for all clients of a tick."""
        snapshot = self._snapshot()
        if self._broadcast[0] != snapshot.version:
            context = self._context
            breathe = context.pulse.pacer.breathe
            asked = documents.Asked(
                snapshot, View(), {}, {}, context.panels, breathe, context.actions.follow, self._pages, ""
            )
            self._broadcast = (snapshot.version, message("metrics_broadcast", documents.stats(asked)))
        return self._broadcast[1]

    def _update(self, subscription: Subscription) -> bytes:
        snapshot = self._snapshot()
        known = wrapper_metrics(snapshot, subscription.wrappers)
        data = {
            "timestamp": formats.moment(snapshot.at),
            "interval": subscription.interval,
            "wrappers": known,
            "unknown": [name for name in subscription.wrappers if name not in known],
        }
        return message("metrics_update", data)

    def _snapshot(self) -> Snapshot:
        return self._context.query.snapshot(View())


@dataclass(eq=False)
class Client:
    """One open socket; times are monotonic seconds. `close` may be called by the hub at any time."""

    receive: Receive
    raw_send: Send
    clock: Clock
    subscription: Subscription | None = None
    broadcast_at: float = 0.0
    update_at: float = 0.0
    code: int = GOING_AWAY
    left: bool = False
    allowance: Allowance = field(default_factory=lambda: Allowance(*RATE))
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self.clock.monotonic_ns() / 1e9

    async def send(self, body: bytes) -> None:
        """Send one message; a socket that takes nothing for STALL_SECONDS is given up."""
        try:
            async with asyncio.timeout(STALL_SECONDS), self.sending:
                await self.raw_send({"type": "websocket.send", "text": body.decode()})
        except TimeoutError:
            self.left = True
            self.close()

    def close(self) -> None:
        """End it at its next step."""
        self.ended.set()

    async def goodbye(self) -> None:
        """Close the socket, unless the client has left; a full one gets no word."""
        if not self.left:
            self.left = True
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self.raw_send({"type": "websocket.close", "code": self.code})

    async def refuse(self, error: FaceError, code: int) -> None:
        """Say why, and close."""
        self.code = code
        await self.send(message("error", error.document()["error"]))
        await self.goodbye()

    async def turn(self) -> None:
        """Wait until something is due, or a subscription came."""
        due = self.broadcast_at if self.subscription is None else min(self.broadcast_at, self.update_at)
        try:
            async with asyncio.timeout(max(due - self.now, 0.0)):
                await self.wake.wait()
        except TimeoutError:
            return
        self.wake.clear()

    async def read(self) -> None:
        """Answer what the client sends, until it leaves or asks to."""
        while not self.ended.is_set():
            received = await self.receive()
            if received["type"] == "websocket.disconnect":
                self.left = True
                return
            text = received.get("text") or (received.get("bytes") or b"").decode("utf-8", "replace")
            try:
                check(text, self.allowance.take(self.now))
                await self._answer(incoming(text))
            except Wrong as error:
                if error.code_of_close:
                    await self.refuse(error, error.code_of_close)
                    return
                await self.send(message("error", error.document()["error"]))

    async def _answer(self, asked: Incoming) -> None:
        if asked.event == "ping":
            await self.send(message("pong", {"at": formats.moment(self.clock.time_ns() / 1e9)}))
        elif asked.event == "subscribe_metrics":
            self.subscription, self.update_at = subscription(asked.data), 0.0
            self.wake.set()
        elif asked.event == "unsubscribe_metrics":
            self.subscription = None
        elif asked.event == "disconnect":
            self.code = NORMAL
            self.close()
        else:
            raise Wrong("unknown_event", f"There is no event {shown(asked.event)}; expected {', '.join(EVENTS)}.")


def message(event: str, data: Any) -> bytes:
    """One message as it is sent."""
    return encode({"event": event, "data": data})


def check(text: str, allowed: bool) -> None:
    """Refuse what comes too often or is too large; both end the connection."""
    if not allowed:
        limit = f"expected at most {RATE[1]:g} a second"
        raise Wrong("too_many", f"Too many messages came; {limit}.", POLICY)
    if len(text) > MESSAGE_LIMIT:
        limit = f"expected at most {MESSAGE_LIMIT} characters"
        raise Wrong("too_large", f"The message is too large; {limit}.", TOO_LARGE)


def incoming(text: str) -> Incoming:
    """A client's message; raises Wrong for what is none."""
    try:
        return msgspec.json.decode(text, type=Incoming)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
        expected = '{"event": "subscribe_metrics", "data": {...}}'
        raise Wrong("invalid_message", f"The message is {shown(text)}; expected JSON as in {expected}.") from None


def subscription(data: Any) -> Subscription:
    """What a client asks to be told of; raises Wrong for what makes no sense. The interval is clamped."""
    if data is not None and not isinstance(data, dict):
        raise Wrong("invalid_data", 'The data is no object; expected {"wrappers": [...], "interval": seconds}.')
    given = data or {}
    names, interval = given.get("wrappers") or [], given.get("interval", BROADCAST_SECONDS)
    if not isinstance(names, list) or not all(isinstance(name, str) and len(name) <= NAME_LIMIT for name in names):
        raise Wrong("invalid_data", "wrappers is no list of names.")
    if len(names) > WRAPPER_LIMIT:
        raise Wrong("invalid_data", f"wrappers has {len(names)} names; expected at most {WRAPPER_LIMIT}.")
    if isinstance(interval, bool) or not isinstance(interval, int | float):
        raise Wrong("invalid_data", f"interval is {shown(str(interval))}; expected seconds.")
    least, greatest = INTERVALS
    return Subscription(tuple(dict.fromkeys(names)), min(max(float(interval), least), greatest))
