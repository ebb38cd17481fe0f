"""Pipelines: steps that run one after the other, by the dashboard's button or on a schedule."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from fanlight import progress
from fanlight.errors import FanlightError
from fanlight.gateway.access import LOCAL
from fanlight.gateway.enhancement import Enhancement, Wish
from fanlight.gateway.llm.inside import complete
from fanlight.gateway.llm.runtime import Runtime
from fanlight.gateway.mcp.failure import Failure
from fanlight.gateway.schema import Pipeline, Step
from fanlight.gateway.servers import Servers

if TYPE_CHECKING:
    from fanlight import Fanlight

LONGEST_SECONDS: Final = 600.0
"""How long a run may take."""

RESULT_LIMIT: Final = 100_000
"""Characters of a step's result that later steps are given."""

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


class Pipelines:
    """The pipelines of the configuration as it is. Belongs to one event loop.

    The schedule is kept by the worker that owns the MCP servers, so there is one, however many workers.
    """

    def __init__(self, dashboard: Fanlight, parts: Parts) -> None:
        self._dashboard = dashboard
        self._parts = parts
        self._declared: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self.declare()

    def declare(self) -> None:
        """Make an action of each pipeline that is none yet."""
        for name, pipeline in self._parts.runtime.config.pipelines.items():
            if name not in self._declared:
                self._declared.add(name)
                self._declare(name, pipeline)

    def _declare(self, name: str, pipeline: Pipeline) -> None:
        path = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")

        async def run() -> str:
            return await self.run(name)

        action = self._dashboard.action(
            f"Run {name}", name=f"pipelines/{path}", confirm=pipeline.confirm, timeout=LONGEST_SECONDS
        )
        action(run)

    def begin(self) -> None:
        """Keep the schedule."""
        self._task = asyncio.get_running_loop().create_task(self._schedule())

    async def close(self) -> None:
        """Leave the schedule; what runs by it ends."""
        tasks = [task for task in (self._task, *self._running.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run(self, name: str) -> str:
        """Run it; its last result. Raises PipelineError, which names the step; the run is an event of the dashboard."""
        pipeline = self._parts.runtime.config.pipelines.get(name)
        if pipeline is None:
            raise PipelineError(f"the configuration has no pipeline {name!r} any more")
        loop = asyncio.get_running_loop()
        began, told = loop.time(), list[str]()
        results: dict[str, str] = {}
        try:
            for number, step in enumerate(pipeline.steps, 1):
                label = step.name or str(number)
                progress(number - 1, len(pipeline.steps), f"step {label}")
                since = loop.time()
                results[label] = await self._step(name, label, step, results)
                told.append(f"{label}: {loop.time() - since:.2f} s")
        except PipelineError as error:
            self._record(name, "error", loop.time() - began, told, str(error))
            raise
        result = results[label]
        self._record(name, "success", loop.time() - began, told, result)
        return f"{name} ran {len(told)} steps in {loop.time() - began:.1f} s: {result[:500]}"

    def _record(self, name: str, result: str, seconds: float, steps: list[str], said: str) -> None:
        self._dashboard.event(
            "pipeline", name=name, result=result, seconds=round(seconds, 3), steps=", ".join(steps), said=said[:250]
        )

    async def _step(self, name: str, label: str, step: Step, results: dict[str, str]) -> str:
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
            raise PipelineError(f"step {label} of {name} failed: {error}") from error

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

    async def _schedule(self) -> None:
        """Start what is due; a pipeline that still runs is not started a second time."""
        loop = asyncio.get_running_loop()
        due: dict[str, float] = {}
        while True:
            await asyncio.sleep(TICK_SECONDS)
            for name, pipeline in self._parts.runtime.config.pipelines.items():
                if not pipeline.every_seconds or not self._parts.servers.board.owns:
                    continue
                if loop.time() >= due.setdefault(name, loop.time() + pipeline.every_seconds):
                    due[name] = loop.time() + pipeline.every_seconds
                    if name not in self._running:
                        self._start(name)

    def _start(self, name: str) -> None:
        task = asyncio.get_running_loop().create_task(self._run_logged(name))
        self._running[name] = task
        task.add_done_callback(lambda done: self._running.pop(name, None))

    async def _run_logged(self, name: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_SECONDS):
                try:
                    logger.info("%s", await self.run(name))
                except FanlightError as error:
                    logger.error("%s", error)
                return
        logger.error("the pipeline %s took longer than %g s", name, LONGEST_SECONDS)


def filled(value: Any, results: dict[str, str]) -> Any:
    """A text, or the texts inside of lists and tables, with `{step}` replaced by that step's result, in one pass."""
    if isinstance(value, str):
        return _BLANK.sub(lambda found: results.get(found[1], found[0]), value)
    if isinstance(value, dict):
        return {key: filled(each, results) for key, each in value.items()}
    return [filled(each, results) for each in value] if isinstance(value, list) else value
