"""faces.web.live: one stream per tab, the newest state only."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message
from tests.faces.service import ScriptedService
from tests.faces.serving import ManualTicks, Stream, context_of, dashboard

from fanlight.core.pacer import PAUSE_SECONDS, Pacer
from fanlight.core.snapshot import Snapshot
from fanlight.faces.errors import FaceError
from fanlight.faces.web import live
from fanlight.faces.web.live import Hub
from fanlight.faces.web.rendering import Rendering
from fanlight.pages import PageSpec
from fanlight.panels import Page, Panel, Slot, Stat, View

SOON = 10.0


class Panels:
    """A page of one panel of each pace, whose values a test sets."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {"fast": 1, "slow": 1, "still": 1}
        self.built: list[str] = []

    def pages(self) -> Mapping[str, PageSpec]:
        slots = (
            Slot(name="fast", build=self._build("fast"), pace="fast"),
            Slot(name="slow", build=self._build("slow"), pace="slow"),
            Slot(name="still", build=self._build("still"), pace="still"),
        )

        def page(snapshot: Snapshot, view: View) -> Page:
            fourth = (Slot(name="fourth", build=self._build("fourth")),) if "fourth" in self.values else ()
            return Page(name="overview", title="Overview", slots=(*slots, *fourth))

        return {"overview": PageSpec(name="overview", title="Overview", build=page)}

    def _build(self, name: str) -> Callable[[Snapshot, View], Panel]:
        def build(snapshot: Snapshot, view: View) -> Panel:
            self.built.append(name)
            return Stat(title=name, value=self.values[name])

        return build


@dataclass
class Scene:
    """A hub over a scripted service, driven on the test's own loop."""

    service: ScriptedService = field(default_factory=ScriptedService)
    ticks: ManualTicks = field(default_factory=ManualTicks)
    panels: Panels = field(default_factory=Panels)

    def hub(self) -> Hub:
        context = context_of(self.service, self.ticks, pages=self.panels.pages())
        return Hub(context, Rendering(context))

    def tick(self, seconds: float = 0.25) -> None:
        self.service.tick(seconds)
        self.ticks.fire()


class Tab:
    """A client of the hub: takes what it is sent, when it is let."""

    def __init__(self, hub: Hub, view: View | None = None, interval: float = 0.0) -> None:
        self.got: asyncio.Queue[str] = asyncio.Queue()
        self.status = 0
        self.left = asyncio.Event()
        self.draining = asyncio.Event()
        self.draining.set()
        self.task = asyncio.create_task(hub.respond(view or View(), interval, self._receive, self._send))

    async def _receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        if message.get("body"):
            await self.got.put(message["body"].decode())
            await self.draining.wait()

    async def push(self) -> Push:
        """The next push."""
        async with asyncio.timeout(SOON):
            return Push(await self.got.get())

    async def end(self) -> None:
        """Leave, and wait until the hub has noticed."""
        self.left.set()
        async with asyncio.timeout(SOON):
            await self.task


class Push:
    """One message of a stream, taken apart."""

    def __init__(self, text: str) -> None:
        events = [part.split("\n") for part in text.split("\n\n") if part]
        self.names = [lines[0].removeprefix("event: ") if lines[0].startswith("event") else "" for lines in events]
        self.status: dict[str, Any] = json.loads(events[0][1].removeprefix("data: "))
        self.panels = [name for name in ("fast", "slow", "still") if f"#panel-{name}" in text]


