"""faces.api.pages and faces.api.streams: a page as data, once and as it changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest
from tests.faces.service import ScriptedService, busy_service
from tests.faces.serving import TIMEOUT, ManualTicks, Served, Stream, context_of, serving, under

from fanlight.core.snapshot import Snapshot
from fanlight.faces.api import routes
from fanlight.faces.api.pages import Pages
from fanlight.faces.api.streams import Reader, Streams
from fanlight.faces.context import FaceContext
from fanlight.faces.tui.document import PageDocument, PageUpdate
from fanlight.faces.web.app import WebFace
from fanlight.pages import PageSpec
from fanlight.panels import Page, Panel, Slot, Stat, View

Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a check holds; fails when it never does."""

    def wait(check: Callable[[], bool]) -> None:
        pause, last = threading.Event(), time.monotonic() + TIMEOUT
        while not check():
            assert time.monotonic() < last, f"never came true: {check}"
            pause.wait(0.01)

    return wait


class Panels:
    """A page of one panel of each pace, whose values a test sets; counts what is built."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {"fast": 1, "slow": 1, "still": 1}
        self.built: list[str] = []

    def context(self, service: ScriptedService) -> FaceContext:
        slots = (
            Slot(name="fast", build=self._build("fast"), pace="fast"),
            Slot(name="slow", build=self._build("slow"), pace="slow"),
            Slot(name="still", build=self._build("still"), pace="still"),
        )
        spec = PageSpec(
            name="overview", title="Overview", build=lambda snapshot, view: Page(name="overview", title="", slots=slots)
        )
        return context_of(service, pages={"overview": spec})

    def _build(self, name: str) -> Callable[[Snapshot, View], Panel]:
        def build(snapshot: Snapshot, view: View) -> Panel:
            self.built.append(name)
            return Stat(title=name, value=self.values[name])

        return build


def page_of(slots: tuple[Slot, ...]) -> PageSpec:
    page = Page(name="overview", title="Overview", slots=slots)
    return PageSpec(name="overview", title="Overview", build=lambda snapshot, view: page)


def update(reader: Reader, pages: Pages) -> PageUpdate:
    return msgspec.json.decode(reader.update(pages)[0], type=PageUpdate)


def names(found: PageUpdate) -> list[str]:
    return [slot.name for slot in found.page.slots]


def test_a_page_is_answered_as_data_with_its_newest_lines() -> None:
    """TTY-3, X-1: the route's document is the page the browser shows, with the log lines after a moment."""
    service = busy_service()
    answer = service.get("/api/pages/overview")
    page = msgspec.json.decode(answer.body, type=PageDocument)
    assert (answer.status, page.page, page.role) == (200, "overview", "viewer")
    assert [line.message for line in page.lines] == ["stored", "no room left"]
    late = service.get(f"/api/pages/overview?after={page.at + 60}").json
    assert late["lines"] == []
    assert late["slots"] == answer.json["slots"]


def test_one_tick_is_composed_once_for_all_who_look() -> None:
    """TTY-6: ten readers and a page asked for at one tick build each panel once; a new tick builds it anew."""
    service, panels = ScriptedService(), Panels()
    pages = Pages(panels.context(service))
    for _ in range(10):
        Reader(View(), "viewer", 0.0).update(pages)
    assert pages.document(View(), role="operator", after=0.0).role == "operator"
    assert panels.built == ["fast", "slow", "still"]
    service.tick()
    pages.document(View(), role="viewer", after=0.0)
    assert panels.built == ["fast", "slow", "still"] * 2


def test_a_stream_keeps_slow_panels_for_a_second_and_still_ones_for_good() -> None:
    """TTY-4: figures at 4 Hz, tables and charts at 1 Hz; a page asked for by itself is of one moment all the same."""
    service, panels = ScriptedService(), Panels()
    pages, reader = Pages(panels.context(service)), Reader(View(), "viewer", 0.0)
    first = update(reader, pages)
    assert (first.whole, names(first)) == (True, ["fast", "slow", "still"])
    panels.values = {"fast": 2, "slow": 2, "still": 2}
    service.tick(0.25)
    assert names(update(reader, pages)) == ["fast"]
    assert [getattr(slot.panel, "value", 0) for slot in pages.document(View(), role="", after=0).slots] == [2, 2, 2]
    service.tick(1.0)
    panels.values["fast"] = 3
    service.tick(0.25)
    assert names(update(reader, pages)) == ["fast", "slow", "still"]


