"""The simulated provider: one request in, a status and a stream of bytes out, whoever asks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from fanlight.gateway import refusals
from fanlight.gateway.refusals import ANTHROPIC, OLLAMA, OPENAI
from fanlight.gateway.simulate import anthropic, ollama, openai, responses
from fanlight.gateway.simulate.failure import RETRY_AFTER, Failure, demanded
from fanlight.gateway.simulate.reading import ARRAY, COUNT, INPUT, MESSAGES, TEXT, BadRequest, Need, read
from fanlight.gateway.simulate.script import Script, Wish, write
from fanlight.gateway.simulate.wire import Piece

MODELS: Final = ("gpt-sim", "claude-sim", "llama-sim", "embed-sim")
MODEL: Final = "/v1/models/"
"""What stands before the name of one model."""

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream; charset=utf-8"
LINES: Final = "application/x-ndjson"

LEAST_PAUSE: Final = 0.0005
"""Pauses shorter than this are left out: no clock keeps them."""

Headers = dict[str, str]
Counts = dict[str, Any]
Render = Callable[[Wish, Script], dict[str, Any]]
Stream = Callable[[Wish, Script], Iterable[Piece]]


class Asked(msgspec.Struct, frozen=True):
    """A request: its headers' names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


class Answer(msgspec.Struct, frozen=True):
    """An answer; `chunks` may raise ConnectionLost, before or after its first.

    `counts` is what it came to, as attributes of a language model's call, once its chunks are read; `failure` says why
    it is none, or not whole.
    """

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]
    counts: Counts = {}
    failure: str = ""


class ConnectionLost(Exception):
    """The provider closed the connection."""


