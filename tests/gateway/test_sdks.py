"""The official SDKs, unchanged: sync and async, streams, tools, errors, cancellation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import ollama
import openai
import pytest

TOOL_SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOL: Any = {"type": "function", "function": {"name": "weather", "description": "", "parameters": TOOL_SCHEMA}}
ASK: Any = {"role": "user", "content": "What is a fanlight?"}
MESSAGE: Any = {"model": "claude-sim", "max_tokens": 900, "messages": [ASK]}


@pytest.fixture(params=["simulated", "gateway", "gateway_alone"])
def address(request: pytest.FixtureRequest) -> str:
    """What the clients talk to: the provider itself, a gateway before it, and one with its provider inside."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def gpt(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(address: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=address, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def llama(address: str) -> Iterator[ollama.Client]:
    client = ollama.Client(host=address)
    yield client
    client._client.close()


def test_openai_chat(gpt: openai.OpenAI) -> None:
    """TTY-7, X-7: a chat completion has its text, its reason to end and its tokens, the same each time."""
    first, again = (gpt.chat.completions.create(model="gpt-sim", messages=[ASK]) for _ in range(2))
    assert first.usage is not None
    assert first.choices[0].message.content == again.choices[0].message.content != ""
    assert first.choices[0].finish_reason == "stop"
    assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens > 10


def test_openai_chat_streamed(gpt: openai.OpenAI) -> None:
    """TTY-7: a stream says the same as the whole answer; usage comes when it is asked for, and only then."""
    whole = gpt.chat.completions.create(model="gpt-sim", messages=[ASK])
    for asked in (True, False):
        chunks: list[Any] = list(
            gpt.chat.completions.create(
                model="gpt-sim",
                messages=[ASK],
                stream=True,
                stream_options={"include_usage": asked},
            )
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == whole.choices[0].message.content
        counts = [chunk.usage for chunk in chunks if chunk.usage]
        assert counts == ([whole.usage] if asked else [])
        assert all(chunk.choices for chunk in chunks[: -1 if asked else None])


def test_openai_tools(gpt: openai.OpenAI) -> None:
    """X-7: a tool is called with arguments of its schema, whole and streamed, and its result is taken."""
    answer = gpt.chat.completions.create(model="gpt-sim", messages=[ASK], tools=[OPENAI_TOOL])
    message: Any = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    call = message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"city": "sample"}
    with gpt.chat.completions.stream(model="gpt-sim", messages=[ASK], tools=[OPENAI_TOOL]) as stream:
        streamed = stream.get_final_completion().choices[0].message.tool_calls
    assert streamed is not None
    assert json.loads(streamed[0].function.arguments) == {"city": "sample"}
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "mild"}
    done = gpt.chat.completions.create(model="gpt-sim", messages=[ASK, message, result], tools=[OPENAI_TOOL])
    assert done.choices[0].finish_reason == "stop"


def test_openai_other_routes(gpt: openai.OpenAI) -> None:
    """TTY-7: completions, embeddings (as numbers and packed), responses and models."""
    text = gpt.completions.create(model="gpt-sim", prompt="Once", max_tokens=3)
    assert (text.choices[0].finish_reason, text.usage and text.usage.completion_tokens) == ("length", 3)
    streamed = "".join(
        chunk.choices[0].text
        for chunk in gpt.completions.create(model="gpt-sim", prompt="Once", max_tokens=3, stream=True)
    )
    assert streamed == text.choices[0].text
    packed = gpt.embeddings.create(model="embed-sim", input=["one", "two"])
    plain = gpt.embeddings.create(model="embed-sim", input=["one", "two"], encoding_format="float")
    assert packed.data[1].embedding == pytest.approx(plain.data[1].embedding, abs=1e-6)
    assert packed.usage.prompt_tokens == 2
    assert "gpt-sim" in [model.id for model in gpt.models.list()]
    assert gpt.models.retrieve("gpt-sim").id == "gpt-sim"


