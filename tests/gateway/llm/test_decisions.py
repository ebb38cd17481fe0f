"""The gateway's pure decisions: whom to ask, when again, what passes, what it costs, what a body says."""

from __future__ import annotations

import json
import random
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fanlight.clock import SystemClock
from fanlight.gateway import config, refusals
from fanlight.gateway.llm import wish
from fanlight.gateway.llm.attempts import LONGEST_PAUSE, Failure, pause
from fanlight.gateway.llm.endpoints import ENDPOINTS
from fanlight.gateway.llm.headers import retry_after, to_client, to_upstream
from fanlight.gateway.llm.routing import Refused, Router, address, cost
from fanlight.gateway.schema import Prices, Provider

CHAT = ENDPOINTS["/v1/chat/completions"]
HUB = """
[providers.one]
kind = "openai"
[providers.two]
kind = "anthropic"
[providers.three]
kind = "ollama"
[models.a]
provider = "one"
upstream = "a-2026"
fallbacks = ["b", "c"]
[models.b]
provider = "two"
[models.c]
provider = "three"
"""


@pytest.fixture
def router() -> Router:
    return Router(config.parse(HUB, {}))


def test_models_lead_to_their_providers(router: Router) -> None:
    """HUB-9, X-7: the model, then those of its fallbacks whose provider speaks the protocol."""
    chain = [(target.provider, target.upstream) for target in router.targets("a", "openai")]
    assert chain == [("one", "a-2026"), ("three", "c")]
    assert [target.model for target in router.targets("a", "openai", allowed=("a",))] == ["a"]
    assert router.at("one", "other", "openai")[0].listed is False
    assert router.at("one", "a", "openai")[0].upstream == "a-2026"


@pytest.mark.parametrize(
    ("model", "protocol", "allowed", "status", "said"),
    [
        ("no", "openai", (), 404, "these are: a, b, c"),
        ("b", "openai", (), 400, "ask it by anthropic (/v1/messages)"),
        ("c", "anthropic", (), 400, "ask it by ollama (/api/chat) or openai (/v1/chat/completions)"),
        ("a", "openai", ("b",), 403, "it may for b"),
    ],
)
def test_what_nobody_serves_is_refused(
    router: Router, model: str, protocol: str, allowed: tuple[str, ...], status: int, said: str
) -> None:
    """HUB-9: a refusal names what there is instead."""
    with pytest.raises(Refused) as refusal:
        router.targets(model, protocol, allowed)
    assert refusal.value.status == status
    assert said in str(refusal.value)


def test_addresses_have_the_version_once() -> None:
    """HUB-9: an OpenAI base ends in its version, as its SDK takes it; the others' do not."""
    path = "/v1/chat/completions"
    groq = Provider(kind="openai", base_url="https://api.groq.com/openai/v1/")
    assert address(groq, path) == "https://api.groq.com/openai/v1/chat/completions"
    assert address(Provider(kind="ollama"), path) == "http://127.0.0.1:11434/v1/chat/completions"
    assert address(Provider(kind="anthropic"), "/v1/messages") == "https://api.anthropic.com/v1/messages"


def test_when_a_provider_is_asked_again() -> None:
    """X-7: as often as allowed, after the pause it asked for unless that is long; never after it took too long."""
    chance = random.Random(1)
    assert pause(Failure("reset"), 0, 2, chance) == 0
    assert 0 < (pause(Failure("reset"), 1, 2, chance) or 0) <= LONGEST_PAUSE
    assert pause(Failure("reset"), 2, 2, chance) is None
    assert pause(Failure("status", status=429, retry_after=2.0), 0, 1, chance) == 2.0
    assert pause(Failure("status", status=429, retry_after=60.0), 0, 1, chance) is None
    assert pause(Failure("timeout"), 0, 5, chance) is None
    assert pause(Failure("open"), 0, 5, chance) is None


def test_what_a_call_costs() -> None:
    """HUB-5, X-7: cached and written tokens have prices of their own; unknown stays unknown, zero is zero."""
    prices = Prices(input=2.0, output=10.0, cached=0.5, cache_write=2.5)
    assert cost(prices, 1_000, 100, 400, 100) == pytest.approx((500 * 2 + 400 * 0.5 + 100 * 2.5 + 100 * 10) / 1e6)
    assert cost(Prices(input=2.0), 1_000, None, 400, None) == pytest.approx(2_000 / 1e6)
    assert cost(prices, 0, 0, None, None) == 0
    assert cost(None, 5, 5, 0, 0) is None
    assert cost(prices, None, None, None, None) is None


