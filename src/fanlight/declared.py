"""Declared: what the application declared on its dashboard; it outlives the engine, which comes and goes.

`ActionFace` is how the faces reach the actions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from fanlight.core.pacer import Pacer
from fanlight.core.recorder import Sample
from fanlight.errors import FanlightError
from fanlight.faces.context import ActionResult, Visit
from fanlight.faces.threads import in_thread
from fanlight.services.actions import Action, Actions, UnknownAction
from fanlight.services.cache import Cache, clearable
from fanlight.services.parameters import ParameterError
from fanlight.services.runs import Runs, RunState
from fanlight.services.supplier import LoopCaller

CLEAR_CACHE: Final = "clear-cache"
"""The action that clears every cache that handed over how."""

ANSWER_SECONDS: Final = 2.0
"""How long an answer waits for its action; later it says "running" and names the run."""


class Declared:
    """Caches and actions of one dashboard. Thread-safe."""

    def __init__(self) -> None:
        self.actions = Actions()
        self.caches: dict[str, Cache] = {}
        self.caller = LoopCaller()

    def cache(self, name: str, count: Callable[[str, int], None], clear: Callable[[], Any] | None) -> Cache:
        """The counter of a cache; one name, one cache."""
        known = self.caches.setdefault(name, Cache(name, count))
        if clear is not None:
            known.clear = clear
        if known.clear is not None and CLEAR_CACHE not in self.actions:
            confirm = "Clear every cache on every worker?"
            self.actions.register(
                Action(CLEAR_CACHE, "Clear caches", self._clear_caches, confirm=confirm, runs="everywhere")
            )
        return known

    def _clear_caches(self) -> str:
        cleared = clearable(self.caches.values())
        for cache in cleared:
            if cache.clear is not None:
                self.caller.call(cache.clear)
            cache.entries = 0
        return ", ".join(cache.name for cache in cleared) or "nothing to clear"

    def sample_caches(self) -> Iterator[Sample]:
        """How many entries each cache holds."""
        for cache in tuple(self.caches.values()):
            if cache.entries is not None:
                yield Sample("cache.size", cache.name, cache.entries, "sum", "instance")


class ActionFace:
    """The declared actions as the faces run and follow them. `runs` gives those of the present engine."""

    def __init__(self, actions: Actions, runs: Callable[[], Runs], pacer: Pacer) -> None:
        self._actions = actions
        self._runs = runs
        self._pacer = pacer

    def role(self, path: str) -> str:
        """The least role that may run what is at a path."""
        try:
            return self._actions.find(path)[0].role
        except UnknownAction:
            return "operator"

    async def run(self, path: str, given: Mapping[str, Any], visit: Visit) -> ActionResult:
        """Start an action, and answer with its end or, after ANSWER_SECONDS, with the run to follow."""
        try:
            started = await in_thread(self._pacer, self._runs().start, path, given, visit.role, visit.peer)
        except (UnknownAction, ParameterError):
            raise
        except FanlightError as error:  # the store
            return ActionResult("error", str(error))
        if isinstance(started, RunState):
            return _result(started)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return _result(await asyncio.shield(asyncio.wrap_future(started.ended)))
        except TimeoutError:
            return ActionResult("running", f"{started.action.title}: under way", started.id)

    def follow(self, run: str) -> RunState:
        """How a run stands, whichever worker follows it."""
        return self._runs().read(run)


def _result(state: RunState) -> ActionResult:
    return ActionResult(state.status, state.message, state.run)
