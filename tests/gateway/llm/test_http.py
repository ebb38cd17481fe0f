"""The client of providers against servers that do all they should not, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.gateway.llm.peers import Peer, Serve, Server, serving

from fanlight.gateway.llm import http
from fanlight.gateway.llm.connection import HEAD_LIMIT, HELD_LIMIT
from fanlight.gateway.llm.http import HttpUpstream
from fanlight.gateway.llm.upstream import Reply, UpstreamError

FINE = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
Use = Callable[[HttpUpstream, Server], Awaitable[Any]]


def using(serve: Serve, use: Use, tls: ssl.SSLContext | None = None) -> Any:
    """What comes of using an upstream before such a server."""

    async def both() -> Any:
        async with serving(serve, tls) as (upstream, server):
            return await use(upstream, server)

    return asyncio.run(both())


async def whole(reply: Reply) -> bytes:
    """An answer's body, to its end."""
    body = bytearray()
    while piece := await reply.chunk():
        body += piece
    assert reply.ended
    return bytes(body)


async def got(upstream: HttpUpstream, body: bytes = b"{}") -> bytes:
    """The body of the answer to a POST."""
    return await whole(await upstream.ask("POST", "/v1/chat", [(b"x-a", b"b")], body))


def once(*said: bytes, lasting: bool = False) -> Serve:
    """Answers the first request of each connection with these packets, then ends it, or stays."""

    async def serve(peer: Peer) -> None:
        await peer.asked()
        await peer.say(*said)
        if lasting:
            await peer.asked()

    return serve


async def always_fine(peer: Peer) -> None:
    """Answers every request."""
    while await peer.asked():
        await peer.say(FINE)