def play(scene: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a scene to its end."""

    async def run() -> None:
        await scene(Scene())

    asyncio.run(run())


def test_a_viewer_is_told_when_its_page_has_other_panels() -> None:
    """HUB-11, X-5: the names of the panels come with the first status, and again when there are others."""

    async def scene(scene: Scene) -> None:
        tab = Tab(scene.hub())
        assert (await tab.push()).status["panels"] == ["fast", "slow", "still"]
        scene.panels.values["fast"] = 2
        scene.tick()
        assert "panels" not in (await tab.push()).status
        scene.panels.values["fourth"] = 4
        scene.tick()
        assert (await tab.push()).status["panels"] == ["fast", "slow", "still", "fourth"]
        await tab.end()

    play(scene)


def test_a_new_viewer_gets_the_status_and_every_panel() -> None:
    """ORC-6, HUB-11: the page may be older than the stream, so all of it comes once, still panels too."""

    async def scene(scene: Scene) -> None:
        tab = Tab(scene.hub())
        push = await tab.push()
        assert push.names == ["status", ""]
        assert push.panels == ["fast", "slow", "still"]
        assert {"at", "next", "interval", "instances", "dropped", "state"} <= set(push.status)
        await tab.end()

    play(scene)


def test_only_what_changed_is_pushed() -> None:
    """HUB-11, OBS-6: a panel goes out when it has changed; a status goes with every refresh, also an empty one."""

    async def scene(scene: Scene) -> None:
        tab = Tab(scene.hub())
        await tab.push()
        scene.panels.values["fast"] = 2
        scene.tick()
        assert (await tab.push()).panels == ["fast"]
        scene.tick()
        push = await tab.push()
        assert (push.names, push.panels) == (["status"], [])
        await tab.end()

    play(scene)


def test_news_that_came_too_early_is_sent_when_its_time_has_come() -> None:
    """HUB-11: what a tick brought before a viewer's turn waits for the turn, not for the next tick."""

    async def scene(scene: Scene) -> None:
        tab = Tab(scene.hub())
        await tab.push()
        scene.panels.values["fast"] = 2
        scene.tick(0.01)
        scene.service.clock.advance(0.5)
        assert (await tab.push()).panels == ["fast"]
        await tab.end()

    play(scene)


def test_slow_panels_follow_once_a_second_and_at_once_after_quiet() -> None:
    """HUB-6, OBS-6: tables and charts change once a second at most; the first change after quiet does not wait."""

    async def scene(scene: Scene) -> None:
        tab = Tab(scene.hub())
        await tab.push()
        pushed = []
        for number in range(2, 12):
            scene.panels.values["slow"] = number
            scene.tick(0.25)
            pushed.append("slow" in (await tab.push()).panels)
        assert pushed == [False, False, False, True] * 2 + [False, False]
        for _ in range(5):
            scene.tick(0.25)
            await tab.push()
        scene.panels.values["slow"] = 99
        scene.tick(0.25)
        assert (await tab.push()).panels == ["slow"]
        await tab.end()

    play(scene)


def test_a_viewer_chooses_its_interval() -> None:
    """ORC-6: a viewer that asked for every 2 seconds is sent to every 2 seconds, with the newest state."""

    async def scene(scene: Scene) -> None:
        hub = scene.hub()
        tab = Tab(hub, interval=2.0)
        assert (await tab.push()).status["interval"] == 2.0
        quick = Tab(hub)
        await quick.push()
        for number in range(2, 10):
            scene.panels.values["fast"] = number
            scene.tick(0.25)
            await quick.push()
        assert (await tab.push()).panels == ["fast"]
        assert tab.got.empty()
        await tab.end()
        await quick.end()

    play(scene)


def test_viewers_of_one_view_share_the_work() -> None:
    """OBS-4: ten viewers of a view cost one building of each panel per tick."""

    async def scene(scene: Scene) -> None:
        hub = scene.hub()
        tabs = [Tab(hub) for _ in range(10)]
        for tab in tabs:
            await tab.push()
        scene.panels.built.clear()
        scene.panels.values["fast"] = 2
        scene.tick()
        assert [(await tab.push()).panels for tab in tabs] == [["fast"]] * 10
        assert scene.panels.built.count("fast") == 1
        for tab in tabs:
            await tab.end()

    play(scene)


def test_a_crowd_slows_its_own_pace() -> None:
    """X-9: fifty viewers are sent what changes every 1.4 seconds, and told so."""

    async def scene(scene: Scene) -> None:
        hub = scene.hub()
        tabs = [Tab(hub) for _ in range(50)]
        for tab in tabs:
            await tab.push()
        scene.panels.built.clear()
        for number in range(2, 58):  # 5.6 seconds
            scene.panels.values["fast"] = number
            scene.tick(0.1)
            for tab in tabs if number % 14 == 1 else ():
                assert (await tab.push()).status["interval"] == 1.4
        assert scene.panels.built.count("fast") == 4
        for tab in tabs:
            await tab.end()

    play(scene)


def test_drawing_for_a_crowd_pauses_longer() -> None:
    """OBS-2, X-9: who is told every few seconds can wait a tenth of one, so that requests meet few slices each."""

    async def scene(scene: Scene) -> None:
        hub = scene.hub()
        slept: set[float] = set()
        scene.ticks.pacer = pacer = Pacer(sleep=slept.add, slice_ns=0)
        make = hub._rendering.layout

        def layout(view: View) -> Any:
            pacer.breathe()
            return make(view)

        hub._rendering.layout = layout  # type: ignore[method-assign]
        first = Tab(hub)
        await first.push()
        assert slept == {PAUSE_SECONDS}
        others = [Tab(hub) for _ in range(49)]
        for tab in others:
            await tab.push()
        assert max(slept) == pytest.approx(0.0006)
        for tab in (first, *others):
            await tab.end()

    play(scene)


def test_rooms_are_drawn_one_after_the_other() -> None:
    """X-9: two threads that draw would fill each other's pauses, and a request would wait for both."""

    async def scene(scene: Scene) -> None:
        hub = scene.hub()
        drawing, most = 0, 0
        make = hub._rendering.layout

        def layout(view: View) -> Any:
            nonlocal drawing, most
            drawing += 1
            most = max(most, drawing)
            time.sleep(0.02)  # long enough for another thread to begin
            drawing -= 1
            return make(view)

        hub._rendering.layout = layout  # type: ignore[method-assign]
        tabs = [Tab(hub, View(range=name)) for name in ("", "1h", "24h")]
        for tab in tabs:
            await tab.push()
        assert most == 1
        for tab in tabs:
            await tab.end()

    play(scene)


def test_a_socket_that_does_not_drain_gets_the_newest_state_only() -> None:
    """TTY-6, X-9: nothing queues up behind a slow viewer; what it missed is counted and told."""

    async def scene(scene: Scene) -> None:
        hub = scene.hub()
        slow, quick = Tab(hub), Tab(hub)
        await quick.push()
        await slow.push()
        slow.draining.clear()
        scene.tick()
        await quick.push()
        await slow.push()  # it has this one, but its socket does not drain
        for number in range(2, 21):
            scene.panels.values["fast"] = number
            scene.tick()
            await quick.push()
        assert slow.got.empty()
        slow.draining.set()
        scene.panels.values["fast"] = 99
        scene.tick()
        push = await slow.push()
        assert (push.panels, push.status["dropped"]) == (["fast"], 19)
        await slow.end()
        await quick.end()
        scene.service.tick()
        assert scene.service.snapshot().own.dropped["updates"] == 19

    play(scene)


def test_a_viewer_beyond_the_limit_polls() -> None:
    """HUB-11: beyond max_viewers the answer is a 503 with Retry-After, and a place that becomes free is given again."""

    async def scene(scene: Scene) -> None:
        scene.service.settings = type(scene.service.settings)(name="chat-api", max_viewers=2)
        hub = scene.hub()
        tabs = [Tab(hub), Tab(hub)]
        for tab in tabs:
            await tab.push()
        with pytest.raises(FaceError) as refused:
            await hub.respond(View(), 0.0, tabs[0]._receive, tabs[0]._send)
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "30"})
        await tabs.pop().end()
        tabs.append(Tab(hub))
        await tabs[-1].push()
        for tab in tabs:
            await tab.end()

    play(scene)


