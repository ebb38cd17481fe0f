"""A conversation whose other side goes: on both event loops that servers run on."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from fanlight.gateway.mcp.failure import Failure
from fanlight.gateway.mcp.peer import Peer, Progress, offers_nothing

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("how", ["shut", "lost"])
def test_a_request_to_a_side_that_is_gone(loop: Callable[[], asyncio.AbstractEventLoop], how: str) -> None:
    """HUB-9, X-7: a request that finds the stream closed, before anybody was told so, fails as crashed, at once; what
    is only told is dropped."""

    async def scene() -> None:
        ours, theirs = socket.socketpair()
        _, writer = await asyncio.open_connection(sock=ours)
        heard: list[Any] = []
        peer = Peer("door", writer, offers_nothing, lambda method, params: heard.append(method))
        theirs.close()
        if how == "shut":
            writer.close()
        else:
            while not writer.is_closing():  # until the loop has seen that nobody reads
                writer.write(b"\n" * 65_536)
                await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(Failure) as raised:
                await asyncio.wait_for(peer.request("tools/call", {}, 30), 20)
            assert (raised.value.kind, "closed its input during tools/call" in str(raised.value)) == ("crashed", True)
            peer.notify("notifications/message", {})
            peer.take(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
            await asyncio.sleep(0)
        writer.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scene())


@pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])
def test_a_side_that_goes_while_it_is_written_to(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """HUB-9: the request fails with the reason, and the loop has nothing to complain of: no answer is left unheard."""
    complaints: list[Any] = []

    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        ours, theirs = socket.socketpair()
        _, writer = await asyncio.open_connection(sock=ours)
        peer = Peer("door", writer, offers_nothing, lambda method, params: None)
        asked = asyncio.create_task(peer.request("tools/call", {"text": "x" * 16_000_000}, 30))
        await asyncio.sleep(0)  # it waits until the other side has read some of it
        peer.gone(Failure("crashed", "door ended with status 3"))
        theirs.close()
        with pytest.raises(Failure, match="door ended with status 3"):
            await asyncio.wait_for(asked, 20)
        writer.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scene())
        gc.collect()
    assert complaints == []


def test_what_the_other_side_asks_is_answered_or_cancelled() -> None:
    """HUB-9: a request of the other side ends when it cancels it, and only that one; one with nonsense beside its
    parameters is answered."""
    ended: list[str] = []

    async def serve(method: str, params: dict[str, Any], progress: Progress) -> dict[str, Any]:
        if method != "wait":
            return {"said": method}
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(params["name"])
            raise
        raise AssertionError("nobody sets it")

    async def scene() -> None:
        ours, theirs = socket.socketpair()
        _, writer = await asyncio.open_connection(sock=ours)
        reader, other = await asyncio.open_connection(sock=theirs)
        heard: list[str] = []
        peer = Peer("door", writer, serve, lambda method, params: heard.append(method))
        for number, name in enumerate("ab"):
            peer.take(b'{"jsonrpc":"2.0","id":%d,"method":"wait","params":{"name":"%s"}}' % (number, name.encode()))
        await asyncio.sleep(0)
        for words in (b'"notifications/cancelled","params":{"requestId":1}', b'"notifications/other"'):
            peer.take(b'{"jsonrpc":"2.0","method":' + words + b"}")
        peer.take(b'{"jsonrpc":"2.0","id":2,"method":"ping","params":{"_meta":3}}')
        answer = json.loads(await asyncio.wait_for(reader.readline(), 20))
        assert answer == {"jsonrpc": "2.0", "id": 2, "result": {"said": "ping"}}
        assert (ended, heard) == (["b"], ["notifications/other"])
        writer.close()
        other.close()

    asyncio.run(scene())
