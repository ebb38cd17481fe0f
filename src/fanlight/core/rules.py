"""Rules: what the numbers mean. One table of thresholds, and the verdict in one plain sentence.

Everything here is a pure function of a snapshot and judges the last 15 minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlencode

from fanlight import formats
from fanlight.core.facts import error_type
from fanlight.core.frame import Record
from fanlight.core.snapshot import HTTP_FAMILIES, Route, Snapshot
from fanlight.core.window import STEP
from fanlight.panels import Phrase, State, Verdict

ERROR_RATIO: Final = 0.05
MEAN_SECONDS: Final = 0.5
SLOW_COUNT: Final = 10
VERY_SLOW_COUNT: Final = 0
BUSY_PERCENT: Final = 80.0
LAG_SECONDS: Final = 0.1

SERVER_ERRORS: Final = ("internal", "upstream", "timeout")
"""Error types the service answers for; the rest are the caller's."""


def error_state(ratio: float) -> State:
    """Amber above 5 % of all requests."""
    return "warn" if ratio > ERROR_RATIO else "ok"


def mean_state(seconds: float) -> State:
    """Amber above 500 ms."""
    return "warn" if seconds > MEAN_SECONDS else "ok"


def slow_state(count: int) -> State:
    """Amber above ten slow requests."""
    return "warn" if count > SLOW_COUNT else "ok"


def very_slow_state(count: int) -> State:
    """Red from the first very slow request."""
    return "error" if count > VERY_SLOW_COUNT else "ok"


def busy_state(percent: float | None) -> State:
    """Amber above 80 % of memory or of the processors; idle when it cannot be read."""
    if percent is None:
        return "idle"
    return "warn" if percent > BUSY_PERCENT else "ok"


def lag_state(seconds: float | None) -> State:
    """Amber when the event loop answers over 100 ms late."""
    if seconds is None:
        return "idle"
    return "warn" if seconds > LAG_SECONDS else "ok"


def status_state(status: int) -> State:
    """Red for what the service answers for, amber for what its callers got wrong."""
    kind = error_type(status)
    if not kind:
        return "ok"
    return "error" if kind in SERVER_ERRORS else "warn"


def duration_state(seconds: float, snapshot: Snapshot) -> State:
    """Amber from slow on, red from very slow on."""
    settings = snapshot.settings
    if seconds >= settings.very_slow_seconds:
        return "error"
    return "warn" if seconds >= settings.slow_seconds else ""


def database_state(snapshot: Snapshot) -> State:
    """Red when it is set up and does not answer."""
    if not snapshot.database.configured:
        return "idle"
    return "error" if snapshot.database.error else "ok"


def server_errors(snapshot: Snapshot) -> int:
    """Errors of the window the service answers for."""
    return sum(count for kind, count in snapshot.errors_by_type if kind in SERVER_ERRORS)


def judge(snapshot: Snapshot) -> Verdict:
    """The state of the service, its cause as far as known, since when, and where to look."""
    for rule in (_database, _failing, _errors, _very_slow, _slow, _busy, _idle):
        verdict = rule(snapshot)
        if verdict is not None:
            return verdict
    return _healthy(snapshot)


def _verdict(state: State, word: str, phrases: Iterable[Phrase | str], href: str = "", link: str = "") -> Verdict:
    said = tuple(phrase if isinstance(phrase, Phrase) else Phrase(phrase) for phrase in phrases)
    return Verdict(state=state, phrases=(Phrase(word, strong=True), Phrase(" "), *said), href=href, link=link)


def _database(snapshot: Snapshot) -> Verdict | None:
    if database_state(snapshot) != "error":
        return None
    return _verdict(
        "error", "Down.", ("The database does not answer: ", snapshot.database.error[:120], "."), "data", "Show data"
    )


def _failing(snapshot: Snapshot) -> Verdict | None:
    """Over 5 % of all requests failed in a way the service answers for."""
    requests, failed = snapshot.requests, server_errors(snapshot)
    if not requests.window_count or failed / requests.window_count <= ERROR_RATIO:
        return None
    share = formats.phrase(failed / requests.window_count, "ratio")
    phrases = (
        f"{share} of requests failed on our side ({_count(failed)} in 15 minutes)",
        *_mostly(snapshot),
        _since(snapshot),
        ".",
    )
    return _verdict("error", "Failing.", phrases, "requests?status=error", "Show those requests")


def _errors(snapshot: Snapshot) -> Verdict | None:
    requests, failed = snapshot.requests, server_errors(snapshot)
    if requests.error_ratio > ERROR_RATIO:
        share = formats.phrase(requests.error_ratio, "ratio")
        phrases = (f"{share} of requests failed", *_mostly(snapshot), _since(snapshot), *_and_slow(snapshot), ".")
        return _verdict("warn", "Degraded.", phrases, "requests?status=error", "Show those requests")
    if failed > SLOW_COUNT:
        phrases = (
            f"{_count(failed)} requests failed on our side",
            *_mostly(snapshot),
            _since(snapshot),
            *_and_slow(snapshot),
            ".",
        )
        return _verdict("warn", "Degraded.", phrases, "requests?status=error", "Show those requests")
    return None


def _very_slow(snapshot: Snapshot) -> Verdict | None:
    count = snapshot.requests.very_slow
    if not count:
        return None
    limit = formats.phrase(snapshot.settings.very_slow_seconds, "seconds")
    phrases = (f"{_count(count)} {_were(count)} took over {limit}", *_mostly_slow(snapshot), ".")
    return _verdict("warn", "Degraded.", phrases, "requests?kind=slow", "Show those requests")


