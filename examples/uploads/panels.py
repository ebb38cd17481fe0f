"""What the service shows of itself on its dashboard: recent uploads, the workflow, and a page with both."""

from __future__ import annotations

import time
from typing import Final

from fanlight import Fanlight
from fanlight.panels import Bar, Bars, Column, Donut, Line, Panel, Row, Slot, State, Table, TimeSeries, Tone

from .storage import Stage, Storage, Upload

RECENT: Final = 12
NEWEST: Final = 40
STEP_SECONDS: Final = 10.0
STEPS: Final = 60
TONES: Final[dict[Stage, Tone]] = {
    "received": "muted", "checked": "second", "read": "second", "indexed": "ok", "rejected": "error",
}  # fmt: skip
COLUMNS: Final = (
    Column(name="time", title="Time", unit="time"),
    Column(name="name", title="Name", unit="code", wide=True),
    Column(name="size", title="Size", unit="bytes"),
    Column(name="kind", title="Kind"),
    Column(name="stage", title="Stage"),
    Column(name="took", title="Took", unit="seconds"),
)


def declare(dashboard: Fanlight, storage: Storage) -> None:
    """Declare the service's panels, its page and the figures of its database."""
    where = "in Redis" if storage.name == "redis" else "in memory: no redis-server was found"

    async def table(count: int) -> Table:
        uploads = await storage.recent(count)
        return Table(title="Recent uploads", note=where, columns=COLUMNS, rows=[_row(upload) for upload in uploads])

    async def stages() -> Bars:
        counts = await storage.stages()
        bars = [Bar(name="waiting", value=await storage.waiting(), tone="warn")]
        bars += [Bar(name=stage, value=count, tone=TONES[stage]) for stage, count in counts.items()]
        return Bars(title="Workflow", note=f"uploads by stage, {where}", bars=tuple(bars))

    async def course() -> TimeSeries:
        start = (time.time() // STEP_SECONDS + 1 - STEPS) * STEP_SECONDS
        ended: tuple[Stage, ...] = ("indexed", "rejected")
        lines = [
            Line(name=stage, tone=TONES[stage], fill=stage == "indexed",
                 values=tuple(await storage.finished(stage, start, STEP_SECONDS, STEPS)))
            for stage in ended
        ]  # fmt: skip
        return TimeSeries(
            title="Uploads finished", note="in ten seconds", start=start, step=STEP_SECONDS, lines=tuple(lines),
            unit="integer",
        )  # fmt: skip

    @dashboard.panel("Recent uploads", every=2, span=8)
    async def recent_uploads() -> Table:
        return await table(RECENT)

    @dashboard.panel("Workflow", every=2)
    async def workflow() -> Bars:
        return await stages()

    @dashboard.page("Uploads", every=2, name="uploads")
    async def page() -> list[Slot]:
        newest = await table(NEWEST)
        return [
            _slot("uploads-finished", await course(), 8), _slot("uploads-kinds", _kinds(newest), 4),
            _slot("uploads-newest", newest, 8), _slot("uploads-stages", await stages(), 4),
        ]  # fmt: skip

    @dashboard.database
    async def database() -> dict[str, object]:
        counts = await storage.stages()
        figures: dict[str, object] = dict(counts.items())
        return {"uploads": sum(counts.values()), "waiting": await storage.waiting(), "kept_in": storage.name} | figures


def _slot(name: str, panel: Panel, span: int) -> Slot:
    return Slot(name=name, build=lambda snapshot, view: panel, span=span)


def _kinds(table: Table) -> Donut:
    kinds = [row.values[3] for row in table.rows if row.values[3]]
    tones: tuple[Tone, ...] = ("main", "second", "ok", "warn")
    slices = [Bar(name=kind, value=kinds.count(kind), tone=tones[n % 4]) for n, kind in enumerate(sorted({*kinds}))]
    return Donut(title="Kinds", note=f"of the newest {NEWEST}", slices=tuple(slices), text=str(len(kinds)))


def _row(upload: Upload) -> Row:
    state: State = "error" if upload.stage == "rejected" else ""
    took = upload.done - upload.at if upload.done else None
    detail = upload.note if upload.stage == "rejected" else ""
    values = (upload.at, upload.name, upload.size, upload.kind, upload.stage, took)
    return Row(key=upload.id, values=values, state=state, detail=detail)
