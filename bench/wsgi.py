"""What Fanlight and its peers add to a request of a WSGI application: `python bench/wsgi.py [--quick]`.

A bare application, and a Flask application of 30 routes, called in process on one thread; in each round every subject
runs, in a new order. Fanlight's folding, which happens on a thread of its own in a service, is part of its time.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from random import Random
from statistics import median
from time import perf_counter
from typing import Any, Final, NamedTuple

from apps import MissingPeerError, module, nothing
from driver import TURN, Plan, added, by_hand
from fanlight import Fanlight

ROUTES: Final = 30
PLANS: Final = {"bare": Plan(21, 4000), "flask": Plan(15, 2000)}
BASE: Final = "no middleware"
FANLIGHT: Final = "Fanlight, all on, folding included"
RIVAL: Final = "prometheus-flask-exporter"

StartResponse = Callable[..., object]
Wsgi = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class Subject(NamedTuple):
    """An application under some middleware; `turn` is what the middleware does in the background."""

    app: Wsgi
    turn: Callable[[], object] = nothing


def bare(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """The least a WSGI application can do."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


def flask() -> Any:
    """A Flask application of 30 routes."""
    app: Any = module("flask", "flask").Flask("bench")
    for number in range(ROUTES):
        app.add_url_rule(f"/r{number}/<int:item>", f"read-{number}", lambda item: {"item": item})
    return app


def no_op(app: Wsgi) -> Subject:
    """A wrapper of `start_response` that does nothing: what any middleware must cost."""

    def wrapper(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        def wrapped(*given: Any) -> object:
            return start_response(*given)

        return app(environ, wrapped)

    return Subject(wrapper)


def watched(app: Wsgi) -> Subject:
    """Fanlight around an application."""
    dashboard = Fanlight("bench", store="memory://")
    return Subject(dashboard.wsgi(app), by_hand(dashboard.pulse))


def exporter() -> Subject:
    """prometheus-flask-exporter, its metrics grouped by route."""
    app = flask()
    registry = module("prometheus_client", "prometheus-client").CollectorRegistry()
    peer = module("prometheus_flask_exporter", RIVAL)
    peer.PrometheusMetrics(app, registry=registry, group_by="url_rule")
    return Subject(app)


def client() -> Subject:
    """prometheus_client in a few lines: requests counted and timed by method and status."""
    peer = module("prometheus_client", "prometheus-client")
    registry = peer.CollectorRegistry()
    requests = peer.Counter("requests", "Requests.", ("method", "status"), registry=registry)
    seconds = peer.Histogram("seconds", "Durations.", ("method",), registry=registry)

    def wrapper(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        began, method = perf_counter(), environ["REQUEST_METHOD"]

        def counted(status: str, *rest: Any) -> object:
            requests.labels(method, status[:3]).inc()
            return start_response(status, *rest)

        try:
            return bare(environ, counted)
        finally:
            seconds.labels(method).observe(perf_counter() - began)

    return Subject(wrapper)


CONTENDERS: Final[Mapping[str, Mapping[str, Callable[[], Subject]]]] = {
    BASE: {"bare": lambda: Subject(bare), "flask": lambda: Subject(flask())},
    "a wrapper that does nothing": {"bare": lambda: no_op(bare), "flask": lambda: no_op(flask())},
    FANLIGHT: {"bare": lambda: watched(bare), "flask": lambda: watched(flask())},
    RIVAL: {"flask": exporter},
    "prometheus_client, by hand": {"bare": client},
}


def environ(path: str) -> dict[str, Any]:
    """A request as gunicorn hands it over."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "RAW_URI": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "gunicorn",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "HTTP_ACCEPT": "application/json",
        "HTTP_ACCEPT_ENCODING": "gzip, deflate, br",
        "HTTP_CONNECTION": "keep-alive",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input": BytesIO(),
        "wsgi.errors": BytesIO(),
    }


def drive(subject: Subject, environs: list[dict[str, Any]], requests: int) -> None:
    """Serve so many requests, one after the other, with a turn after each thousand."""
    app, kinds = subject.app, len(environs)
    for start in range(0, requests, TURN):
        for number in range(start, min(start + TURN, requests)):
            body: Any = app(environs[number % kinds].copy(), _started)
            for _ in body:
                pass
            if hasattr(body, "close"):
                body.close()
        subject.turn()


def _started(status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], object]:
    assert status == "200 OK", status
    return len


def measured(kind: str, plan: Plan) -> dict[str, float]:
    """Microseconds each contender adds on that kind of application, the base's own time under its own name."""
    subjects: dict[str, Subject] = {}
    for name, wraps in CONTENDERS.items():
        try:
            subjects |= {name: wraps[kind]()} if kind in wraps else {}
        except MissingPeerError as missing:
            print(f"left out: {name} is not installed; to compare with it: {missing}")
    environs = [environ(path) for path in (["/"] if kind == "bare" else [f"/r{n}/{n}" for n in range(ROUTES)])]
    order, times = list(subjects), {name: list[float]() for name in subjects}
    for subject in subjects.values():
        drive(subject, environs, TURN)
    for _ in range(plan.rounds):
        Random(len(times[BASE])).shuffle(order)
        for name in order:
            gc.collect()  # nobody pays for another's garbage
            started = perf_counter()
            drive(subjects[name], environs, plan.requests)
            times[name].append((perf_counter() - started) / plan.requests * 1e6)
    return {**added(times, BASE), BASE: median(times[BASE])}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the rounds")
    quick = parser.parse_args().quick
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{python}, {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}\n")
    found = {
        k: measured(k, Plan(plan.rounds // 3 if quick else plan.rounds, plan.requests)) for k, plan in PLANS.items()
    }
    print(f"| {'':36} | bare WSGI, µs | Flask, µs | of rival |")
    print(f"|{'-' * 38}|{'-' * 15}|{'-' * 11}|{'-' * 10}|")
    for name in CONTENDERS:
        bare_us, flask_us = (_figure(found[kind], name) for kind in PLANS)
        rival = found["flask"].get(RIVAL)
        ratio = f"{found['flask'][name] / rival:.3f}" if rival and name != BASE and name in found["flask"] else ""
        print(f"| {name:36} | {bare_us:>13} | {flask_us:>9} | {ratio:>8} |")
    print(f"\nAdded per request; the first row is the request itself. Rival: {RIVAL}.")


def _figure(figures: Mapping[str, float], name: str) -> str:
    text = f"{figures[name]:.2f}" if name in figures else ""
    return f"({text})" if name == BASE else text


if __name__ == "__main__":
    main()
