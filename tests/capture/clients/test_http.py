"""Every HTTP library alike: its calls are recorded with no change where they are made, and nothing else changes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import httpx
import httpx2
import pytest
import requests
from tests.capture.clients.conftest import Watched

Outcome = tuple[str, Any]
"""What a caller saw: ("answer", (status, body)), or ("raised", the type)."""


def _httpx(module: Any) -> Callable[[str, float], Outcome]:
    def ask(url: str, timeout: float) -> Outcome:
        with module.Client(follow_redirects=True, timeout=timeout) as client:
            answer = client.get(url)
        return "answer", (answer.status_code, answer.text)

    return ask


def _httpx_async(module: Any) -> Callable[[str, float], Outcome]:
    async def ask(url: str, limit: float) -> Outcome:
        async with module.AsyncClient(follow_redirects=True, timeout=limit) as client:
            answer = await client.get(url)
        return "answer", (answer.status_code, answer.text)

    return lambda url, timeout: asyncio.run(ask(url, timeout))


def _aiohttp(url: str, timeout: float) -> Outcome:
    async def ask() -> Outcome:
        limit = aiohttp.ClientTimeout(total=timeout)
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url) as answer:
            return "answer", (answer.status, await answer.text())

    return asyncio.run(ask())


def _requests(url: str, timeout: float) -> Outcome:
    answer = requests.get(url, timeout=timeout)
    return "answer", (answer.status_code, answer.text)


class Client(NamedTuple):
    """A way to ask over HTTP: the library it is of, and the function."""

    library: str
    ask: Callable[[str, float], Outcome]

    def saw(self, url: str, timeout: float = 20.0) -> Outcome:
        """What a caller sees: the answer or what is raised."""
        try:
            return self.ask(url, timeout)
        except Exception as error:
            return "raised", type(error)


CLIENTS = {
    "httpx": Client("httpx", _httpx(httpx)),
    "httpx async": Client("httpx", _httpx_async(httpx)),
    "httpx2": Client("httpx2", _httpx(httpx2)),
    "httpx2 async": Client("httpx2", _httpx_async(httpx2)),
    "aiohttp": Client("aiohttp", _aiohttp),
    "requests": Client("requests", _requests),
}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


def closed_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_call_is_named_by_host_and_path_without_its_query(client: Client, watched: Watched, server: int) -> None:
    """X-4: an HTTP call shows its server, its path with ids collapsed, its status; and never its query string."""
    watched.watch(client.library)
    assert client.saw(f"http://127.0.0.1:{server}/users/42?token=secret") == ("answer", (200, '{"path": "/users/42"}'))
    call = watched.only()
    assert (call["service"], call["operation"], call["kind"]) == (f"127.0.0.1:{server}", "GET /users/{id}", "http")
    assert call["outcome"] == "ok"
    assert call["attributes"] == {"status": 200}
    assert "secret" not in str(call)


def test_names_are_given_by_host_or_host_and_port(client: Client, watched: Watched, server: int) -> None:
    """X-4: `names` says what a server is called."""
    watched.watch(client.library, names={"127.0.0.1": "somebody", f"127.0.0.1:{server}": "users"})
    client.saw(f"http://127.0.0.1:{server}/")
    assert watched.only()["service"] == "users"


@pytest.mark.parametrize(
    ("status", "kind"), [(404, "client"), (401, "auth"), (429, "rate_limit"), (500, "internal"), (503, "upstream")]
)
def test_a_status_from_400_on_is_an_error_of_its_type(
    client: Client, watched: Watched, server: int, status: int, kind: str
) -> None:
    """X-4: what a service answers decides: the caller's fault up to 499, its own from 500 on."""
    watched.watch(client.library)
    assert client.saw(f"http://127.0.0.1:{server}/status/{status}")[1][0] == status
    call = watched.only()
    assert (call["outcome"], call["error_type"], call["attributes"]["status"]) == ("error", kind, status)


