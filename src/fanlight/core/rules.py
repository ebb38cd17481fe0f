"""Rules: what the numbers mean. One table of thresholds, and the verdict in one plain sentence.

Everything here is a pure function of a snapshot and judges the last 15 minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Final

from fanlight import formats
from fanlight.core.budgets import warning
from fanlight.core.culprits import longest, mostly_failing, mostly_of, mostly_slow, usual, whole_time
from fanlight.core.dependencies import cause, required_down, service_href, unwell
from fanlight.core.facts import BLAMELESS, CANCELLED, error_type
from fanlight.core.frame import Record
from fanlight.core.sections import Service
from fanlight.core.snapshot import HTTP_FAMILIES, Snapshot
from fanlight.core.timeline import SPAN, STEP, Point
from fanlight.panels import Phrase, State, Verdict

ERROR_RATIO: Final = 0.05
FEW_ERRORS: Final = 2
"""So many failures of callers are no share of anything: the first request of a new service may be for an icon."""
OUR_ERROR_RATIO: Final = 0.01
"""The share of failures on our side from which the service is degraded, however many succeed."""
MEAN_SECONDS: Final = 0.5
SLOW_COUNT: Final = 10
VERY_SLOW_COUNT: Final = 0
BUSY_PERCENT: Final = 80.0
LAG_SECONDS: Final = 0.1
RUN_SECONDS: Final = 60
SAID: Final = 120
"""Characters of an error that the verdict repeats."""

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


def duration_state(seconds: float, route: str, snapshot: Snapshot) -> State:
    """Amber from slow on, red from very slow on, as the route has it."""
    slow, very_slow = snapshot.settings.slow_from(route)
    if seconds >= very_slow:
        return "error"
    return "warn" if seconds >= slow else ""


def judged_mean(snapshot: Snapshot) -> float:
    """The mean that is judged, in seconds: without routes that have a threshold of their own; 0 for none."""
    if not snapshot.settings.slow_routes:
        return snapshot.requests.window.mean
    routes = usual(snapshot)
    return sum(map(whole_time, routes)) / max(sum(route.figures.count for route in routes), 1)


def database_state(snapshot: Snapshot) -> State:
    """Red when it is set up and does not answer."""
    if not snapshot.database.configured:
        return "idle"
    return "error" if snapshot.database.error else "ok"


def services_state(snapshot: Snapshot) -> State:
    """Red when a required service is down, amber when any is not healthy."""
    if required_down(snapshot.services):
        return "error"
    return "warn" if unwell(snapshot.services) else "ok" if snapshot.services else "idle"


def server_errors(snapshot: Snapshot) -> int:
    """HTTP requests of the window that failed in a way the service answers for."""
    return sum(count for code, count in snapshot.outcomes.items() if code.isdigit() and _on_our_side(int(code)))


def _on_our_side(status: int) -> bool:
    return error_type(status) in SERVER_ERRORS


def judge(snapshot: Snapshot) -> Verdict:
    """The state of the service, its cause as far as known, since when, and where to look; found once per snapshot."""
    if snapshot.verdict is None:
        snapshot.verdict = _judged(snapshot)
    return snapshot.verdict


def _judged(snapshot: Snapshot) -> Verdict:
    for rule in (_database, _required, _failing, _down, _errors, _very_slow, _slow, _degraded, _budget, _busy, _idle):
        verdict = rule(snapshot)
        if verdict is not None:
            return verdict
        snapshot.breathe()
    return _healthy(snapshot)


def _verdict(state: State, word: str, phrases: Iterable[Phrase | str], href: str = "", link: str = "") -> Verdict:
    said = tuple(phrase if isinstance(phrase, Phrase) else Phrase(phrase) for phrase in phrases)
    return Verdict(state=state, phrases=(Phrase(word, strong=True), Phrase(" "), *said), href=href, link=link)


def _database(snapshot: Snapshot) -> Verdict | None:
    if database_state(snapshot) != "error":
        return None
    return _verdict(
        "error", "Down.", (f"The database does not answer: {_one_line(snapshot.database.error)}.",), "data", "Show data"
    )


def _one_line(text: str) -> str:
    """A text in a line, cut between two words where it is long: half of a status or of an amount would be another."""
    words = " ".join(text.split())
    if len(words) <= SAID:
        return words.rstrip(".")
    return f"{words[:SAID].rpartition(' ')[0] or words[:SAID]} […]"


def _required(snapshot: Snapshot) -> Verdict | None:
    return _unwell(snapshot, "error", "Down.", required_down(snapshot.services), "down")


def _down(snapshot: Snapshot) -> Verdict | None:
    found = tuple(service for service in unwell(snapshot.services) if service.health.status == "down")
    return _unwell(snapshot, "warn", "Degraded.", found, "down")


def _degraded(snapshot: Snapshot) -> Verdict | None:
    return _unwell(snapshot, "warn", "Degraded.", unwell(snapshot.services), "degraded")


def _unwell(snapshot: Snapshot, state: State, word: str, found: tuple[Service, ...], status: str) -> Verdict | None:
    """The first of the services that are unwell, why, and how many others are."""
    if not found:
        return None
    first, others = found[0], len(found) - 1
    more = f", and {others} other{'' if others == 1 else 's'}" if others else ""
    why = _one_line(cause(first))
    phrases = (
        "Service ",
        Phrase(first.name, href=service_href(first.name)),
        f" is {status}{': ' + why if why else ''}{more}.",
    )
    return _verdict(state, word, phrases, "services", "Show services")


def _failing(snapshot: Snapshot) -> Verdict | None:
    """Over 5 % of all requests failed in a way the service answers for."""
    requests, failed = snapshot.requests, server_errors(snapshot)
    if not requests.window_count or failed / requests.window_count <= ERROR_RATIO:
        return None
    share = formats.phrase(failed / requests.window_count, "ratio")
    phrases = (
        f"{share} of requests failed on our side ({_count(failed)} {_lately(snapshot)})",
        *_mostly_ours(snapshot, failed),
        _since(snapshot),
        ".",
    )
    return _verdict("error", "Failing.", phrases, "requests?status=error", "Show those requests")


def _errors(snapshot: Snapshot) -> Verdict | None:
    requests, failed = snapshot.requests, server_errors(snapshot)
    few = not failed and requests.window_errors <= FEW_ERRORS
    if requests.error_ratio > ERROR_RATIO and not few:
        share = formats.phrase(requests.error_ratio, "ratio")
        phrases = (
            f"{share} of requests failed",
            *mostly_failing(snapshot),
            _since(snapshot),
            *_and_slow(snapshot),
            ".",
        )
        return _verdict("warn", "Degraded.", phrases, "requests?status=error", "Show those requests")
    if failed > max(SLOW_COUNT, OUR_ERROR_RATIO * requests.window_count):
        phrases = (
            f"{_requests(failed)} failed on our side",
            *_mostly_ours(snapshot, failed),
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
    seconds = snapshot.settings.very_slow_seconds
    phrases = (f"{_requests(count)} took over {formats.limit(seconds)}", *mostly_slow(snapshot, count, seconds), ".")
    return _verdict("warn", "Degraded.", phrases, "requests?kind=slow", "Show those requests")


def _slow(snapshot: Snapshot) -> Verdict | None:
    slow = snapshot.requests.slow
    if slow > SLOW_COUNT:
        phrases = (f"{_count(slow)} slow requests {_lately(snapshot)}", *mostly_slow(snapshot, slow), ".")
        return _verdict("warn", "Degraded.", phrases, "requests?kind=slow", "Show those requests")
    if judged_mean(snapshot) > MEAN_SECONDS:
        mean = formats.phrase(judged_mean(snapshot), "seconds")
        phrases = (f"Requests take {mean} on average", *longest(snapshot), ".")
        return _verdict("warn", "Degraded.", phrases, "requests?sort=-p95", "Show routes")
    return None


def _budget(snapshot: Snapshot) -> Verdict | None:
    found = warning(snapshot.budgets)
    return found and _verdict("warn", found[0], (found[1],), "models", "Show models")


def _busy(snapshot: Snapshot) -> Verdict | None:
    system = snapshot.system
    for name, percent in (
        ("Memory of the machine", system.system_memory_percent),
        ("The machine's processors", system.system_cpu_percent),
    ):
        if percent is not None and percent > BUSY_PERCENT:
            verb = "is at" if name.startswith("Memory") else "are at"
            rest = "; requests are fine so far" if snapshot.requests.window_count else ""
            phrases = (f"{name} {verb} {formats.phrase(percent, 'percent')}{rest}.",)
            return _verdict("warn", "Busy.", phrases, "system", "Show system")
    return None


def _idle(snapshot: Snapshot) -> Verdict | None:
    if snapshot.requests.window_count:
        return None
    if snapshot.sockets.connections:
        count = snapshot.sockets.connections
        said = f"{_count(count)} open WebSocket{'' if count == 1 else 's'}, no request {_lately(snapshot)}."
        return _verdict("ok", "Healthy.", (said,), "connections", "Show connections")
    return _verdict("idle", "Idle.", (f"No request {_lately(snapshot)}; the first one shows here at once.",))


def _healthy(snapshot: Snapshot) -> Verdict:
    requests = snapshot.requests
    rate = formats.value(requests.per_second, "rate")[0]
    figures = [f"{rate} request{'' if rate == '1' else 's'}/s"]
    if requests.window.count:
        figures.append(f"p95 {formats.phrase(requests.window.p95, 'seconds')}")
    failed = requests.window_errors
    if not failed:
        figures.append(f"nothing failed {_lately(snapshot)}")
    else:
        figures.append(f"{_count(failed)} of {_count(requests.window_count)} failed {_lately(snapshot)}")
        if not server_errors(snapshot):
            figures.append("none on our side" if failed > 1 else "not on our side")
    href, link = ("requests?status=error", "Show those requests") if failed else ("", "")
    return _verdict("ok", "Healthy.", (f"{', '.join(figures)}.",), href, link)


def _lately(snapshot: Snapshot) -> str:
    """The span the window covers, in words."""
    return "in 15 minutes" if snapshot.view.seconds >= SPAN - STEP else "since the start"


def _mostly_ours(snapshot: Snapshot, whole: int) -> tuple[Phrase | str, ...]:
    """The route most of the failures we answer for went to, by those that were kept."""
    records = (record for record in snapshot.failed if record.kind == "request")
    return mostly_of((record for record in records if _on_our_side(int(record.data["status"]))), whole)


def _and_slow(snapshot: Snapshot) -> tuple[str, ...]:
    slow = snapshot.requests.slow
    return (f", and {_count(slow)} were slow",) if slow > SLOW_COUNT else ()


def _since(snapshot: Snapshot) -> str:
    """Since when errors stand out: how long the present run of failing steps lasts, or how long ago the last was."""
    run = _failing_run(snapshot)
    if run is None:
        return ""
    first, last = run
    if snapshot.at - last > RUN_SECONDS:
        return f", the last {formats.span(snapshot.at - last)} ago"
    return f", for {formats.span(snapshot.at - first)}" if snapshot.at - first >= 2 * STEP else ", just now"


def _failing_run(snapshot: Snapshot) -> tuple[float, float] | None:
    """Begin and end of the last run of steps with many errors; a minute without any ends a run."""
    steps = zip_longest(*(snapshot.view.points.get(family, ()) for family in HTTP_FAMILIES))
    bad = []
    for place, points in enumerate(steps):
        if _is_failing([point for point in points if point]):
            bad.append(place)
        snapshot.breathe()
    if not bad:
        return None
    first = bad[-1]
    for place in reversed(bad):
        if first - place > RUN_SECONDS // STEP:
            break
        first = place
    start = snapshot.view.start
    return float(start + first * STEP), float(start + (bad[-1] + 1) * STEP)


def _is_failing(points: list[Point]) -> bool:
    return sum(point.errors for point in points) > ERROR_RATIO * sum(point.count for point in points)


def call_state(record: Record) -> State:
    """How a kept call ended."""
    outcome = record.data["outcome"]
    if outcome == "error":
        return "warn" if record.data["error_type"] in BLAMELESS else "error"
    return "idle" if outcome == CANCELLED else ""


def record_state(record: Record) -> State:
    """How a kept request or WebSocket event ended; one that broke off is an error, whatever status was sent before."""
    kind = record.data["error_type"]
    if record.kind == "socket" and not kind:
        return ""
    return "error" if kind in SERVER_ERRORS else status_state(int(record.data["status"]))


def _count(number: int) -> str:
    text, suffix = formats.integer(number)
    return f"{text}{formats.NARROW_SPACE}{suffix}" if suffix else text


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{_count(count)} requests"
