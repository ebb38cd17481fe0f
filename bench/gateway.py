"""The gateway beside what it could be at best, and beside its peers: one mock upstream, one core for each target.

Direct, nginx, a bare uvicorn + aiohttp pass-through, Fanlight with everything on; LiteLLM's proxy and Portkey where
they are installed. Interleaved rounds, medians, ratios. `python bench/gateway.py [--rounds 5] [--seconds 2]`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil

HERE = Path(__file__).resolve()
CHUNKS = 50
WORD = json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
    {"index": 0, "delta": {"content": "word "}, "logprobs": None, "finish_reason": None}]}).encode()  # fmt: skip
EVENT = b"data: " + WORD + b"\n\n"
USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":20,"completion_tokens":50,"total_tokens":70}}\n\n'
ANSWER = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "x" * 260}, "logprobs": None, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 65, "total_tokens": 85}}).encode()  # fmt: skip
CASES = tuple((many, stream) for stream in (False, True) for many in (1, 32))


def chunked(data: bytes) -> bytes:
    """One chunk of a body without a length."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


Times = list[tuple[float, float]]
"""Seconds until an answer was whole, and until its first byte."""


class Upstream(asyncio.Protocol):
    """Answers at once: 500 bytes, or a stream of 50 events, ten at a time as a busy network would bring them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (head := self.data.find(b"\r\n\r\n")) >= 0:
            at = self.data.lower().find(b"content-length:", 0, head)
            length = int(self.data[at + 15 : self.data.find(b"\r\n", at)]) if at >= 0 else 0
            if len(self.data) < head + 4 + length:
                return
            body, self.data = self.data[head + 4 : head + 4 + length], self.data[head + 4 + length :]
            if b'"stream":true' in body.replace(b" ", b""):
                self.loop = asyncio.get_running_loop()
                self.transport.write(STREAM_HEAD + chunked(EVENT))
                self.loop.call_soon(self.more, 1)
            else:
                self.transport.write(JSON_HEAD + ANSWER)

    def more(self, sent: int) -> None:
        """The next event in a packet of its own."""
        if sent == CHUNKS:
            self.transport.write(chunked(USAGE) + chunked(b"data: [DONE]\n\n") + chunked(b""))
            return
        self.transport.write(chunked(EVENT))
        self.loop.call_soon(self.more, sent + 1)


class Load(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(
        self, request: bytes, until: float, times: list[tuple[float, float]], done: asyncio.Future[None]
    ) -> None:
        self.request, self.until, self.times, self.done = request, until, times, done
        self.size, self.tail, self.first = -1, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.ask()

    def ask(self) -> None:
        """Send the request."""
        self.size, self.tail, self.first, self.began = -1, b"", 0.0, time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.tail += data
        if self.size < 0:
            head = self.tail.find(b"\r\n\r\n")
            if head < 0:
                return
            assert self.tail.startswith(b"HTTP/1.1 200"), self.tail[:300]
            at = self.tail.lower().find(b"content-length:", 0, head)
            self.size = int(self.tail[at + 15 : self.tail.find(b"\r\n", at)]) if at >= 0 else 0
            self.tail = self.tail[head + 4 :]
        if self.tail and not self.first:
            self.first = time.perf_counter()
        if len(self.tail) >= self.size if self.size else self.tail.endswith(b"\r\n0\r\n\r\n"):
            self.answered()

    def answered(self) -> None:
        """Note the times, and go on or end."""
        now = time.perf_counter()
        self.times.append((now - self.began, self.first - self.began))
        if now < self.until:
            self.ask()
        elif not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("closed in the middle"))


async def load(port: int, path: str, headers: str, many: int, stream: bool, seconds: float) -> Figures:
    """Requests a second, and median and 99th percentile of whole and first byte in ms, of `many` connections."""
    wish = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "Hello there. " * 8}]}
    body = json.dumps(wish, separators=(",", ":"))
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    request = "\r\n".join([*lines, *([headers] if headers else []), "", body]).encode()
    loop = asyncio.get_running_loop()
    times: Times = []
    began = time.perf_counter()
    ends = [loop.create_future() for _ in range(many)]
    for end in ends:
        await loop.create_connection(lambda end=end: Load(request, began + seconds, times, end), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    spent = time.perf_counter() - began
    whole, first = sorted(each for each, _ in times), sorted(each for _, each in times)
    return {
        "rps": len(times) / spent,
        "p50": whole[len(whole) // 2] * 1e3,
        "p99": whole[int(len(whole) * 0.99)] * 1e3,
        "first": first[len(first) // 2] * 1e3,
        "count": float(len(times)),
    }


def bare(upstream: str) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """The least a pass-through by uvicorn and aiohttp does: no routing, no limits, nothing read, nothing recorded."""
    import aiohttp

    session: aiohttp.ClientSession | None = None

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal session
        if scope["type"] != "http":
            return
        session = session or aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
        body = (await receive())["body"]
        headers = {"content-type": "application/json"}
        async with session.post(upstream + scope["path"], data=body, headers=headers) as response:
            kept = [(k, v) for k, v in response.raw_headers if k.lower() != b"transfer-encoding"]
            await send({"type": "http.response.start", "status": response.status, "headers": kept})
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


Figures = dict[str, float]
Found = dict[tuple[str, int, bool], list[Figures]]


class Target(NamedTuple):
    """Something to load: its command (None for the upstream itself), port, path and headers."""

    name: str
    command: list[str] | None
    port: int
    path: str = "/v1/chat/completions"
    headers: str = ""


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def targets(folder: Path, upstream: int) -> Iterator[Target]:
    """What can be measured here; says what cannot."""
    yield Target("direct", None, upstream)
    if nginx := shutil.which("nginx"):
        port = free_port()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, upstream=upstream))
        yield Target("nginx", [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder)], port)
    else:
        print("nginx is not installed: left out")
    port = free_port()
    yield Target(
        "bare pass-through", [sys.executable, str(HERE), "--serve-bare", str(port), "--upstream", str(upstream)], port
    )
    port = free_port()
    (folder / "hub.toml").write_text(HUB.format(upstream=upstream))
    words = ["gateway", "--config", str(folder / "hub.toml"), "--port", str(port)]
    yield Target("fanlight", [sys.executable, "-m", "fanlight", *words], port)
    if shutil.which("litellm"):
        port = free_port()
        (folder / "litellm.yaml").write_text(LITELLM.format(upstream=upstream))
        yield Target("litellm", ["litellm", "--config", str(folder / "litellm.yaml"), "--port", str(port)], port)
    else:
        print("LiteLLM's proxy is not installed (pip install 'litellm[proxy]'): left out")
    if shutil.which("portkey-gateway"):
        port = free_port()
        host = f"x-portkey-custom-host: http://127.0.0.1:{upstream}/v1"
        headers = f"x-portkey-provider: openai\r\n{host}\r\nauthorization: Bearer x"
        yield Target("portkey", ["portkey-gateway", f"--port={port}", "--headless"], port, headers=headers)
    else:
        print("Portkey is not installed (npm install -g @portkey-ai/gateway): left out")


NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream u {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port}; keepalive_requests 100000000;
    location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; }} }}
}}
"""
HUB = """
[providers.mock]
kind = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
[models.m]
provider = "mock"
prices = {{ input = 1.0, output = 2.0 }}
"""
LITELLM = """
model_list:
  - model_name: m
    litellm_params: {{ model: openai/m, api_base: "http://127.0.0.1:{upstream}/v1", api_key: x }}
"""


