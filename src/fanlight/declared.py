"""Declared: what the application declared on its dashboard; it outlives the engine, which comes and goes.

`ActionFace` is how the faces reach the actions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from fanlight.capture import cachetools, lru, redis_cache
from fanlight.clock import Clock
from fanlight.core.pacer import Pacer
from fanlight.core.recorder import Recorder, Sample
from fanlight.core.snapshot import Snapshot
from fanlight.errors import FanlightError
from fanlight.faces.context import ActionResult, Visit
from fanlight.faces.threads import in_thread
from fanlight.pages import PAGES, PANELS, PageSpec
from fanlight.pages.own import HEADING, OwnPages, OwnPanels
from fanlight.panels import Page, Slot, View
from fanlight.services.actions import Action, Actions, UnknownAction
from fanlight.services.cache import Cache, clearable
from fanlight.services.panels import PageSource, Source
from fanlight.services.parameters import ParameterError
from fanlight.services.runs import Run, Runs, RunState
from fanlight.services.supplier import LoopCaller, Supplier

CLEAR_CACHE: Final = "clear-cache"
"""The action that clears every cache that handed over how."""

ANSWER_SECONDS: Final = 2.0
"""How long an answer waits for its action; later it says "running" and names the run."""


PANEL_LIMIT: Final = 100
"""Panels and pages of one dashboard, each."""

EVERY_SECONDS: Final = (1.0, 86_400.0)
"""The least and the greatest interval of a panel."""

LONGEST_SECONDS: Final = 60.0
"""The longest timeout of a panel."""


class Making(NamedTuple):
    """How a panel or a page is made: every so many seconds at most, within `timeout` seconds, and where it stands."""

    every: float = 10.0
    timeout: float = 5.0
    page: str | None = None
    span: int = 12


class Declared:
    """Caches, actions, panels and pages of one dashboard. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self.actions = Actions()
        self.caches: dict[str, Cache] = {}
        self.caller = LoopCaller()
        self.panels: dict[str, Slot] = {}
        self.pages: dict[str, PageSpec] = {}
        self.replaced: dict[str, PageSpec] = {}
        self._asked: dict[str, Supplier] = {}
        self._clock = clock
        self._placed: dict[str, list[str]] = {}
        self._sources: dict[str, Source] = {}
        self._page_sources: dict[str, PageSource] = {}

    def renew(self) -> LoopCaller:
        """For a new engine, perhaps in the child of a fork: what was asked before is no more."""
        self.caller.renew()
        suppliers = [source.supplier for source in self._sources.values()]
        suppliers += [source.supplier for source in self._page_sources.values()]
        suppliers += self._asked.values()
        for supplier in suppliers:
            supplier.forget()
        return self.caller

    def panel(self, name: str, title: str, function: Callable[[], Any], made: Making) -> None:
        """Add a panel; raises FanlightError for a name that is taken and for numbers that make no sense."""
        _check(f"panel {name}", made, self.panels)
        if name in PANELS or name in self.panels or name == HEADING.name:
            raise FanlightError(f'there is a panel {name} already: give this one another name="..."')
        if made.page is not None and made.page not in PAGES:
            raise FanlightError(
                f"the panel {name} is for page={made.page!r}; expected None or one of {', '.join(PAGES)}"
            )
        source = Source(title, function, self.caller, self._clock, made.every, made.timeout)
        self._sources[name] = source
        self.panels[name] = Slot(name=name, build=source.build, span=made.span)
        if made.page is not None:
            self._placed.setdefault(made.page, []).append(name)

    def page(self, name: str, title: str, function: Callable[[], Any], made: Making) -> None:
        """Add a page; raises FanlightError for a name that is taken and for numbers that make no sense."""
        source = self._page(name, title, function, made)
        self.pages[f"pages/{name}"] = PageSpec(name=f"pages/{name}", title=title, build=source.build)

    def replace(self, name: str, title: str, function: Callable[[], Any], made: Making) -> None:
        """Have a page stand where the built-in one of that name stands; raises FanlightError as `page` does."""
        if name not in PAGES:
            raise FanlightError(f"the page {title} has replaces={name!r}; expected one of {', '.join(PAGES)}")
        source, builtin = self._page(name, title, function, made), PAGES[name]

        def build(snapshot: Snapshot, view: View) -> Page:
            return Page(name=name, title=title, slots=source.slots())

        self.replaced[name] = msgspec.structs.replace(builtin, title=title, build=build)

    def _page(self, name: str, title: str, function: Callable[[], Any], made: Making) -> PageSource:
        _check(f"page {name}", made, self._page_sources)
        if name in self._page_sources:
            raise FanlightError(f'there is a page {name} already: give this one another name="..."')
        source = PageSource(name, title, function, self.caller, self._clock, made.every, made.timeout)
        self._page_sources[name] = source
        return source

    def slot(self, name: str) -> Slot:
        """The place of a built-in panel, or of one declared; raises FanlightError for a name that is none."""
        slot = PANELS.get(name) or self.panels.get(name)
        if slot is None:
            known = ", ".join(sorted((*PANELS, *self.panels)))
            raise FanlightError(f"there is no panel {name[:80]!r} to put on a page; there is {known}")
        return slot

    def all_pages(self) -> Mapping[str, PageSpec]:
        """The built-in pages and the application's."""
        return OwnPages(PAGES, self.pages, self._on, self.replaced)

    def all_panels(self) -> Mapping[str, Slot]:
        """The built-in panels and the application's."""
        return OwnPanels(PANELS, self.panels, self._of_pages, self._instead)

    def _on(self, page: str) -> list[Slot]:
        """The panels on a page; all begin to be made at once, so that none waits for another."""
        names = tuple(self._placed.get(page, ()))
        for name in names:
            self._sources[name].supplier.begin()
        return [self.panels[name] for name in names]

    def _of_pages(self, name: str) -> Slot | None:
        near = (each for each in tuple(self._page_sources.values()) if f"{name}-".startswith(f"{each.name}-"))
        return _slot_named(name, near)

    def _instead(self, name: str) -> Slot | None:
        """The panel that a page in a built-in one's place shows under this name."""
        return _slot_named(name, [self._page_sources[page] for page in tuple(self.replaced)])

    def cache(self, name: str, count: Callable[[str, int], None], clear: Callable[[], Any] | None) -> Cache:
        """The counter of a cache; one name, one cache."""
        made = Cache(name, count, adapters=(lru.watch, cachetools.watch, redis_cache.watch), on_clear=self.can_clear)
        known = self.caches.setdefault(name, made)
        if clear is not None:
            known.clear = clear
        return known

    def can_clear(self) -> None:
        """Have an action that clears every cache that handed over how."""
        if CLEAR_CACHE not in self.actions:
            confirm = "Clear every cache on every worker?"
            clear = Action(CLEAR_CACHE, "Clear caches", self._clear_caches, confirm=confirm, runs="everywhere")
            self.actions.register(clear)

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
            cache.refresh()
            if cache.ask is not None:
                self._entries(cache.name, cache.ask).begin()
            if cache.entries is not None:
                merge, source = ("max", "shared") if cache.shared else ("sum", "instance")
                yield Sample("cache.size", cache.name, cache.entries, merge, source)
            if cache.evicted is not None:
                yield Sample("cache.evicted", cache.name, cache.evicted, "max", "shared")

    def _entries(self, name: str, ask: Callable[[], Any]) -> Supplier:
        known = self._asked.get(name)
        if known is None:
            known = self._asked[name] = Supplier(self.caller, self._clock, accept=lambda _: {})
            known.declare(ask)
        return known


