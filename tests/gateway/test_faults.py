"""A hostile provider and hostile clients: the right answer each time, and the right numbers after it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.gateway.hostile import DONE, EVENT, LAST, USAGE, WHOLE, Hostile, hostile
from tests.gateway.serving import PATIENCE, served

from fanlight import Fanlight, Policy
from fanlight.core.frame import Record
from fanlight.gateway import asgi
from fanlight.gateway.app import Gateway
from fanlight.gateway.llm.delivery import Delivery
from fanlight.gateway.llm.departure import Departure
from fanlight.gateway.llm.endpoints import ENDPOINTS
from fanlight.panels import View

MODELS = [name for name in vars(Hostile) if not name.startswith("_") and name != "serve"]

KEY = "key-of-the-provider-0123456789"


class Watched:
    """A gateway before a hostile provider: its clients, and what it recorded."""

    def __init__(self, address: str, provider: Hostile, dashboard: Fanlight, gateway: Gateway) -> None:
        self.address = address.removeprefix("http://")
        self.place = ("127.0.0.1", int(self.address.split(":")[1]))
        self.provider = provider
        self.dashboard = dashboard
        self.gateway = gateway

    def post(
        self, model: str, *, stream: bool = False, path: str = "/v1/chat/completions",
        headers: dict[str, str] | None = None, **more: Any,
    ) -> tuple[int, dict[str, str], bytes, bool]:  # fmt: skip
        """Status, headers, body, and whether the body was whole."""
        wish = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}], **more}
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            connection.request("POST", path, json.dumps(wish), headers or {})
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            try:
                return answer.status, named, answer.read(), True
            except http.client.IncompleteRead as cut:
                return answer.status, named, cut.partial, False
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        """What comes back for these bytes, until the connection ends."""
        with socket.create_connection(self.place, timeout=PATIENCE) as connection:
            connection.sendall(data)
            got = b""
            while piece := connection.recv(65_536):
                got += piece
            return got

    def calls(self, count: int) -> list[Record]:
        """The calls that were recorded, the oldest first, once there are as many."""
        last = time.monotonic() + PATIENCE
        while True:
            self.dashboard.pulse.tick()
            snapshot = self.dashboard.query.snapshot(View())
            kept = (*snapshot.calls, *snapshot.failed_calls, *snapshot._kept("traces"))
            found = sorted({record.id: record for record in kept}.values(), key=lambda record: record.id)
            if len(found) >= count or time.monotonic() > last:
                assert len(found) == count, found
                return found
            threading.Event().wait(0.02)

    def quiet(self) -> None:
        """Nothing is in flight any more."""
        last = time.monotonic() + PATIENCE
        while self.gateway.runtime.in_flight and time.monotonic() < last:
            threading.Event().wait(0.02)
        assert self.gateway.runtime.in_flight == 0


Open = Callable[..., Watched]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Open]:
    """Opens a gateway before a hostile provider, with these settings of the provider."""
    closers: list[Any] = []

    def open_(more: str = "", settings: str = "retries = 0", limits: str = "") -> Watched:
        providing = hostile()
        address, provider = providing.__enter__()
        names = "\n".join(f'[models.{name}]\nprovider = "bad"\nprices = {{ input = 1, output = 2 }}' for name in MODELS)
        bad = f'[providers.bad]\nkind = "openai"\nbase_url = "{address}/v1"\n{settings}\n'
        (tmp_path / "hub.toml").write_text(f"{bad}{names}\n{more}\n{limits}")
        dashboard = Fanlight("gateway")
        gateway = Gateway(dashboard, tmp_path / "hub.toml", environ={"BAD_KEY": KEY})
        serving = served(dashboard.asgi(gateway))
        here = serving.__enter__()
        closers.extend((providing, dashboard, serving))
        return Watched(here, provider, dashboard, gateway)

    yield open_
    for each in reversed(closers):
        each.close() if isinstance(each, Fanlight) else each.__exit__(None, None, None)


def counted(gateway: Watched) -> tuple[dict[str, int], list[str]]:
    """The gateway's own errors by type, as counted, and those of the requests kept."""
    gateway.dashboard.pulse.tick()
    snapshot = gateway.dashboard.query.snapshot(View())
    kinds = {kind: count for kind, count in snapshot.errors_by_type if count}
    return kinds, [str(record.data["error_type"]) for record in snapshot.failed]


def said(call: Record) -> dict[str, Any]:
    """The attributes of a call."""
    attributes: dict[str, Any] = call.data["attributes"]
    return attributes