class Simulator:
    """Answers requests of three protocols for any model; the same seed gives the same answers.

    `speed` divides all waiting; `failures` is the share of requests that fail by chance.
    """

    def __init__(
        self, *, seed: int = 7, speed: float = 1.0, failures: float = 0.0, models: tuple[str, ...] = MODELS
    ) -> None:
        self.models = models
        self._seed = seed
        self._speed = speed
        self._share = failures
        self._chance = random.Random(seed)  # noqa: S311 - a play, no secret

    async def answer(self, asked: Asked) -> Answer:
        """The answer to a request; waits as long as a model would. Raises ConnectionLost where that is simulated."""
        protocol = protocol_of(asked.path, asked.headers)
        if asked.method in ("GET", "HEAD"):
            return self._listed(asked, protocol)
        route = ROUTES.get(asked.path)
        if asked.method != "POST" or route is None:
            return _refused(protocol, 404, f"no {asked.method} {asked.path[:100]} here")
        try:
            body = read(asked.body, route.needs)
            failure = demanded(asked.headers, body["model"], self._share, self._chance)
            if failure.status:
                return _refused(protocol, failure.status, f"simulated: a {failure.status}")
            return await route.answer(self, body, failure, protocol)
        except BadRequest as error:
            said = str(error)
        except (TypeError, KeyError, ValueError, AttributeError, IndexError, RecursionError):
            said = "what it holds below its keys is not what this protocol has there"
        return _refused(protocol, 400, f"the request cannot be understood: {said}")

    def _listed(self, asked: Asked, protocol: str) -> Answer:
        path, names = asked.path, self.models
        lists: dict[str, Callable[[], Any]] = {
            "/v1/models": lambda: (anthropic if protocol == ANTHROPIC else openai).models(names),
            "/api/tags": lambda: ollama.tags(names),
            "/api/ps": lambda: ollama.running(names[:1]),
            "/api/version": lambda: {"version": ollama.VERSION},
        }
        if path in lists:
            return _document(lists[path]())
        if path.startswith(MODEL):
            return _document((anthropic if protocol == ANTHROPIC else openai).model(path.removeprefix(MODEL)))
        return _refused(protocol, 404, f"no GET {path[:100]} here")

    async def _generated(
        self, wish: Wish, failure: Failure, protocol: str, whole: Render, stream: Stream | None, kind: str = EVENTS
    ) -> Answer:
        if spoilt := await _spoilt(failure):
            return spoilt
        script, slowness = write(wish, self._seed), self._slowness(failure)
        failed = "simulated: overloaded in the middle" if failure.kind == "error" else ""
        counts: Counts = {} if failed else _counts(script)
        if stream is not None:
            played = _played(stream(wish, script), script, slowness, failure, protocol, counts)
            return Answer(200, {"content-type": kind}, played, counts, failed)
        await _pause(script.seconds * slowness)
        if failed:
            return _refused(protocol, 500, "simulated: an error")
        return _document(whole(wish, script), counts, cut=failure.kind == "cut")

    def _slowness(self, failure: Failure) -> float:
        return (10 if failure.kind == "slow" else 1) / self._speed

    async def chat(self, body: dict[str, Any], failure: Failure, protocol: str) -> Answer:
        """POST /v1/chat/completions."""
        now, told = int(time.time()), bool((body.get("stream_options") or {}).get("include_usage"))
        stream = partial(openai.chat_stream, now=now, with_usage=told) if body.get("stream") else None
        return await self._generated(openai.chat_wish(body), failure, protocol, partial(openai.chat, now=now), stream)

    async def completion(self, body: dict[str, Any], failure: Failure, protocol: str) -> Answer:
        """POST /v1/completions."""
        now, told = int(time.time()), bool((body.get("stream_options") or {}).get("include_usage"))
        stream = partial(openai.text_stream, now=now, with_usage=told) if body.get("stream") else None
        return await self._generated(openai.text_wish(body), failure, protocol, partial(openai.text, now=now), stream)

    async def response(self, body: dict[str, Any], failure: Failure, protocol: str) -> Answer:
        """POST /v1/responses."""
        now = int(time.time())
        stream = partial(responses.stream, now=now) if body.get("stream") else None
        whole = partial(responses.whole, now=now)
        return await self._generated(responses.wish(body), failure, protocol, whole, stream)

    async def message(self, body: dict[str, Any], failure: Failure, protocol: str) -> Answer:
        """POST /v1/messages."""
        stream = anthropic.stream if body.get("stream") else None
        return await self._generated(anthropic.wish(body), failure, protocol, anthropic.message, stream)

    async def ollama_chat(self, body: dict[str, Any], failure: Failure, protocol: str) -> Answer:
        """POST /api/chat."""
        return await self._lines(ollama.chat_wish(body), body, failure, protocol, chat=True)

    async def ollama_generate(self, body: dict[str, Any], failure: Failure, protocol: str) -> Answer:
        """POST /api/generate."""
        return await self._lines(ollama.generate_wish(body), body, failure, protocol, chat=False)

    async def _lines(self, wish: Wish, body: dict[str, Any], failure: Failure, protocol: str, *, chat: bool) -> Answer:
        now = time.time()
        stream = partial(ollama.stream, now=now, chat=chat) if body.get("stream", True) else None
        whole = partial(ollama.whole, now=now, chat=chat)
        return await self._generated(wish, failure, protocol, whole, stream, LINES)

    async def at_once(self, make: Callable[[], dict[str, Any]], failure: Failure, protocol: str) -> Answer:
        """A document that takes a few milliseconds."""
        if spoilt := await _spoilt(failure):
            return spoilt
        await _pause(0.012 * self._slowness(failure))
        if failure.kind == "error":
            return _refused(protocol, 500, "simulated: an error")
        document = make()
        tokens = document.get("usage", {}).get("prompt_tokens") or document.get("prompt_eval_count")
        return _document(document, {"input_tokens": tokens} if tokens else {}, cut=failure.kind == "cut")

    async def embeddings(self, body: dict[str, Any], failure: Failure, protocol: str) -> Answer:
        """POST /v1/embeddings."""
        return await self.at_once(lambda: openai.embeddings(body, self._seed), failure, protocol)

    async def count(self, body: dict[str, Any], failure: Failure, protocol: str) -> Answer:
        """POST /v1/messages/count_tokens."""
        return await self.at_once(lambda: anthropic.count(body), failure, protocol)

    async def embed(self, body: dict[str, Any], failure: Failure, protocol: str) -> Answer:
        """POST /api/embed."""
        return await self.at_once(lambda: ollama.embed(body, self._seed), failure, protocol)

    async def embedding(self, body: dict[str, Any], failure: Failure, protocol: str) -> Answer:
        """POST /api/embeddings."""
        return await self.at_once(lambda: ollama.embedding(body, self._seed), failure, protocol)

    async def show(self, body: dict[str, Any], failure: Failure, protocol: str) -> Answer:
        """POST /api/show."""
        return await self.at_once(lambda: ollama.show(body), failure, protocol)


