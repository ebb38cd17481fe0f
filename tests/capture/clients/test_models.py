"""The SDKs of OpenAI and Anthropic against a local server that speaks their APIs: tokens, first token, streams."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
from tests.capture.clients.conftest import Watched
from tests.capture.conftest import serving

CHAT_USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 5,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
TOKENS = {"input_tokens": 12, "output_tokens": 5, "cached_tokens": 8, "reasoning_tokens": 2}
MESSAGE_USAGE = {"input_tokens": 3, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 1, "output_tokens": 1}


def _chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if more.get("usage") else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices} | more


def _chat(body: dict[str, Any]) -> Any:
    if not body.get("stream"):
        message = {"role": "assistant", "content": "hello there"}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices} | {
            "usage": CHAT_USAGE
        }
    events = [_chunk({"role": "assistant", "content": ""}), _chunk({"content": "hello"}), _chunk({"content": " there"})]
    events.append(_chunk({}, "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append(_chunk({}, usage=CHAT_USAGE))
    if body["model"] == "failing":
        events = [events[0], {"error": {"message": "overloaded"}}]
    return [(None, event) for event in events] + [(None, "[DONE]")]


def _responses(body: dict[str, Any]) -> Any:
    usage = {"input_tokens": 12, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 5}
    usage |= {"output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 17}
    whole = {"id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": []}
    whole |= {"usage": usage, "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    if not body.get("stream"):
        return whole
    delta: dict[str, Any] = {"type": "response.output_text.delta", "delta": "hi", "item_id": "i", "output_index": 0}
    delta |= {"content_index": 0, "sequence_number": 1, "logprobs": []}
    end: dict[str, Any] = {"type": "response.completed", "response": whole, "sequence_number": 2}
    return [(event["type"], event) for event in (delta, end)]


def _messages(body: dict[str, Any]) -> Any:
    message: dict[str, Any] = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "stop_sequence": None,
    }
    if not body.get("stream"):
        usage = MESSAGE_USAGE | {"output_tokens": 5}
        return message | {"stop_reason": "end_turn", "usage": usage, "content": [{"type": "text", "text": "hello"}]}
    start: dict[str, Any] = {
        "type": "message_start",
        "message": message | {"stop_reason": None, "usage": MESSAGE_USAGE},
    }
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        for text in ("a", "b")
    ]
    end: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
    end["usage"] = {"output_tokens": 5}
    events: list[dict[str, Any]] = [
        start,
        block,
        *deltas,
        {"type": "content_block_stop", "index": 0},
        end,
        {"type": "message_stop"},
    ]
    return [(event["type"], event) for event in events]


ANSWERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "/v1/chat/completions": _chat,
    "/v1/responses": _responses,
    "/v1/messages": _messages,
    "/v1/models": lambda body: {"object": "list", "data": []},
}


async def speaking(scope: Any, receive: Any, send: Any) -> None:
    """Answers as the APIs do; the model "broken" with 500, "limited" with 429."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    asked = json.loads(body or b"{}")
    status = {"broken": 500, "limited": 429}.get(asked.get("model"), 200)
    answer: Any = {"error": {"message": "no"}} if status != 200 else ANSWERS[scope["path"]](asked)
    streamed = isinstance(answer, list)
    kind = b"text/event-stream" if streamed else b"application/json"
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind)]})
    for name, event in answer if streamed else ():
        data = event if isinstance(event, str) else json.dumps(event)
        line = (f"event: {name}\n" if name else "") + f"data: {data}\n\n"
        await send({"type": "http.response.body", "body": line.encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"" if streamed else json.dumps(answer).encode()})