@pytest.mark.parametrize("case", ["redirect", "refused", "timeout", "status", "not a URL"])
def test_the_caller_sees_what_it_would_see(client: Client, watched: Watched, server: int, case: str) -> None:
    """X-4: answers and exceptions are those of the library, watched or not; what was raised is recorded."""
    here = f"http://127.0.0.1:{server}"
    url = {
        "redirect": f"{here}/away",
        "refused": f"http://127.0.0.1:{closed_port()}/",
        "timeout": f"{here}/slow",
        "status": f"{here}/status/502",
        "not a URL": "nothing",
    }[case]
    timeout = 0.2 if case == "timeout" else 20.0
    plain = client.saw(url, timeout)
    watched.watch(client.library)
    assert client.saw(url, timeout) == plain
    calls = watched.calls()
    if case == "not a URL":
        return  # some libraries refuse it before they send
    (call,) = calls
    assert (call["outcome"] == "ok") == (case == "redirect")
    if case == "timeout":
        assert call["error_type"] == "timeout"


def test_a_call_is_a_child_of_the_call_around_it(client: Client, watched: Watched, server: int) -> None:
    """X-4: in a request's waterfall the call of a library stands inside the call that made it."""
    watched.watch(client.library)
    with watched.dashboard.call("search", "index"):
        client.saw(f"http://127.0.0.1:{server}/")
    outer, inner = sorted(watched.calls(), key=lambda call: call["service"] != "search")
    assert inner["parent"] == outer["call"]


def test_nothing_is_recorded_before_or_after(client: Client, watched: Watched, server: int) -> None:
    """X-4: watching begins with `watch` and ends with `close`, which leaves the library as it was."""
    places = [(httpx.Client, "send"), (httpx.AsyncClient, "send"), (httpx2.Client, "send")]
    places += [(httpx2.AsyncClient, "send"), (aiohttp.ClientSession, "_request"), (requests.Session, "send")]
    before = [vars(owner)[name] for owner, name in places]
    client.saw(f"http://127.0.0.1:{server}/")
    watched.watch(client.library)
    assert [vars(owner)[name] for owner, name in places] != before
    watched.dashboard.close()
    client.saw(f"http://127.0.0.1:{server}/")
    assert watched.calls() == []
    assert [vars(owner)[name] for owner, name in places] == before


@pytest.mark.parametrize("module", [httpx, httpx2])
def test_a_stream_passes_piece_by_piece(module: Any, watched: Watched, server: int) -> None:
    """X-4: a streamed answer is left to its caller; the call ends at its headers."""
    watched.watch(module.__name__)
    with module.Client() as client, client.stream("GET", f"http://127.0.0.1:{server}/rows") as answer:
        assert not answer.is_stream_consumed
        assert watched.only()["attributes"] == {"status": 200}
        assert list(answer.iter_lines()) == ["0", "1", "2"]


async def _cancelled(asked: Awaitable[Any]) -> None:
    task = asyncio.ensure_future(asked)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_cancelled_call_is_no_error(watched: Watched, server: int) -> None:
    """X-4: cancellation passes at once and is counted as such."""
    watched.watch("httpx", "aiohttp")

    async def act() -> None:
        async with httpx.AsyncClient() as client:
            await _cancelled(client.get(f"http://127.0.0.1:{server}/slow"))
        async with aiohttp.ClientSession() as session:
            await _cancelled(session.get(f"http://127.0.0.1:{server}/slow"))

    asyncio.run(act())
    assert [call["outcome"] for call in watched.calls()] == ["cancelled", "cancelled"]


def test_an_address_below_a_base_is_joined(watched: Watched, server: int) -> None:
    """X-4: aiohttp's base_url counts into the server and the path."""
    watched.watch("aiohttp")

    async def act() -> None:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server}") as session, session.get("/status/204") as answer:
            assert answer.status == 204

    asyncio.run(act())
    assert watched.only()["operation"] == "GET /status/{id}"
