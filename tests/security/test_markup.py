"""Text of others as markup: in every page, fragment and push, no element or attribute of theirs comes to be."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from tests.faces.service import ScriptedService
from tests.faces.serving import context_of
from tests.security.wire import Wire, served

from fanlight import Fanlight
from fanlight.core.recorder import Sample
from fanlight.core.sections import Supplied
from fanlight.faces.api import routes
from fanlight.faces.web.app import WebFace
from fanlight.pages import PAGES, PANELS

EVIL = (
    """x"'`><zz onx=1 hx-get="/zz" hx-swap-oob="true"></zz><hx-partial hx-target="#zz">{{7*7}}"""
    "</title><script>zz</script>"
)


class Reader(HTMLParser):
    """Notes elements and attributes that nobody but EVIL would make."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        targets = [value for name, value in attrs if name in ("href", "src", "action") and value]
        theirs = tag == "zz" or names & {"onx", "hx-get", "hx-swap-oob"} or (tag == "script" and "src" not in names)
        if (
            theirs
            or tag == "hx-partial"
            or any(target.lower().startswith(("javascript:", "data:")) for target in targets)
        ):
            self.found.append(tag)


def evil_service() -> ScriptedService:
    """A service in which whatever can be text is EVIL."""
    service = ScriptedService(name=EVIL[:100], release=EVIL)
    service.request("GET", f"/{EVIL}", 500, 2.0, path=f"/{EVIL}", correlation_id=EVIL, error=ValueError(EVIL))
    service.socket("refused", 4_401, group=EVIL, user=EVIL)
    service.socket("connected", group=EVIL, user=EVIL)
    service.log("ERROR", EVIL, EVIL)
    service.recorder.event(EVIL, {EVIL: EVIL}, EVIL)
    service.recorder.event("audit", {"outcome": EVIL, "path": EVIL})
    service.recorder.count(f"cache.hits.{EVIL}")
    service.levels = [Sample("websocket.connections", EVIL, 2.0, "sum", "instance"),
                      Sample("websocket.users", EVIL, 2.0, "sum", "instance"),
                      Sample("cache.size", EVIL, 2.0, "sum", "instance")]  # fmt: skip
    service.supplied = Supplied(configured=True, data={EVIL: EVIL, "rows": [{EVIL: EVIL}]}, error=EVIL)
    service.recorder.failed(EVIL, ValueError(EVIL))
    service.tick()
    return service


def found_in(text: str) -> list[str]:
    reader = Reader()
    reader.feed(text)
    return reader.found


def texts(wire: Wire) -> dict[str, str]:
    """Every page and fragment as it is sent."""
    pages = [f"/dashboard/{'' if name == 'overview' else name}" for name in PAGES if name != "request"]
    asked = [*pages, *(f"/dashboard/{name}-partial" for name in PANELS)]
    return {path: wire.ask(f"GET {path}", "Host: localhost", "Accept: text/html").body for path in asked}


def test_no_page_or_fragment_takes_text_for_markup() -> None:
    """X-6: names, paths, messages, events, figures and failures stay text in attributes, titles and charts too."""
    context = context_of(evil_service())
    with served(WebFace(context, routes(context))) as wire:
        bodies = texts(wire)
    assert sum("zz" in body for body in bodies.values()) > 10  # it was shown, that is
    assert {path: found_in(body) for path, body in bodies.items() if found_in(body)} == {}


@pytest.mark.parametrize("place", ["", "requests", "logs"])
def test_no_choice_of_a_viewer_becomes_markup(place: str) -> None:
    """X-6: whatever a link puts into the query comes back as text or not at all."""
    context = context_of(evil_service())
    evil = quote(EVIL, safe="")
    names = (
        "q",
        "scope",
        "range",
        "from",
        "to",
        "sort",
        "route",
        "group",
        "user",
        "level",
        "kind",
        "page",
        "id",
        "name",
    )
    with served(WebFace(context, routes(context))) as wire:
        for query in (*(f"{name}={evil}" for name in names), f"{evil}=1"):
            answer = wire.ask(f"GET /dashboard/{place}?{query}", "Host: localhost", "Accept: text/html")
            assert found_in(answer.body) == []
        for path in (evil, f"requests/{evil}", f"services/{evil}", f"static/{evil}", f"{evil}-partial"):
            answer = wire.ask(f"GET /dashboard/{path}", "Host: localhost", "Accept: text/html")
            assert found_in(answer.body) == []


def test_an_action_may_fail_in_any_words() -> None:
    """X-6: what an action says went wrong is an answer, whatever characters are in it."""

    def clear() -> None:
        raise ValueError("half \ud800")

    dashboard = Fanlight("chat-api", local_role="operator")
    dashboard.cache("one", clear=clear)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "method": "POST", "path": "/dashboard/actions/clear-cache", "query_string": b"",
        "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "http_version": "1.1", "scheme": "http",
    }  # fmt: skip
    try:
        asyncio.run(dashboard.face(scope, receive, send))
    finally:
        dashboard.close()
    assert sent[0]["status"] == 200
    assert b'"status":"error"' in sent[1]["body"]