def test_a_stream_sends_what_has_changed_and_each_line_once() -> None:
    """TTY-2, TTY-3: equal panels are left out, a line is in one update only, and nothing new is an empty one."""
    service = busy_service()
    pages, reader = Pages(context_of(service)), Reader(View(), "viewer", 0.0)
    first = update(reader, pages)
    assert [line.message for line in first.page.lines] == ["stored", "no room left"]
    same = update(reader, pages)
    assert (same.whole, same.page.slots, same.page.lines) == (False, (), ())
    service.log("WARNING", "late")
    service.request(seconds=0.5)
    service.tick()
    later = update(reader, pages)
    assert [line.message for line in later.page.lines] == ["late"]
    assert 0 < len(later.page.slots) < len(first.page.slots)


def test_a_page_whose_slots_change_is_sent_whole() -> None:
    """X-5: a panel that appears or goes makes the next update a whole one."""
    service, panels = ScriptedService(), Panels()
    context = panels.context(service)
    pages, reader = Pages(context), Reader(View(), "viewer", 0.0)
    update(reader, pages)
    context.pages["overview"] = page_of(())  # type: ignore[index]  # the context's mapping is this test's dict
    service.tick()
    found = update(reader, pages)
    assert (found.whole, names(found)) == (True, [])


def test_the_views_kept_are_bounded() -> None:
    """TTY-6: however many views are asked for, the documents of 64 are kept."""
    service, panels = ScriptedService(), Panels()
    pages = Pages(panels.context(service))
    for number in range(100):
        pages.document(View(sort=f"c{number}"), role="viewer", after=0.0)
    assert len(pages._made) == 64


STREAM = "/dashboard/api/pages/overview/stream"


@contextmanager
def streaming(context: FaceContext) -> Iterator[tuple[Served, Streams]]:
    """The JSON face of a dashboard behind a real server."""
    streams = Streams(context)
    face = WebFace(context, routes(context, streams), closing=streams.close)
    with serving(under(face, "/dashboard")) as served:
        yield served, streams


def line(stream: Stream) -> PageUpdate:
    return msgspec.json.decode(stream.answer.readline(), type=PageUpdate)


def test_a_stream_over_a_socket_follows_ticks_and_frees_its_place(eventually: Eventually) -> None:
    """TTY-3, X-1: the first line is whole, a tick brings the next, a further reader is refused, who leaves is gone."""
    service, ticks = busy_service(max_viewers=1), ManualTicks()
    with streaming(context_of(service, ticks)) as (served, _):
        stream = Stream(served.port, STREAM)
        assert (stream.answer.status, stream.answer.getheader("content-type")) == (200, "application/x-ndjson")
        assert line(stream).whole
        assert ticks.watchers == 1
        refused = served.ask(STREAM)
        assert (refused.status, refused.json["error"]["code"]) == (503, "no_live_view")
        eventually(lambda: bool(ticks.callbacks))
        service.request(seconds=0.5)
        service.tick()
        ticks.fire()
        assert not line(stream).whole
        stream.close()
        eventually(lambda: ticks.watchers == 0)
        assert not ticks.callbacks


def test_a_stream_ends_in_an_orderly_way() -> None:
    """TTY-2: closing the dashboard and stopping the server end a stream, its last line whole."""
    endings: list[Callable[[Served, Streams], None]] = [
        lambda _, streams: streams.close(),
        lambda served, _: served.stop(),
    ]
    for ending in endings:
        with streaming(context_of(busy_service())) as (served, streams):
            stream = Stream(served.port, STREAM)
            line(stream)
            ending(served, streams)
            rest = stream.answer.read()
            stream.close()
        assert rest == b"" or rest.endswith(b"\n")


def test_what_cannot_be_streamed_is_refused_in_the_error_format() -> None:
    """API-2: an unknown page and a wrong parameter are told before anything is sent."""
    service = busy_service()
    assert service.get("/api/pages/nope/stream").status == 404
    assert service.get("/api/pages/overview/stream?range=2y").status == 422
