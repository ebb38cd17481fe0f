"""The simulated provider itself: odd requests, failures on demand."""

from __future__ import annotations

import asyncio
import json

import pytest

from fanlight.gateway.simulate import Answer, Asked, ConnectionLost, Simulator

ROUTES = (
    "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/messages",
    "/v1/messages/count_tokens", "/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show",
)  # fmt: skip
WISH = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 90}


def ask(path: str, body: bytes | dict[str, object], method: str = "POST", **headers: str) -> tuple[Answer, list[bytes]]:
    """The answer and its chunks as far as they came; ConnectionLost in the middle is the last chunk `b"lost"`."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer() -> tuple[Answer, list[bytes]]:
        got = await Simulator(speed=1_000).answer(Asked(method, path, named, data))
        chunks: list[bytes] = []
        try:
            async for chunk in got.chunks:
                chunks.append(chunk)  # noqa: PERF401 - what came before the loss is kept
        except ConnectionLost:
            chunks.append(b"lost")
        return got, chunks

    return asyncio.run(answer())


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b'{"model": 3}', b'{"model": "m", "messages": "x", "input": 5}']
)
def test_what_cannot_be_understood_is_a_400(path: str, body: bytes) -> None:
    """X-6: no request makes it fail in another way."""
    answer, chunks = ask(path, body)
    assert answer.status in (200, 400)
    assert answer.status == 200 or "error" in json.loads(b"".join(chunks))


@pytest.mark.parametrize(("path", "method"), [("/nothing", "GET"), ("/nothing", "POST"), ("/v1/messages", "DELETE")])
def test_unknown_paths_are_404(path: str, method: str) -> None:
    """X-6: other paths and methods are refused in the shape of the protocol."""
    answer, chunks = ask(path, {}, method)
    assert answer.status == 404
    assert "error" in json.loads(chunks[0])


def test_it_fails_as_told() -> None:
    """X-7: a status, garbage, a cut and an error in the middle; the stream's last words say which."""
    assert ask("/v1/chat/completions", WISH, x_simulate="503")[0].headers["retry-after"] == "1"
    with pytest.raises(ConnectionLost):
        ask("/v1/chat/completions", WISH, x_simulate="reset")
    garbage = b"".join(ask("/v1/messages", WISH, x_simulate="garbage")[1])
    with pytest.raises(json.JSONDecodeError):
        json.loads(garbage)
    cut = ask("/api/chat", WISH, x_simulate="cut")[1]
    assert cut[-1] == b"lost"
    assert len(cut) > 3
    told = ask("/v1/messages", {**WISH, "stream": True}, x_simulate="error")[1]
    assert told[-1].startswith(b"event: error\ndata: {")
    assert ask("/v1/chat/completions", WISH, x_simulate="cut")[1][-1] == b"lost"
