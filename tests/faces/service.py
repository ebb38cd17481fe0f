"""A small scripted service: a real recorder, window and query on a clock that stands still, and a client for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import Router
from starlette.types import ASGIApp, Message

from fanlight.clock import ManualClock
from fanlight.core.analytics import Analytics, analyse
from fanlight.core.budgets import Budget
from fanlight.core.facts import CALL, DISCONNECTED, LOG, REQUEST, SOCKET, STREAM
from fanlight.core.frame import Frame
from fanlight.core.pacer import Pacer
from fanlight.core.query import Query
from fanlight.core.recorder import Recorder, Sample
from fanlight.core.sections import Excerpt, Instance, Supplied
from fanlight.core.snapshot import Snapshot
from fanlight.core.window import Window
from fanlight.faces.api import routes
from fanlight.faces.context import FaceContext
from fanlight.pages import PAGES, PANELS
from fanlight.panels import ActionButton, View
from fanlight.services.budgets import samples
from fanlight.services.calls import Call
from fanlight.settings import Settings

MODEL: dict[str, Any] = {
    "model": "small", "input_tokens": 900, "output_tokens": 100, "cached_tokens": 300, "reasoning_tokens": 20,
    "time_to_first_token": 0.5, "cost": 0.0012, "finish_reason": "stop", "usage": "exact", "stream": True,
}  # fmt: skip
"""What a language model's call says."""

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}


class _Ticks:
    def __init__(self) -> None:
        self.pacer = Pacer(sleep=lambda seconds: None)

    def watch(self) -> Callable[[], None]:
        return lambda: None

    def hurry(self) -> None:
        """Tests tick by hand."""

    def listen(self, callback: Callable[[int], None], /) -> Callable[[], None]:
        return lambda: None


class ScriptedService:
    """Records what a test says happened; `tick` closes a second. Doubles as a query's source and surroundings."""

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**{"name": "chat-api", "release": "1.4.2", **settings})
        self.clock = ManualClock()
        self.recorder = Recorder(
            self.clock,
            slow_seconds=self.settings.slow_seconds,
            very_slow_seconds=self.settings.very_slow_seconds,
            max_series=self.settings.max_series,
        )
        self.window = Window(self.recorder.started)
        self.lock = self.recorder.lock
        self.earlier = Frame(0, 0)
        self.levels: list[Sample] = []
        self.supplied = Supplied()
        self.redis_supplied = Supplied()
        self.version = 0
        self.recorder.samplers.append(lambda: self.levels)
        self.query = Query(self.settings, self.clock, self, self, surroundings=self, breathe=lambda: None)

    def refresh(self) -> None:
        """Always up to date."""

    def total_frames(self) -> Sequence[Frame]:
        return (self.earlier, self.recorder.totals)

    def run_frames(self) -> Sequence[Frame]:
        return (self.recorder.totals,)

    def alone(self, instance: str) -> None:
        """There is no other."""

    def instances(self) -> Sequence[Instance]:
        started, now = self.recorder.started, self.clock.time_ns() / 1e9
        return (Instance(self.recorder.instance, "host", 42, self.settings.release, started, now, this=True),)

    def database(self) -> Supplied:
        return self.supplied

    def redis(self) -> Supplied:
        return self.redis_supplied

    def last_failure(self) -> str:
        return self.recorder.last_failure

    def actions(self) -> tuple[ActionButton, ...]:
        confirm = "Clear every cache on every worker?"
        return (ActionButton(title="Clear caches", action="actions/clear-cache", confirm=confirm),)

    def viewers(self) -> int:
        return 0

    def history(self) -> str:
        return ""

    def analytics(self) -> Analytics:
        """Made anew each time; once in a while is the engine's."""
        return analyse(self.query.cumulative("all"), self.clock.time_ns() / 1e9)

    def exposition(self, snapshot: Snapshot) -> Excerpt:
        """Prometheus text on pages is the engine's to make."""
        return Excerpt()

    def request(
        self,
        method: str = "GET",
        route: str | None = "/items/{id}",
        status: int = 200,
        seconds: float = 0.01,
        *,
        path: str = "/items/7",
        first_byte: float | None = None,
        stream: bool = False,
        disconnected: bool = False,
        correlation_id: str = "",
        error: BaseException | None = None,
    ) -> None:
        """A request ended."""
        flags = STREAM * stream + DISCONNECTED * disconnected
        first_ns = int((seconds if first_byte is None else first_byte) * 1e9)
        head = (REQUEST, self.recorder.next_seq(), self.clock.monotonic_ns(), int(seconds * 1e9), first_ns)
        self.recorder.append((*head, method, route, "", status, flags, path, correlation_id, error))

    def socket(self, event: str, code: int = 0, *, group: str = "g1", user: str = "u1", connections: int = 1) -> None:
        """A WebSocket event."""
        head = (SOCKET, self.recorder.next_seq(), self.clock.monotonic_ns(), event, "/ws/{group}", "", f"/ws/{group}")
        seconds = 0 if event == "connected" else 2_000_000_000
        self.recorder.append((*head, group, user, code, seconds, connections, "ws-1"))

    def call(
        self, service: str = "postgres", operation: str = "select", seconds: float = 0.01, *, kind: str = "database",
        outcome: str = "", correlation_id: str = "", parent: Call | None = None, **attributes: Any,
    ) -> Call:  # fmt: skip
        """A call of a service ended."""
        made = Call(self.recorder, service, operation, kind, attributes)
        head = (CALL, self.recorder.next_seq(), self.clock.monotonic_ns(), int(seconds * 1e9), made, parent)
        self.recorder.append((*head, correlation_id, outcome, f"{outcome}: it did" if outcome else None))
        return made

    def log(self, level: str, message: str, correlation_id: str = "") -> None:
        """A line was logged."""
        head = (LOG, self.recorder.next_seq(), self.clock.monotonic_ns(), self.clock.time_ns(), LEVELS[level], level)
        self.recorder.append((*head, "chat.storage", message, "storage.py", 17, correlation_id))

    def tick(self, seconds: float = 1.0) -> None:
        """Time passes, and what happened is folded."""
        self.clock.advance(seconds)
        frame = self.recorder.take()
        self.recorder.commit(frame)
        self.window.add(frame)
        self.version += 1

    def snapshot(self) -> Snapshot:
        """The service now."""
        return self.query.snapshot(View())

    @property
    def context(self) -> FaceContext:
        """What its faces are given."""
        return FaceContext(
            settings=self.settings,
            recorder=self.recorder,
            query=self.query,
            pulse=_Ticks(),
            pages=PAGES,
            panels=PANELS,
            clock=self.clock,
        )

    def get(self, path: str, **headers: str) -> Answer:
        """What the JSON and Prometheus faces answer."""
        return get(Router(routes=routes(self.context)), path, headers)