def test_openai_responses(gpt: openai.OpenAI) -> None:
    """TTY-7: the Responses API, whole, streamed and with a tool."""
    whole = gpt.responses.create(model="gpt-sim", input="What is a fanlight?")
    assert whole.usage is not None
    assert whole.output_text
    assert whole.usage.output_tokens > 5
    with gpt.responses.stream(model="gpt-sim", input="What is a fanlight?") as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert deltas == final.output_text == whole.output_text
    assert final.usage == whole.usage
    tool: Any = {"type": "function", "name": "weather", "parameters": TOOL_SCHEMA, "strict": False}
    called = gpt.responses.create(model="gpt-sim", input="Weather?", tools=[tool])
    assert called.output[0].type == "function_call"


def test_anthropic_messages(claude: anthropic.Anthropic) -> None:
    """TTY-7: a message whole and streamed, its tokens counted alike, and counted before."""
    whole = claude.messages.create(model="claude-sim", max_tokens=900, messages=[ASK])
    with claude.messages.stream(model="claude-sim", max_tokens=900, messages=[ASK]) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert whole.content[0].type == "text"
    assert text == whole.content[0].text
    assert (final.stop_reason, final.usage.output_tokens) == ("end_turn", whole.usage.output_tokens)
    assert claude.messages.count_tokens(model="claude-sim", messages=[ASK]).input_tokens > 2
    assert "claude-sim" in [model.id for model in claude.models.list()]


def test_anthropic_tools(claude: anthropic.Anthropic) -> None:
    """X-7: a tool is used, whole and streamed."""
    tool: Any = {"name": "weather", "input_schema": TOOL_SCHEMA}
    wish: Any = {"model": "claude-sim", "max_tokens": 900, "messages": [ASK], "tools": [tool]}
    whole = claude.messages.create(**wish)
    assert (whole.stop_reason, whole.content[0].input) == ("tool_use", {"city": "sample"})
    with claude.messages.stream(**wish) as stream:
        blocks: Any = stream.get_final_message().content
    assert blocks[0].input == {"city": "sample"}


def test_ollama(llama: ollama.Client) -> None:
    """TTY-7: chat, generate, embed, tags, show and ps, as its client reads them."""
    chat = llama.chat(model="llama-sim", messages=[ASK])
    streamed = list(llama.chat(model="llama-sim", messages=[ASK], stream=True))
    assert "".join(part.message.content or "" for part in streamed) == chat.message.content != ""
    assert streamed[-1].done
    assert streamed[-1].eval_count == chat.eval_count
    assert (chat.prompt_eval_count or 0) > 2
    text = llama.generate(model="llama-sim", prompt="Once", options={"num_predict": 3})
    assert (text.done_reason, text.eval_count) == ("length", 3)
    assert len(llama.embed(model="llama-sim", input=["one", "two"]).embeddings) == 2
    assert "llama-sim" in [model.model for model in llama.list().models]
    assert llama.show("llama-sim").capabilities
    assert llama.ps() is not None
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": TOOL_SCHEMA}}
    called = llama.chat(model="llama-sim", messages=[ASK], tools=[tool]).message.tool_calls
    assert called is not None
    assert called[0].function.arguments == {"city": "sample"}


def test_errors_are_those_of_the_sdk(gpt: openai.OpenAI, claude: anthropic.Anthropic, llama: ollama.Client) -> None:
    """X-7: a provider's errors arrive as what the SDK raises for them, with Retry-After."""
    with pytest.raises(openai.RateLimitError) as limited:
        gpt.chat.completions.create(model="gpt-sim-fail-429", messages=[ASK])
    assert limited.value.response.headers["retry-after"] == "1"
    with pytest.raises(anthropic.InternalServerError):
        claude.messages.create(model="claude-sim-fail-500", max_tokens=9, messages=[ASK])
    with pytest.raises(ollama.ResponseError) as refused:
        llama.chat(model="llama-sim-fail-503", messages=[ASK])
    assert refused.value.status_code == 503
    with pytest.raises(openai.APIError, match="overloaded in the middle"):
        list(gpt.chat.completions.create(model="gpt-sim-fail-error", messages=[ASK], stream=True))
    with pytest.raises(ollama.ResponseError, match="overloaded in the middle"):
        list(llama.chat(model="llama-sim-fail-error", messages=[ASK], stream=True))
    with pytest.raises(anthropic.APIStatusError, match="overloaded in the middle"):
        list(claude.messages.create(model="claude-sim-fail-error", max_tokens=900, messages=[ASK], stream=True))