def _slow(snapshot: Snapshot) -> Verdict | None:
    requests = snapshot.requests
    if requests.slow > SLOW_COUNT:
        phrases = (f"{_count(requests.slow)} slow requests in 15 minutes", *_mostly_slow(snapshot), ".")
        return _verdict("warn", "Degraded.", phrases, "requests?kind=slow", "Show those requests")
    if requests.window.mean > MEAN_SECONDS:
        mean = formats.phrase(requests.window.mean, "seconds")
        phrases = (f"Requests take {mean} on average", *_mostly_slow(snapshot), ".")
        return _verdict("warn", "Degraded.", phrases, "requests?sort=-p95", "Show routes")
    return None


def _busy(snapshot: Snapshot) -> Verdict | None:
    system = snapshot.system
    for name, percent in (
        ("Memory of the machine", system.system_memory_percent),
        ("The machine's processors", system.system_cpu_percent),
    ):
        if percent is not None and percent > BUSY_PERCENT:
            verb = "is at" if name.startswith("Memory") else "are at"
            phrases = (f"{name} {verb} {formats.phrase(percent, 'percent')}; requests are fine so far.",)
            return _verdict("warn", "Busy.", phrases, "system", "Show system")
    return None


def _idle(snapshot: Snapshot) -> Verdict | None:
    if snapshot.requests.window_count:
        return None
    if snapshot.sockets.connections:
        count = snapshot.sockets.connections
        return _verdict(
            "ok",
            "Healthy.",
            (f"{_count(count)} open WebSockets, no request in 15 minutes.",),
            "connections",
            "Show connections",
        )
    return _verdict("idle", "Idle.", ("No request in the last 15 minutes; the first one shows here at once.",))


def _healthy(snapshot: Snapshot) -> Verdict:
    requests = snapshot.requests
    rate = formats.phrase(requests.per_second, "rate").replace("/s", " requests/s")
    p95 = formats.phrase(requests.window.p95, "seconds")
    failed = requests.window_errors
    if not failed:
        rest = "nothing failed in 15 minutes."
    else:
        rest = f"{_count(failed)} of {_count(requests.window_count)} failed in 15 minutes{_callers(snapshot)}."
    href, link = ("requests?status=error", "Show those requests") if failed else ("", "")
    return _verdict("ok", "Healthy.", (f"{rate}, p95 {p95}, {rest}",), href, link)


def _callers(snapshot: Snapshot) -> str:
    return "" if server_errors(snapshot) else ", all by their callers' mistake"


def _mostly(snapshot: Snapshot) -> tuple[Phrase | str, ...]:
    """The route with the most errors, when it is the cause of at least half."""
    routes = [route for route in snapshot.routes if route.family in HTTP_FAMILIES]
    worst = max(routes, key=lambda route: route.figures.errors, default=None)
    if worst is None or not worst.figures.errors:
        return ()
    return _through(worst, worst.figures.errors, sum(route.figures.errors for route in routes))


def _mostly_slow(snapshot: Snapshot) -> tuple[Phrase | str, ...]:
    """The route most of the slow requests we kept went to."""
    counts: dict[tuple[str, str], int] = {}
    for record in snapshot.slow:
        key = (str(record.data["method"]), str(record.data["route"]))
        counts[key] = counts.get(key, 0) + 1
    if not counts:
        return ()
    worst = max(counts, key=lambda key: counts[key])
    route = next((row for row in snapshot.routes if (row.method, row.route) == worst), None)
    return _through(route, counts[worst], sum(counts.values())) if route else ()


def _through(route: Route, part: int, whole: int) -> tuple[Phrase | str, ...]:
    share = part / whole if whole else 0.0
    if share < 0.5:
        return ()
    word = ", all through " if part == whole else ", most of them through "
    return word, Phrase(f"{route.method} {route.route}", href=route_href(route.method, route.route))


def _and_slow(snapshot: Snapshot) -> tuple[str, ...]:
    slow = snapshot.requests.slow
    return (f", and {_count(slow)} {_were(slow)} slow",) if slow > SLOW_COUNT else ()


def _since(snapshot: Snapshot) -> str:
    """Since when errors stand out, as ", since HH:MM" of the first of the recent run of failing steps."""
    failing = _first_failing_step(snapshot)
    if failing is None:
        return ""
    seconds = snapshot.at - failing
    return f", for {formats.span(seconds)}" if seconds >= 2 * STEP else ", just now"


def _first_failing_step(snapshot: Snapshot) -> float | None:
    points = snapshot.points("requests")
    bad = [place for place, point in enumerate(points) if point.errors > ERROR_RATIO * point.count]
    if not bad:
        return None
    first = bad[-1]
    for place in reversed(bad):
        if first - place > 60 // STEP:
            break
        first = place
    return float(snapshot.view.start + first * STEP)


def route_href(method: str, route: str) -> str:
    """The page that lists the requests of a route."""
    return "requests?" + urlencode({"method": method, "route": route})


def record_state(record: Record) -> State:
    """How a kept request or WebSocket event ended."""
    if record.kind == "socket" and not record.data["error_type"]:
        return ""
    return status_state(int(record.data["status"]))


def _count(number: int) -> str:
    text, suffix = formats.integer(number)
    return f"{text}{formats.NARROW_SPACE}{suffix}" if suffix else text


def _were(count: int) -> str:
    return "request" if count == 1 else "requests"