def outcome(call: Record) -> str:
    """How a call ended: the type of its error, or "ok" or "cancelled"."""
    return str(call.data["error_type"] or call.data["outcome"])


def test_a_stream_passes_unchanged_but_for_the_usage_that_was_not_asked_for(watched: Open) -> None:
    """TTY-7, X-7: the client gets the provider's bytes; the event the gateway asked for is recorded and left out."""
    gateway = watched()
    asked = gateway.post("fine", stream=True, stream_options={"include_usage": True})
    assert asked[2] == EVENT * 3 + LAST + USAGE + DONE
    silent = gateway.post("fine", stream=True)
    assert silent[2] == EVENT * 3 + LAST + DONE
    assert gateway.provider.asked[1]["stream_options"] == {"include_usage": True}
    assert gateway.post("bytewise", stream=True)[2] == EVENT * 3 + LAST + DONE
    for call in gateway.calls(3):
        assert outcome(call) == "ok"
        assert (said(call)["input_tokens"], said(call)["output_tokens"], said(call)["usage"]) == (11, 7, "exact")
        assert said(call)["cost"] == pytest.approx((11 * 1 + 7 * 2) / 1e6)
        assert said(call)["finish_reason"] == "stop"
        assert said(call)["time_to_first_token"] > 0


def test_a_document_passes_unchanged(watched: Open) -> None:
    """TTY-7: status, headers and body are the provider's; what concerns one hop stays on it."""
    gateway = watched()
    status, headers, body, whole = gateway.post("headers")
    assert (status, body, whole) == (200, WHOLE, True)
    assert headers["x-request-id"] == "r1"
    assert not {"x-hop", "keep-alive", "set-cookie"} & set(headers)
    status, headers, body, whole = gateway.post("refused")
    assert (status, body) == (400, b'{"error":{"message":"no such parameter"}}')
    assert gateway.post("not_modified")[:1] + gateway.post("not_modified")[2:] == (304, b"", True)
    fine, refused, *_ = gateway.calls(4)
    assert (said(fine)["usage"], said(fine)["output_tokens"]) == ("exact", 7)
    assert (outcome(refused), "no such parameter" in refused.data["error"]) == ("validation", True)


def test_credentials_and_hop_headers_stay_here(watched: Open) -> None:
    """X-6: the provider gets no key, cookie or hop header of the client's, and the body in one reading only."""
    gateway = watched()
    secret = {"Authorization": "Bearer client-secret", "x-api-key": "client-secret", "Cookie": "client-secret"}
    hop = {"Connection": "x-private, keep-alive", "x-private": "client-secret", "X-Forwarded-For": "client-secret"}
    gateway.post("fine", headers={**secret, **hop, "openai-beta": "kept"})
    assert "client-secret" not in gateway.provider.heads[0]
    assert "openai-beta: kept" in gateway.provider.heads[0].lower()
    twice = b'{"model":"refused","messages":[],"model":"fine"}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    head += b"content-length: %d\r\n\r\n" % len(twice)
    assert b" 200 " in gateway.raw(head + twice).split(b"\r\n")[0]
    assert gateway.provider.asked[1]["model"] == "fine"


def test_a_key_of_a_provider_is_nowhere_shown(watched: Open) -> None:
    """X-6: not on a page, in JSON, in the metrics or in a file, even when the provider repeats it."""
    gateway = watched(settings='retries = 0\nkey_env = "BAD_KEY"')
    assert gateway.post("echoes")[0] == 401
    assert KEY in gateway.provider.heads[0]
    (call,) = gateway.calls(1)
    assert (outcome(call), "wrong key" in call.data["error"]) == ("auth", True)
    pages = (
        "",
        "/models",
        "/services",
        "/services/bad",
        "/logs",
        "/requests",
        "/system",
        "/api/data",
        "/api/models",
        "/metrics",
    )
    for page in (*pages, "/api/logs", "/api/services", f"/requests/{call.data['correlation_id']}"):
        connection = http.client.HTTPConnection(gateway.address, timeout=PATIENCE)
        connection.request("GET", f"/dashboard{page}")
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        assert answer.status == 200, page
        assert KEY not in body, page


