"""Pipelines: steps that run one after the other, by a button, by a request or on a schedule."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import re
import secrets
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from fanlight import progress
from fanlight.clock import SystemClock
from fanlight.errors import FanlightError
from fanlight.gateway.access import LOCAL
from fanlight.gateway.enhancement import Enhancement, Wish
from fanlight.gateway.llm.inside import complete
from fanlight.gateway.llm.runtime import Runtime
from fanlight.gateway.mcp.failure import Failure
from fanlight.gateway.runbook import Run, Runbook, StepRun
from fanlight.gateway.schema import Pipeline, Step, action_name
from fanlight.gateway.servers import Servers

if TYPE_CHECKING:
    from fanlight import Fanlight

LONGEST_SECONDS: Final = 600.0
"""How long a run may take."""

RESULT_LIMIT: Final = 100_000
"""Characters of a step's result that later steps are given."""

SAID_LIMIT: Final = 2_000
"""Characters of a step's result that are kept with its run."""

KEPT_LIMIT: Final = 20_000
"""Characters of a run's result that are kept."""

INPUT_LIMIT: Final = 2_000
"""Characters of one input."""

BEAT_SECONDS: Final = 5.0
"""How often a run says that it still runs."""

TICK_SECONDS: Final = 1.0
_BLANK: Final = re.compile(r"\{([A-Za-z0-9_-]{1,64})\}")
logger = logging.getLogger("fanlight.gateway.pipelines")


class Parts(Protocol):
    """What the steps are made of."""

    runtime: Runtime
    servers: Servers
    enhancement: Enhancement


class PipelineError(FanlightError):
    """A step that failed, and with it the run."""


class WrongInput(PipelineError):
    """A run that did not begin, as it was told what it does not take."""


class Busy(PipelineError):
    """A run that did not begin, as another one runs."""