def test_headers_of_one_hop_do_not_pass() -> None:
    """X-6: in neither direction; nor do credentials, cookies and what Connection names."""
    client = [
        (b"host", b"h"), (b"connection", b"X-Mine, keep-alive"), (b"x-mine", b"1"), (b"te", b"trailers"),
        (b"authorization", b"s"), (b"cookie", b"s"), (b"x-forwarded-for", b"s"), (b"content-length", b"5"),
        (b"openai-beta", b"kept"), (b"content-type", b"text/plain"),
    ]  # fmt: skip
    own = {b"content-type": b"application/json", b"authorization": b"Bearer ours"}
    assert to_upstream(client, own) == [(b"openai-beta", b"kept"), *own.items()]
    provider = [
        (b"content-type", b"a/b"), (b"set-cookie", b"s"), (b"connection", b"X-Hop"), (b"x-hop", b"1"),
        (b"transfer-encoding", b"chunked"), (b"content-length", b"5"), (b"x-request-id", b"r"),
    ]  # fmt: skip
    kept = [(b"content-type", b"a/b"), (b"content-length", b"5"), (b"x-request-id", b"r")]
    assert to_client(provider, sized=True) == kept
    assert to_client(provider, sized=False) == [kept[0], kept[2]]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([(b"retry-after", b"7")], 7.0), ([(b"retry-after-ms", b"250"), (b"retry-after", b"1")], 0.25), ([], None),
        ([(b"retry-after", b"Thu, 01 Jan 1970 00:00:00 GMT")], 0.0), ([(b"retry-after", b"-1")], None),
        ([(b"retry-after", b"nan")], None), ([(b"retry-after", b"Thu, 99 Jan 99999999 00:00:00 GMT")], None),
    ],
)  # fmt: skip
def test_retry_after(headers: list[tuple[bytes, bytes]], seconds: float | None) -> None:
    """X-7: seconds, milliseconds or a date; what is none of them is none."""
    assert retry_after(headers) == seconds


def test_retry_after_a_date() -> None:
    """X-7: it is as many seconds away as it is."""
    later = formatdate(SystemClock().time_ns() / 1e9 + 100, usegmt=True)
    assert retry_after([(b"retry-after", later.encode())]) == pytest.approx(100, abs=10)


@given(some.binary(max_size=40))
def test_retry_after_whatever_it_is(said: bytes) -> None:
    """X-7: no header of a provider's breaks anything."""
    assert (retry_after([(b"retry-after", said)]) or 0) >= 0


@given(some.dictionaries(some.text(max_size=8), some.integers() | some.text(max_size=20) | some.none(), max_size=6))
def test_a_body_keeps_what_it_said(fields: dict[str, object]) -> None:
    """TTY-7: all but the model's name and the wish for usage reaches the provider as it was."""
    document = {**fields, "model": "a", "stream": True, "stream_options": {"x": 1}}
    asked = wish.read(json.dumps(document).encode(), CHAT)
    assert (asked.model, asked.stream, wish.asks_usage(asked)) == ("a", True, False)
    assert json.loads(wish.body_for(asked, "a", ask_usage=False)) == document
    changed = json.loads(wish.body_for(asked, "b", ask_usage=True))
    assert changed == {**document, "model": "b", "stream_options": {"x": 1, "include_usage": True}}


def test_what_a_body_leaves_out() -> None:
    """TTY-7: Ollama streams unless told not to and may call the model its name; null is as nothing said."""
    ollama = ENDPOINTS["/api/chat"]
    assert wish.read(b'{"model":"a"}', ollama).stream is True
    assert wish.read(b'{"name":"a","stream":false}', ollama).stream is False
    assert wish.read(b'{"model":"a","stream":null}', CHAT).stream is False
    assert json.loads(wish.body_for(wish.read(b'{"name":"a"}', ollama), "b", ask_usage=False)) == {"name": "b"}


@pytest.mark.parametrize(("status", "openai", "anthropic"), [
    (404, "invalid_request_error", "not_found_error"),
    (405, "invalid_request_error", "invalid_request_error"),
    (502, "server_error", "api_error"),
])  # fmt: skip
def test_an_error_is_the_callers_or_the_servers(status: int, openai: str, anthropic: str) -> None:
    """X-7: whose fault it was is said by its type, also of statuses that a provider has no type of its own for."""
    assert refusals.document("openai", status, "no", "x")["error"]["type"] == openai
    assert refusals.document("anthropic", status, "no", "x")["error"]["type"] == anthropic
