"""The dashboard over HTTP: the very pages the browser gets, as they change, through losses and refusals."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from tests.faces.service import ScriptedService, busy_service
from tests.faces.serving import ManualTicks, Served, context_of, serving, under
from tests.faces.tui.documents import SampleSource

from fanlight.errors import FanlightError
from fanlight.faces.api import Streams, routes
from fanlight.faces.context import ActionResult, FaceContext, NoActions, Visit
from fanlight.faces.tui.client import LINES_HELD, Http, HttpSource, TokenNeeded, address, merged
from fanlight.faces.tui.document import PageDocument, PageUpdate
from fanlight.faces.tui.source import SourceLost, SourceRefused, WrongValue
from fanlight.faces.web.app import WebFace
from fanlight.panels import LogLine, Stat, Verdict, View
from fanlight.services.parameters import ParameterError
from fanlight.services.runs import RunState, UnknownRun

PATIENCE = 10.0


@contextmanager
def served(context: FaceContext) -> Iterator[tuple[Served, str]]:
    """A whole dashboard behind a real server, and its root."""
    streams = Streams(context)
    face = WebFace(context, routes(context, streams), closing=streams.close)
    with serving(under(face, "/dashboard")) as place:
        yield place, f"http://127.0.0.1:{place.port}/dashboard"


def looking(root: str, script: Callable[[HttpSource], Awaitable[None]], token: str = "") -> None:
    """Run a script against a source on a loop of its own."""

    async def run() -> None:
        source = HttpSource(root, token)
        try:
            async with asyncio.timeout(PATIENCE):
                await script(source)
        finally:
            source.close()

    asyncio.run(run())


async def until(source: HttpSource, check: Callable[[PageDocument], bool], view: View | None = None) -> PageDocument:
    """The first page that passes a check."""
    news = asyncio.Event()
    source.on_news = news.set
    while not check(page := await source.page(view or View(), 0.0)):
        await news.wait()
        news.clear()
    return page


def values(page: PageDocument) -> dict[str, object]:
    return {slot.name: slot.panel.value for slot in page.slots if isinstance(slot.panel, Stat)}


def test_the_browser_and_the_terminal_show_the_same_numbers() -> None:
    """TTY-3, X-1: at one moment every figure of the overview is the same in the page and in what the terminal gets."""
    with served(context_of(busy_service())) as (place, root):
        html = place.ask("/dashboard/", accept="text/html").text

        async def script(source: HttpSource) -> None:
            page = await source.page(View(), 0.0)
            figures = [slot.panel for slot in page.slots if isinstance(slot.panel, Stat)]
            assert len(figures) == 6
            for figure in figures:
                assert re.search(rf"{figure.title}.*?{re.escape(figure.detail)}", html, re.DOTALL), figure
            assert page.verdict.sentence in re.sub(r"<[^>]+>", "", html)

        looking(root, script)


def test_news_is_merged_into_the_page_and_told() -> None:
    """TTY-3: a tick changes what has changed and leaves the rest; the same object is given while nothing comes."""
    service, ticks = busy_service(), ManualTicks()
    with served(context_of(service, ticks)) as (_, root):

        async def script(source: HttpSource) -> None:
            first = await source.page(View(), 0.0)
            assert await source.page(View(), 0.0) is first
            service.request(seconds=0.5)
            service.log("INFO", "late")
            service.tick()
            later = asyncio.create_task(until(source, lambda page: page.version != first.version))
            while not later.done():
                ticks.fire()
                await asyncio.sleep(0)
            page = later.result()
            assert [slot.name for slot in page.slots] == [slot.name for slot in first.slots]
            assert values(page)["requests"] != values(first)["requests"]
            assert values(page)["websockets"] == values(first)["websockets"]
            assert [line.message for line in page.lines] == ["stored", "no room left", "late"]

        looking(root, script)


def test_what_has_to_wait_takes_along_what_came_since() -> None:
    """TTY-4: where news comes faster than frames, the pulse is asked for the newest before each."""
    service, ticks = busy_service(), ManualTicks()
    with served(context_of(service, ticks)) as (_, root):

        async def script(source: HttpSource) -> None:
            await source.page(View(), 0.0)
            while not ticks.hurries:
                service.request()
                service.tick()
                ticks.fire()
                await asyncio.sleep(0)

        looking(root, script)


def test_another_page_is_another_stream() -> None:
    """TTY-2: with each page the old stream is left, so that one reader takes one place."""
    ticks = ManualTicks()
    with served(context_of(busy_service(max_viewers=1), ticks)) as (_, root):

        async def script(source: HttpSource) -> None:
            for name in ("overview", "system", "logs", "overview"):
                page = None
                while page is None:
                    with suppress(SourceLost):  # the server has yet to notice that the stream before was left
                        page = await source.page(View(page=name), 0.0)
                assert page.page == name

        looking(root, script)


def test_a_lost_server_is_told_and_found_again() -> None:
    """TTY-1: a stopped server is SourceLost, and the next one on that port is simply gone on with."""
    with socket.create_server(("127.0.0.1", 0)) as keep:
        port = keep.getsockname()[1]
    root = f"http://127.0.0.1:{port}/dashboard"

    async def lost(source: HttpSource) -> None:
        with pytest.raises(SourceLost, match="cannot be reached"):
            await source.page(View(), 0.0)

    looking(root, lost)
    with served(context_of(busy_service())) as (place, root):

        async def script(source: HttpSource) -> None:
            await source.page(View(), 0.0)
            place.stop()
            with pytest.raises(SourceLost):
                await until(source, lambda page: False)

        looking(root, script)


def test_who_is_not_let_in_is_told_so() -> None:
    """X-6: without the token it is needed, with it one is an operator; an unknown page is refused for good."""
    token = "operator-token-0123456789"
    with served(context_of(ScriptedService(token=token))) as (_, root):

        async def outside(source: HttpSource) -> None:
            with pytest.raises(TokenNeeded):
                await source.page(View(), 0.0)

        async def inside(source: HttpSource) -> None:
            assert (await source.page(View(), 0.0)).role == "operator"
            with pytest.raises(SourceRefused, match='no page "nope"'):
                await source.page(View(page="nope"), 0.0)
            with pytest.raises(SourceRefused, match="no action"):
                await source.act("actions/nope", {})

        looking(root, outside)
        looking(root, inside, token)


class Acting(NoActions):
    """Runs anything whose depth is a number; it then goes on as run f00d."""

    def __init__(self) -> None:
        self.given: list[Mapping[str, Any]] = []

    async def run(self, path: str, given: Mapping[str, Any], visit: Visit) -> ActionResult:
        self.given.append(given)
        if not str(given["depth"]).isdigit():
            raise ParameterError("depth", "depth is 'deep'; expected a whole number")
        return ActionResult("running", "under way", "f00d")

    def follow(self, run: str) -> RunState:
        if run != "f00d":
            raise UnknownRun(f"no run {run}")
        return RunState(
            run=run, action="a", title="A", status="success", message="A: done", started=1.0, at=2.0, instance="i"
        )


def test_an_action_is_given_its_values_and_followed() -> None:
    """HUB-7: values go as they were put in; what is refused names the value; a run that goes on is asked for."""
    actions = Acting()
    with served(dataclasses.replace(context_of(ScriptedService(local_role="operator")), actions=actions)) as (_, root):

        async def script(source: HttpSource) -> None:
            begun = await source.act("actions/reindex", {"depth": "7", "dry": True, "note": "größer\n"})
            assert begun == ActionResult("running", "under way", "f00d")
            assert await source.follow(begun.run) == ActionResult("success", "A: done", "f00d")
            with pytest.raises(WrongValue, match=r"^depth is 'deep'; expected a whole number$") as refused:
                await source.act("actions/reindex", {"depth": "deep"})
            assert refused.value.name == "depth"
            with pytest.raises(SourceRefused, match="There is no"):
                await source.follow("beef/../live")

        looking(root, script)
    assert actions.given == [{"depth": "7", "dry": True, "note": "größer\n"}, {"depth": "deep"}]


def test_an_answer_that_is_no_page_is_refused() -> None:
    """TTY-1: whatever else answers under the address, the reader is told in words."""

    async def other(scope: object, receive: object, send: Callable[[object], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"<html>\n"})

    with serving(other) as place:  # type: ignore[arg-type]  # the least of an ASGI application

        async def script(source: HttpSource) -> None:
            with pytest.raises(SourceRefused, match="no pages this Fanlight can read"):
                await source.page(View(), 0.0)

        looking(f"http://127.0.0.1:{place.port}", script)


def test_addresses_say_what_is_looked_at() -> None:
    """TTY-3: page, range, filters, path values and the last line are in the stream's address."""
    view = View(page="request", range="1h", filters=(("q", "a b"),), path=(("id", "x/y"),))
    assert address(view, "/stream", 12.5) == "/api/pages/request/stream?range=1h&q=a+b&id=x%2Fy&after=12.500"
    assert address(View()) == "/api/pages/overview"
    with pytest.raises(FanlightError, match="expected one like"):
        Http("ftp://host/dashboard")


def test_lines_kept_are_bounded() -> None:
    """TTY-6: lines that nobody takes do not gather without end."""
    verdict = Verdict(state="ok", phrases=())
    lines = tuple(LogLine(key=str(number), at=number, level="INFO", logger="", message="") for number in range(1_500))
    page = PageDocument(
        version=1, at=0, service="x", page="p", title="", verdict=verdict, pages=(), slots=(), lines=lines
    )
    assert len(merged(page, PageUpdate(whole=True, page=page)).lines) == LINES_HELD


def test_the_fake_and_the_real_one_answer_alike() -> None:
    """TTY-3: what drawing is tested with gives the same page as the API does."""
    service = busy_service()
    fake = asyncio.run(SampleSource(service).page(View(), 0.0))
    with served(context_of(service)) as (_, root):

        async def script(source: HttpSource) -> None:
            real = await source.page(View(), 0.0)
            assert [slot.name for slot in real.slots] == [slot.name for slot in fake.slots]
            assert values(real) == values(fake)

        looking(root, script)
