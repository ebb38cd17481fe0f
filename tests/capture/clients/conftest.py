"""What the tests of client libraries share: a dashboard that watches them, and a small HTTP server they talk to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.capture.conftest import serving

from fanlight import Fanlight
from fanlight.core.context import call as current
from fanlight.core.frame import Frame

SETTINGS: dict[str, Any] = {"store": "memory://"}


class Watched:
    """A dashboard that watches client libraries, and the calls it has recorded since it was last asked."""

    def __init__(self) -> None:
        self.dashboard = Fanlight("watched", **SETTINGS)
        self.watch = self.dashboard.watch

    def take(self) -> Frame:
        return self.dashboard.recorder.take()

    def calls(self) -> list[dict[str, Any]]:
        """The calls that ended, in order; nothing is left under way, and Fanlight itself failed nowhere."""
        kept = self.take().kept.get("calls", ())
        recorder = self.dashboard.recorder
        assert not recorder.last_failure
        assert not recorder.open_calls()
        assert current.get() is None
        return [record.data for record in sorted(kept, key=lambda record: record.data["call"])]

    def only(self) -> dict[str, Any]:
        """The one call that ended."""
        (call,) = self.calls()
        return call


@pytest.fixture
def watched() -> Iterator[Watched]:
    """A dashboard; in the end it is closed, and the libraries are as they were."""
    made = Watched()
    yield made
    made.dashboard.close()


async def answering(scope: Any, receive: Any, send: Callable[[Any], Any]) -> None:
    """`/status/N` answers N, `/slow` never, `/away` redirects to `/users/7`, `/rows` streams three lines."""
    assert scope["type"] in ("http", "lifespan")
    if scope["type"] == "lifespan":
        return
    path = scope["path"]
    if path == "/slow":
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    status = int(path.rpartition("/")[2]) if path.startswith("/status/") else 307 if path == "/away" else 200
    headers = [(b"content-type", b"application/json")] + ([(b"location", b"/users/7")] if path == "/away" else [])
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if path == "/rows":
        for number in range(3):
            await send({"type": "http.response.body", "body": f"{number}\n".encode(), "more_body": True})
    body = json.dumps({"path": path}).encode() if path != "/rows" else b""
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="session")
def server() -> Iterator[int]:
    """The port of the small HTTP server."""
    with serving(answering, lifespan="off") as port:
        yield port
