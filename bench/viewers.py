"""What open dashboards cost a service's own requests, and how fast the server ends with them open.

50 of them on a small service; and 100, half of them on the page of the models, on the AI gateway before a mock of one.

An open-loop client in a process of its own sends requests at a fixed rate, whatever becomes of the answers; a second
process holds the viewers' streams and reads them. Rounds without and with viewers alternate; what counts is the median
over the rounds of each round's p99, and the ratio of the two. Budgets: ratio 1.10; all streams ended within a second.
`python bench/viewers.py [--of service|gateway] [--rounds 7]`.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import psutil

from service import Service, quantile, row, running, serving
from targets import HUB, fanlight, free_port

CONNECTIONS = 256
REQUEST = b"GET /items/%d HTTP/1.1\r\nhost: localhost\r\n\r\n"
CHAT = b'{"model":"m","user":"%3d","messages":[{"role":"user","content":"Hello there."}]}'
ASKED = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b"
SETTLE_SECONDS = 1.0
OPEN_SECONDS = 3.0
"""After so long all viewers have had the whole page and their first turn: they are open, no longer opening."""


class Subject(NamedTuple):
    """What is watched: how many viewers of which pages, at which rate it is asked."""

    viewers: int
    pages: tuple[str, ...]
    rate: float


SUBJECTS = {"service": Subject(50, ("overview",), 1_000), "gateway": Subject(100, ("overview", "models"), 300)}


def request(of: str, number: int) -> bytes:
    """A request of the load."""
    if of == "service":
        return REQUEST % (number % 500)
    body = CHAT % (number % 500)
    return ASKED % (len(body), body)


def load(of: str, port: int, rate: float, seconds: float) -> None:
    """The open-loop client: prints its latencies as JSON. A request's clock starts when it is sent."""
    idle = deque(socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS))
    time.sleep(SETTLE_SECONDS)  # the service takes the connections: what is asked meanwhile would wait for that
    waiting: dict[socket.socket, float] = {}
    partial: dict[socket.socket, bytes] = {}
    taken: list[float] = []
    late = 0
    start = time.perf_counter()
    sent, total = 0, int(rate * seconds)
    while len(taken) < total:
        now = time.perf_counter()
        due = start + sent / rate
        if sent < total and now >= due:
            if not idle:
                raise SystemExit(f"all {CONNECTIONS} connections wait: {rate:.0f} requests/s saturate the service")
            connection = idle.popleft()
            waiting[connection] = time.perf_counter()
            connection.send(request(of, sent))
            late += now - due > 0.002
            sent += 1
            continue
        pause = max(due - now, 0) if sent < total else 1.0
        for answered in select.select(list(waiting), (), (), pause)[0]:
            if whole(answered, partial):
                taken.append(time.perf_counter() - waiting.pop(answered))
                idle.append(answered)
    figures = {"p50": quantile(taken, 0.5), "p99": quantile(taken, 0.99), "worst": max(taken), "late": late}
    print(json.dumps(figures))


def whole(connection: socket.socket, partial: dict[socket.socket, bytes]) -> bool:
    """Read what has come; whether the answer is complete: servers send its head and its body apart."""
    text = partial.pop(connection, b"") + connection.recv(65_536)
    head, found, body = text.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]) if found else 0
    if found and len(body) >= length:
        return True
    partial[connection] = text
    return False


def watch(port: int, viewers: int, pages: Sequence[str]) -> None:
    """Hold the viewers' streams and read them; says when all have begun, and at their end how many and how long.

    Real viewers sit at other machines; here they take only what nobody else wants of this one's cores, where it can be.
    """
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    streams = [socket.create_connection(("127.0.0.1", port)) for _ in range(viewers)]
    for stream, page in zip(streams, cycle(pages), strict=False):
        stream.sendall(f"GET /dashboard/live?page={page} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
    begun: set[socket.socket] = set()
    read = 0
    while streams:
        for stream in select.select(streams, (), ())[0]:
            data = stream.recv(1 << 20)
            read += len(data)
            begun.add(stream)
            if not data or data.endswith(b"0\r\n\r\n"):
                streams.remove(stream)
        if len(begun) == viewers:
            print("begun", flush=True)
            begun.add(socket.socket())
    print(json.dumps({"ended": time.time(), "bytes": read}), flush=True)


@contextmanager
def viewers(service: Service, of: str) -> Iterator[subprocess.Popen[str]]:
    """So many open streams, all begun."""
    command = [sys.executable, __file__, "--role", "watch", "--port", str(service.port), "--of", of]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def measured(service: Service, of: str, seconds: float) -> dict[str, float]:
    """One round: the client's figures, and the share of a core the service used."""
    server = psutil.Process(service.process.pid)
    before = server.cpu_times()
    command = [sys.executable, __file__, "--role", "load", "--port", str(service.port), "--of", of]
    options = ["--seconds", str(seconds)]
    answer = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, check=True)
    after = server.cpu_times()
    used = after.user + after.system - before.user - before.system
    return {**json.loads(answer.stdout), "cpu": used / (seconds + SETTLE_SECONDS)}


