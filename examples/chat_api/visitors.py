"""What simulated users do, one small step at a time, over real sockets. When and how often is `traffic`'s business."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from .auth import issue
from .samples import GROUPS, PEOPLE, WORDS, sentence
from .storage import slug

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MOST_GROUPS: Final = 60
REMEMBERED: Final = 200
ANSWER_SECONDS: Final = 10.0

Pause = Callable[[float], Awaitable[None]]


def forged(user: str) -> str:
    """A token that looks right and is not valid."""
    return f"{user}.0123456789abcdef"


@dataclass
class Tally:
    """What was done so far. `steps` by kind, `statuses` of answers, `away`: steps that found no server or lost it."""

    steps: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    sockets: Counter[str] = field(default_factory=Counter)
    online: int = 0
    away: int = 0

    def __str__(self) -> str:
        errors = sum(count for status, count in self.statuses.items() if status >= 400)
        return (
            f"{self.statuses.total()} requests, {errors} errors, {self.online} WebSockets open, {self.away} times away"
        )


@dataclass
class World:
    """What all simulated users share: connections, chance, how to wait, when to end, what they know of the service."""

    session: aiohttp.ClientSession
    random: Random
    pause: Pause
    stop: asyncio.Event
    tally: Tally = field(default_factory=Tally)
    groups: list[str] = field(default_factory=lambda: [slug(name) for name in GROUPS])
    recent: list[int] = field(default_factory=list)

    def group(self) -> str:
        """A group, the first ones most often."""
        weights = [1 / (rank + 1) for rank in range(len(self.groups))]
        return self.random.choices(self.groups, weights)[0]

    def remember(self, message_id: int) -> None:
        """Keep a message in mind, so that somebody can report it."""
        self.recent.append(message_id)
        del self.recent[:-REMEMBERED]


class Visitor:
    """One user over HTTP. Each step is a method that sends one or two requests and leaves the connection clean."""

    def __init__(self, world: World, user: str) -> None:
        self.world = world
        self.user = user
        self.token = issue(user)
        self.own: list[int] = []

    async def list_groups(self) -> None:
        found = await self._ask("GET", "/api/chat/groups?limit=100")
        if isinstance(found, list) and found:
            known = [slug(name) for name in GROUPS]
            self.world.groups = known + sorted({group["group_id"] for group in found} - set(known))

    async def view_group(self) -> None:
        await self._ask("GET", f"/api/chat/groups/{self.world.group()}")

    async def read(self) -> None:
        await self._ask("GET", f"/api/chat/groups/{self.world.group()}/messages?limit=25")

    async def read_back(self) -> None:
        path = f"/api/chat/groups/{self.world.group()}/messages?limit=50"
        page = await self._ask("GET", path)
        if isinstance(page, dict) and page.get("next_before"):
            await self._ask("GET", f"{path}&before={page['next_before']}")

    async def send(self) -> None:
        body = {"text": sentence(self.world.random)}
        message = await self._ask("POST", self._messages(), json=body, token=self.token)
        if isinstance(message, dict) and "message_id" in message:
            self.own = [*self.own[-20:], message["message_id"]]
            self.world.remember(message["message_id"])

    async def delete_own(self) -> None:
        if not self.own:
            await self.send()
        if self.own:
            await self._ask("DELETE", f"/api/chat/messages/{self.own.pop()}", token=self.token)

    async def search(self) -> None:
        await self._ask("GET", "/api/chat/search", params={"q": self.world.random.choice(WORDS)})

    async def report(self) -> None:
        """Report a message; like a real client, once more when the moderation service is down."""
        if not self.world.recent:
            await self.send()
        if self.world.recent:
            path = f"/api/chat/messages/{self.world.random.choice(self.world.recent)}/report"
            answer = await self._ask("POST", path, token=self.token)
            if isinstance(answer, dict) and "moderation" in str(answer.get("detail")):
                await self.world.pause(1.0)
                await self._ask("POST", path, token=self.token)

    async def create_group(self) -> None:
        """Make a group of a new name; once there are many, look at the list instead, so that the list stays bounded."""
        name = f"Customer {self.world.random.randrange(1000, 10_000)}"
        if len(self.world.groups) >= MOST_GROUPS:
            await self.list_groups()
        else:
            await self._ask("POST", "/api/chat/groups", json={"name": name}, token=self.token)

    async def sign_in(self) -> None:
        await self._ask("POST", "/api/chat/sessions", json={"user": self.user})

    async def healthz(self) -> None:
        await self._ask("GET", "/healthz")

    async def export(self) -> None:
        """Read the whole export, slowly, as over a thin line."""
        async with self._request("GET", "/api/chat/export?limit=2000") as response:
            async for _ in response.content.iter_chunked(1 << 15):
                await self.world.pause(0.05)

    async def hang_up(self) -> None:
        """Begin an export and leave in the middle."""
        async with self._request("GET", "/api/chat/export") as response:
            await response.content.readany()
            response.close()

    async def listen(self) -> None:
        """Follow the event stream for a while."""
        async with self._request("GET", "/api/chat/events?seconds=12") as response:
            await response.content.readline()
            await self.world.pause(self.world.random.uniform(3, 10))
            response.close()

    async def no_token(self) -> None:
        await self._ask("POST", self._messages(), json={"text": "hello?"})

    async def wrong_token(self) -> None:
        await self._ask("POST", self._messages(), json={"text": "hello?"}, token=forged(self.user))

    async def guest_writes(self) -> None:
        await self._ask("POST", self._messages(), json={"text": "may I?"}, token=issue("guest-7"))

    async def delete_foreign(self) -> None:
        if not self.world.recent:
            await self.send()
        if self.world.recent:
            await self._ask("DELETE", f"/api/chat/messages/{self.world.recent[-1]}", token=issue("mallory"))

    async def conflict(self) -> None:
        await self._ask("POST", "/api/chat/groups", json={"name": GROUPS[0]}, token=self.token)

    async def bad_body(self) -> None:
        await self._ask("POST", self._messages(), json={"txt": 1}, token=self.token)

    async def bad_page(self) -> None:
        await self._ask("GET", f"{self._messages()}?limit=100000")

    async def unknown_path(self) -> None:
        odd = f"/api/chat/{self.world.random.randrange(999)}"
        await self._ask("GET", self.world.random.choice(("/wp-login.php", "/.env", "/api/v2/chat", odd)))

    async def unknown_group(self) -> None:
        await self._ask("GET", f"/api/chat/groups/gone-{self.world.random.randrange(999)}")

    def _messages(self) -> str:
        return f"/api/chat/groups/{self.world.group()}/messages"

    async def _ask(self, method: str, path: str, *, token: str = "", **options: Any) -> Any:
        """Send one request and read all of its answer; None if it has no JSON."""
        async with self._request(method, path, token=token, **options) as response:
            body = await response.read()
            return json.loads(body) if response.content_type == "application/json" and body else None

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, token: str = "", **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.world.session.request(method, path, headers=headers, **options) as response:
            self.world.tally.statuses[response.status] += 1
            yield response


class Guest:
    """One user over WebSocket. Each visit is a method that connects, perhaps talks and listens, and leaves."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def member(self) -> None:
        await self._stay(polite=True)

    async def vanish(self) -> None:
        """Leave without a word."""
        await self._stay(polite=False)

    async def no_token(self) -> None:
        try:
            await (await self._connect("")).close()
        except aiohttp.WSServerHandshakeError as error:
            self.world.tally.sockets[f"refused {error.status}"] += 1

    async def wrong_token(self) -> None:
        socket = await self._connect(forged("mallory"))
        try:
            await socket.receive(timeout=ANSWER_SECONDS)
            self.world.tally.sockets[f"closed {socket.close_code}"] += 1
        finally:
            await socket.close()

    async def _stay(self, polite: bool) -> None:
        socket = await self._connect(issue(self.world.random.choice(PEOPLE)))
        self.world.tally.sockets["joined"] += 1
        self.world.tally.online += 1
        try:
            for _ in range(self.world.random.randint(4, 16)):
                await self.world.pause(self.world.random.uniform(2, 9))
                if self.world.stop.is_set():
                    break
                await self._turn(socket)
            if not polite:
                _vanish(socket)
                self.world.tally.sockets["vanished"] += 1
        finally:
            self.world.tally.online -= 1
            await socket.close()

    async def _turn(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Say something, or ask for a sign of life, and read what came until it is answered."""
        if self.world.random.random() < 0.4:
            await socket.send_json({"type": "message", "text": sentence(self.world.random)})
            self.world.tally.sockets["message"] += 1
        await socket.send_json({"type": "ping"})
        while await _next(socket) != "pong":
            self.world.tally.sockets["received"] += 1

    async def _connect(self, token: str) -> aiohttp.ClientWebSocketResponse:
        query = {"token": token} if token else {}
        path = f"/api/chat/ws/{self.world.group()}"
        return await self.world.session.ws_connect(path, params=query, max_msg_size=1 << 16)


async def _next(socket: aiohttp.ClientWebSocketResponse) -> str:
    """The type of the next frame; raises ClientConnectionError when the server has closed the socket."""
    frame = await socket.receive(timeout=ANSWER_SECONDS)
    if frame.type is not aiohttp.WSMsgType.TEXT:
        raise aiohttp.ClientConnectionError(f"the server closed the socket with {socket.close_code}")
    return str(json.loads(frame.data).get("type"))


def _vanish(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Cut the connection without a close frame, as a laptop does that is shut."""
    connection = socket.get_extra_info("socket")
    if connection is None:  # the server was faster
        return
    with suppress(OSError):
        connection.shutdown(SHUT_RDWR)