class Route(msgspec.Struct, frozen=True):
    """What answers a path, the operation it is recorded as, and what its body must hold besides a model."""

    answer: Callable[[Simulator, dict[str, Any], Failure, str], Awaitable[Answer]]
    operation: str
    wants: Mapping[str, Need] = {}

    @property
    def needs(self) -> Mapping[str, Need]:
        """What its body must hold."""
        return {"model": TEXT, **self.wants}


ROUTES: Final = {
    "/v1/chat/completions": Route(Simulator.chat, "chat", {"messages": MESSAGES}),
    "/v1/completions": Route(Simulator.completion, "text_completion", {"prompt": INPUT}),
    "/v1/responses": Route(Simulator.response, "responses", {"input": INPUT}),
    "/v1/embeddings": Route(Simulator.embeddings, "embeddings", {"input": INPUT}),
    "/v1/messages": Route(Simulator.message, "messages", {"max_tokens": COUNT, "messages": MESSAGES}),
    "/v1/messages/count_tokens": Route(Simulator.count, "count_tokens", {"messages": MESSAGES}),
    "/api/chat": Route(Simulator.ollama_chat, "chat", {"messages": ARRAY}),
    "/api/generate": Route(Simulator.ollama_generate, "generate"),
    "/api/embed": Route(Simulator.embed, "embeddings", {"input": INPUT}),
    "/api/embeddings": Route(Simulator.embedding, "embeddings", {"prompt": TEXT}),
    "/api/show": Route(Simulator.show, "show"),
}
"""What is asked with POST."""


def protocol_of(path: str, headers: Mapping[str, str]) -> str:
    """The protocol a path belongs to; `/v1/models` is Anthropic's where its version is named."""
    if path.startswith("/api/"):
        return OLLAMA
    return ANTHROPIC if path.startswith("/v1/messages") or "anthropic-version" in headers else OPENAI


async def _played(
    pieces: Iterable[Piece], script: Script, slowness: float, failure: Failure, protocol: str, counts: Counts
) -> AsyncIterator[bytes]:
    """The pieces of a stream, each at its time; cut or failed in the middle where that is wanted."""
    began = time.perf_counter()
    left = len(script.pieces) // 2 if failure.kind in ("cut", "error") else -1
    for piece in pieces:
        if piece.first:
            await _pause(script.first_seconds * slowness)
            counts["time_to_first_token"] = time.perf_counter() - began
        elif piece.token:
            await _pause(script.piece_seconds * slowness)
        yield piece.data
        left -= piece.token
        if left == 0 and piece.token:
            if failure.kind == "cut":
                raise ConnectionLost("simulated: closed in the middle")
            yield refusals.in_stream(protocol, "simulated: overloaded in the middle", "server_error")
            return


async def _spoilt(failure: Failure) -> Answer | None:
    """What comes in place of an answer, if anything does; raises ConnectionLost."""
    if failure.kind == "hang":
        await asyncio.Event().wait()
    if failure.kind == "reset":
        raise ConnectionLost("simulated: closed before the first byte")
    if failure.kind != "garbage":
        return None
    garbage = _bytes(b'{"choices": [<<< no JSON >>>')
    return Answer(200, {"content-type": JSON}, garbage, failure="simulated: no JSON")


async def _pause(seconds: float) -> None:
    await asyncio.sleep(seconds if seconds >= LEAST_PAUSE else 0)


async def _bytes(data: bytes, *, cut: bool = False) -> AsyncIterator[bytes]:
    yield data
    if cut:
        raise ConnectionLost("simulated: closed in the middle")


def _document(document: Any, counts: Counts | None = None, *, cut: bool = False) -> Answer:
    data = msgspec.json.encode(document)
    headers = {"content-type": JSON, "content-length": str(len(data))}
    return Answer(200, headers, _bytes(data[: len(data) // 2] if cut else data, cut=cut), counts or {})


def _counts(script: Script) -> Counts:
    return {
        "input_tokens": script.input_tokens,
        "output_tokens": script.output_tokens,
        "cached_tokens": script.cached_tokens,
        "reasoning_tokens": script.reasoning_tokens,
        "finish_reason": script.finish_reason,
    }


def _refused(protocol: str, status: int, message: str) -> Answer:
    data = refusals.body(protocol, status, message, "simulated")
    headers = {"content-type": JSON, "content-length": str(len(data))}
    if status in (429, 503, 529):
        headers["retry-after"] = RETRY_AFTER
    return Answer(status, headers, _bytes(data), failure=f"{status} {message}")