class Pipelines:
    """The pipelines of the configuration as it is. Belongs to one event loop.

    The schedule is kept by the worker that owns the MCP servers, so there is one, however many workers. Whoever begins
    a run, another one of the same pipeline does not begin before it has ended.
    """

    def __init__(self, dashboard: Fanlight, parts: Parts) -> None:
        self._dashboard = dashboard
        self._parts = parts
        self._declared: dict[str, Pipeline] = {}
        self._task: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[Any]] = set()
        self._clock = SystemClock()
        self._since = self.now()
        self._book: Runbook | None = None
        self.declare()

    def now(self) -> float:
        """Unix seconds."""
        return self._clock.time_ns() / 1e9

    @property
    def wanted(self) -> Mapping[str, Pipeline]:
        """The pipelines there are."""
        return self._parts.runtime.config.pipelines

    @property
    def book(self) -> Runbook:
        """Where runs are kept."""
        if self._book is None:
            raise PipelineError("the gateway is starting or stopping; ask again")
        return self._book

    def declare(self) -> None:
        """Have an action for each pipeline, and none for those that are gone."""
        for name in [name for name, known in self._declared.items() if self.wanted.get(name) != known]:
            del self._declared[name]
            self._dashboard.withdraw_action(action_name(name))
        for name, pipeline in self.wanted.items():
            if name not in self._declared:
                self._declared[name] = pipeline
                self._declare(name, pipeline)

    def _declare(self, name: str, pipeline: Pipeline) -> None:
        async def run(**given: str) -> str:
            done = await self.follow(await self.start(name, given, "dashboard"))
            return f"{name} ran {len(done.steps)} steps in {_seconds(done):.1f} s: {done.result[:500]}"

        run.__signature__ = _signature(pipeline)  # type: ignore[attr-defined]  # what `inspect` goes by
        run.__annotations__ = {}
        action = self._dashboard.action(
            f"Run {name}", name=action_name(name), confirm=pipeline.confirm, timeout=LONGEST_SECONDS
        )
        action(run)

    async def begin(self) -> None:
        """Open the book and keep the schedule."""
        self._book = await asyncio.to_thread(lambda: Runbook(self._dashboard.file("runs"), self.now))
        self._task = asyncio.get_running_loop().create_task(self._schedule())

    async def close(self) -> None:
        """Leave the schedule; what runs here ends."""
        tasks = [task for task in (self._task, *self._running) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._book is not None:
            await asyncio.to_thread(self._book.close)
            self._book = None

    async def start(self, name: str, given: Mapping[str, str], cause: str) -> asyncio.Task[Run]:
        """Begin a run; raises PipelineError, which is Busy while one runs. Cancelling the task ends it."""
        pipeline = self.wanted.get(name)
        if pipeline is None:
            raise PipelineError(f"the configuration has no pipeline {name!r}")
        told = _told(name, pipeline, given)
        steps = tuple(StepRun(name=_label(n, step), does=does(step)) for n, step in enumerate(pipeline.steps, 1))
        run = Run(
            run=secrets.token_hex(8), pipeline=name, cause=cause, status="running", began=self.now(),
            input=told, steps=steps,
        )  # fmt: skip
        if not await asyncio.to_thread(self.book.begin, run):
            raise Busy(f"{name} is running already; wait until it has ended")
        task = asyncio.get_running_loop().create_task(_Course(self, self._parts, self._dashboard, run, pipeline).run())
        task.set_name(run.run)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def follow(self, task: asyncio.Task[Run]) -> Run:
        """How a run ended; raises PipelineError where it failed. Who stops waiting ends it."""
        done = await task
        if done.status == "error":
            raise PipelineError(done.result)
        return done

    def next_run(self, name: str, last: float | None) -> float | None:
        """When the schedule runs it next, `last` being when it did last; None without a schedule."""
        every = self.wanted[name].every_seconds
        return ((self._since if last is None else last) + every) if every else None

    async def _schedule(self) -> None:
        """Start what is due; a pipeline that still runs is not started a second time."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if not self._parts.servers.board.owns:
                continue
            for name, pipeline in self.wanted.items():
                with contextlib.suppress(sqlite3.Error):
                    if pipeline.every_seconds and await self._is_due(name):
                        await self._start_due(name)

    async def _is_due(self, name: str) -> bool:
        due = self.next_run(name, await asyncio.to_thread(self.book.scheduled, name))
        return due is not None and self.now() >= due

    async def _start_due(self, name: str) -> None:
        with contextlib.suppress(Busy):
            await self.start(name, {}, "schedule")


class _Course:
    """One run under way."""

    def __init__(self, pipelines: Pipelines, parts: Parts, dashboard: Fanlight, run: Run, pipeline: Pipeline) -> None:
        self._pipelines = pipelines
        self._book = pipelines.book
        self._parts = parts
        self._dashboard = dashboard
        self._run = run
        self._pipeline = pipeline

    async def run(self) -> Run:
        """Run every step; the run as it ended. Raises nothing of theirs."""
        status, result = "error", "it was stopped in the middle"
        try:
            async with asyncio.timeout(LONGEST_SECONDS), self._beating():
                status, result = "success", await self._steps()
        except TimeoutError:
            result = f"it took longer than {LONGEST_SECONDS:g} s"
        except PipelineError as error:
            result = str(error)
        finally:  # also when it is cancelled
            await asyncio.shield(self._keep(status=status, ended=self._pipelines.now(), result=result[:KEPT_LIMIT]))
            self._tell()
        return self._run

    async def _steps(self) -> str:
        """Run one after the other; what the last gave."""
        results, said = dict(self._run.input), ""
        for number, step in enumerate(self._pipeline.steps):
            label = self._run.steps[number].name
            progress(number, len(self._pipeline.steps), f"step {label}")
            said = results[label] = await self._timed(number, label, step, results)
        return said

    async def _timed(self, number: int, label: str, step: Step, results: dict[str, str]) -> str:
        began = self._pipelines.now()
        status, said = "error", "it was stopped"
        try:
            await self._keep_step(number, status="running")
            said = await self._step(label, step, results)
            status = "success"
        except FanlightError as error:
            said = str(error)
            raise
        finally:
            seconds = self._pipelines.now() - began
            await asyncio.shield(self._keep_step(number, status=status, seconds=seconds, said=said[:SAID_LIMIT]))
        return said

    async def _keep_step(self, number: int, **changes: Any) -> None:
        steps = list(self._run.steps)
        steps[number] = msgspec.structs.replace(steps[number], **changes)
        await self._keep(steps=tuple(steps))

    async def _keep(self, **changes: Any) -> None:
        self._run = msgspec.structs.replace(self._run, **changes)
        with contextlib.suppress(sqlite3.Error):  # a book that takes nothing: the run goes on
            await asyncio.to_thread(self._book.keep, self._run)

    @asynccontextmanager
    async def _beating(self) -> AsyncIterator[None]:
        async def beat() -> None:
            while True:
                await asyncio.sleep(BEAT_SECONDS)
                await self._keep()

        task = asyncio.get_running_loop().create_task(beat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _tell(self) -> None:
        """The run as an event of the dashboard, and in the log."""
        run, ok = self._run, self._run.status == "success"
        said = {} if ok else {"reason": run.result[:250], "level": "error"}
        self._dashboard.event("pipeline", name=run.pipeline, result=run.status, seconds=round(_seconds(run), 3), **said)
        logger.log(logging.INFO if ok else logging.ERROR, "%s: %s", run.pipeline, run.result[:500])

    async def _step(self, label: str, step: Step, results: dict[str, str]) -> str:
        runtime = self._parts.runtime
        try:
            if step.tool:
                return (await self._call(step, results))[:RESULT_LIMIT]
            if step.enhance:
                wish = Wish(prompt=filled(step.enhance, results), model=step.model)
                return (await self._parts.enhancement.enhance(runtime, LOCAL, wish)).prompt[:RESULT_LIMIT]
            prompt = filled(step.complete, results)
            return (await complete(self._dashboard, runtime, LOCAL, step.model, prompt))[:RESULT_LIMIT]
        except FanlightError as error:
            raise PipelineError(f"step {label} of {self._run.pipeline} failed: {error}") from error

    async def _call(self, step: Step, results: dict[str, str]) -> str:
        server, _, tool = step.tool.partition("/")
        params = {"name": tool, "arguments": filled(dict(step.arguments), results)}
        result = await self._parts.servers.tools.ask(server, "tools/call", params)
        content = result.get("content")
        parts = [part.get("text", "") for part in content if isinstance(part, dict)] if content else []
        text = "\n".join(map(str, parts))
        if result.get("isError"):
            raise Failure("refused", f"{step.tool}: {text[:300]}")
        return text


def _told(name: str, pipeline: Pipeline, given: Mapping[str, str]) -> dict[str, str]:
    """What a run is told; raises WrongInput."""
    takes = ", ".join(pipeline.input) or "no input"
    unknown = ", ".join(sorted(given.keys() - pipeline.input.keys()))
    if unknown:
        raise WrongInput(f"{name} takes no {unknown[:200]}; it takes {takes}")
    told = {**pipeline.input, **given}
    for each, value in told.items():
        if not value or len(value) > INPUT_LIMIT:
            raise WrongInput(f"{name} was given {len(value)} characters as {each}; expected 1 to {INPUT_LIMIT}")
    return told


def does(step: Step) -> str:
    """What a step does, in words."""
    if step.tool:
        return f"tool {step.tool}"
    return f"{'enhance' if step.enhance else 'complete'} {step.model}".strip()


def _label(number: int, step: Step) -> str:
    return step.name or str(number)


def _seconds(run: Run) -> float:
    return (run.ended or run.began) - run.began


def _signature(pipeline: Pipeline) -> inspect.Signature:
    """What its action takes: a text for each input, one without a usual value required."""
    return inspect.Signature([_parameter(name, usual) for name, usual in pipeline.input.items()])


def _parameter(name: str, usual: str) -> inspect.Parameter:
    default = usual or inspect.Parameter.empty
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=str)


def filled(value: Any, results: dict[str, str]) -> Any:
    """A text, or the texts inside of lists and tables, with `{step}` replaced by that step's result, in one pass."""
    if isinstance(value, str):
        return _BLANK.sub(lambda found: results.get(found[1], found[0]), value)
    if isinstance(value, dict):
        return {key: filled(each, results) for key, each in value.items()}
    return [filled(each, results) for each in value] if isinstance(value, list) else value