@pytest.fixture(scope="session")
def provider() -> Iterator[str]:
    """The address of a provider of models."""
    with serving(speaking, lifespan="off") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def gpt(provider: str) -> Iterator[Any]:
    """A client of openai; typed as anything, so that the tests may ask for whatever they want."""
    with openai.OpenAI(base_url=f"{provider}/v1", api_key="sk-nothing", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(provider: str) -> Iterator[Any]:
    """A client of anthropic."""
    with anthropic.Anthropic(base_url=provider, api_key="sk-nothing", max_retries=0) as client:
        yield client


HELLO = [{"role": "user", "content": "my secret question"}]


def _said(call: dict[str, Any]) -> dict[str, Any]:
    """What is told of a call, its time to the first token taken out."""
    return {name: value for name, value in call["attributes"].items() if name != "time_to_first_token"}


def test_an_answer_of_openai_tells_its_tokens(gpt: Any, watched: Watched, provider: str) -> None:
    """X-7, TTY-7: model, tokens, cached and reasoning ones, why it stopped; never the prompt or the answer."""
    watched.watch("openai")
    answer = gpt.chat.completions.create(model="small", messages=HELLO)
    assert answer.choices[0].message.content == "hello there"
    call = watched.only()
    assert (call["service"], call["operation"], call["kind"]) == (provider[7:], "chat.completions", "llm")
    assert _said(call) == {"model": "small", **TOKENS, "finish_reason": "stop", "usage": "exact"}
    assert "secret" not in str(call)
    assert "hello" not in str(call)


def test_the_responses_api_and_embeddings_are_read_too(gpt: Any, watched: Watched) -> None:
    """X-7: the other names the same tokens have."""
    watched.watch("openai")
    gpt.responses.create(model="small", input="x")
    list(gpt.responses.create(model="small", input="x", stream=True))
    gpt.models.list()
    whole, streamed, models = watched.calls()
    assert _said(whole) == {"model": "small", **TOKENS, "finish_reason": "completed", "usage": "exact"}
    assert _said(streamed) == {**_said(whole), "stream": True}
    assert streamed["attributes"]["time_to_first_token"] > 0
    assert (models["operation"], models["kind"]) == ("GET /v1/models", "http")


def test_a_stream_is_one_call_until_its_end(gpt: Any, watched: Watched) -> None:
    """X-7, TTY-7: every chunk passes as it came; the call ends with the last one and knows the first token."""
    asked = {"model": "small", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
    plain = [chunk.to_dict() for chunk in gpt.chat.completions.create(**asked)]
    watched.watch("openai")
    stream = gpt.chat.completions.create(**asked)
    assert type(stream) is openai.Stream
    first = next(stream)
    assert watched.take().kept.get("calls") is None
    assert watched.dashboard.recorder.open_calls()
    with watched.dashboard.call("other", "work"):
        rest = list(stream)
    assert [chunk.to_dict() for chunk in (first, *rest)] == plain
    call, other = sorted(watched.calls(), key=lambda call: call["service"] == "other")
    assert _said(call) == {"model": "small", "stream": True, **TOKENS, "finish_reason": "stop", "usage": "exact"}
    assert 0 < call["attributes"]["time_to_first_token"] <= call["duration"]
    assert (call["outcome"], call["parent"], other["parent"]) == ("ok", 0, 0)


def test_a_stream_that_tells_no_tokens_is_unknown(gpt: Any, watched: Watched) -> None:
    """X-7: usage that never came is told as unknown: not estimated, not asked for in the caller's name."""
    watched.watch("openai")
    assert len(list(gpt.chat.completions.create(model="small", messages=HELLO, stream=True))) == 4
    assert _said(watched.only()) == {"model": "small", "stream": True, "finish_reason": "stop", "usage": "unknown"}


@pytest.mark.parametrize("way", ["close", "with", "drop", "unread"])
def test_who_stops_reading_ends_the_call(gpt: Any, watched: Watched, way: str) -> None:
    """X-7: closed, left or dropped early, the call ends then, as given up, its usage unknown."""
    watched.watch("openai")
    stream = gpt.chat.completions.create(model="small", messages=HELLO, stream=True)
    if way != "unread":
        next(stream)
    if way == "close":
        stream.close()
    elif way == "with":
        with stream:
            next(stream)
    del stream
    gc.collect()
    call = watched.only()
    assert (call["outcome"], call["attributes"]["usage"]) == ("cancelled", "unknown")


def test_a_stream_that_fails_raises_and_is_recorded(gpt: Any, watched: Watched) -> None:
    """X-7: an error under way is the SDK's own and counts as one."""
    watched.watch("openai")
    stream = gpt.chat.completions.create(model="failing", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="overloaded"):
        list(stream)
    assert watched.only()["outcome"] == "error"


@pytest.mark.parametrize(("model", "kind"), [("broken", "internal"), ("limited", "rate_limit")])
def test_a_refusal_is_an_error_of_its_type(gpt: Any, claude: Any, watched: Watched, model: str, kind: str) -> None:
    """X-7: errors by type, by the status the SDK's exception carries."""
    watched.watch("openai", "anthropic")
    with pytest.raises(openai.APIStatusError):
        gpt.chat.completions.create(model=model, messages=HELLO)
    with pytest.raises(anthropic.APIStatusError):
        claude.messages.create(model=model, messages=HELLO, max_tokens=9, stream=True)
    assert [call["error_type"] for call in watched.calls()] == [kind, kind]


def test_raw_responses_are_read_as_their_caller_reads_them(gpt: Any, watched: Watched) -> None:
    """X-7: with_raw_response, as frameworks use it: whole answers and streams tell what they know."""
    watched.watch("openai")
    raw = gpt.chat.completions.with_raw_response
    assert raw.create(model="small", messages=HELLO).parse().usage.total_tokens == 17
    options = {"include_usage": True}
    list(raw.create(model="small", messages=HELLO, stream=True, stream_options=options).parse())
    with gpt.chat.completions.with_streaming_response.create(model="small", messages=HELLO) as answer:
        assert answer.read()
    assert [call["attributes"]["usage"] for call in watched.calls()] == ["exact", "exact", "unknown"]


INPUT = {"input_tokens": 12, "cached_tokens": 8}


def test_a_message_of_anthropic_tells_its_tokens(claude: Any, watched: Watched) -> None:
    """X-7, TTY-7: input with what came from and went to the cache, output, why it stopped."""
    watched.watch("anthropic")
    claude.messages.create(model="small", messages=HELLO, max_tokens=9)
    call = watched.only()
    assert call["operation"] == "messages"
    assert _said(call) == {"model": "small", **INPUT, "output_tokens": 5, "finish_reason": "end_turn", "usage": "exact"}


def test_a_stream_of_anthropic_is_read_to_its_end(claude: Any, watched: Watched) -> None:
    """X-7: both ways of streaming; the output of `message_start` is a placeholder, that of `message_delta` replaces."""
    asked: dict[str, Any] = {"model": "small", "messages": HELLO, "max_tokens": 9}
    watched.watch("anthropic")
    events = [event.type for event in claude.messages.create(**asked, stream=True)]
    assert events[0] == "message_start"
    assert events[-1] == "message_stop"
    with claude.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream) == "ab"
    expected = {"model": "small", "stream": True, **INPUT, "output_tokens": 5}
    expected |= {"finish_reason": "end_turn", "usage": "exact"}
    calls = watched.calls()
    assert [_said(call) for call in calls] == [expected, expected]
    assert all(call["attributes"]["time_to_first_token"] > 0 for call in calls)


def test_who_leaves_anthropic_early_leaves_partial_usage(claude: Any, watched: Watched) -> None:
    """X-7: what was sent is known, what was answered is not, and no placeholder stands for it."""
    watched.watch("anthropic")
    stream = claude.messages.create(model="small", messages=HELLO, max_tokens=9, stream=True)
    next(iter(stream))
    stream.close()
    call = watched.only()
    assert call["outcome"] == "cancelled"
    assert _said(call) == {"model": "small", "stream": True, **INPUT, "usage": "partial"}


def test_asyncio_clients_are_watched_alike(watched: Watched, provider: str) -> None:
    """X-7: whole answers, streams and streams left early of the asyncio clients."""
    watched.watch("openai", "anthropic")

    async def act() -> None:
        key: dict[str, Any] = {"api_key": "sk-nothing", "max_retries": 0}
        async with openai.AsyncOpenAI(base_url=f"{provider}/v1", **key) as made:
            gpt: Any = made
            await gpt.chat.completions.create(model="small", messages=HELLO)
            asked = {"model": "small", "messages": HELLO, "stream": True}
            stream = await gpt.chat.completions.create(**asked, stream_options={"include_usage": True})
            assert len([chunk async for chunk in stream]) == 5
            stream = await gpt.chat.completions.create(**asked)
            async for _ in stream:
                break
            await stream.close()
        async with anthropic.AsyncAnthropic(base_url=provider, **key) as also:
            claude: Any = also
            async with claude.messages.stream(model="small", messages=HELLO, max_tokens=9) as messages:
                assert (await messages.get_final_message()).stop_reason == "end_turn"

    asyncio.run(act())
    found = [(call["outcome"], call["attributes"]["usage"]) for call in watched.calls()]
    assert found == [("ok", "exact"), ("ok", "exact"), ("cancelled", "unknown"), ("ok", "exact")]


def test_the_http_call_inside_counts_once(gpt: Any, watched: Watched) -> None:
    """X-4: an SDK's own HTTP call is the same call of the same service; under another name it is a child of it."""
    watched.watch("openai", "httpx", "httpx2")
    gpt.chat.completions.create(model="small", messages=HELLO)
    assert watched.only()["operation"] == "chat.completions"
    watched.watch("openai", names={"127.0.0.1": "gpt"})
    gpt.chat.completions.create(model="small", messages=HELLO)
    outer, inner = sorted(watched.calls(), key=lambda call: call["service"] != "gpt")
    assert (outer["service"], inner["operation"]) == ("gpt", "POST /v1/chat/completions")
    assert inner["parent"] == outer["call"]
