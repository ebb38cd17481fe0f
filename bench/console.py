"""A serving command in a terminal: its cost while plain lines or the dashboard are shown, how soon d shows it and an
event is on the screen, and what a terminal nobody reads does to the service: p99, CPU, lines waited for, bytes held.

Run: python bench/console.py [--seconds 20]. The service is `fanlight run` on a pseudo-terminal of 200 x 60; it prints
five lines a second, 500 where the terminal stalls. The dashboard's own cost is that of the process that draws
`fanlight demo`. Exits 1 above a budget.
"""

from __future__ import annotations

import argparse
import fcntl
import http.client
import os
import pty
import random
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psutil

WIDTH, HEIGHT = 200, 60
OFF_PERCENT = 1.0
ON_PERCENT = 5.0
FIRST_FRAME_MS = 300.0
P99_RATIO = 1.10
HELD_BYTES = 8 << 20
"""The backlog's four MiB in memory, and what Python makes of them."""

TOGGLES = 10
SCREEN_MS = 250.0
REQUESTS = 40
QUIET_LINES = 5
FRAME_SECONDS = 0.05
"""What comes after a longer silence is a new frame."""

SERVICE = """
import os, select, threading, time

blocked = 0

def talk(rate):
    global blocked
    number, began = 0, time.monotonic()
    while True:
        while number < (time.monotonic() - began) * rate:
            blocked += not select.select([], [1], [], 0)[1]
            print(f"line {number} stored group=General message={number} user=ada", flush=True)
            number += 1
        time.sleep(0.01)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        threading.Thread(target=talk, args=(float(os.environ["RATE"]),), daemon=True).start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = str(blocked).encode() if scope["path"] == "/blocked" else b"ok"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
"""Prints lines; tells how many of them it would have had to wait for."""


RUN = ("run", "talking:app", "--no-access-log")


class Served:
    """The service on a terminal of its own, which is read unless `reading` is cleared."""

    def __init__(self, folder: Path, rate: float, *words: str, command: tuple[str, ...] = RUN) -> None:
        (folder / "talking.py").write_text(SERVICE)
        self._terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        line = [sys.executable, "-m", "fanlight", *command, "--port", "0", *words]
        environ = {**os.environ, "TERM": "xterm-256color", "RATE": str(rate)}
        self.popen = subprocess.Popen(
            line, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environ, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)
        self.reading = threading.Event()
        self.reading.set()
        self._came = threading.Condition()
        self._text = ""
        self.frames = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.place = self.until(r"dashboard at http://([\d.:]+)/").group(1)
        self.until("d shows the dashboard")

    def _read(self) -> None:
        now = 0.0
        while self.reading.wait():
            try:
                data = os.read(self._terminal, 65_536)
            except OSError:
                return
            now, last = time.perf_counter(), now
            with self._came:
                self.frames += now - last > FRAME_SECONDS
                self._text = (self._text + data.decode("utf-8", "replace"))[-200_000:]
                self._came.notify_all()

    def until(self, pattern: str) -> re.Match[str]:
        """Wait for a match, and forget what came before its end."""
        with self._came:
            while not (found := re.search(pattern, self._text)):
                if not self._came.wait(30):
                    raise TimeoutError(f"{pattern} never came")
            self._text = self._text[found.end() :]
        return found

    def press(self, key: str) -> None:
        os.write(self._terminal, key.encode())

    def own(self) -> list[psutil.Process]:
        """The processes that a service without a terminal would not have: the console and the supervisor."""
        console = psutil.Process(self.popen.pid)
        return [console, *console.children()]

    def stop(self) -> None:
        self.reading.set()
        self.press("q")
        self.popen.wait(30)
        os.close(self._terminal)


def cpu(processes: list[psutil.Process]) -> float:
    """Their CPU seconds so far."""
    return sum(times.user + times.system for times in (process.cpu_times() for process in processes))


def off_percent(folder: Path, seconds: float) -> float:
    """CPU of console and supervisor in percent of a core, a few lines a second passing through, nothing shown."""
    served = Served(folder, QUIET_LINES)
    served.press("d")
    served.until("In flight")
    served.press("d")
    served.until("line")
    time.sleep(2)
    own = served.own()
    before, began = cpu(own), time.perf_counter()
    time.sleep(seconds)
    share = 100 * (cpu(own) - before) / (time.perf_counter() - began)
    served.stop()
    return share


def on_percent(folder: Path, seconds: float) -> tuple[float, float]:
    """CPU of the process that draws the demo in percent of a core, and its frames a second."""
    served = Served(folder, 0, "--dashboard", command=("demo",))
    served.until("In flight")
    time.sleep(5)
    drawing = [psutil.Process(served.popen.pid)]
    before, frames, began = cpu(drawing), served.frames, time.perf_counter()
    time.sleep(seconds)
    passed = time.perf_counter() - began
    found = 100 * (cpu(drawing) - before) / passed, (served.frames - frames) / passed
    served.stop()
    return found


def first_frames(folder: Path) -> list[float]:
    """Milliseconds from pressing d to the first frame with figures."""
    served, found = Served(folder, QUIET_LINES), []
    time.sleep(2)
    for _ in range(TOGGLES):
        began = time.perf_counter()
        served.press("d")
        served.until(r"\x1b\[\?1049h")
        served.until("In flight")
        found.append(1_000 * (time.perf_counter() - began))
        time.sleep(0.5)
        served.press("d")
        served.until(r"\x1b\[\?1049l")
        time.sleep(0.5)
    served.stop()
    return found


def to_screen(folder: Path) -> list[float]:
    """Milliseconds from before a request is sent until its row is on the screen, at random phases."""
    served, found, chance = Served(folder, QUIET_LINES, "--dashboard"), [], random.Random(7)
    served.until("In flight")
    time.sleep(2)
    for number in range(REQUESTS):
        time.sleep(0.5 + chance.random())
        connection = http.client.HTTPConnection(served.place)
        began = time.perf_counter()
        connection.request("GET", f"/seen/{number:04}")
        connection.getresponse().read()
        connection.close()
        served.until(f"/seen/{number:04}")
        found.append(1_000 * (time.perf_counter() - began))
    served.stop()
    return found


class Stall(NamedTuple):
    """What a terminal nobody reads does to its service, over one that is read at the same time: ratios by rounds."""

    p99: list[float]
    cpu: list[float]
    read_ms: float
    asked: int
    blocked: int
    held: int


def stalled(folder: Path, seconds: float, rounds: int) -> Stall:
    """Two services at once, asked in turns so that the machine's moods fall on both; each round the other terminal
    stalls. CPU is that of the processes that serve, a request; held is by how many bytes a supervisor grew at most."""
    pair = [Served(folder, 500, "--dashboard") for _ in range(2)]
    for served in pair:
        served.until("In flight")
    time.sleep(2)
    p99, cpus, read, asked, held = list[float](), list[float](), list[float](), 0, 0
    for number in range(rounds):
        still, moving = pair[number % 2], pair[1 - number % 2]
        still.reading.clear()
        moving.reading.set()
        time.sleep(1)
        both, before = (still, moving), [_memory(still), _cpu(still), _cpu(moving)]
        found = latencies([each.place for each in both], seconds)
        spent = _cpu(still) - before[1], _cpu(moving) - before[2]
        tails = [1_000 * statistics.quantiles(each, n=100)[98] for each in found]
        p99.append(tails[0] / tails[1])
        cpus.append(spent[0] / spent[1])
        read.append(tails[1])
        asked += len(found[0])
        held = max(held, int(_memory(still) - before[0]))
    blocked = sum(int(_ask(served.place, "/blocked")) for served in pair)
    for served in pair:
        served.stop()
    return Stall(p99, cpus, statistics.median(read), asked, blocked, held)


def _memory(served: Served) -> float:
    return float(served.own()[1].memory_info().rss)


def _cpu(served: Served) -> float:
    """CPU seconds of the process that serves, to the nanosecond: all its threads."""
    [worker] = served.own()[1].children()
    files = Path(f"/proc/{worker.pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def _ask(place: str, path: str) -> str:
    connection = http.client.HTTPConnection(place)
    connection.request("GET", path)
    with connection.getresponse() as answer:
        said = answer.read().decode()
    connection.close()
    return said


def latencies(places: list[str], seconds: float) -> list[list[float]]:
    """Seconds of each of some 100 requests a second on one connection to each of them, in turns."""
    connections = [http.client.HTTPConnection(place) for place in places]
    found, end = [list[float]() for _ in places], time.perf_counter() + seconds
    while time.perf_counter() < end:
        for connection, times in zip(connections, found, strict=True):
            began = time.perf_counter()
            connection.request("GET", "/")
            connection.getresponse().read()
            times.append(time.perf_counter() - began)
            time.sleep(0.005)
    for connection in connections:
        connection.close()
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=5, help="of the stalled terminal")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        off, on = off_percent(folder, options.seconds), on_percent(folder, options.seconds)
        frames, events = first_frames(folder), to_screen(folder)
        stall = stalled(folder, options.seconds, options.rounds)
    ratio, spread = statistics.median(stall.p99), " ".join(f"{each:.2f}" for each in sorted(stall.p99))
    effort, efforts = statistics.median(stall.cpu), " ".join(f"{each:.2f}" for each in sorted(stall.cpu))
    first, seen = statistics.median(frames), statistics.quantiles(events, n=20)
    frame = f"{first:.0f} ms, worst {max(frames):.0f}"
    results = (
        (off <= OFF_PERCENT, f"plain lines shown: {off:.2f} % of a core (budget {OFF_PERCENT:g} %)"),
        (on[0] <= ON_PERCENT, f"demo drawn: {on[0]:.1f} % of a core, {on[1]:.1f} frames/s (budget {ON_PERCENT:g} %)"),
        (first <= FIRST_FRAME_MS, f"d to figures: {frame} (budget {FIRST_FRAME_MS:g} ms)"),
        (seen[18] <= SCREEN_MS, f"event to screen: p50 {seen[9]:.0f} ms, p95 {seen[18]:.0f} (budget {SCREEN_MS:g} ms)"),
        (
            ratio <= P99_RATIO,
            f"terminal stalled: p99 x {ratio:.2f} of {stall.read_ms:.2f} ms, {stall.asked} asked (budget x "
            f"{P99_RATIO:g}; rounds {spread})",
        ),
        (
            effort <= P99_RATIO,
            f"terminal stalled: CPU of the service x {effort:.2f} (budget x {P99_RATIO:g}; rounds {efforts})",
        ),
        (stall.blocked == 0, f"terminal stalled: {stall.blocked} lines waited for (budget none)"),
        (stall.held <= HELD_BYTES, f"terminal stalled: {stall.held / 1e6:.1f} MB held (budget {HELD_BYTES / 1e6:.1f})"),
    )
    for within, text in results:
        print(f"{'ok  ' if within else 'OVER'} {text}")
    return 0 if all(within for within, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
