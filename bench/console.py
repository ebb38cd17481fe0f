"""A serving command in a terminal: its cost while plain lines or the dashboard are shown, how soon d shows it and an
event is on the screen, and what a terminal nobody reads does to the service's p99.

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

import psutil

WIDTH, HEIGHT = 200, 60
OFF_PERCENT = 1.0
ON_PERCENT = 5.0
FIRST_FRAME_MS = 300.0
P99_RATIO = 1.10
TOGGLES = 10
SCREEN_MS = 250.0
REQUESTS = 40
QUIET_LINES = 5
FRAME_SECONDS = 0.05
"""What comes after a longer silence is a new frame."""

SERVICE = """
import os, threading, time

def talk(rate):
    number, began = 0, time.monotonic()
    while True:
        while number < (time.monotonic() - began) * rate:
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
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""


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


def stalled(folder: Path, seconds: float, rounds: int) -> tuple[list[float], list[float], int]:
    """Of each round the service's p99 with the terminal read, in ms, and that with it stalled over it; its requests.

    Each round has as long of both, in turns begun by the other, so that the machine's moods fall on both.
    """
    served = Served(folder, 500, "--dashboard")
    served.until("In flight")
    time.sleep(2)
    read, ratios, asked = list[float](), list[float](), 0
    for number in range(rounds):
        p99 = {}
        for stall in (False, True) if number % 2 == 0 else (True, False):
            served.reading.clear() if stall else served.reading.set()
            time.sleep(1)
            found = latencies(served.place, seconds)
            asked += len(found)
            p99[stall] = 1_000 * statistics.quantiles(found, n=100)[98]
        read.append(p99[False])
        ratios.append(p99[True] / p99[False])
    served.stop()
    return read, ratios, asked


def latencies(place: str, seconds: float) -> list[float]:
    """Seconds of each of some 200 requests a second on one connection."""
    connection, found, end = http.client.HTTPConnection(place), list[float](), time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        connection.request("GET", "/")
        connection.getresponse().read()
        found.append(time.perf_counter() - began)
        time.sleep(0.005)
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
        p99, ratios, asked = stalled(folder, options.seconds, options.rounds)
    ratio, spread = statistics.median(ratios), " ".join(f"{each:.2f}" for each in sorted(ratios))
    first, seen = statistics.median(frames), statistics.quantiles(events, n=20)
    frame = f"{first:.0f} ms, worst {max(frames):.0f}"
    results = (
        (off <= OFF_PERCENT, f"plain lines shown: {off:.2f} % of a core (budget {OFF_PERCENT:g} %)"),
        (on[0] <= ON_PERCENT, f"demo drawn: {on[0]:.1f} % of a core, {on[1]:.1f} frames/s (budget {ON_PERCENT:g} %)"),
        (first <= FIRST_FRAME_MS, f"d to figures: {frame} (budget {FIRST_FRAME_MS:g} ms)"),
        (seen[18] <= SCREEN_MS, f"event to screen: p50 {seen[9]:.0f} ms, p95 {seen[18]:.0f} (budget {SCREEN_MS:g} ms)"),
        (
            ratio <= P99_RATIO,
            f"terminal stalled: p99 x {ratio:.2f} of {statistics.median(p99):.2f} ms, {asked} asked (budget x "
            f"{P99_RATIO:g}; rounds {spread})",
        ),
    )
    for within, text in results:
        print(f"{'ok  ' if within else 'OVER'} {text}")
    return 0 if all(within for within, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