@pytest.mark.parametrize(
    ("model", "stream", "status", "kind"),
    [
        ("reset", False, 502, "upstream"), ("reset", True, 502, "upstream"), ("no_http", False, 502, "upstream"),
        ("hang", True, 504, "timeout"), ("broken", False, 500, "internal"), ("limited", True, 429, "rate_limit"),
        ("half_a_document", False, 200, "upstream"),
    ],
)  # fmt: skip
def test_failures_before_the_first_byte(watched: Open, model: str, stream: bool, status: int, kind: str) -> None:
    """X-7, TTY-5: each has its status, in the shape of the API, and its type of error; nothing stays in flight."""
    gateway = watched(settings="retries = 0\nfirst_byte_seconds = 0.3\nidle_seconds = 0.3")
    got, headers, body, whole = gateway.post(model, stream=stream)
    assert got == status
    assert whole == (model != "half_a_document")
    if whole:
        assert json.loads(body)["error"]["message"]
    if model == "limited":
        assert (headers["retry-after"], headers["x-ratelimit-remaining"]) == ("7", "0")
    (call,) = gateway.calls(1)
    assert outcome(call) == kind
    gateway.quiet()
    own = "client" if kind == "rate_limit" else kind
    assert counted(gateway) == ({own: 1}, [own])


def test_a_provider_that_is_down(watched: Open) -> None:
    """X-7: nobody listens: 502 that says so, without the address."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        down = f'[providers.down]\nkind = "openai"\nbase_url = "http://127.0.0.1:{port}/v1"\nretries = 0\n'
        gateway = watched(down + '[models.away]\nprovider = "down"\n')
        status, _, body, _ = gateway.post("away")
    assert status == 502
    assert "down cannot be reached" in json.loads(body)["error"]["message"]
    assert str(port).encode() not in body
    (call,) = gateway.calls(1)
    assert (call.data["service"], outcome(call)) == ("down", "upstream")


def test_a_provider_that_is_back_is_asked_by_all_while_its_first_answer_streams(watched: Open) -> None:
    """HUB-3, X-7: its breaker closes with the beginning of the stream that tries it again, however long that lasts."""
    gateway = watched()
    breaker = gateway.dashboard.breaker("bad", policy=Policy(failures=2, recovery=1e-6))
    for _ in range(2):
        assert gateway.post("broken")[0] == 500
    assert str(breaker.state) == "open"
    with socket.create_connection(gateway.place, timeout=PATIENCE) as client:
        wish = json.dumps({"model": "endless", "stream": True, "messages": []}).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(wish)
        client.sendall(head + wish)
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert str(breaker.state) == "closed"
        assert gateway.post("fine")[0] == 200


def test_retries_and_fallbacks_come_before_the_first_byte(watched: Open) -> None:
    """X-7: a 429 is asked again after its pause; a 500 goes to the fallback; the client sees neither."""
    more = '[models.hopeful]\nprovider = "bad"\nupstream = "broken"\nfallbacks = ["fine"]\n'
    gateway = watched(more, settings="retries = 1")
    assert gateway.post("once_limited")[0] == 200
    assert [each["model"] for each in gateway.provider.asked] == ["once_limited", "once_limited"]
    assert gateway.post("hopeful")[:1] + gateway.post("hopeful")[2:3] == (200, WHOLE)
    assert [each["model"] for each in gateway.provider.asked[2:5]] == ["broken", "broken", "fine"]
    outcomes = [(said(call)["model"], outcome(call)) for call in gateway.calls(8)]
    assert outcomes[:5] == [
        ("once_limited", "rate_limit"), ("once_limited", "ok"), ("hopeful", "internal"), ("hopeful", "internal"),
        ("fine", "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "ends", "whole", "kind"),
    [
        ("reset_in_the_middle", b'"code":"upstream_reset"}}\n\n', False, "upstream"),
        ("hang_in_the_middle", b'"code":"upstream_timeout"}}\n\n', False, "timeout"),
        ("half_an_event", EVENT[:40], False, "upstream"),
        ("hang_in_an_event", EVENT[:40], False, "timeout"),
        ("error_in_the_stream", b'"server_error"}}\n\n', True, "upstream"),
    ],
)
def test_streams_that_break_off(watched: Open, model: str, ends: bytes, whole: bool, kind: str) -> None:
    """X-7, TTY-5: nothing is tried again; between events an error follows; then the connection ends, and the request
    is an error of the provider's. What the provider itself ends with an error is whole, an error of its call alone."""
    gateway = watched(settings="retries = 3\nidle_seconds = 0.3")
    status, _, body, ended = gateway.post(model, stream=True, stream_options={"include_usage": True})
    assert (status, ended) == (200, whole)
    assert body.startswith(EVENT * 2)
    assert body.endswith(ends)
    assert len(gateway.provider.asked) == 1
    (call,) = gateway.calls(1)
    assert outcome(call) == kind
    assert (said(call)["usage"], said(call)["output_tokens"] >= 2) == ("estimated", True)
    gateway.quiet()
    assert counted(gateway) == (({}, []) if whole else ({kind: 1}, [kind]))


