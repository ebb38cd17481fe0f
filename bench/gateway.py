"""The gateway beside what it could be at best, and beside its peers: one mock upstream, one core for each target.

Direct, nginx, a bare uvicorn + aiohttp pass-through, Fanlight with everything on; LiteLLM's proxy and Portkey where
they are installed: on PATH, or named by an option. Interleaved rounds, medians, ratios.
`python bench/gateway.py [--rounds 5] [--seconds 2] [--awake] [--litellm PATH] [--portkey PATH]`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from passing import CHUNKS, Figures, Refused, bare, load, run, serve_upstream
from targets import Peers, Target, cpu_seconds, free_port, peers_of, running, targets

HERE = Path(__file__).resolve()
CASES = tuple((many, stream) for stream in (False, True) for many in (1, 32))
Found = dict[tuple[str, int, bool], list[Figures]]


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


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Keep every core from sleeping, by work that gives way to any other (Linux).

    At one connection the cores of a virtual machine sleep between requests, and to wake one takes longer than the work.
    """
    spin = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
    spinners = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def compare(rounds: int, seconds: float, only: str, peers: Peers) -> int:
    """Measure all, print the table; 1 when a budget is missed."""
    port = free_port()
    words = ["taskset", "-c", "1", sys.executable, str(HERE), "--serve-upstream", str(port)]
    mock = subprocess.Popen(words, start_new_session=True)
    os.sched_setaffinity(0, {1} if (os.cpu_count() or 1) < 3 else {1, 2})
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            time.sleep(1)
            here = [
                (each, stack.enter_context(running(each)))
                for each in targets(Path(folder), port, peers)
                if each.name in only or not only
            ]
            found = interleaved(here, rounds, seconds)
    finally:
        mock.terminate()
        mock.wait(10)
    return report([each.name for each, _ in here], found, judge=not only)


def interleaved(here: list[tuple[Target, psutil.Process | None]], rounds: int, seconds: float) -> Found:
    """All rounds of all cases after one to warm up; without what does not answer as it should, which is said."""
    found: Found = {}
    unfit: set[tuple[str, int, bool]] = set()
    for turn in range(-1, rounds):
        for (many, stream), (target, process) in itertools.product(CASES, here):
            case = (target.name, many, stream)
            if case in unfit:
                continue
            try:
                figures = measured(target, process, many, stream, seconds if turn >= 0 else 0.5)
            except Refused as refused:
                print(f"{target.name}, c{many}{', streams' if stream else ''}: left out; it answers {refused}")
                unfit.add(case)
                continue
            if turn >= 0:
                found.setdefault(case, []).append(figures)
    return found


def report(names: list[str], found: Found, *, judge: bool) -> int:
    """Print the medians, and judge the budgets on the ratios of each round."""

    def median(name: str, many: int, stream: bool, figure: str) -> float:
        return statistics.median(each.get(figure, 0.0) for each in found[name, many, stream])

    for many, stream in CASES:
        print(f"\nc{many}, {f'streams of {CHUNKS} events' if stream else 'answers of 500 bytes'}")
        print(f"{'':<20}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'first ms':>10}{'CPU ms/req':>12}{'MB':>7}")
        for name in (each for each in names if (each, many, stream) in found):
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
        if (name, 32, False) in found
    ]
    print()
    for stream in (False, True):
        used = paired(32, stream, "cpu", "bare pass-through", lambda ours, theirs: theirs / ours)
        named = "streams" if stream else "requests"
        print(f"{f'c32 {named} per CPU second against the bare':<48}{used:>8.2f}   whatever else the machine does")
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
    parser.add_argument("--awake", action="store_true", help="keep the cores from sleeping between requests (Linux)")
    peers = peers_of(parser)
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
        with awake() if given.awake else contextlib.nullcontext():
            return compare(given.rounds, given.seconds, given.only, peers(given))
    return 0


if __name__ == "__main__":
    sys.exit(main())
