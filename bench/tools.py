"""What an MCP server's tools/call costs through the gateway, through mcp-proxy, and without either.

One `mcp-server-time` behind each, asked one call after the other over one connection by streamable HTTP of the version
2025-06-18; "stdio" is the server itself, "plain HTTP" the gateway's own `POST /mcp/{server}/tools/call`. Interleaved
rounds, medians. `python bench/tools.py [--rounds 7] [--calls 200] [--mcp-proxy PATH]`. Budget: 3 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from targets import Peers, Target, cpu_seconds, fanlight, free_port, peers_of, running

BUDGET_MS = 3.0
SERVER = [sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"]
HUB = f"[mcp.time]\ncommand = {json.dumps(SERVER[0])}\nargs = {json.dumps(SERVER[1:])}\n"
CALL = {"name": "get_current_time", "arguments": {"timezone": "UTC"}}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
PATIENCE = 30.0

Ask = Callable[[], None]


def exchanged(
    connection: http.client.HTTPConnection, path: str, body: str, headers: dict[str, str]
) -> tuple[str, bytes]:
    """The session and body of an answer; on a new connection where the server has closed the old one between rounds."""
    for last in (False, True):
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.headers.get("mcp-session-id", ""), answer.read()
        except ConnectionError:
            connection.close()
            if last:
                raise
    raise AssertionError


def over_http(port: int, path: str) -> Ask:
    """A call by streamable HTTP, the conversation begun."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}

    def posted(message: dict[str, Any]) -> bytes:
        session, said = exchanged(connection, path, json.dumps({"jsonrpc": "2.0", **message}), headers)
        if session:
            headers["mcp-session-id"] = session
        return said

    posted({"id": 1, "method": "initialize", "params": HELLO})
    headers["mcp-protocol-version"] = "2025-06-18"
    posted({"method": "notifications/initialized"})

    def ask() -> None:
        said = posted({"id": 2, "method": "tools/call", "params": CALL})
        assert b"timezone" in said, said[:300]

    return ask


def plainly(port: int) -> Ask:
    """A call by plain HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def ask() -> None:
        _, said = exchanged(connection, "/mcp/time/tools/call", json.dumps(CALL), {})
        assert b"timezone" in said, said[:300]

    return ask


@contextlib.contextmanager
def over_stdio() -> Iterator[Ask]:
    """A call of a server that nothing stands before."""
    process = subprocess.Popen(SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    given, got = process.stdin, process.stdout

    def say(message: dict[str, Any]) -> None:
        given.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        given.flush()

    def ask() -> None:
        say({"id": 2, "method": "tools/call", "params": CALL})
        said = got.readline()
        assert b"timezone" in said, said[:300]

    say({"id": 1, "method": "initialize", "params": HELLO})
    got.readline()
    say({"method": "notifications/initialized"})
    try:
        yield ask
    finally:
        given.close()
        process.wait(PATIENCE)
        got.close()


def ready(ask: Callable[[], Ask]) -> Ask:
    """A way to call, as soon as the server behind it answers."""
    last = time.monotonic() + PATIENCE
    while True:
        try:
            made = ask()
            made()
            return made
        except (AssertionError, OSError, http.client.HTTPException):
            if time.monotonic() > last:
                raise
            time.sleep(0.1)


@contextlib.contextmanager
def ways(folder: Path, peers: Peers) -> Iterator[dict[str, tuple[Ask, psutil.Process | None]]]:
    """How the tool can be called here, and the process between; says what cannot be measured."""
    with contextlib.ExitStack() as stack:
        found: dict[str, tuple[Ask, psutil.Process | None]] = {}
        found["stdio"] = (stack.enter_context(over_stdio()), None)
        ours = fanlight(folder, HUB)
        process = stack.enter_context(running(ours))
        found["fanlight"] = (ready(lambda: over_http(ours.port, "/mcp/time")), process)
        found["fanlight, plain HTTP"] = (ready(lambda: plainly(ours.port)), process)
        if peers.mcp_proxy:
            port = free_port()
            theirs = Target("mcp-proxy", [peers.mcp_proxy, "--port", str(port), "--", *SERVER], port)
            process = stack.enter_context(running(theirs))
            found["mcp-proxy"] = (ready(lambda: over_http(port, "/mcp")), process)
        else:
            print("mcp-proxy is not installed (pip install mcp-proxy, --mcp-proxy PATH): left out")
        yield found


def measured(ask: Ask, process: psutil.Process | None, calls: int) -> tuple[float, float, float]:
    """Median and 99th percentile in ms, and CPU ms per call of the process, its server's among it."""
    before = cpu_seconds(process) if process else 0.0
    taken = []
    for _ in range(calls):
        began = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - began) * 1e3)
    taken.sort()
    used = (cpu_seconds(process) - before) / calls * 1e3 if process else 0.0
    return taken[calls // 2], taken[int(calls * 0.99)], used


def main() -> int:
    """Measure all, print the table; 1 when the budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=200)
    peers = peers_of(parser)
    given = parser.parse_args()
    if importlib.util.find_spec("mcp_server_time") is None:
        print("mcp-server-time is not installed; run pip install mcp-server-time")
        return 1
    found: dict[str, list[tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder, ways(Path(folder), peers(given)) as ways_here:
        for turn in range(-1, given.rounds):
            for name, (ask, process) in ways_here.items():
                figures = measured(ask, process, given.calls)
                if turn >= 0:
                    found.setdefault(name, []).append(figures)
    print(f"{'tools/call':<22}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}")
    for name, rounds in found.items():
        p50, p99, used = (statistics.median(each) for each in zip(*rounds, strict=True))
        print(f"{name:<22}{p50:>9.2f}{p99:>9.2f}{used:>9.2f}")
    p50 = statistics.median(each[0] for each in found["fanlight"])
    kept = p50 <= BUDGET_MS
    print(f"\ntools/call, median ms {p50:.2f}   budget {BUDGET_MS:g} at most: {'kept' if kept else 'MISSED'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