@contextlib.contextmanager
def running(target: Target) -> Iterator[psutil.Process | None]:
    """The target's process, on a core of its own."""
    if target.command is None:
        yield None
        return
    environ = {**os.environ, "PYTHONPATH": str(HERE.parents[1] / "src"), "no_proxy": "*"}
    process = subprocess.Popen(
        ["taskset", "-c", "0", *target.command], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        for _ in range(1_200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", target.port), 1):
                break
            time.sleep(0.05)
        else:
            raise SystemExit(f"{target.name} does not listen")
        yield psutil.Process(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def cpu_seconds(process: psutil.Process) -> float:
    """CPU time of a process and its children."""
    family = [process, *process.children(recursive=True)]
    return sum(each.cpu_times().user + each.cpu_times().system for each in family)


def measured(
    target: Target, process: psutil.Process | None, many: int, stream: bool, seconds: float
) -> dict[str, float]:
    """One round of one case."""
    before = cpu_seconds(process) if process else 0.0
    figures: dict[str, float] = run(load(target.port, target.path, target.headers, many, stream, seconds))
    if process:
        figures["cpu"] = (cpu_seconds(process) - before) / figures["count"] * 1e3
        figures["rss"] = sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / 1e6
    return figures


def run(work: Any) -> Any:
    """Run a coroutine on uvloop."""
    import uvloop

    return uvloop.run(work)


async def serve_upstream(port: int) -> None:
    """The mock upstream, until it is killed."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=512)
    await server.serve_forever()


def compare(rounds: int, seconds: float, only: str) -> int:
    """Measure all, print the table; 1 when a budget is missed."""
    port = free_port()
    words = ["taskset", "-c", "1", sys.executable, str(HERE), "--serve-upstream", str(port)]
    mock = subprocess.Popen(words, start_new_session=True)
    os.sched_setaffinity(0, {1} if (os.cpu_count() or 1) < 3 else {1, 2})
    found: Found = {}
    names = []
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            time.sleep(1)
            all_of_them = [
                (each, stack.enter_context(running(each)))
                for each in targets(Path(folder), port)
                if each.name in only or not only
            ]
            names = [each.name for each, _ in all_of_them]
            for turn in range(-1, rounds):
                for many, stream in CASES:
                    for target, process in all_of_them:
                        figures = measured(target, process, many, stream, seconds if turn >= 0 else 0.5)
                        if turn >= 0:
                            found.setdefault((target.name, many, stream), []).append(figures)
    finally:
        mock.terminate()
        mock.wait(10)
    return report(names, found, judge=not only)


def report(names: list[str], found: Found, *, judge: bool) -> int:
    """Print the medians, and judge the budgets on the ratios of each round."""

    def median(name: str, many: int, stream: bool, figure: str) -> float:
        return statistics.median(each.get(figure, 0.0) for each in found[name, many, stream])

    for many, stream in CASES:
        print(f"\nc{many}, {f'streams of {CHUNKS} events' if stream else 'answers of 500 bytes'}")
        print(f"{'':<20}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'first ms':>10}{'CPU ms/req':>12}{'MB':>7}")
        for name in names:
            row = [median(name, many, stream, figure) for figure in ("rps", "p50", "p99", "first", "cpu", "rss")]
            print(f"{name:<20}{row[0]:>9.0f}{row[1]:>9.2f}{row[2]:>9.2f}{row[3]:>10.2f}{row[4]:>12.3f}{row[5]:>7.0f}")

    if not judge:
        return 0

    def paired(many: int, stream: bool, figure: str, other: str, way: Callable[[float, float], float]) -> float:
        pairs = zip(found["fanlight", many, stream], found[other, many, stream], strict=True)
        return statistics.median(way(ours[figure], theirs[figure]) for ours, theirs in pairs)

    def ratio(many: int, stream: bool, other: str) -> float:
        return paired(many, stream, "rps", other, lambda ours, theirs: ours / theirs)

    def added(stream: bool, figure: str) -> float:
        return paired(1, stream, figure, "direct", lambda ours, theirs: ours - theirs)

    budgets = [
        ("c32 requests/s against the bare pass-through", ratio(32, False, "bare pass-through"), 0.7, True),
        ("c32 streams/s against the bare pass-through", ratio(32, True, "bare pass-through"), 0.7, True),
        ("c1 ms added to direct", added(False, "p50"), 0.3, False),
        ("c1 ms added to a stream's first byte", added(True, "first"), 1.0, False),
    ]
    peers = (("litellm", 40.0), ("portkey", 6.0))
    budgets += [
        (f"c32 requests/s against {name}", ratio(32, False, name), least, True)
        for name, least in peers
        if name in names
    ]
    print()
    missed = 0
    for name, value, budget, least in budgets:
        kept = value >= budget if least else value <= budget
        missed += not kept
        limit = f"{budget:g} at {'least' if least else 'most'}"
        print(f"{name:<48}{value:>8.2f}   budget {limit}: {'kept' if kept else 'MISSED'}")
    return 1 if missed else 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default="", help="names of targets; no budget is judged")
    parser.add_argument("--serve-upstream", type=int)
    parser.add_argument("--serve-bare", type=int)
    parser.add_argument("--upstream", type=int)
    given = parser.parse_args()
    if given.serve_upstream:
        run(serve_upstream(given.serve_upstream))
    elif given.serve_bare:
        import uvicorn

        address = f"http://127.0.0.1:{given.upstream}"
        uvicorn.run(bare(address), port=given.serve_bare, log_level="critical", access_log=False, lifespan="off")
    elif importlib.util.find_spec("uvloop") is None:
        print("uvloop is not installed; run pip install 'fanlight[gateway]'")
        return 1
    else:
        return compare(given.rounds, given.seconds, given.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
