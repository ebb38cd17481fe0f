"""What Fanlight and its peers add to a request, and what they keep: `python bench/middleware.py [--quick]`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from apps import BASE, CONTENDERS, FANLIGHT, KINDS, RIVAL, Contender, MissingPeerError, paths
from driver import Plan, Subject, added, compare, drive, scope, status_of

BARE_BUDGET_US = 3.0
RATIO_BUDGET = 0.11
UNKNOWN_PATHS = 20_000
PLANS = {"bare": Plan(21, 4000), "fastapi": Plan(41, 1000)}
QUICK_PLANS = {"bare": Plan(7, 2000), "fastapi": Plan(5, 1000)}


def main() -> int:
    options = _options()
    if options.memory_of:
        print(asyncio.run(_grown(_contender(options.memory_of))))
        return 0
    print(_machine(options))
    plans = QUICK_PLANS if options.quick else PLANS
    results = {kind: _run(options.loop, _measured(kind, plans[kind], options.gc)) for kind in KINDS}
    memory = {} if options.no_memory else {c.name: _memory(c) for c in CONTENDERS if c.name in results["fastapi"]}
    _print_table(results, memory)
    return _verdict(results) if options.check else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What Fanlight and its peers add to a request, and what they keep.")
    parser.add_argument("--quick", action="store_true", help="a third of the rounds")
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="the event loop")
    parser.add_argument("--gc", choices=("on", "off"), default="on", help="the garbage collector while measuring")
    parser.add_argument("--no-memory", action="store_true", help="leave the memory column out")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a budget is not kept")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    return parser.parse_args()


def _machine(options: argparse.Namespace) -> str:
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, {options.loop}, collector {options.gc}; {', '.join(_versions())}"
    )


def _versions() -> list[str]:
    found = []
    for package in ("fastapi", "starlette", *(c.package for c in CONTENDERS if c.package)):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return list(dict.fromkeys(found))


def _run(loop: str, work: Any) -> Any:
    if loop == "asyncio":
        return asyncio.run(work)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _measured(kind: str, plan: Plan, collector: str) -> dict[str, float]:
    """Microseconds each contender adds on that kind of application, the base's own time under its own name."""
    subjects = {}
    for contender in CONTENDERS:
        subject = _subject(contender, kind)
        if subject is not None:
            status = await status_of(subject, paths(kind)[0])
            assert status == 200, f"{contender.name} answers {status}"
            subjects[contender.name] = subject
    if collector == "off":
        gc.disable()
    measured = await compare(subjects, [scope(path) for path in paths(kind)], plan)
    gc.enable()
    figures = added(measured, BASE)
    return {**figures, BASE: sorted(measured[BASE])[plan.rounds // 2]}


def _subject(contender: Contender, kind: str) -> Subject | None:
    make: Callable[[], Subject] | None = contender.wraps.get(kind)
    if make is None:
        return None
    try:
        return make()
    except MissingPeerError as missing:
        print(f"left out: {contender.name} is not installed; to compare with it: {missing}")
        return None


def _contender(name: str) -> Contender:
    return next(contender for contender in CONTENDERS if contender.name == name)


def _memory(contender: Contender) -> float:
    """Megabytes a process of its own grows by over 20,000 paths nobody serves."""
    command = [sys.executable, __file__, "--memory-of", contender.name]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return float(done.stdout.split()[-1])


async def _grown(contender: Contender) -> float:
    subject = contender.wraps["fastapi"]()
    process = psutil.Process()
    await drive(subject, [scope(f"/before/{number}") for number in range(2000)], 2000)
    gc.collect()
    before = process.memory_info().rss
    for start in range(0, UNKNOWN_PATHS, 1000):
        await drive(subject, [scope(f"/unknown-{number}/x") for number in range(start, start + 1000)], 1000)
    gc.collect()
    return round((process.memory_info().rss - before) / 1e6, 1)


def _print_table(results: dict[str, dict[str, float]], memory: dict[str, float]) -> None:
    print(f"\n| {'':36} | bare ASGI, µs | of rival | FastAPI, µs | of rival | 20,000 unknown paths, MB |")
    print(f"|{'-' * 38}|{'-' * 15}|{'-' * 10}|{'-' * 13}|{'-' * 10}|{'-' * 26}|")
    for contender in CONTENDERS:
        name = contender.name
        cells = [cell for kind in KINDS for cell in _cells(results[kind], name)]
        kept = f"{memory[name]:+.1f}" if name in memory else ""
        print(f"| {name:36} | {cells[0]:>13} | {cells[1]:>8} | {cells[2]:>11} | {cells[3]:>8} | {kept:>24} |")
    print(f"\nAdded per request; the first row is the request itself. Rival: {RIVAL}.")


def _cells(figures: dict[str, float], name: str) -> tuple[str, str]:
    if name not in figures:
        return "", ""
    if name == BASE:
        return f"({figures[name]:.2f})", ""
    ratio = f"{figures[name] / figures[RIVAL]:.3f}" if RIVAL in figures else ""
    return f"{figures[name]:.2f}", ratio


def _verdict(results: dict[str, dict[str, float]]) -> int:
    """1 when a budget is not kept, with a line for each."""
    bare = results["bare"][FANLIGHT]
    checks = [("bare ASGI, µs", bare, BARE_BUDGET_US)]
    checks += [
        (f"{kind}, of rival", figures[FANLIGHT] / figures[RIVAL], RATIO_BUDGET)
        for kind, figures in results.items()
        if RIVAL in figures
    ]
    for what, got, budget in checks:
        print(f"{'kept' if got <= budget else 'MISSED'}: {what}: {got:.3f}, budget {budget}")
    return int(any(got > budget for _, got, budget in checks))


if __name__ == "__main__":
    sys.exit(main())