def test_half_an_answer_to_the_gateway_itself(watched: Open) -> None:
    """X-7, HUB-9: a prompt that is rewritten by half is not; the client is told whose fault it was."""
    gateway = watched()
    connection = http.client.HTTPConnection(gateway.address, timeout=PATIENCE)
    connection.request("POST", "/ollama/enhance", json.dumps({"prompt": "hi", "model": "half_a_document"}))
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    assert (answer.status, "gave half an answer: bad closed" in told["error"]["message"]) == (502, True)
    gateway.calls(1)
    assert counted(gateway) == ({"upstream": 1}, ["upstream"])


def test_no_json_passes_and_is_unknown(watched: Open) -> None:
    """X-7: garbage under a 200 is the client's to see; no number is made up for it."""
    gateway = watched()
    assert gateway.post("no_json")[:1] + gateway.post("no_json")[2:3] == (200, b"<html>\xff</html>")
    for call in gateway.calls(2):
        assert said(call)["usage"] == "unknown"
        assert "output_tokens" not in said(call)


def test_a_line_of_ten_megabytes_passes_in_little_memory(watched: Open) -> None:
    """X-7, TTY-6: it is neither held nor read, and the counts after it are."""
    gateway = watched()
    gateway.post("fine", stream=True)
    tracemalloc.start()
    status, _, body, whole = gateway.post("long_line", stream=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (status, whole, len(body) > 10_000_000) == (200, True, True)
    assert body.endswith(LAST + DONE)
    assert peak < 64_000_000, "the provider and the client of this test hold the line themselves, about four times"
    assert said(gateway.calls(2)[1])["usage"] == "exact"


def test_a_client_that_reads_nothing_is_no_fault_of_the_provider(
    watched: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """TTY-5, TTY-6, X-7: with an answer too long for its socket it counts as one that left, and the log says so."""
    gateway = watched(settings="retries = 0\nidle_seconds = 0.5")
    with socket.create_connection(gateway.place, timeout=PATIENCE) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        wish = json.dumps({"model": "endless_at_once", "stream": True, "messages": []}).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(wish)
        client.sendall(head + wish)
        (call,) = gateway.calls(1)
        gateway.quiet()
    assert (outcome(call), counted(gateway)) == ("cancelled", ({}, []))
    assert "a client took nothing of an answer of bad" in caplog.text


def test_the_last_bytes_wait_for_their_client_alone() -> None:
    """TTY-5, X-7: while the end of an answer is sent it is the client that is waited for, not the provider."""
    states = []

    async def send(message: Any) -> None:
        states.append((message["type"].rpartition(".")[2], delivery.sending))

    async def receive() -> Any:
        raise AssertionError

    class Whole:
        status, headers, ended = 200, [(b"content-type", b"application/json")], True

        async def chunk(self) -> bytes:
            return WHOLE

    delivery = Delivery(
        ENDPOINTS["/v1/chat/completions"], send, Departure(receive, late=True), None, 1.0, strips_usage=False
    )
    asyncio.run(delivery.run(cast(Any, Whole()), cast(Any, None)))
    assert states == [("start", True), ("body", True)]
    assert not delivery.sending


def test_a_client_that_leaves_lets_the_provider_go(watched: Open) -> None:
    """TTY-5, X-7: its tokens so far are recorded as estimated, the call as cancelled, and nothing stays open."""
    gateway = watched()
    for model in ("endless", "hang"):
        gateway.provider.left.clear()
        with socket.create_connection(gateway.place, timeout=PATIENCE) as client:
            wish = json.dumps({"model": model, "stream": True, "messages": []}).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(wish)}\r\n\r\n"
            client.sendall(head.encode() + wish)
            if model == "endless":
                assert b"word" in client.recv(1) + client.recv(65_536) + client.recv(65_536)
            else:
                threading.Event().wait(0.2)
        assert gateway.provider.left.wait(PATIENCE), "the provider was not let go"
        gateway.quiet()
    endless, hang = gateway.calls(2)
    assert [outcome(endless), outcome(hang)] == ["cancelled", "cancelled"]
    assert (said(endless)["usage"], said(endless)["output_tokens"] > 0) == ("estimated", True)
    assert "usage" not in said(hang)


def test_a_breaker_opens_and_says_when_it_tries_again(watched: Open) -> None:
    """HUB-3, X-7: after failures in a row the provider is left alone: 503 with Retry-After; refusals never open it."""
    gateway = watched()
    for _ in range(8):
        assert gateway.post("refused")[0] == 400
    statuses = [gateway.post("broken")[0] for _ in range(6)]
    assert statuses == [500] * 5 + [503]
    status, headers, body, _ = gateway.post("fine")
    assert (status, int(headers["retry-after"]) > 0) == (503, True)
    assert "breaker 'bad' is open" in json.loads(body)["error"]["message"]
    assert len(gateway.provider.asked) == 13


REQUESTS = (
    (b"{", 400, "the body is no JSON object"),
    (b"[]", 400, "the body is no JSON object"),
    (b'{"messages":[]}', 400, "`model` is missing"),
    (b'{"model":5}', 400, "`model` is missing"),
    (b'{"model":"fine","stream":"yes"}', 400, "`stream` is neither"),
    (b'{"model":"\xff"}', 400, "`model` is missing or no name"),
    (b"[" * 100_000, 400, "the body is no JSON object"),
    (b'{"model":"unheard-of"}', 404, "the model 'unheard-of' is not served here"),
)


@pytest.mark.parametrize(("body", "status", "message"), REQUESTS, ids=[str(number) for number in range(len(REQUESTS))])
def test_wrong_requests_are_refused_in_the_shape_of_the_api(
    watched: Open, body: bytes, status: int, message: str
) -> None:
    """X-6, X-7: what is wrong is said; the provider is not asked."""
    gateway = watched()
    for path, place in (
        ("/v1/chat/completions", ("error", "message")),
        ("/v1/messages", ("error", "message")),
        ("/api/chat", ("error",)),
    ):
        connection = http.client.HTTPConnection(gateway.address, timeout=PATIENCE)
        connection.request("POST", path, body)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        connection.close()
        for step in place:
            document = document[step]
        assert (answer.status, message in document) == (status, True)
    assert gateway.provider.asked == []


def test_a_body_of_a_hundred_megabytes_is_refused_unread(watched: Open) -> None:
    """X-6, TTY-6: 413 by its length before it comes, and in the middle when it has none."""
    gateway = watched(limits="[gateway]\nmax_body_megabytes = 1\n")
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    told = gateway.raw(head + b"content-length: 100000000\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 413 ")
    piece = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    assert gateway.raw(head + b"transfer-encoding: chunked\r\n\r\n" + piece * 20 + b"0\r\n\r\n").startswith(
        b"HTTP/1.1 413 "
    )
    gateway.quiet()
    assert gateway.provider.asked == []


@pytest.mark.parametrize("sent", [b"", b'{"model":'])
def test_a_body_that_does_not_come_is_refused(watched: Open, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-6, TTY-6: 408, so that those who send nothing cannot keep every place of `max_in_flight`."""
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.1)
    gateway = watched()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 100\r\n\r\n"
    told = gateway.raw(head + sent)
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b"nothing of the request's body came for 0.1 s" in told
    gateway.quiet()
    assert gateway.provider.asked == []


def test_both_lengths_at_once_reach_nobody(watched: Open) -> None:
    """X-6: a request with two framings is refused, or read by one; never is a second request made of its rest."""
    gateway = watched()
    hidden = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 16\r\n\r\n" + b'{"model":"fine"}'
    )
    body = b"0\r\n\r\n" + hidden
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n"
    answer = gateway.raw(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert gateway.provider.asked == []


def test_beyond_the_limit_of_requests_in_flight(watched: Open) -> None:
    """TTY-6: further requests are told to come again, at once."""
    gateway = watched(limits="[gateway]\nmax_in_flight = 1\n")
    waiting = threading.Thread(target=gateway.post, args=("hang",), kwargs={"stream": True})
    waiting.daemon = True
    waiting.start()
    last = time.monotonic() + PATIENCE
    while not gateway.provider.asked and time.monotonic() < last:
        threading.Event().wait(0.01)
    status, headers, body, _ = gateway.post("fine")
    assert (status, headers["retry-after"]) == (429, "1")
    assert "max_in_flight" in json.loads(body)["error"]["message"]
