"""Clients of language models: one call each time an SDK asks, a stream until its end, with tokens and first token.

What the SDKs of OpenAI and Anthropic have in common: one `request` that everything goes through, and a `Stream` over
an HTTP response. Prompts and answers are never read.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from fanlight.capture.clients.exchanges import described, located
from fanlight.capture.clients.library import ClientCall, Described, Library, Undo, replaced

Read = Callable[[Any, dict[str, Any]], bool]
"""Puts what an answer, or one event of a stream, says of a call into a dict; whether its tokens are now final."""

Spoke = Callable[[Any], bool]
"""Whether an event of a stream carries a token."""

READING: Final = "fanlight"
"""Where a response keeps who reads its stream."""

_endpoint = re.compile(
    r"(chat/completions|completions|responses|embeddings|messages|moderations|images/[a-z]+|audio/[a-z]+)/?$"
).search


def change_sdk(library: Library, clients: tuple[Any, Any], streams: tuple[Any, Any], read: Read, spoke: Spoke) -> Undo:
    """Have the calls of an SDK recorded: its sync and async client classes, its sync and async streams."""
    sync, later = (_owner(client, "request") for client in clients)
    stream, later_stream = streams
    return replaced(
        (sync, "request", lambda original: _request(library, original, read, spoke)),
        (later, "request", lambda original: _request_async(library, original, read, spoke)),
        (stream, "__stream__", _stream),
        (later_stream, "__stream__", _stream_async),
        (stream, "close", _close),
        (later_stream, "close", _close_async),
    )


def _owner(kind: Any, name: str) -> Any:
    """The class that a class has a method from: those of other providers have it from there, too."""
    return next(each for each in kind.__mro__ if name in vars(each))


def _described(client: Any, options: Any) -> Described:
    keys, service, base = located(client.base_url)
    path = f"{base.rstrip('/')}/{str(options.url).lstrip('/')}"
    body = options.json_data
    model = body.get("model") if isinstance(body, Mapping) else None
    endpoint = _endpoint(path)
    if endpoint is None or model is None:
        return Described(keys, service, described(options.method, path).operation, "http", {})
    said = {"model": str(model)[:200]} | ({"stream": True} if body.get("stream") is True else {})
    return Described(keys, service, endpoint[1].replace("/", "."), "llm", said)


class Reading:
    """A stream that is being read: notes the first token and what is told of tokens, and ends the call once."""

    def __init__(self, call: ClientCall, read: Read, spoke: Spoke) -> None:
        self._call = call
        self._read = read
        self._spoke = spoke
        self._said: dict[str, Any] = {}
        self._final = False

    def item(self, event: Any) -> None:
        """One event passed."""
        self._call.learn(self._note, event)

    def _note(self, call: ClientCall, event: Any) -> None:
        if "time_to_first_token" not in call.attributes and self._spoke(event):
            call.set(time_to_first_token=call.elapsed)
        self._final = self._read(event, self._said) or self._final

    def end(self, error: BaseException | None = None) -> None:
        """No more is read. Who stops after the model has finished has missed nothing."""
        if isinstance(error, GeneratorExit) and "finish_reason" in self._said:
            error = None
        self._call.set(**self._said, usage=_usage(self._said, self._final))
        self._call.end(error)


def _usage(said: Mapping[str, Any], final: bool) -> str:
    return "exact" if final else "partial" if "input_tokens" in said or "output_tokens" in said else "unknown"


def _answered(call: ClientCall, result: Any, read: Read) -> None:
    """What an answer that came whole says; one that only its caller reads says nothing."""
    if "model" not in call.attributes:
        return
    raw = getattr(result, "http_response", None)
    if raw is not None:
        result = raw.json() if getattr(raw, "is_stream_consumed", False) else None
    said: dict[str, Any] = {}
    final = result is not None and read(result, said)
    call.set(**said, usage=_usage(said, final))


def _follow(call: ClientCall, result: Any, read: Read, spoke: Spoke) -> None:
    """Let the call go on until the stream ends, is closed, or is dropped by whoever should have read it."""
    response = getattr(result, "http_response", None) or result.response
    reading = Reading(call, read, spoke)
    response.extensions[READING] = reading
    weakref.finalize(response, reading.end, GeneratorExit()).atexit = False
    call.outlive()


def _request(library: Library, original: Any, read: Read, spoke: Spoke) -> Any:
    @wraps(original)
    def request(self: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        with library.begin(_described, self, options) as call:
            result = original(self, cast_to, options, *args, **kwargs)
            if kwargs.get("stream"):
                call.learn(_follow, result, read, spoke)
            else:
                call.learn(_answered, result, read)
            return result

    return request


def _request_async(library: Library, original: Any, read: Read, spoke: Spoke) -> Any:
    @wraps(original)
    async def request(self: Any, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        with library.begin(_described, self, options) as call:
            result = await original(self, cast_to, options, *args, **kwargs)
            if kwargs.get("stream"):
                call.learn(_follow, result, read, spoke)
            else:
                call.learn(_answered, result, read)
            return result

    return request


def _reading(stream: Any) -> Reading | None:
    extensions = getattr(getattr(stream, "response", None), "extensions", None)
    found = extensions.get(READING) if isinstance(extensions, dict) else None
    return found if isinstance(found, Reading) else None


def _stream(original: Any) -> Any:
    @wraps(original)
    def stream(self: Any) -> Any:
        events, reading = original(self), _reading(self)
        if reading is None:
            yield from events
            return
        try:
            for event in events:
                reading.item(event)
                yield event
        except BaseException as error:
            reading.end(error)
            raise
        finally:
            events.close()
        reading.end()

    return stream


def _stream_async(original: Any) -> Any:
    @wraps(original)
    async def stream(self: Any) -> Any:
        events, reading = original(self), _reading(self)
        try:
            async for event in events:
                if reading is not None:
                    reading.item(event)
                yield event
        except BaseException as error:
            if reading is not None:
                reading.end(error)
            raise
        finally:
            await events.aclose()
        if reading is not None:
            reading.end()

    return stream


def _close(original: Any) -> Any:
    @wraps(original)
    def close(self: Any) -> Any:
        try:
            return original(self)
        finally:
            reading = _reading(self)
            if reading is not None:
                reading.end(GeneratorExit())

    return close


def _close_async(original: Any) -> Any:
    @wraps(original)
    async def close(self: Any) -> Any:
        try:
            return await original(self)
        finally:
            reading = _reading(self)
            if reading is not None:
                reading.end(GeneratorExit())

    return close


def field(holder: Any, *names: str) -> Any:
    """A value inside an object of an SDK, or inside the dicts it was made from; None where there is none."""
    for name in names:
        holder = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
    return holder


def note(said: dict[str, Any], **values: Any) -> None:
    """Keep the values that are known."""
    said.update({name: value for name, value in values.items() if value is not None})