def test_leaving_puts_everything_away() -> None:
    """TTY-5, TTY-6: when the last viewer has left, by disconnect or cancellation, nothing is left running."""

    async def scene(scene: Scene) -> None:
        hub = scene.hub()
        tabs = [Tab(hub), Tab(hub, View(range="1h")), Tab(hub)]
        for tab in tabs:
            await tab.push()
        assert (hub.viewers, scene.ticks.watchers, len(scene.ticks.callbacks)) == (3, 3, 1)
        tabs[0].task.cancel()
        await asyncio.gather(tabs[0].task, return_exceptions=True)
        for tab in tabs[1:]:
            await tab.end()
        assert (hub.viewers, scene.ticks.watchers, scene.ticks.callbacks) == (0, 0, [])
        others = asyncio.all_tasks() - {asyncio.current_task()}
        _, running = await asyncio.wait(others, timeout=SOON) if others else (set(), set())
        assert not running

    play(scene)


def test_the_watcher_comes_before_the_first_snapshot() -> None:
    """HUB-11: the pulse knows of the viewer before it is shown anything, so nothing falls in between."""

    async def scene(scene: Scene) -> None:
        seen: list[int] = []
        hub = scene.hub()
        snapshot = scene.service.query.snapshot

        def watched(view: View) -> Snapshot:
            seen.append(scene.ticks.watchers)
            return snapshot(view)

        scene.service.query.snapshot = watched  # type: ignore[method-assign]
        tab = Tab(hub)
        await tab.push()
        assert seen[0] == 1
        await tab.end()

    play(scene)


def test_closing_ends_all_streams() -> None:
    """TTY-2: close() ends every stream properly, also one whose socket is full, and the hub can be used again."""

    async def scene(scene: Scene) -> None:
        hub = scene.hub()
        tab, stuck = Tab(hub), Tab(hub)
        await tab.push()
        stuck.draining.clear()
        await asyncio.to_thread(hub.close)
        async with asyncio.timeout(SOON):
            await asyncio.gather(tab.task, stuck.task)
        again = Tab(hub)
        await again.push()
        await again.end()

    play(scene)


def test_who_heard_nothing_for_long_hears_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """TTY-6: a stream that has nothing to tell says that it lives, no sooner than it has to."""
    monkeypatch.setattr(live, "WATCH_SECONDS", 0.01)

    async def scene(scene: Scene) -> None:
        hub = scene.hub()
        tab = Tab(hub, interval=60.0)
        assert (await tab.push()).panels
        scene.service.clock.advance(live.HEARTBEAT_SECONDS - 0.1)
        await hub._make_rounds()
        assert tab.got.empty()
        scene.service.clock.advance(0.2)
        assert (await tab.push()).names == ["heartbeat"]
        await tab.end()

    play(scene)


