"""The page of the pipelines, from runs as the book has them."""

from __future__ import annotations

from fanlight.gateway.pages.pipelines import pipelines_table, result, runs_table, steps
from fanlight.gateway.runbook import Run, StepRun
from fanlight.gateway.schema import Pipeline, Step

SECRET = "sk-" + "abcdefghijklmnop1234"
DONE = StepRun(name="time", does="tool time/now", status="success", seconds=0.5, said=f"<b>noon</b> {SECRET}")
RUN = Run(
    run="a1", pipeline="report", cause="schedule", status="success", began=1_000.0, ended=1_002.0,
    input={"zone": "UTC"}, steps=(DONE,), result=f"It is noon. {SECRET}",
)  # fmt: skip


def test_a_run_shows_its_steps_times_and_result_without_secrets() -> None:
    """HUB-7, X-6: what a run gave is shown, obvious secrets in it are not."""
    (row,) = runs_table([RUN], 1_010.0).rows
    assert row.values == (1_000.0, "report", "success", "schedule", 2.0, "1 of 1")
    (span,) = steps(RUN, 1_010.0).spans
    assert (span.name, span.start, span.duration) == ("time: tool time/now", 0.0, 0.5)
    assert result(RUN).text == "It is noon. [redacted]"
    assert SECRET not in f"{row}{span}{result(RUN)}"
    assert result(RUN).note == "of report with zone UTC"


def test_a_run_under_way_grows() -> None:
    """HUB-7: the step that runs lasts until now, those behind it are not drawn, and it says where it is."""
    waiting = StepRun(name="3", does="complete gpt")
    at_work = StepRun(name="prompt", does="enhance llama", status="running")
    run = Run(
        run="a2", pipeline="report", cause="api", status="running", began=1_000.0, steps=(DONE, at_work, waiting)
    )  # fmt: skip
    waterfall = steps(run, 1_004.0)
    assert [(span.start, span.duration) for span in waterfall.spans] == [(0.0, 0.5), (0.5, 3.5)]
    assert waterfall.note == "report, running"
    assert runs_table([run], 1_004.0).rows[0].values[4:] == (4.0, "1 of 3, at prompt")
    assert result(run).text == ""


def test_pipelines_show_steps_schedule_and_what_became_of_them() -> None:
    """HUB-7: each pipeline with its steps, input, schedule, next and last run."""
    wanted = {
        "report": Pipeline(steps=(Step(tool="time/now"), Step(complete="x", model="gpt")), every_seconds=60.0),
        "other": Pipeline(steps=(Step(enhance="x"),), input={"topic": ""}),
    }
    first, second = pipelines_table(wanted, [RUN], {"report": 1_060.0}).rows
    assert first.values == ("report", "tool time/now → complete gpt", None, 60.0, 1_060.0, 1_000.0, "success")
    assert second.values == ("other", "enhance", "topic", None, None, None, None)


def test_without_any_it_says_how() -> None:
    """HUB-7: empty panels say what fills them."""
    assert "[pipelines.NAME]" in pipelines_table({}, [], {}).empty
    assert "A button under Run" in steps(None, 0.0).empty
    assert "the newest first" in runs_table([], 0.0).empty
    assert "will be shown here" in result(None).empty