def test_a_stream_that_breaks_off_is_an_error_of_the_sdk(gateway: str) -> None:
    """X-7: what the gateway writes before it closes the connection is what each SDK raises, also asynchronously."""
    cut: dict[str, str] = {"x-simulate": "cut"}
    whole = "closed the connection before its answer was whole"
    with (
        openai.OpenAI(base_url=f"{gateway}/v1", api_key="none", max_retries=0) as gpt,
        pytest.raises(openai.APIError, match=whole),
    ):
        list(gpt.chat.completions.create(model="gpt-sim", messages=[ASK], stream=True, extra_headers=cut))
    with (
        anthropic.Anthropic(base_url=gateway, api_key="none", max_retries=0) as claude,
        pytest.raises(anthropic.APIStatusError, match=whole),
        claude.messages.stream(**MESSAGE, extra_headers=cut) as stream,
    ):
        list(stream.text_stream)

    async def chat() -> None:
        llama = ollama.AsyncClient(host=gateway, headers=cut)
        try:
            async for _ in await llama.chat(model="llama-sim", messages=[ASK], stream=True):
                continue
        finally:
            await llama._client.aclose()

    with pytest.raises(ollama.ResponseError, match=whole):
        asyncio.run(chat())


def test_async_clients(address: str) -> None:
    """X-7: the asynchronous clients, streaming, side by side, one of them cancelled in the middle."""

    async def talk() -> tuple[int, int, int]:
        async with (
            openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none") as gpt,
            anthropic.AsyncAnthropic(base_url=address, api_key="none") as claude,
        ):
            llama = ollama.AsyncClient(host=address)

            async def one() -> int:
                stream: Any = await gpt.chat.completions.create(model="gpt-sim", messages=[ASK], stream=True)
                return len([chunk async for chunk in stream])

            async def two() -> int:
                async with claude.messages.stream(model="claude-sim", max_tokens=900, messages=[ASK]) as stream:
                    return len([text async for text in stream.text_stream])

            async def three() -> int:
                return len([part async for part in await llama.chat(model="llama-sim", messages=[ASK], stream=True)])

            async def left() -> None:
                stream: Any = await gpt.chat.completions.create(model="gpt-sim", messages=[ASK], stream=True)
                async for _ in stream:
                    await stream.close()
                    return

            *counts, _ = await asyncio.gather(one(), two(), three(), left())
            await llama._client.aclose()
            return counts[0], counts[1], counts[2]

    assert min(asyncio.run(talk())) > 5


def test_openai_async(address: str) -> None:
    """TTY-7: the asynchronous client has the other routes too: whole, responses with a tool, embeddings, models."""

    async def talk() -> None:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as gpt:
            chat = await gpt.chat.completions.create(model="gpt-sim", messages=[ASK], tools=[OPENAI_TOOL])
            assert chat.choices[0].finish_reason == "tool_calls"
            async with gpt.chat.completions.stream(model="gpt-sim", messages=[ASK], tools=[OPENAI_TOOL]) as stream:
                final: Any = await stream.get_final_completion()
            assert json.loads(final.choices[0].message.tool_calls[0].function.arguments) == {"city": "sample"}
            tool: Any = {"type": "function", "name": "weather", "parameters": TOOL_SCHEMA, "strict": False}
            async with gpt.responses.stream(model="gpt-sim", input="Weather?", tools=[tool]) as events:
                assert (await events.get_final_response()).output[0].type == "function_call"
            assert (await gpt.responses.create(model="gpt-sim", input="What?")).output_text
            made = await gpt.embeddings.create(model="embed-sim", input="one")
            assert len(made.data[0].embedding) > 100
            text: Any = await gpt.completions.create(model="gpt-sim", prompt="Once", max_tokens=3, stream=True)
            assert len([part async for part in text]) >= 3
            assert "gpt-sim" in [model.id async for model in gpt.models.list()]

    asyncio.run(talk())