@dataclass
class Answer:
    """A whole response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: int = 0

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def get(app: ASGIApp, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    """One GET of an ASGI application, on a loop of its own."""
    answer = Answer()
    plain, _, query = path.partition("?")
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {
        "type": "http",
        "method": "GET",
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "headers": given,
        "root_path": "",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
    }

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")
            answer.chunks += 1

    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]  # an ASGI application is a coroutine function
    return answer


def budgeted_service() -> ScriptedService:
    """A service with two budgets: one of a day that is overspent, one of a month that is not touched."""
    service = ScriptedService()
    service.recorder.budgets.declare(Budget(name="openai", amount=0.001, per="day", service="openai"))
    service.recorder.budgets.declare(Budget(name='far "off"', amount=50, where={"caller": "nobody"}))
    service.levels = [*samples(service.recorder.budgets)]
    service.call("openai", "chat", 5.5, kind="llm", **MODEL)
    service.tick()
    return service


def busy_service(**settings: Any) -> ScriptedService:
    """A service with a bit of everything: routes, a 404, an error, slow ones, a stream, WebSockets, logs, a cache."""
    service = ScriptedService(**settings)
    for number in range(8):
        service.request(seconds=0.02 + number / 1000, path=f"/items/{number}", correlation_id=f"read-{number}")
    service.request("POST", "/items", 201, 0.05, path="/items")
    service.request("GET", None, 404, 0.002, path="/nowhere", correlation_id="lost-1")
    service.tick()
    service.request("POST", "/items", 500, 1.5, path="/items", correlation_id="bad-1", error=ValueError("no room"))
    service.request("GET", "/reports/{id}", 200, 6.0, path="/reports/3", correlation_id="slow-1")
    service.request("GET", "/feed", 200, 60.0, path="/feed", stream=True, first_byte=0.03)
    outer = service.call("routellm", "route", 1.2, kind="wrapper", correlation_id="bad-1")
    service.call("postgres", "insert", 0.9, outcome="timeout", correlation_id="bad-1", parent=outer, table="items")
    service.call("openai", "chat", 5.5, kind="llm", correlation_id="slow-1", **MODEL)
    service.call("openai", "chat", 0.5, kind="llm", outcome="rate_limit", model="small")
    service.log("INFO", "stored", "read-1")
    service.log("ERROR", "no room left", "bad-1")
    service.socket("connected")
    service.socket("disconnected", 1000, connections=0)
    service.socket("refused", 403, group="", user="")
    for name, amount in (("cache.hits.prompts", 3), ("cache.misses.prompts", 1), ("dashboard_refresh_total", 5)):
        service.recorder.count(name, amount)
    service.recorder.count("htmx_events_total", 4)
    service.recorder.event("upload", {"name": "a.pdf"})
    service.levels = [
        Sample("process.memory.bytes", "", 256.0 * 1024 * 1024, "sum", "instance"),
        Sample("process.cpu.percent", "", 12.5, "sum", "instance"),
        Sample("http.server.active_requests", "", 2.0, "sum", "instance"),
        Sample("websocket.connections", "", 3.0, "sum", "instance"),
        Sample("websocket.connections", "g1", 2.0, "sum", "instance"),
        Sample("websocket.connections", "g2", 1.0, "sum", "instance"),
    ]
    service.tick()
    return service