def test_a_socket_that_takes_nothing_for_long_is_let_go() -> None:
    """TTY-6, X-9: its viewer makes room for others; not before STALL_SECONDS have passed."""

    async def scene(scene: Scene) -> None:
        hub = scene.hub()
        stuck = Tab(hub)
        stuck.draining.clear()
        await stuck.push()
        scene.service.clock.advance(live.STALL_SECONDS - 1.0)
        await hub._make_rounds()
        assert hub.viewers == 1
        scene.service.clock.advance(2.0)
        async with asyncio.timeout(SOON):
            await stuck.task
        assert hub.viewers == 0

    play(scene)


def test_a_failing_page_leaves_the_stream_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """TTY-6: a page that raises is counted; its viewers hear heartbeats, and get everything once it works again."""
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(live, "WATCH_SECONDS", 0.01)

    async def scene(scene: Scene) -> None:
        hub = scene.hub()
        snapshot = scene.service.query.snapshot

        def failing(view: View) -> Snapshot:
            raise RuntimeError("no snapshot")

        scene.service.query.snapshot = failing  # type: ignore[method-assign]
        tab = Tab(hub)
        while not scene.service.recorder.last_failure:
            assert (await tab.push()).names == ["heartbeat"]
        assert "no snapshot" in scene.service.recorder.last_failure
        scene.service.query.snapshot = snapshot  # type: ignore[method-assign]
        scene.tick()
        while (push := await tab.push()).names == ["heartbeat"]:
            pass
        assert push.panels == ["fast", "slow", "still"]
        await tab.end()

    play(scene)


def test_an_unknown_page_is_refused_before_anything_is_sent() -> None:
    """ORC-3: a stream of a page there is not is a 404."""

    async def scene(scene: Scene) -> None:
        tab = Tab(scene.hub(), View(page="nope"))
        with pytest.raises(FaceError, match="nope"):
            await tab.task
        assert tab.status == 0

    play(scene)


def read(stream: Stream) -> list[str]:
    """What is left of a stream, to its end."""
    return [name for name, _ in stream.events()]


def test_over_a_real_socket() -> None:
    """ORC-6, HUB-11: the headers keep proxies from holding back; an event on the service reaches the open page."""
    service, ticks = ScriptedService(), ManualTicks()
    with dashboard(service, ticks) as served:
        stream = served.stream("?page=requests&interval=0.25")
        assert stream.answer.status == 200
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["x-accel-buffering"] == "no"
        assert "no-cache" in stream.answer.headers["cache-control"]
        assert "content-encoding" not in stream.answer.headers
        assert "/latecomer" not in stream.until("")
        service.request(path="/latecomer")
        service.tick(1.0)
        ticks.fire()
        assert "/latecomer" in stream.until("")
        stream.close()


def test_a_stopping_server_ends_its_streams() -> None:
    """TTY-2: open streams end by themselves when the server is told to stop, so that it can."""
    service = ScriptedService()
    with dashboard(service) as served:
        streams = [served.stream() for _ in range(5)]
        for stream in streams:
            stream.until("")
        served.stop()
        for stream in streams:
            read(stream)
            stream.close()
        served.thread.join(SOON)
        assert not served.thread.is_alive()


def test_a_killed_connection_is_noticed() -> None:
    """TTY-5: a client that goes away frees its place."""
    service, ticks = ScriptedService(), ManualTicks()
    with dashboard(service, ticks) as served:
        stream = served.stream()
        stream.until("")
        assert ticks.watchers == 1
        stream.close()
        while ticks.watchers:  # the server notices on its own loop; ends the test by its timeout if it never does
            served.ask("/dashboard/static/none")


def test_too_many_viewers_over_a_real_socket() -> None:
    """HUB-11: the 503 is an answer in the error format."""
    service = ScriptedService(max_viewers=1)
    with dashboard(service) as served:
        stream = served.stream()
        stream.until("")
        refused = served.ask("/dashboard/live")
        assert (refused.status, refused.json["error"]["code"]) == (503, "no_live_view")
        assert refused.headers["retry-after"] == "30"
        stream.close()


def test_pushes_are_counted_in_one_fact() -> None:
    """OBS-2, X-9: deliveries are counted, without a fact for each that would wake the pulse to push again."""

    async def scene(scene: Scene) -> None:
        tab = Tab(scene.hub())
        await tab.push()
        for _ in range(4):
            scene.tick()
            await tab.push()
        assert scene.service.recorder.pending == 0
        await tab.end()
        assert scene.service.recorder.pending == 1
        scene.service.tick()
        assert scene.service.snapshot().own.refreshes == 5

    play(scene)