def _slot_named(name: str, sources: Iterable[PageSource]) -> Slot | None:
    return next((slot for source in sources for slot in source.slots() if slot.name == name), None)


def _check(what: str, made: Making, declared: Collection[str]) -> None:
    least, greatest = EVERY_SECONDS
    if not least <= made.every <= greatest:
        raise FanlightError(f"the {what} has every={made.every!r}; expected seconds, {least:g} to {greatest:g}")
    if not 0 < made.timeout <= LONGEST_SECONDS:
        raise FanlightError(f"the {what} has timeout={made.timeout!r}; expected seconds, at most {LONGEST_SECONDS:g}")
    if made.span not in range(1, 13):
        raise FanlightError(f"the {what} has span={made.span!r}; expected 1 to 12 columns")
    if len(declared) >= PANEL_LIMIT:
        raise FanlightError(f"the {what} is one too many; expected at most {PANEL_LIMIT}")


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
            return ActionResult("running", f"{started.title}: under way", started.id)

    def follow(self, run: str) -> RunState:
        """How a run stands, whichever worker follows it."""
        return self._runs().read(run)


def tell(recorder: Recorder) -> Callable[[Run, RunState], None]:
    """What puts the end of a run into the activity feed and the audit log."""

    def finished(run: Run, state: RunState) -> None:
        level = "info" if state.status == "success" else "error"
        outcome = {"action": state.action, "status": state.status, "message": state.message, "run": state.run}
        recorder.event("action", {**outcome, "level": level})
        who = {"peer": run.peer, "method": "POST", "path": f"/actions/{state.action}", "role": run.role}
        recorder.event("audit", {**who, "outcome": f"{state.status}: {state.message}", "run": state.run})

    return finished


def _result(state: RunState) -> ActionResult:
    return ActionResult(state.status, state.message, state.run)