def test_anthropic_and_ollama_async(address: str) -> None:
    """TTY-7, X-7: the asynchronous clients of the others: whole, tools, generate, embed, list, show and ps."""

    async def talk() -> None:
        async with anthropic.AsyncAnthropic(base_url=address, api_key="none", max_retries=0) as claude:
            assert (await claude.messages.create(**MESSAGE)).stop_reason == "end_turn"
            tool: Any = {"name": "weather", "input_schema": TOOL_SCHEMA}
            async with claude.messages.stream(**MESSAGE, tools=[tool]) as stream:
                blocks: Any = (await stream.get_final_message()).content
            assert blocks[0].input == {"city": "sample"}
            assert (await claude.messages.count_tokens(model="claude-sim", messages=[ASK])).input_tokens > 2
        llama = ollama.AsyncClient(host=address)
        assert (await llama.generate(model="llama-sim", prompt="Once")).response
        parts = [part async for part in await llama.generate(model="llama-sim", prompt="Once", stream=True)]
        assert parts[-1].done
        assert len((await llama.embed(model="llama-sim", input=["one", "two"])).embeddings) == 2
        assert "llama-sim" in [model.model for model in (await llama.list()).models]
        assert (await llama.show("llama-sim")).capabilities
        assert await llama.ps() is not None
        offered: Any = {"type": "function", "function": {"name": "weather", "parameters": TOOL_SCHEMA}}
        calls = [
            call
            async for part in await llama.chat(model="llama-sim", messages=[ASK], tools=[offered], stream=True)
            for call in part.message.tool_calls or ()
        ]
        assert calls[0].function.arguments == {"city": "sample"}
        await llama._client.aclose()

    asyncio.run(talk())


def test_a_stream_may_be_left_by_any_client(address: str) -> None:
    """TTY-5, X-7: sync and async, between two events or by cancelling the task; the next request is answered."""
    slow: dict[str, str] = {"x-simulate": "slow"}

    async def cancelled(wait: Any) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait, 0.3)

    async def leave() -> None:
        async with (
            openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as gpt,
            anthropic.AsyncAnthropic(base_url=address, api_key="none", max_retries=0) as claude,
        ):
            hang: Any = {"x-simulate": "hang"}
            await cancelled(gpt.chat.completions.create(model="gpt-sim", messages=[ASK], extra_headers=hang))
            await cancelled(claude.messages.create(**MESSAGE, extra_headers=hang))
            async with claude.messages.stream(**MESSAGE, extra_headers=slow) as stream:
                async for _ in stream.text_stream:
                    break
        llama = ollama.AsyncClient(host=address, headers={"x-simulate": "hang"})
        await cancelled(llama.generate(model="llama-sim", prompt="Once"))
        await llama._client.aclose()

    asyncio.run(leave())
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as gpt:
        parts: Any = gpt.chat.completions.create(model="gpt-sim", messages=[ASK], stream=True, extra_headers=slow)
        next(iter(parts))
        parts.close()
        assert gpt.chat.completions.create(model="gpt-sim", messages=[ASK]).choices[0].finish_reason == "stop"
    with anthropic.Anthropic(base_url=address, api_key="none", max_retries=0) as claude:
        with claude.messages.stream(**MESSAGE, extra_headers=slow) as stream:
            next(iter(stream.text_stream))
        assert claude.messages.create(**MESSAGE).usage.output_tokens > 0
    llama = ollama.Client(host=address)
    lines = llama.chat(model="llama-sim", messages=[ASK], stream=True)
    next(iter(lines))
    del lines
    assert llama.chat(model="llama-sim", messages=[ASK]).done
    llama._client.close()
