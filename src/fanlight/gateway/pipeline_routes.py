"""Pipelines over HTTP: which there are, running one, and what became of its runs."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any, Final

import msgspec

from fanlight.gateway.access import Caller
from fanlight.gateway.asgi import BodyRefused, Receive, Scope, Send, answer, body_of
from fanlight.gateway.mcp.plain import refuse
from fanlight.gateway.pipelines import Busy, PipelineError, Pipelines, WrongInput, does
from fanlight.gateway.runbook import Run

ROOT: Final = "/pipelines"
ONE: Final = f"{ROOT}/{{pipeline}}"
ANSWER_SECONDS: Final = 2.0
"""How long an answer waits for its run; later it says that it runs."""

BODY_LIMIT: Final = 64 << 10
RUNS: Final = "runs"


class Routes:
    """Answers requests below `/pipelines`. Belongs to one event loop."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines

    async def serve(self, path: str, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; anything that fails has the shape of the dashboard's own errors."""
        name, rest = _split(path)
        try:
            if name and name not in self._pipelines.wanted:
                known = ", ".join(self._pipelines.wanted) or "none"
                said = f"no pipeline {name[:64]!r} here; these are: {known}"
                await refuse(send, 404, "pipeline_not_found", said)
            elif scope["method"] == "POST" and name and not rest:
                await self._run(name, caller, scope, receive, send)
            elif scope["method"] != "GET":
                allowed = b"GET, POST" if name and not rest else b"GET"
                await refuse(send, 405, "method_not_allowed", f"expected {allowed.decode()} here", (b"allow", allowed))
            else:
                await self._tell(name, rest, send)
        except (PipelineError, sqlite3.Error) as error:
            await refuse(send, 503, "unavailable", str(error))

    async def _tell(self, name: str, rest: list[str], send: Send) -> None:
        book = self._pipelines.book
        if not rest:
            found = await asyncio.to_thread(self._listed, name)
            document: Any = found[0] if name else {"pipelines": found}
        elif rest == [RUNS]:
            document = {"runs": await asyncio.to_thread(book.recent, name)}
        else:
            document = await asyncio.to_thread(book.find, name, rest[1]) if len(rest) == 2 and rest[0] == RUNS else None
            if document is None:
                await refuse(send, 404, "not_found", "there is no such run")
                return
        await answer(send, 200, msgspec.json.encode(document))

    def _listed(self, name: str) -> list[dict[str, Any]]:
        book, wanted = self._pipelines.book, self._pipelines.wanted
        return [
            {
                "name": each,
                "steps": [does(step) for step in pipeline.steps],
                "input": dict(pipeline.input),
                "every_seconds": pipeline.every_seconds,
                "next_run": self._pipelines.next_run(each, book.scheduled(each)),
                "last_run": next(iter(book.recent(each, 1)), None),
            }
            for each, pipeline in wanted.items()
            if name in ("", each)
        ]

    async def _run(self, name: str, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        if caller.role != "operator":
            await refuse(send, 403, "not_allowed", "only keys with the role operator may run pipelines")
            return
        try:
            body = await body_of(scope, receive, BODY_LIMIT)
            if body is None:
                return
            given = msgspec.json.decode(body, type=dict[str, str]) if body else {}
            task = await self._pipelines.start(name, given, "api")
        except BodyRefused as error:
            await refuse(send, error.status, error.code, str(error))
        except msgspec.DecodeError as error:
            await refuse(send, 400, "invalid_request", f"{error}; expected an object of the texts it takes")
        except WrongInput as error:
            await refuse(send, 422, "invalid_input", str(error))
        except Busy as error:
            await refuse(send, 409, "running", str(error))
        else:
            await self._answer(name, task, send)

    async def _answer(self, name: str, task: asyncio.Task[Run], send: Send) -> None:
        """The run as it ended, or as it stands after a while."""
        await asyncio.wait((task,), timeout=ANSWER_SECONDS)
        ended = task.done() and not task.cancelled()
        find = self._pipelines.book.find
        run = task.result() if ended else await asyncio.to_thread(find, name, task.get_name())
        await answer(send, 200 if ended else 202, msgspec.json.encode(run))


def is_below(path: str) -> bool:
    """Whether a path is the pipelines'."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def template(path: str) -> str:
    """The path as it is counted."""
    name, rest = _split(path)
    if not name or not rest:
        return ONE if name else ROOT
    below = "runs" if rest == [RUNS] else "runs/{run}" if rest[0] == RUNS and len(rest) == 2 else "{path}"
    return f"{ONE}/{below}"


def _split(path: str) -> tuple[str, list[str]]:
    name, *rest = path.removeprefix(ROOT).strip("/").split("/")
    return name, rest
