"""One request: what it was, how it ended, its calls of services, its logs."""

from __future__ import annotations

from urllib.parse import urlencode

from fanlight.core import rules
from fanlight.core.culprits import route_href
from fanlight.core.frame import Record
from fanlight.core.snapshot import Snapshot
from fanlight.pages import traces
from fanlight.pages.listing import REQUEST_COLUMNS, request_rows
from fanlight.pages.logs import log_line
from fanlight.panels import Fact, Log, Page, Slot, Span, Table, Text, View, Waterfall

KEPT = "Of the last 15 minutes the newest 200 requests are, and apart from them 100 slow and 100 failed ones."


def _found(snapshot: Snapshot, view: View) -> tuple[Record, ...]:
    return snapshot.find(dict(view.path).get("id", ""))


def summary(snapshot: Snapshot, view: View) -> Text:
    """The request's own facts."""
    found = _found(snapshot, view)
    if not found:
        return Text(title="Request", empty="No longer kept. " + KEPT)
    record = found[0]
    data = record.data
    socket = record.kind == "socket"
    facts = (
        Fact(name="Time", value=record.at, unit="time"),
        Fact(name="Request", value=f"{data['method']} {data['path']}", unit="code"),
        Fact(name="Route", value=data["route"], unit="code", href=route_href(data["method"], data["route"])),
        Fact(
            name="Close code" if socket else "Status",
            value=data["status"],
            unit="status",
            state=rules.record_state(record),
        ),
        Fact(name="Duration", value=data["duration"], unit="seconds"),
        Fact(name="First byte", value=data.get("first_byte") or None, unit="seconds"),
        Fact(name="Error", value=" · ".join(filter(None, (data["error_type"], data.get("error", "")))) or None),
        _correlation(str(data["correlation_id"])),
        Fact(name="Instance", value=data["instance"], unit="code"),
        Fact(name="Request ID", value=record.id, unit="code"),
    )
    return Text(title="WebSocket" if socket else "Request", facts=facts)


def _correlation(id: str) -> Fact:
    return Fact(name="Correlation ID", value=id or None, unit="code", href=f"logs?{urlencode({'q': id})}" if id else "")


def timing(snapshot: Snapshot, view: View) -> Waterfall:
    """Where the time went."""
    found = _found(snapshot, view)
    if not found or not found[0].data["duration"]:
        return Waterfall(title="Timing", spans=(), duration=0.0, empty="Nothing timed.")
    data = found[0].data
    first, whole = float(data.get("first_byte") or 0.0), float(data["duration"])
    state = rules.duration_state(whole, data["route"], snapshot)
    spans = [Span(name="request", start=0.0, duration=whole, state=state)]
    if 0 < first < whole:
        spans.append(Span(name="until the first byte", start=0.0, duration=first, depth=1))
        spans.append(Span(name="body", start=first, duration=whole - first, depth=1))
    called = traces.spans(snapshot.calls_of(str(data["correlation_id"])), found[0].at - whole)
    ended = max((span.start + span.duration for span in called), default=0.0)
    return Waterfall(title="Timing", note=traces.note(called), spans=(*spans, *called), duration=max(whole, ended))


def siblings(snapshot: Snapshot, view: View) -> Table:
    """Other requests with the same correlation ID."""
    found = _found(snapshot, view)
    return Table(
        title="Same correlation ID",
        note=f"{len(found)} kept",
        columns=REQUEST_COLUMNS,
        rows=request_rows(snapshot, found),
    )


def request_logs(snapshot: Snapshot, view: View) -> Log:
    """What was logged while it was served."""
    found = _found(snapshot, view)
    wanted = found[0].data["correlation_id"] if found else dict(view.path).get("id", "")
    lines = tuple(log_line(record) for record in snapshot.logs if wanted and record.data["correlation_id"] == wanted)
    return Log(
        title="Logs", note="with its correlation ID", lines=lines, empty="Nothing was logged with this correlation ID."
    )


SLOTS = (
    Slot(name="request", build=summary, span=6, rows=2, pace="still"),
    Slot(name="timing", build=timing, span=6, pace="still"),
    Slot(name="request-logs", build=request_logs, span=6),
    Slot(name="siblings", build=siblings),
)


def page(snapshot: Snapshot, view: View) -> Page:
    """One request; of several with one correlation ID the newest, and the list of them."""
    several = len(_found(snapshot, view)) > 1
    return Page(name="request", title="Request", slots=SLOTS if several else SLOTS[:-1])