def compared(service: Service, of: str, seconds: float, rounds: int) -> None:
    """Alternate rounds, and print the medians and their ratio."""
    number, _, rate = SUBJECTS[of]
    without, with_them = list[dict[str, float]](), list[dict[str, float]]()
    for turn in range(rounds):
        if turn % 2 == 0:
            without.append(measured(service, of, seconds))
        with viewers(service, of):
            time.sleep(OPEN_SECONDS)
            with_them.append(measured(service, of, seconds))
        if turn % 2:
            without.append(measured(service, of, seconds))
        print(f"  p99 {without[-1]['p99'] * 1e3:.2f} -> {with_them[-1]['p99'] * 1e3:.2f} ms", file=sys.stderr)
    print(row(f"{of}, {rate:.0f} requests/s, {rounds} rounds", "without", f"with {number} viewers", "ratio", "budget"))
    print(row(*["---"] * 5))
    for name, budget in (("p50", ""), ("p99", "1.10"), ("worst", ""), ("late", ""), ("cpu", "")):
        first, second = (statistics.median(each[name] for each in found) for found in (without, with_them))
        factor = 1e3 if name in ("p50", "p99", "worst") else 1
        ratios = [b[name] / a[name] for a, b in zip(without, with_them, strict=True) if a[name]]
        ratio = f"{statistics.median(ratios):.2f}" if ratios else "-"
        print(row(name, f"{first * factor:.3f}", f"{second * factor:.3f}", ratio, budget))


def ending() -> None:
    """How long the server takes to end with streams open."""
    number = SUBJECTS["service"].viewers
    with running() as service, viewers(service, "service") as process:
        assert process.stdout is not None
        time.sleep(SETTLE_SECONDS)
        told = time.time()
        ended = service.stop()
        streams = json.loads(process.stdout.readline())["ended"] - told
    print(row(f"SIGTERM with {number} streams open", "all streams ended after", "process ended after", "budget"))
    print(row(*["---"] * 4))
    print(row("seconds", f"{streams:.2f}", f"{ended:.2f}", "1.0"))


def main() -> None:
    """Measure and print, or be one of the other processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=("measure", "load", "watch"), default="measure")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--of", choices=tuple(SUBJECTS), help="measure this one alone")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    if given.role == "load":
        load(given.of, given.port, SUBJECTS[given.of].rate, given.seconds)
        return
    if given.role == "watch":
        watch(given.port, SUBJECTS[given.of].viewers, SUBJECTS[given.of].pages)
        return
    for of in (given.of,) if given.of else SUBJECTS:
        with running() if of == "service" else gateway() as service:
            compared(service, of, given.seconds, given.rounds)
        if of == "service":
            ending()


@contextmanager
def gateway() -> Iterator[Service]:
    """The AI gateway before a mock provider that answers at once, with room for all viewers."""
    port = free_port()
    mock = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("gateway.py")), "--serve-upstream", str(port)]
    )
    os.environ["FANLIGHT_MAX_VIEWERS"] = str(SUBJECTS["gateway"].viewers)
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["FANLIGHT_STORE"] = f"sqlite:///{folder}/bench.db"
            target = fanlight(Path(folder), HUB.format(upstream=port))
            assert target.command is not None
            with serving(target.command) as service:
                yield service
    finally:
        mock.terminate()
        mock.wait(10)


if __name__ == "__main__":
    main()