ANSWERS = {
    "sized": (FINE, b"fine"),
    "empty": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "a length without a body": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\n", b""),
    "chunked": (CHUNKED + b"2;a=b\r\nfi\r\n2\r\nne\r\n0\r\nx-t: trailer\r\n\r\n", b"fine"),
    "until the end": (b"HTTP/1.1 200 OK\r\n\r\nfine", b"fine"),
    "old": (b"HTTP/1.0 200 OK\r\ncontent-length: 4\r\n\r\nfine", b"fine"),
    "after interim answers": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + FINE, b"fine"),
    "compressed": (FINE.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"), b"fine"),
    "redirect": (FINE.replace(b"200 OK", b"302 Found\r\nlocation: http://127.0.0.1:1/"), b"fine"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_bodies_of_every_framing_pass_as_they_came(name: str) -> None:
    """TTY-7, X-7: sized, chunked and to the end; interim answers are passed over, redirects not followed."""
    said, body = ANSWERS[name]
    assert using(once(said), lambda upstream, _: got(upstream)) == body


def test_a_request_is_said_as_it_was_meant() -> None:
    """X-6: one request line, one Host, the headers that were given, the body's length."""
    asked: list[bytes] = []

    async def serve(peer: Peer) -> None:
        asked.append(await peer.asked())
        await peer.say(FINE)

    async def use(upstream: HttpUpstream, server: Server) -> None:
        assert await whole(await upstream.ask("POST", "/v1/a?b=c", [(b"x-a", b"b")], b'{"a":1}')) == b"fine"
        host = server.address.removeprefix("http://").encode()
        head = b"POST /v1/a?b=c HTTP/1.1\r\nhost: " + host + b"\r\nx-a: b\r\ncontent-length: 7\r\n\r\n"
        assert asked == [head + b'{"a":1}']
        for wrong in (b"b\r\nx-evil: 1", b"b\nc", b"b\0", b"b" * HEAD_LIMIT):
            with pytest.raises(UpstreamError, match="far cannot be sent"):
                await upstream.ask("POST", "/v1/a", [(b"x-a", wrong)], b"")
        assert len(asked) == 1

    using(serve, use)


def test_a_request_is_on_its_way_before_it_is_awaited() -> None:
    """TTY-7: by a kept connection it is sent at once, so that what else is to be done is done meanwhile."""
    came = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.asked()
        await peer.say(FINE)
        await peer.asked()
        came.set()
        await peer.say(FINE)

    async def use(upstream: HttpUpstream, server: Server) -> bytes:
        assert await got(upstream) == b"fine"
        asked = upstream.ask("POST", "/v1/chat", [], b"{}")
        await came.wait()
        return await whole(await asked)

    assert using(serve, use) == b"fine"


WRONG = {
    "no http": b"\x00\xff\x16\x03 this is no HTTP\r\n\r\n",
    "garbage in the status line": b"HTTP/1.1 two hundred\r\ncontent-length: 4\r\n\r\nfine",
    "no such status": FINE.replace(b"200", b"999"),
    "both lengths": CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-length: 4\r\n\r\n") + b"4\r\nfine\r\n0\r\n\r\n",
    "two lengths": FINE.replace(b"\r\n\r\n", b"\r\ncontent-length: 5\r\n\r\n"),
    "a length that is none": FINE.replace(b": 4", b": -4"),
    "a wrong chunk size": CHUNKED + b"3\r\nfine\r\n0\r\n\r\n",
    "a chunk size that is none": CHUNKED + b"zz\r\nfine\r\n0\r\n\r\n",
    "a line folded": FINE.replace(b"\r\n\r\n", b"\r\nx-a: b\r\n c\r\n\r\n"),
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nfine",
    "too large a header": FINE.replace(b"\r\n\r\n", b"\r\nx-a: " + b"a" * (HEAD_LIMIT + 1) + b"\r\n\r\n"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_http_is_said_to_be_none(name: str) -> None:
    """X-6, X-7: two framings at once, and all else that two readers could read in two ways; the connection goes."""

    async def use(upstream: HttpUpstream, server: Server) -> None:
        with pytest.raises(UpstreamError, match="far does not answer as HTTP") as refused:
            await got(upstream)
        assert refused.value.kind == "protocol"
        await server.closed()

    said = WRONG[name]
    using(once(said[:100], said[100:-30], said[-30:], lasting=True), use)


@pytest.mark.parametrize("line", [b"x-a: b\r\n", b"a", b"HTTP/1.1 102 Processing\r\n\r\n", b"x"])
def test_heads_without_end_are_given_up(line: bytes) -> None:
    """TTY-6: headers, one header, interim answers and trailers that never end are read up to a limit."""

    async def serve(peer: Peer) -> None:
        await peer.asked()
        first = b"" if line.startswith(b"HTTP") else FINE[:17] + (b"x-a: " if line == b"a" else b"")
        await peer.say(CHUNKED + b"0\r\nx-t: " if line == b"x" else first)
        while True:
            peer.writer.write(line * 200)
            await peer.writer.drain()

    async def use(upstream: HttpUpstream, server: Server) -> None:
        with pytest.raises(UpstreamError, match="far does not answer as HTTP"):
            await got(upstream)
        await server.closed()

    using(serve, use)


@pytest.mark.parametrize(
    "said",
    [b"", FINE[:10], FINE[:-1], CHUNKED + b"4\r\nfine\r\n", CHUNKED + b"4\r\nfi"],
    ids=["nothing", "half a head", "half a body", "no last chunk", "half a chunk"],
)
def test_answers_that_break_off(said: bytes) -> None:
    """X-7: an answer that is not whole is never taken for one; what came of it was passed on."""

    async def use(upstream: HttpUpstream, server: Server) -> None:
        with pytest.raises(UpstreamError, match="far closed the connection before its answer was whole") as broken:
            await got(upstream)
        assert broken.value.kind == "reset"
        assert server.opened == 1

    using(once(said), use)


def test_a_reset_is_no_end_of_an_answer() -> None:
    """X-7: an answer that lasts until the connection ends is whole only when that is closed, not reset."""

    async def serve(peer: Peer) -> None:
        await peer.asked()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\nfi")
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.writer.transport.abort()

    async def use(upstream: HttpUpstream, server: Server) -> None:
        with pytest.raises(UpstreamError, match="before its answer was whole"):
            await got(upstream)

    using(serve, use)


def test_connections_are_used_again() -> None:
    """X-7: one after the other by one connection, a hundred at once by at most as many, and those by all after."""

    async def use(upstream: HttpUpstream, server: Server) -> None:
        assert [await got(upstream) for _ in range(3)] == [b"fine"] * 3
        assert server.opened == 1
        assert await asyncio.gather(*(got(upstream) for _ in range(100))) == [b"fine"] * 100
        opened = server.opened
        assert opened <= 100
        assert await asyncio.gather(*(got(upstream) for _ in range(opened))) == [b"fine"] * opened
        assert server.opened == opened
        await upstream.close()
        await server.closed()

    using(always_fine, use)


DIRTY = {
    "more than its length": FINE + b"more",
    "a second answer": FINE + FINE,
    "more after the last chunk": CHUNKED + b"4\r\nfine\r\n0\r\n\r\nmore",
    "its end announced": FINE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),
    "an old version": FINE.replace(b"1.1", b"1.0"),
}


@pytest.mark.parametrize("name", DIRTY)
@pytest.mark.parametrize("late", [False, True])
def test_dirty_connections_are_never_used_again(name: str, late: bool) -> None:
    """X-6, X-7: bytes after an answer are nobody's, least of all the next request's; whether at once or later."""
    said = DIRTY[name]
    cut = len(said) - 4

    async def serve(peer: Peer) -> None:
        while await peer.asked():
            await peer.say(*(said[:cut], said[cut:]) if late else (said,))

    async def use(upstream: HttpUpstream, server: Server) -> None:
        assert await got(upstream) == b"fine"
        await server.closed()
        assert await got(upstream) == b"fine"
        assert server.opened == 2

    using(serve, use)


def test_what_is_given_up_is_closed() -> None:
    """X-7: a request that is cancelled, before its answer or in it, leaves no connection to the next one."""

    asked = asyncio.Event()

    async def serve(peer: Peer) -> None:
        request = await peer.asked()
        asked.set()
        if b"good" not in request:
            await peer.say(CHUNKED + b"4\r\nfine\r\n" if b"begin" in request else b"HTTP/1.1 200")
            await peer.asked()
        else:
            await peer.say(FINE)

    async def use(upstream: HttpUpstream, server: Server) -> None:
        given_up = asyncio.create_task(got(upstream))
        await asked.wait()
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        await server.closed()
        reply = await upstream.ask("POST", "/", [], b"begin")
        assert await reply.chunk() == b"fine"
        reply.close()
        reply.close()
        await server.closed()
        assert await got(upstream, b"good") == b"fine"
        assert server.opened == 3

    using(serve, use)


async def closes_when_kept(peer: Peer) -> None:
    """The first connection answers once and is closed by the next request, the others last."""
    await peer.asked()
    await peer.say(FINE)
    while await peer.asked() and peer.number > 1:
        await peer.say(FINE)


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is long here: what would be decided by one is not."""
    monkeypatch.setattr(http, "STALE_SECONDS", 60.0)
    monkeypatch.setattr(http, "ONCE_SECONDS", 60.0)


@pytest.mark.usefixtures("slow_machine")
def test_a_kept_connection_that_was_closed_is_no_failure() -> None:
    """X-7: what is closed without a byte of an answer is asked once more, on a new connection, with the same body."""

    async def use(upstream: HttpUpstream, server: Server) -> None:
        assert [await got(upstream), await got(upstream), await got(upstream)] == [b"fine"] * 3
        assert server.opened == 2

    using(closes_when_kept, use)


@pytest.mark.usefixtures("slow_machine")
def test_a_kept_connection_is_tried_once_more_only() -> None:
    """X-7: a new connection that is closed as well is a failure, and so is one that had begun to answer."""

    async def never_again(peer: Peer) -> None:
        await peer.asked()
        await peer.say(FINE if peer.number == 1 else b"")
        await peer.asked() if peer.number == 1 else None

    async def half(peer: Peer) -> None:
        await peer.asked()
        await peer.say(FINE)
        await peer.asked()
        await peer.say(FINE[:9])

    async def use(upstream: HttpUpstream, server: Server) -> int:
        assert await got(upstream) == b"fine"
        with pytest.raises(UpstreamError, match="before its answer was whole"):
            await got(upstream)
        return server.opened

    assert using(never_again, use) == 2
    assert using(half, use) == 1


def test_a_kept_connection_that_closes_late_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-7: a provider that closes it after thinking for a while has failed at this request; it is not asked again."""
    monkeypatch.setattr(http, "STALE_SECONDS", -1.0)

    async def use(upstream: HttpUpstream, server: Server) -> None:
        assert await got(upstream) == b"fine"
        with pytest.raises(UpstreamError, match="before its answer was whole"):
            await got(upstream)
        assert server.opened == 1

    using(closes_when_kept, use)


@pytest.mark.usefixtures("slow_machine")
def test_what_may_be_asked_once_is_never_asked_twice() -> None:
    """X-7: of an MCP server nothing is asked again by itself; a kept connection that was closed is a failure."""

    async def use(upstream: HttpUpstream, server: Server) -> None:
        careful = HttpUpstream("far", lambda path: server.address + path, 5.0, once=True)
        assert await got(careful) == b"fine"
        with pytest.raises(UpstreamError, match="before its answer was whole"):
            await got(careful)
        assert server.opened == 1
        await careful.close()

    using(closes_when_kept, use)


def test_kept_connections_that_the_server_closes_are_forgotten() -> None:
    """X-7: it is noticed when it happens, not by the next request."""

    async def use(upstream: HttpUpstream, server: Server) -> None:
        for turn in (1, 2, 3):
            assert await got(upstream) == b"fine"
            await server.closed()
            assert server.opened == turn

    using(once(FINE), use)


def test_kept_connections_are_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """TTY-6: those nobody used for a while are closed, and no more than the limit are kept."""
    monkeypatch.setattr(http, "KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(http, "KEPT_LIMIT", 2)

    async def use(upstream: HttpUpstream, server: Server) -> None:
        await asyncio.gather(*(got(upstream) for _ in range(5)))
        await server.closed(but=2)
        await server.closed()

    using(always_fine, use)


def test_a_slow_reader_slows_the_provider() -> None:
    """TTY-6: what is not taken is not read either: it waits at the provider, not in memory."""
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent = 0

    async def serve(peer: Peer) -> None:
        nonlocal sent
        await peer.asked()
        await peer.say(CHUNKED)
        for sent in range(1, 301):  # noqa: B007 - told to the other side
            peer.writer.write(piece)
            await peer.writer.drain()
        await peer.say(b"0\r\n\r\n")

    async def use(upstream: HttpUpstream, server: Server) -> None:
        reply: Any = await upstream.ask("POST", "/", [], b"")
        last, same = -1, 0
        while same < 20:
            same = same + 1 if sent == last else 0
            last = sent
            await asyncio.sleep(0.005)
        assert sent < 300, "the provider could send it all"
        assert reply.held <= 2 * HELD_LIMIT
        assert len(await whole(reply)) == 0x10000 * 300

    using(serve, use)


def test_a_trickle_is_passed_on_as_it_comes() -> None:
    """TTY-7: every byte when it came, none kept back for the next."""

    async def use(upstream: HttpUpstream, server: Server) -> None:
        reply = await upstream.ask("POST", "/", [], b"")
        for byte in b"fine":
            assert await reply.chunk() == bytes([byte])
            go.set()
        assert await reply.chunk() == b""

    go = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.asked()
        for byte in FINE[:-4]:
            await peer.say(bytes([byte]))
        for byte in b"fine":
            await peer.say(bytes([byte]))
            await go.wait()
            go.clear()

    using(serve, use)


def test_an_answer_before_the_whole_request_is_passed_on() -> None:
    """X-7: a provider may refuse a body it has not read; the connection is not used again."""

    async def serve(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(FINE.replace(b"200 OK", b"413 Too Large"))
        await asyncio.sleep(0.05)

    async def use(upstream: HttpUpstream, server: Server) -> None:
        reply = await upstream.ask("POST", "/", [], b"x" * (32 << 20))
        assert (reply.status, await whole(reply)) == (413, b"fine")
        await server.closed()

    using(serve, use)


def test_what_cannot_be_reached_says_why_and_not_where() -> None:
    """X-6, X-7: refused, unknown, not answering, and without a certificate that can be trusted."""

    async def tried(address: str, seconds: float = 5.0) -> UpstreamError:
        upstream = HttpUpstream("far", lambda path: address + path, seconds)
        with pytest.raises(UpstreamError) as failed:
            await upstream.ask("POST", "/", [], b"")
        await upstream.close()
        assert "127.0.0.1" not in str(failed.value)
        return failed.value

    async def use(upstream: HttpUpstream, server: Server) -> list[tuple[str, str]]:
        with socket.socket() as nobody, socket.socket() as full:
            nobody.bind(("127.0.0.1", 0))
            full.bind(("127.0.0.1", 0))
            errors = [
                await tried(f"http://127.0.0.1:{nobody.getsockname()[1]}"),
                await tried("http://no-such-host.invalid"),
                await tried(server.address.replace("http", "https"), 0.2),
            ]
        return [(str(error), error.kind) for error in errors]

    async def silent(peer: Peer) -> None:
        await peer.reader.read()

    refused, unknown, mute = using(silent, use)
    assert refused == ("far cannot be reached (Connection refused)", "connect")
    assert unknown == ("far cannot be reached (no address was found)", "connect")
    assert mute == ("far did not accept a connection in time", "timeout")


def test_certificates_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """X-6: one that nobody vouches for, or of another name, is refused; one that is right serves, and is used again."""
    pem = Path(__file__).with_name("localhost.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    refused = "far has no certificate that can be trusted"

    async def unknown(upstream: HttpUpstream, server: Server) -> None:
        with pytest.raises(UpstreamError, match=refused):
            await got(upstream)

    async def known(upstream: HttpUpstream, server: Server) -> None:
        assert [await got(upstream), await got(upstream)] == [b"fine"] * 2
        opened = server.opened
        misnamed = HttpUpstream("far", lambda path: server.address.replace("localhost", "127.0.0.1") + path, 5.0)
        with pytest.raises(UpstreamError, match=refused):
            await got(misnamed)
        assert opened == 1

    using(always_fine, unknown, tls)
    context = ssl.create_default_context(cafile=pem)
    monkeypatch.setattr(http, "trusted", lambda: context)
    using(always_fine, known, tls)
