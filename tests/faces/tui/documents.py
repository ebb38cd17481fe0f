"""Documents to draw: the made-up fifteen minutes of `fanlight.sample`, and every kind of panel on one page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from tests.faces.samples import ROWS, SPANS, panels
from tests.faces.service import ScriptedService

from fanlight import sample
from fanlight.core.recorder import Sample
from fanlight.faces.context import ActionResult
from fanlight.faces.tui.compose import page_document
from fanlight.faces.tui.document import PageDocument, PageLink, SlotDocument
from fanlight.panels import ActionButton, Actions, Field, Verdict, View

NOW = 1_763_683_441.0
"""2025-11-21, 00:04:01 UTC."""


def sampled(**settings: Any) -> ScriptedService:
    """A service that has been watched for fifteen minutes, with caches, sockets and logs, at a moment that stays."""
    service = ScriptedService(**settings)
    service.clock.set_wall(NOW)
    service.recorder.started = NOW - 900
    service.recorder.instance = "web1-4242-9f3ac2d1"
    service.window.since = NOW - 900
    for frame in sample.frames(NOW):
        service.recorder.commit(frame)
        service.window.add(frame)
    for name, amount in (("cache.hits.prompts", 847), ("cache.misses.prompts", 123), ("dashboard_refresh_total", 5)):
        service.recorder.count(name, amount)
    for number in range(40):
        service.log(("INFO", "INFO", "WARNING", "DEBUG")[number % 4], f"message {number} stored group=General")
    service.log("ERROR", "routellm 503, breaker stays open (19)", "bad-1")
    service.recorder.event("upload", {"name": "report.pdf", "bytes": 2_200_000})
    service.socket("connected")
    service.socket("disconnected", 1011, connections=11)
    service.levels = [
        Sample("process.cpu.percent", "", 24.5, "sum", "instance"),
        Sample("process.memory.bytes", "", 256.0 * 1024 * 1024, "sum", "instance"),
        Sample("process.memory.percent", "", 38.0, "max", "instance"),
        Sample("system.cpu.percent", "", 41.0, "max", "host"),
        Sample("event_loop.lag.seconds", "", 0.0008, "max", "instance"),
        Sample("fanlight.cpu.percent", "", 0.4, "sum", "instance"),
        Sample("http.server.active_requests", "", 5.0, "sum", "instance"),
        Sample("websocket.connections", "", 12.0, "sum", "instance"),
        Sample("websocket.connections", "General", 8.0, "sum", "instance"),
        Sample("websocket.connections", "Random", 4.0, "sum", "instance"),
    ]
    service.tick(0.0)
    return service


def document(page: str = "overview", service: ScriptedService | None = None) -> PageDocument:
    """A built-in page of the sample."""
    return page_document((service or sampled()).context, View(page=page), role="operator")


def every_kind() -> PageDocument:
    """A page of an application's own, with every kind of panel there is: the terminal was never told of it."""
    found = panels()
    verdict = found.pop("verdict")
    assert isinstance(verdict, Verdict)
    slots = tuple(
        SlotDocument(name=name, panel=panel, span=SPANS.get(name, 12), rows=ROWS.get(name, 1))
        for name, panel in (("verdict", verdict), *found.items())
    )
    links = (PageLink(name="overview", title="Overview"), PageLink(name="hub", title="Hub", badge=2))
    return PageDocument(
        version=1, at=NOW, service="hub", release="v1.4.2", instances=4, uptime=190_805, page="hub", title="Hub",
        verdict=verdict, pages=links, slots=slots,
    )  # fmt: skip


class SampleSource:
    """A source that answers at once from the sample, and from the page of every kind; `broken` has it fail."""

    name = "http://127.0.0.1:8001/dashboard"

    def __init__(self, service: ScriptedService | None = None) -> None:
        self.service = service or sampled()
        self.broken: Exception | None = None
        self.views: list[View] = []
        self.acted: list[str] = []
        self.given: list[Mapping[str, Any]] = []
        self.followed: list[str] = []
        self.later = self.result = ActionResult("success", "Cleared groups on 1 worker.")

    async def page(self, view: View, after: float) -> PageDocument:
        self.views.append(view)
        if self.broken is not None:
            raise self.broken
        if view.page == "hub":
            return every_kind()
        made = page_document(self.service.context, view, role="operator", after=after)
        return msgspec.structs.replace(made, pages=(*made.pages, PageLink(name="hub", title="Hub", badge=2)))

    async def act(self, action: str, values: Mapping[str, Any]) -> ActionResult:
        self.acted.append(action)
        self.given.append(values)
        if self.broken is not None:
            raise self.broken
        return self.result

    async def follow(self, run: str) -> ActionResult:
        self.followed.append(run)
        if self.broken is not None:
            raise self.broken
        return self.later


REINDEX = ActionButton(
    title="Re-index documents",
    action="actions/reindex",
    confirm="Re-index the folder? Searches are slow meanwhile.",
    fields=(
        Field(name="folder", title="Folder"),
        Field(name="depth", title="Depth", kind="integer", required=False, default=3),
        Field(name="share", title="Share of a core", kind="number", required=False),
        Field(name="mode", title="Mode", kind="choice", choices=("fast", "thorough", "from scratch")),
        Field(name="dry_run", title="Dry run", kind="boolean", required=False, default=True),
        Field(name="note", title="Note", required=False),
    ),
)
"""An action that asks for a value of every kind."""


class ActingSource(SampleSource):
    """A source with an operator's page on which one action asks for values."""

    async def page(self, view: View, after: float) -> PageDocument:
        panel = Actions(title="Quick actions", buttons=(REINDEX,))
        slots = (SlotDocument(name="actions", panel=panel),)
        return msgspec.structs.replace(await super().page(view, after), role="operator", slots=slots)
