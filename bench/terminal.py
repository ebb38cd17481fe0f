"""What drawing in the terminal costs: the CPU of a core at four frames a second, on a real terminal of 200 x 60.

Run: python bench/terminal.py [--seconds 20]. A process of its own draws the overview on a pseudo-terminal that is read
as fast as it writes. Its documents come as JSON, made beforehand from made-up traffic of some 25 requests a second and
five log lines a second; decoding them is part of the figure, fetching them over HTTP is not. Exits 1 above the budget.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import gc
import os
import pty
import random
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from fanlight import Fanlight, sample
from fanlight.clock import ManualClock
from fanlight.core.facts import LOG
from fanlight.faces.api.encoding import encode
from fanlight.faces.context import ActionResult
from fanlight.faces.tui.compose import page_document
from fanlight.faces.tui.document import PageDocument
from fanlight.panels import View

BUDGET_PERCENT = 5.0
WIDTH, HEIGHT = 200, 60
WARM_SECONDS = 2.0


def documents(count: int) -> list[bytes]:
    """So many quarter seconds of a service under traffic, after fifteen minutes of it."""
    clock = ManualClock(time.time())
    dashboard = Fanlight("chat-api", clock=clock, store="memory://", release="1.4.2")
    engine, recorder = dashboard.engine, dashboard.recorder
    for frame in sample.frames(recorder.started):
        recorder.commit(frame)
        engine.local.window.add(frame)
    chance = random.Random(7)
    recorder.samplers.append(lambda: sample._levels(chance, clock.time_ns() / 1e9))
    context, made, after = dashboard.face._context, [], 0.0
    for number in range(count):
        for _ in range(sample._arrivals(chance, number // 4) // 4):
            sample._request(recorder, chance, number // 4)
        if number % 4:
            text = f"message {number} stored group=General"
            at = (LOG, recorder.next_seq(), clock.monotonic_ns(), clock.time_ns())
            recorder.append((*at, 20, "INFO", "chat.storage", text, "storage.py", 17, ""))
        clock.advance(0.25)
        dashboard.pulse.tick(second_closed=number % 4 == 3)
        made.append(encode(document := page_document(context, View(), role="operator", after=after)))
        after = document.lines[-1].at if document.lines else after
    dashboard.close()
    return made


class Replay:
    """A source that decodes one document after the other."""

    name = "replay"

    def __init__(self, bodies: list[bytes]) -> None:
        self._bodies = bodies
        self._decoder = msgspec.json.Decoder(PageDocument)
        self.asked = 0

    async def page(self, view: View, after: float) -> PageDocument:
        self.asked += 1
        return self._decoder.decode(self._bodies[self.asked % len(self._bodies)])

    async def act(self, action: str, values: Mapping[str, Any]) -> ActionResult:
        return ActionResult("error", "a replay does nothing")

    async def follow(self, run: str) -> ActionResult:
        return ActionResult("error", "a replay does nothing")


def draw(folder: Path, seconds: float) -> None:
    """The drawing process: draws, and leaves its figures in a file."""
    from fanlight.faces.tui.app import TerminalDashboard

    gc.freeze()  # as the commands do
    source = Replay(msgspec.msgpack.decode((folder / "documents").read_bytes(), type=list[bytes]))
    app = TerminalDashboard(source)

    async def measured() -> None:
        drawing = asyncio.create_task(app.run_async(mouse=False))
        await asyncio.sleep(WARM_SECONDS)
        asked, cpu, began = source.asked, time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        wall = time.perf_counter() - began
        figures = {"cpu": time.process_time() - cpu, "wall": wall, "frames": source.asked - asked}
        (folder / "figures").write_bytes(msgspec.json.encode(figures))
        app.exit()
        await drawing

    asyncio.run(measured())


def watched(folder: Path, seconds: float) -> tuple[dict[str, float], int]:
    """Run the drawing process on a terminal; its figures and the bytes it wrote."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"], os.environ["COLORTERM"] = "xterm-256color", "truecolor"
        os.execv(sys.executable, [sys.executable, __file__, "--draw", str(folder), "--seconds", str(seconds)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    written = 0
    while True:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:
            break
        if not chunk:
            break
        written += len(chunk)
    os.waitpid(child, 0)
    return msgspec.json.decode((folder / "figures").read_bytes()), written


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--draw", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.draw:
        draw(Path(options.draw), options.seconds)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = documents(120)
        (folder / "documents").write_bytes(msgspec.msgpack.encode(made))
        figures, written = watched(folder, options.seconds)
    share = 100 * figures["cpu"] / figures["wall"]
    rate, size = figures["frames"] / figures["wall"], sum(map(len, made[1:])) / len(made[1:])
    print(f"terminal {WIDTH} x {HEIGHT}, overview: {share:.1f} % of a core at {rate:.1f} frames/s")
    print(f"one frame: {size / 1e3:.1f} kB of JSON in, {written / figures['frames'] / 1e3:.1f} kB to the terminal")
    within = share <= BUDGET_PERCENT
    print(f"{'ok ' if within else 'OVER '} budget {BUDGET_PERCENT:g} % of a core")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
