"""System: process and machine, and what Fanlight itself costs."""

from __future__ import annotations

from urllib.parse import quote

from fanlight import formats
from fanlight.core import rules
from fanlight.core.snapshot import Snapshot
from fanlight.pages import charts
from fanlight.panels import Column, Fact, Feed, FeedItem, Gauge, Meter, Page, Row, Slot, State, Table, Text, View


def meters(snapshot: Snapshot, view: View) -> Gauge:
    """The levels that matter at a glance."""
    system = snapshot.system
    memory = formats.phrase(system.process_memory_bytes, "bytes")
    return Gauge(
        title="System",
        href="system",
        meters=(
            Meter(
                name="CPU",
                value=system.process_cpu_percent,
                maximum=100.0,
                unit="percent",
                state=rules.busy_state(system.process_cpu_percent),
            ),
            Meter(
                name="Memory",
                value=system.process_memory_percent,
                maximum=100.0,
                text=memory,
                state=rules.busy_state(system.process_memory_percent),
            ),
            Meter(
                name="Loop lag",
                value=system.loop_lag_seconds,
                maximum=rules.LAG_SECONDS,
                unit="seconds",
                state=rules.lag_state(system.loop_lag_seconds),
            ),
            Meter(name="Fanlight", value=system.fanlight_cpu_percent, maximum=100.0, unit="percent"),
        ),
    )


def process(snapshot: Snapshot, view: View) -> Text:
    """This process, or all of them together."""
    system = snapshot.system
    facts = (
        Fact(
            name="CPU",
            value=_or_na(system.process_cpu_percent),
            unit="percent",
            state=rules.busy_state(system.process_cpu_percent),
        ),
        Fact(name="Memory", value=_or_na(system.process_memory_bytes), unit="bytes"),
        Fact(
            name="Memory share",
            value=_or_na(system.process_memory_percent),
            unit="percent",
            state=rules.busy_state(system.process_memory_percent),
        ),
        Fact(name="Threads", value=_or_na(system.threads), unit="integer"),
        Fact(name="Open files", value=_or_na(system.open_fds), unit="integer"),
        Fact(
            name="Event-loop lag",
            value=_or_na(system.loop_lag_seconds),
            unit="seconds",
            state=rules.lag_state(system.loop_lag_seconds),
        ),
        Fact(name="Longest collection, 15 min", value=_or_na(_longest_collection(snapshot)), unit="seconds"),
    )
    note = "all workers" if len(snapshot.live_instances) > 1 else "this process"
    return Text(title="Process", note=note, facts=facts)


def _longest_collection(snapshot: Snapshot) -> float | None:
    """The worst pause of the collector in the window, in seconds: those of a moment are nearly always none."""
    return max((pause for pause in charts.level(snapshot, "gc.pause.seconds") if pause is not None), default=None)


def machine(snapshot: Snapshot, view: View) -> Text:
    """The machine."""
    system = snapshot.system
    facts = (
        Fact(
            name="CPU",
            value=_or_na(system.system_cpu_percent),
            unit="percent",
            state=rules.busy_state(system.system_cpu_percent),
        ),
        Fact(
            name="Memory",
            value=_or_na(system.system_memory_percent),
            unit="percent",
            state=rules.busy_state(system.system_memory_percent),
        ),
        Fact(name="Memory free", value=_or_na(system.system_memory_available_bytes), unit="bytes"),
    )
    return Text(title="Machine", facts=facts)


def _or_na(value: float | None) -> float | str:
    return "N/A" if value is None else value


def own(snapshot: Snapshot, view: View) -> Text:
    """What Fanlight costs, and what it had to let go."""
    figures = snapshot.own
    facts = [
        Fact(name="CPU", value=_or_na(figures.cpu_percent), unit="percent"),
        Fact(name="Viewers", value=figures.viewers, unit="integer"),
        Fact(name="Dashboard requests", value=figures.dashboard_requests, unit="integer"),
        Fact(name="Refreshes delivered", value=figures.refreshes, unit="integer"),
        Fact(name="Excluded requests", value=figures.excluded_requests, unit="integer"),
    ]
    facts += [
        Fact(name=f"Dropped {name}", value=n, unit="integer", state="warn") for name, n in figures.dropped.items() if n
    ]
    if not any(figures.dropped.values()):
        facts.append(Fact(name="Dropped", value=0, unit="integer", state="ok"))
    state: State = "warn" if figures.failures else "ok"
    facts.append(Fact(name="Own failures", value=figures.failures, unit="integer", state=state))
    if figures.last_failure:
        facts.append(Fact(name="Last failure", value=figures.last_failure))
    if figures.history:
        facts.append(Fact(name="History", value=figures.history))
    return Text(title="Fanlight itself", note="since the first start", facts=tuple(facts))


INSTANCE_COLUMNS = (
    Column(name="instance", title="Instance", unit="code", wide=True),
    Column(name="host", title="Host"),
    Column(name="pid", title="PID", unit="text"),
    Column(name="release", title="Release"),
    Column(name="started", title="Started", unit="time"),
    Column(name="seen", title="Last seen", unit="time"),
    Column(name="state", title="State", unit="state"),
)


def instances(snapshot: Snapshot, view: View) -> Table:
    """Every process that runs the service; each leads to its own figures."""
    rows = tuple(
        Row(
            key=instance.id,
            values=(
                instance.id + (" (this one)" if instance.this else ""),
                instance.host,
                str(instance.pid),
                instance.release or None,
                instance.started,
                instance.last_seen,
                "running" if instance.live else "gone",
            ),
            state="ok" if instance.live else "idle",
            href=f"system?scope={'this' if instance.this else quote(instance.id)}",
        )
        for instance in snapshot.instances
    )
    return Table(title="Instances", columns=INSTANCE_COLUMNS, rows=rows)


def audit(snapshot: Snapshot, view: View) -> Feed:
    """Who was refused, and who changed something."""
    items = tuple(
        FeedItem(
            key=record.id,
            at=record.at,
            type=str(record.data["fields"].get("outcome", "")),
            text=" · ".join(f"{name} {value}" for name, value in record.data["fields"].items() if name != "outcome"),
            state="warn" if "refus" in str(record.data["fields"].get("outcome", "")) else "",
        )
        for record in snapshot.audit[:50]
    )
    return Feed(title="Audit", note="refused and unsafe requests", items=items, empty="Nothing was refused or changed.")


memory = charts.gauge_chart("Memory", "resident", "bytes", (("process.memory.bytes", "process", "second"),))
lag = charts.gauge_chart(
    "Delays",
    "worst in each step",
    "seconds",
    (("event_loop.lag.seconds", "event loop", "main"), ("gc.pause.seconds", "collection", "warn")),
)
SLOTS = (
    Slot(name="process", build=process, span=4, pace="fast"),
    Slot(name="machine", build=machine, span=4, pace="fast"),
    Slot(name="own", build=own, span=4),
    Slot(name="cpu-chart", build=charts.cpu, span=4),
    Slot(name="memory-chart", build=memory, span=4),
    Slot(name="lag-chart", build=lag, span=4),
    Slot(name="instances", build=instances, span=12),
    Slot(name="audit", build=audit, span=12),
)


def page(snapshot: Snapshot, view: View) -> Page:
    """System."""
    return Page(name="system", title="System", slots=SLOTS)
