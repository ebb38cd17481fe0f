"""A gateway that meets every fault over and over: its memory, its connections and its numbers afterwards."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.gateway.hostile import hostile
from tests.gateway.serving import PATIENCE
from tests.gateway.test_faults import MODELS

CHAT = "/v1/chat/completions"
SLOW = frozenset({"hang", "held", "hang_in_the_middle", "hang_in_an_event", "long_line", "bytewise"})
"""Each takes its time; they come along, seldom."""

LEFT = frozenset({"endless", "endless_at_once"})
ORDINARY = tuple(sorted(set(MODELS) - SLOW - LEFT - {"once_limited"}))
ROUNDS = 60
LAPS = 3
CLIENTS = 4
GROWTH_MEGABYTES = 12
"""What the last lap may add: some 2,400 requests, which a leak of 8 KB each would make 19."""


@contextmanager
def gateway(folder: Path, patience: float) -> Iterator[tuple[psutil.Process, str]]:
    """`fanlight gateway` before a hostile provider and a provider that is down: its process and its address.

    `patience`: seconds it waits for the provider. Short where the provider hangs; where all must be answered, no less
    than the tests' own, or on a busy machine it gives up a provider that is only slow to get its turn.
    """
    with hostile() as (address, _), socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        text = f'[providers.bad]\nkind = "openai"\nbase_url = "{address}/v1"\nretries = 0\nidle_seconds = {patience}\n'
        text += (
            f'first_byte_seconds = {patience}\n[providers.down]\nkind = "openai"\nbase_url = "{down}"\nretries = 0\n'
        )
        text += "".join(f'[models.{name}]\nprovider = "bad"\n' for name in MODELS)
        text += '[models.away]\nprovider = "down"\n[gateway]\nmax_body_megabytes = 1\n'
        (folder / "hub.toml").write_text(text)
        words = [sys.executable, "-m", "fanlight", "gateway", "--port", "0", "--store", "memory://"]
        with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as served:
            assert served.stdout is not None
            line = next(line for line in served.stdout if "http://" in line)
            reader = threading.Thread(target=served.stdout.read)
            reader.start()
            try:
                yield psutil.Process(served.pid), line.partition("http://")[2].split("/")[0]
            finally:  # also after a failure, or its end would be waited for without end
                served.terminate()
                status = served.wait(PATIENCE)
                reader.join()
            assert status == 0


def ask(address: str, model: str, *, stream: bool, leave: bool = False) -> int:
    """One request; its status. The breaker may answer for the provider: that is one of the faults."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.request("POST", CHAT, json.dumps({"model": model, "stream": stream, "messages": []}))
        answer = connection.getresponse()
        if not leave:
            try:
                answer.read()
            except http.client.IncompleteRead:
                return answer.status
        return answer.status
    finally:
        connection.close()


def wrong(address: str) -> None:
    """Requests that are refused: no JSON, an unknown model, a body that is too large."""
    for body in ("{", '{"model": "unheard-of"}', '{"model": "fine", "x": "' + "x" * 1_500_000 + '"}'):
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        try:
            connection.request("POST", CHAT, body)
            assert connection.getresponse().status in (400, 404, 413)
        except ConnectionError:
            assert len(body) > 1_000_000  # refused before it was read
        finally:
            connection.close()


def lap(address: str) -> int:
    """Every fault, whole and streamed, by several clients at once; how many requests the gateway was asked."""
    asked = 0
    with ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(ROUNDS):
            names = [*ORDINARY, "away", *(SLOW if number % 20 == 0 else ())]
            work = [pool.submit(ask, address, name, stream=stream) for name in names for stream in (True, False)]
            work += [pool.submit(ask, address, name, stream=True, leave=True) for name in ("endless", "hang")]
            for each in work:
                assert each.result() in (200, 400, 401, 429, 500, 502, 503, 504)
            wrong(address)
            reset(address)
            asked += len(work) + 3
    return asked


def reset(address: str) -> None:
    """Close the breakers, so that the provider goes on being asked."""
    for provider in ("bad", "down"):
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        connection.request("POST", f"/dashboard/actions/breakers/{provider}/reset")
        connection.getresponse().read()
        connection.close()


def megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / (1 << 20)


def total(address: str) -> int:
    """The requests for completions that the dashboard has counted so far."""
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    connection.request("GET", "/dashboard/api/data")
    document = json.loads(connection.getresponse().read())
    connection.close()
    return sum(int(each["request_count"]) for each in document["endpoints"] if each["route"] == CHAT)


def some(address: str, model: str, times: int) -> None:
    """That fault so many times, among twice as many sound streams, so that the breaker stays closed."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pool.submit(ask, address, each, stream=True) for each in (model, "fine", "fine") * times]
        assert {each.result() for each in asked} == {200}


BROKEN = {"long_line": 8, "error_in_the_stream": 200, "reset_in_the_middle": 200}
"""Streams that go wrong, and how often each is met: one that is kept each time adds more than may be added."""


@pytest.mark.slow
def test_memory_is_flat_after_each_stream_that_goes_wrong(tmp_path: Path) -> None:
    """X-7, TTY-6: as often as it was met before: a line of 10 MB, an error inside a stream, a reset in its middle."""
    with gateway(tmp_path, PATIENCE) as (process, address):
        for model, times in BROKEN.items():
            some(address, model, times)
            before = megabytes(process)
            some(address, model, times)
            after = megabytes(process)
            print(f"{model}: {before:.1f} -> {after:.1f} MB", file=sys.stderr)
            assert after - before < GROWTH_MEGABYTES / 2, model


@pytest.mark.slow
def test_memory_is_flat_whatever_providers_and_clients_do(tmp_path: Path) -> None:
    """X-7, TTY-6: thousands of faults leave neither memory nor connections behind, and every request was counted."""
    with gateway(tmp_path, 0.3) as (process, address):
        asked = 0
        for turn in range(LAPS):
            before = megabytes(process)
            asked += lap(address)
            print(f"lap {turn}: {asked} requests, {before:.1f} -> {megabytes(process):.1f} MB", file=sys.stderr)
        assert megabytes(process) - before < GROWTH_MEGABYTES
        deadline = time.monotonic() + PATIENCE
        while (len(process.net_connections()) > 8 or total(address) < asked) and time.monotonic() < deadline:
            threading.Event().wait(0.2)
        assert len(process.net_connections()) <= 8, "connections that nobody needs are still open"
        assert total(address) == asked
