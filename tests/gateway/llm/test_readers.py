"""What the readers take from documents and events of each protocol, and how well they know it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fanlight.gateway.llm.readers import AnthropicReader, OllamaReader, OpenAIReader, Reader, ResponsesReader

READERS: tuple[type[Reader], ...] = (OpenAIReader, ResponsesReader, AnthropicReader, OllamaReader)
NAMES = some.sampled_from(
    ("type", "usage", "delta", "choices", "message", "error", "response", "done", "input_tokens", "prompt_tokens",
     "eval_count", "prompt_eval_count", "content", "tool_calls", "function", "text", "status", "finish_reason")
)  # fmt: skip
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=9),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)


def read(reader: Reader, *documents: object) -> Reader:
    """The reader after these documents."""
    for document in documents:
        reader.take(document if isinstance(document, bytes) else json.dumps(document).encode())
    return reader


def numbers(reader: Reader) -> tuple[object, ...]:
    """input, output, cached, reasoning, how it ended, how well it is known."""
    counts = (reader.input_tokens, reader.output(), reader.cached_tokens, reader.reasoning_tokens)
    return (*counts, reader.finish_reason, reader.usage())


@pytest.mark.parametrize("kind", READERS)
@given(document=JSON | some.binary(max_size=50))
def test_nothing_a_provider_says_breaks_a_reader(kind: type[Reader], document: object) -> None:
    """X-6: documents of any shape are read or left out."""
    reader = read(kind(), document)
    assert reader.usage() in ("exact", "partial", "estimated", "unknown")
    assert reader.output() is None or isinstance(reader.output(), int)


def test_openai() -> None:
    """X-7: a completion, its chunks, what is cached and reasoned; a true zero stays zero."""
    usage = {"prompt_tokens": 9, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 4},
             "completion_tokens_details": {"reasoning_tokens": 3}}  # fmt: skip
    whole = {"choices": [{"finish_reason": "length", "message": {"content": "x"}}], "usage": usage}
    assert numbers(read(OpenAIReader(), whole)) == (9, 0, 4, 3, "length", "exact")
    word = {"choices": [{"delta": {"content": "a word"}}], "usage": None}
    call = {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": '{"a'}}]}}]}
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
    assert numbers(read(OpenAIReader(), word, call, end)) == (None, 3, None, None, "stop", "estimated")
    zero = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 0}}
    assert numbers(read(OpenAIReader(), word, end, zero)) == (5, 0, None, None, "stop", "exact")
    assert read(OpenAIReader(), {"error": {"message": "too\nmuch"}}).error == "too much"
    assert numbers(read(OpenAIReader(), {"usage": {"prompt_tokens": 3, "total_tokens": 3}}))[:2] == (3, None)


def test_responses() -> None:
    """X-7: usage comes with the last event, failures in it too."""
    usage = {"input_tokens": 9, "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 2}}
    done = {"type": "response.completed", "response": {"status": "completed", "usage": usage}}
    delta = {"type": "response.output_text.delta", "delta": "a word"}
    assert numbers(read(ResponsesReader(), delta, done)) == (9, 7, None, 2, "completed", "exact")
    assert numbers(read(ResponsesReader(), {"status": "completed", "usage": usage}))[:2] == (9, 7)
    failed = {"type": "response.failed", "response": {"status": "failed", "error": {"message": "no"}}}
    assert read(ResponsesReader(), failed).error == "no"
    assert read(ResponsesReader(), {"type": "error", "message": "gone"}).error == "gone"


def test_anthropic() -> None:
    """X-7: cumulative usage replaces what came before; cached tokens belong to the input; a cut stream is partial."""
    counted = {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 10, "output_tokens": 1}
    start = {"type": "message_start", "message": {"usage": counted}}
    word = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a longer word"}}
    first = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 4}}
    last = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    reader = read(AnthropicReader(), start, word, first, last, {"type": "message_stop"})
    assert numbers(reader) == (115, 9, 100, None, "end_turn", "exact")
    assert reader.cache_write_tokens == 10
    assert numbers(read(AnthropicReader(), start, word)) == (115, 4, 100, None, None, "partial")
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert read(AnthropicReader(), start, overloaded).error == "Overloaded"


def test_ollama() -> None:
    """X-7: counts stand in the last line; those that are absent are unknown, not zero."""
    words = [{"message": {"content": "one "}, "done": False}, {"response": "two", "done": False}]
    done = {"done": True, "done_reason": "stop", "prompt_eval_count": 8, "eval_count": 2}
    assert numbers(read(OllamaReader(), *words, done)) == (8, 2, None, None, "stop", "exact")
    cached = {"done": True, "done_reason": "stop", "eval_count": 2}
    assert numbers(read(OllamaReader(), *words, cached)) == (None, 2, None, None, "stop", "partial")
    assert read(OllamaReader(), {"error": "model not found"}).error == "model not found"
    assert numbers(read(OllamaReader(), {"embeddings": [[0.1]], "prompt_eval_count": 6}))[::5] == (6, "exact")


def test_the_end_of_a_long_document_has_the_counts() -> None:
    """X-7, TTY-6: of megabytes of embeddings only the end is read."""
    tail = b'0.25]}], "model": "m", "usage": {"prompt_tokens": 7, "details": {"a": 1}, "total_tokens": 7}}'
    reader = OpenAIReader()
    reader.take_tail(b'"usage": {"prompt_tokens": 1}' + b" 0.1," * 50 + tail)
    assert (reader.input_tokens, reader.usage()) == (7, "exact")
    local = OllamaReader()
    local.take_tail(b'0.1]],"total_duration":1,"load_duration":2,"prompt_eval_count":12}')
    assert local.input_tokens == 12
