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


def said(path: str, body: bytes | dict[str, object], **headers: str) -> str:
    """The words of a refusal, whatever the shape of its protocol."""
    answer, chunks = ask(path, body, **headers)
    assert answer.status == 400
    error = json.loads(b"".join(chunks))["error"]
    return str(error if isinstance(error, str) else error["message"])


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/v1/chat/completions", b"", "it is no JSON (Input data was truncated)"),
        ("/v1/chat/completions", b"[]", "it is an array, expected an object"),
        ("/v1/chat/completions", {"messages": []}, "`model` is missing, expected a string"),
        ("/v1/chat/completions", {"model": "m"}, "`messages` is missing, expected an array of one message or more"),
        ("/v1/chat/completions", {"model": "m", "messages": "hi"}, "`messages` is a string, expected an array"),
        ("/v1/chat/completions", {"model": "m", "messages": []}, "`messages` is an array of none, expected an array"),
        ("/v1/chat/completions", {"model": "m", "messages": [3]}, "`messages` is an array of more than objects"),
        ("/v1/chat/completions", WISH | {"max_tokens": -3}, "`max_tokens` is -3, expected a whole number of 1 or more"),
        ("/v1/chat/completions", WISH | {"max_tokens": "9"}, "`max_tokens` is a string, expected a whole number"),
        ("/v1/completions", {"model": "m"}, "`prompt` is missing, expected a string or an array"),
        ("/v1/responses", {"model": "m", "input": 3}, "`input` is a number, expected a string or an array"),
        ("/v1/embeddings", {"model": 3, "input": "a"}, "`model` is a number, expected a string"),
        ("/v1/messages", {"model": "m", "messages": WISH["messages"]}, "`max_tokens` is missing, expected a whole"),
        ("/v1/messages/count_tokens", {"model": "m"}, "`messages` is missing"),
        ("/api/chat", {"model": "m"}, "`messages` is missing, expected an array"),
        ("/api/generate", {"prompt": "a"}, "`model` is missing"),
        ("/api/embed", {"model": "m"}, "`input` is missing"),
        ("/api/embeddings", {"model": "m"}, "`prompt` is missing"),
        ("/api/show", {}, "`model` is missing"),
    ],
)  # fmt: skip
def test_a_wrong_body_is_told_what_was_expected(path: str, body: bytes | dict[str, object], expected: str) -> None:
    """X-6: the refusal names the key, what was got and what was expected, and no class of Python."""
    words = said(path, body)
    assert expected in words
    assert "Error" not in words


def test_a_failure_nobody_knows_is_refused() -> None:
    """X-7: a mistyped failure does not look like a success; an empty one is none."""
    assert "expected a status from 400 to 599 or one of hang, reset, cut," in said(
        "/v1/messages", WISH, x_simulate="time-out"
    )
    assert ask("/v1/messages", WISH, x_simulate="")[0].status == 200


def test_embeddings_fail_as_told() -> None:
    """X-7: what takes a few milliseconds fails like what takes seconds."""
    wish: dict[str, object] = {"model": "m", "input": "hello"}
    garbage = b"".join(ask("/v1/embeddings", wish, x_simulate="garbage")[1])
    with pytest.raises(json.JSONDecodeError):
        json.loads(garbage)
    assert ask("/api/embed", wish, x_simulate="cut")[1][-1] == b"lost"
    assert ask("/v1/embeddings", wish, x_simulate="error")[0].status == 500
    with pytest.raises(ConnectionLost):
        ask("/v1/embeddings", wish, x_simulate="reset")
