"""What recording a call of a service costs: `python bench/calls.py [--check]`. Budget: 1 µs without attributes."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from statistics import median

import httpx
from sqlalchemy import create_engine, text

from fanlight import Fanlight

BUDGET_US = 1.0
ROUNDS = 301
CALLS = 1_000
ADAPTER_ROUNDS = 51
ADAPTER_CALLS = 50


def main() -> int:
    parser = argparse.ArgumentParser(description="What recording a call of a service costs.")
    parser.add_argument("--check", action="store_true", help="exit with 1 when the budget is not kept")
    options = parser.parse_args()
    dashboard = Fanlight("bench", store="memory://")
    figures = _measured(dashboard)
    machine = f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores"
    print(f"{machine}; medians, µs per call")
    for name, (middle, best) in figures.items():
        print(f"  {name:<36} {middle:6.2f}   best {best:6.2f}")
    for name, added in _adapters(dashboard).items():
        print(f"  added by watching {name:<18} {added:6.2f}")
    kept = figures["a call"][0] <= BUDGET_US
    print(f"budget: {BUDGET_US} µs for a call without attributes: {'kept' if kept else 'NOT kept'}")
    return int(options.check and not kept)


def _measured(dashboard: Fanlight) -> dict[str, tuple[float, float]]:
    """Microseconds per call of each way, rounds taken in turn; folding is measured apart, for it is not paid there."""
    ways: dict[str, Callable[[], None]] = {
        "nothing (two clock reads)": _nothing,
        "a call": lambda: _plain(dashboard),
        "a call with two attributes": lambda: _with_attributes(dashboard),
        "a language model's call": lambda: _model(dashboard),
        "folding a call, on the pulse": lambda: _plain(dashboard),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            times[name].append(_timed(dashboard, name, way))
    return {name: (median(found), min(found)) for name, found in times.items()}


def _timed(dashboard: Fanlight, name: str, way: Callable[[], None]) -> float:
    recorder = dashboard.recorder
    if not name.startswith("folding"):
        began = time.perf_counter_ns()
        way()
        taken = time.perf_counter_ns() - began
        recorder.take()
        return taken / CALLS / 1e3
    way()
    began = time.perf_counter_ns()
    recorder.take()
    return (time.perf_counter_ns() - began) / CALLS / 1e3


def _nothing() -> None:
    clock = time.perf_counter_ns
    for _ in range(CALLS):
        clock()
        clock()


def _plain(dashboard: Fanlight) -> None:
    call = dashboard.call
    for _ in range(CALLS):
        with call("redis", "GET"):
            pass


def _with_attributes(dashboard: Fanlight) -> None:
    call = dashboard.call
    for _ in range(CALLS):
        with call("sql", "select", table="users") as made:
            made.set(rows=3)


def _model(dashboard: Fanlight) -> None:
    call = dashboard.call
    for _ in range(CALLS):
        with call("openai", "chat", kind="llm", model="small") as made:
            made.set(input_tokens=100, output_tokens=20, time_to_first_token=0.1, cost=0.0001, finish_reason="stop")


def _adapters(dashboard: Fanlight) -> dict[str, float]:
    """Microseconds that watching adds to one use of a library, whose other end answers at once; medians."""
    answer = httpx.Response(204)
    client = httpx.Client(transport=httpx.MockTransport(lambda request: answer), trust_env=False)
    engine = create_engine("sqlite://")
    statement = text("SELECT 1")
    with client, engine.connect() as connection:
        ways: dict[str, Callable[[], object]] = {
            "httpx": lambda: client.get("http://example.com/users/42"),
            "sqlalchemy": lambda: connection.execute(statement).scalar(),
        }
        found = {name: _added(dashboard, name, way) for name, way in ways.items()}
    dashboard.close()
    return found


def _added(dashboard: Fanlight, name: str, way: Callable[[], object]) -> float:
    plain, watched = [], []
    for _ in range(ADAPTER_ROUNDS):
        plain.append(_each(way))
        dashboard.watch(name)
        watched.append(_each(way))
        dashboard.close()
        dashboard.recorder.take()
    return median(watched) - median(plain)


def _each(way: Callable[[], object]) -> float:
    began = time.perf_counter_ns()
    for _ in range(ADAPTER_CALLS):
        way()
    return (time.perf_counter_ns() - began) / ADAPTER_CALLS / 1e3


if __name__ == "__main__":
    raise SystemExit(main())
