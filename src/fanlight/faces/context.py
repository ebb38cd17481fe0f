"""What the faces are given: the running dashboard, seen through what they need of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from starlette.routing import BaseRoute

from fanlight.clock import Clock, SystemClock
from fanlight.core.frame import Frame
from fanlight.core.pacer import Pacer
from fanlight.core.recorder import Recorder
from fanlight.core.snapshot import Snapshot
from fanlight.panels import PageFunction, Slot, View
from fanlight.services.actions import UnknownAction
from fanlight.services.runs import RunState, UnknownRun
from fanlight.settings import Settings


class SnapshotSource(Protocol):
    """Where snapshots come from; `version` changes with each tick, `snapshot` is called on a thread only."""

    @property
    def version(self) -> int: ...

    def snapshot(self, view: View, /) -> Snapshot: ...

    def cumulative(self, scope: str = "this") -> Frame: ...


class Ticks(Protocol):
    """The pulse as a face sees it."""

    pacer: Pacer

    def watch(self) -> Callable[[], None]:
        """Register a watcher; what is returned removes it."""

    def hurry(self) -> None:
        """Have a tick at once."""

    def listen(self, callback: Callable[[int], None], /) -> Callable[[], None]:
        """Call `callback(version)` on the pulse's thread after each tick; what is returned ends that."""


class PageSpec(Protocol):
    """A page as the menu and the routes see it. `badge` counts what wants attention."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def build(self) -> PageFunction: ...
    @property
    def badge(self) -> Callable[[Snapshot], int]: ...
    @property
    def in_menu(self) -> bool: ...


@dataclass(frozen=True)
class ActionResult:
    """What became of an action: "success" only after it happened; `run` names one that goes on."""

    status: Literal["success", "error", "running"]
    message: str
    run: str = ""


@dataclass(frozen=True)
class Visit:
    """One request that was let in: under which root (no slash at its end), in which role, from which peer."""

    base: str
    role: str
    peer: str = ""


class Actions(Protocol):
    """What an operator can do. A path is below `actions/`."""

    def role(self, path: str) -> str:
        """The least role that may run what is at a path."""

    def run(self, path: str, given: Mapping[str, Any], visit: Visit) -> Awaitable[ActionResult]:
        """Run an action with what it is given; raises UnknownAction and ParameterError."""

    def follow(self, run: str) -> RunState:
        """How a run stands; may block, raises UnknownRun."""


class NoActions:
    """A dashboard on which nothing can be done."""

    def role(self, path: str) -> str:
        return "operator"

    async def run(self, path: str, given: Mapping[str, Any], visit: Visit) -> ActionResult:
        raise UnknownAction(f"no action {path}")

    def follow(self, run: str) -> RunState:
        raise UnknownRun(f"no run {run}")


VISIT: Final = "fanlight.visit"
"""Where a request's scope holds its Visit."""

AccessCheck = Callable[[Any], Any]
"""The application's own check: given an `access.Caller`, returns "operator", "viewer" or None (sync or async)."""


@dataclass(frozen=True)
class FaceContext:
    """One dashboard, as all its faces see it.

    `pages` and `panels` are read at each request, so later ones appear. `run_key` is a private bearer of the
    command that runs this process, "" for none: it opens the door to an operator and closes none, unlike a token.
    """

    settings: Settings
    recorder: Recorder
    query: SnapshotSource
    pulse: Ticks
    pages: Mapping[str, PageSpec]
    panels: Mapping[str, Slot]
    actions: Actions = field(default_factory=NoActions)
    extra_routes: tuple[BaseRoute, ...] = ()
    clock: Clock = field(default_factory=SystemClock)
    access: AccessCheck | None = None
    run_key: str = ""

    def now(self) -> float:
        """Wall time in Unix seconds."""
        return self.clock.time_ns() / 1e9
