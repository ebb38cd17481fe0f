"""The page of the pipelines: which there are, when they run next, running one, and what became of the last runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from fanlight import presentable
from fanlight.gateway.pipelines import Pipelines, does
from fanlight.gateway.runbook import Run
from fanlight.gateway.schema import Pipeline, action_name
from fanlight.panels import Actions, Column, Panel, Row, Slot, Span, State, Table, Text, View, Waterfall
from fanlight.snapshot import Snapshot

if TYPE_CHECKING:
    from fanlight import Fanlight

EVERY_SECONDS: Final = 1.0
RUNS_SHOWN: Final = 30
SAID_SHOWN: Final = 300
RESULT_SHOWN: Final = 5_000
NONE: Final = "The configuration has no pipeline; [pipelines.NAME] adds one."
NO_RUN: Final = "No pipeline has run yet. A button under Run starts one; `every_seconds = 300` has it run by itself."
NO_RUNS: Final = "The runs will be listed here, the newest first."
NO_RESULT: Final = "What a run gives will be shown here."
STATES: Final[Mapping[str, State]] = {"success": "ok", "error": "error", "running": "warn", "waiting": "idle"}

COLUMNS: Final = (
    Column(name="pipeline", title="Pipeline", sort=False),
    Column(name="steps", title="Steps", wide=True, sort=False),
    Column(name="input", title="Input", sort=False),
    Column(name="every", title="Every", unit="seconds", sort=False),
    Column(name="next", title="Next run", unit="time", sort=False),
    Column(name="last", title="Last run", unit="time", sort=False),
    Column(name="result", title="Ended", unit="state", sort=False),
)
RUN_COLUMNS: Final = (
    Column(name="began", title="Began", unit="time", sort=False),
    Column(name="pipeline", title="Pipeline", wide=True, sort=False),
    Column(name="status", title="Status", unit="state", sort=False),
    Column(name="cause", title="By", sort=False),
    Column(name="took", title="Took", unit="bar", sort=False),
    Column(name="step", title="Steps done", sort=False),
)


def declare(dashboard: Fanlight, pipelines: Pipelines) -> None:
    """Add the page."""
    dashboard.page("Pipelines", name="pipelines", every=EVERY_SECONDS)(PipelinesPage(dashboard, pipelines).slots)


class PipelinesPage:
    """The panels of the page, from the book of runs."""

    def __init__(self, dashboard: Fanlight, pipelines: Pipelines) -> None:
        self._dashboard = dashboard
        self._pipelines = pipelines

    async def slots(self) -> Sequence[Slot]:
        """The page."""
        runs, due = await asyncio.to_thread(self._read)
        table, last = pipelines_table(self._pipelines.wanted, runs, due), runs[0] if runs else None
        return [
            Slot(name="pipelines", build=lambda snapshot, view: table),
            Slot(name="pipelines-run", build=self._buttons, span=4),
            Slot(name="pipelines-steps", build=lambda snapshot, view: steps(last, snapshot.at), span=8),
            Slot(name="pipelines-result", build=lambda snapshot, view: result(last)),
            Slot(name="pipelines-runs", build=lambda snapshot, view: runs_table(runs, snapshot.at)),
        ]

    def _read(self) -> tuple[list[Run], dict[str, float | None]]:
        """The newest runs, and when the schedule runs each pipeline next."""
        book, pipelines = self._pipelines.book, self._pipelines
        due = {name: pipelines.next_run(name, book.scheduled(name)) for name in pipelines.wanted}
        return book.recent(limit=RUNS_SHOWN), due

    def _buttons(self, snapshot: Snapshot, view: View) -> Panel:
        """Those of the quick actions that run a pipeline, with what became of them."""
        offered = self._dashboard.slot("actions").build(snapshot, view)
        names = {f"actions/{action_name(name)}" for name in self._pipelines.wanted}
        buttons = tuple(button for button in getattr(offered, "buttons", ()) if button.action in names)
        return Actions(title="Run", note="what an operator can start", buttons=buttons, empty=NONE)


def pipelines_table(wanted: Mapping[str, Pipeline], runs: Sequence[Run], due: Mapping[str, float | None]) -> Table:
    """Every pipeline of the configuration."""
    last = {run.pipeline: run for run in reversed(runs)}
    rows = tuple(_pipeline(name, each, last.get(name), due.get(name)) for name, each in wanted.items())
    return Table(title="Pipelines", columns=COLUMNS, rows=rows, empty=NONE)


def _pipeline(name: str, pipeline: Pipeline, last: Run | None, due: float | None) -> Row:
    values = (
        name,
        " → ".join(map(does, pipeline.steps)),
        ", ".join(pipeline.input) or None,
        pipeline.every_seconds or None,
        due,
        last.began if last else None,
        last.status if last else None,
    )
    return Row(key=name, values=values, state=STATES[last.status] if last else "")


def runs_table(runs: Sequence[Run], now: float) -> Table:
    """The last runs of all, the newest first."""
    return Table(
        title="Runs",
        note="the newest",
        columns=RUN_COLUMNS,
        rows=tuple(_run(run, now) for run in runs),
        empty=NO_RUNS,
    )


def _run(run: Run, now: float) -> Row:
    values = (
        run.began,
        run.pipeline,
        run.status,
        run.cause,
        (run.ended or now) - run.began,
        _step(run),
    )
    told = ", ".join(f"{name} {value[:60]}" for name, value in run.input.items())
    detail = " · ".join(filter(None, (" ".join(run.result.split()), told)))
    return Row(key=run.run, values=values, state=STATES[run.status], detail=presentable(detail, SAID_SHOWN))


def _step(run: Run) -> str:
    done = sum(step.status == "success" for step in run.steps)
    now = next((step.name for step in run.steps if step.status in ("running", "error")), "")
    return f"{done} of {len(run.steps)}" + (f", at {now}" if now else "")


def steps(run: Run | None, now: float) -> Waterfall:
    """The steps of the last run, or of the one under way."""
    if run is None:
        return Waterfall(title="Last run", spans=(), duration=0.0, empty=NO_RUN)
    spans, start = [], 0.0
    whole = (run.ended or now) - run.began
    for step in run.steps:
        if step.status == "waiting":
            break
        took = whole - start if step.seconds is None else step.seconds
        state: State = "" if step.status == "success" else STATES[step.status]
        spans.append(Span(name=f"{step.name}: {step.does}", start=start, duration=max(took, 0.0), state=state,
                          detail=presentable(step.said, SAID_SHOWN)))  # fmt: skip
        start += took
    return Waterfall(
        title="Last run",
        note=f"{run.pipeline}, {run.status}",
        spans=tuple(spans),
        duration=max(whole, 1e-6),
        empty=NO_RUN,
    )


def result(run: Run | None) -> Text:
    """What the last run gave, or why it failed."""
    if run is None:
        return Text(title="Result", empty=NO_RESULT)
    told = ", ".join(f"{name} {value}" for name, value in run.input.items())
    note = f"of {run.pipeline}" + (f" with {presentable(told, SAID_SHOWN)}" if told else "")
    return Text(title="Result", note=note, text=presentable(run.result, RESULT_SHOWN), empty="It is running.")
