"""Actions: what an operator can do, as declared; `runs` does it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from fanlight.core.records import text
from fanlight.errors import FanlightError
from fanlight.panels import ActionButton
from fanlight.services.parameters import Parameter, parameters_of

Runs = Literal["once", "everywhere"]
"""Where an action runs: on the worker that was asked, or on every live one."""

TIMEOUT_SECONDS: Final = 60.0
"""How long an action may take unless it says otherwise."""

LONGEST_SECONDS: Final = 900.0
"""The longest timeout: what becomes of a run stays readable for as long."""

ACTION_LIMIT: Final = 200
"""Actions of one dashboard."""

_SEGMENT: Final = re.compile(r"\{(?P<value>[a-z_]+)\}|[A-Za-z0-9._~-]+")


class UnknownAction(FanlightError):
    """No action has that name, or nothing it could act on has; answered with 404, this text and what there is."""

    def __init__(self, message: str, known: Collection[str] = ()) -> None:
        super().__init__(message)
        self.known = known


@dataclass(frozen=True)
class Action:
    """One declared action.

    `path` is below `actions/`; its segments in braces are parameters of `function`, which is sync or async and returns
    what to say. `timeout` is in seconds; `concurrent` lets it run while it runs already; `check` is asked first, and
    raises UnknownAction when what the path names is not there.
    """

    path: str
    title: str
    function: Callable[..., Any]
    confirm: str = ""
    role: str = "operator"
    runs: Runs = "once"
    concurrent: bool = False
    timeout: float = TIMEOUT_SECONDS
    check: Callable[[Mapping[str, Any]], None] | None = None

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What it is told; those of the path come first."""
        return parameters_of(self.function)

    @property
    def button(self) -> ActionButton:
        """As what a viewer presses."""
        fields = tuple(parameter.field for parameter in self.parameters)
        return ActionButton(
            title=self.title, action=f"actions/{self.path}", confirm=self.confirm, fields=fields, role=self.role
        )

    def match(self, path: str) -> dict[str, str] | None:
        """The path values of a request for this action, None for one of another. The first value may hold slashes."""
        own, asked = self.path.split("/"), path.split("/")
        blank = next((place for place, segment in enumerate(own) if segment.startswith("{")), None)
        if blank is not None and len(asked) > len(own):
            end = len(asked) - len(own) + blank + 1
            asked[blank:end] = ["/".join(asked[blank:end])]
        if len(own) != len(asked):
            return None
        values: dict[str, str] = {}
        for segment, part in zip(own, asked, strict=True):
            if segment.startswith("{"):
                values[segment[1:-1]] = part
            elif segment != part:
                return None
        return values


class Actions:
    """The actions of one dashboard by path. Thread-safe."""

    def __init__(self) -> None:
        self._actions: dict[str, Action] = {}

    def register(self, action: Action) -> None:
        """Add an action; raises FanlightError when its declaration makes no sense or its path is taken."""
        _check(action)
        if action.path in self._actions:
            raise FanlightError(f'the action {action.path} is declared twice: give one of them another name="..."')
        if len(self._actions) >= ACTION_LIMIT:
            raise FanlightError(f"{ACTION_LIMIT} actions are declared; expected no more")
        self._actions[action.path] = action

    def withdraw(self, path: str) -> None:
        """Have it no more; what runs goes on."""
        self._actions.pop(path, None)

    def __contains__(self, path: str) -> bool:
        return path in self._actions

    def names(self) -> Collection[str]:
        """Their paths."""
        return tuple(self._actions)

    def buttons(self) -> tuple[ActionButton, ...]:
        """Those that need no more than a press; actions on something named in their path stand beside it."""
        return tuple(action.button for action in self._listed() if "{" not in action.path)

    def find(self, path: str) -> tuple[Action, Mapping[str, str]]:
        """The action at a path and the path's values; raises UnknownAction."""
        exact = self._actions.get(path)
        for action in (exact,) if exact is not None else self._listed():
            values = action.match(path)
            if values is not None and "{" not in path:
                return action, values
        raise UnknownAction(f"There is no action {text(path, 80)!r}.", self.names())

    def _listed(self) -> Iterator[Action]:
        yield from tuple(self._actions.values())


def _check(action: Action) -> None:
    segments = [_SEGMENT.fullmatch(segment) for segment in action.path.split("/")]
    if not all(segments) or len(action.path) > 120:
        raise FanlightError(f"the action's path is {action.path[:140]!r}; expected segments of letters, digits and -")
    if action.role not in ("viewer", "operator"):
        raise FanlightError(f"the action {action.path} is for role={action.role!r}; expected 'viewer' or 'operator'")
    if action.runs not in ("once", "everywhere"):
        raise FanlightError(f"the action {action.path} has runs={action.runs!r}; expected 'once' or 'everywhere'")
    if not 0 < action.timeout <= LONGEST_SECONDS:
        raise FanlightError(
            f"the action {action.path} has timeout={action.timeout!r}; expected seconds, at most {LONGEST_SECONDS:g}"
        )
    missing = {segment["value"] for segment in segments if segment} - {None} - {p.name for p in action.parameters}
    if missing:
        raise FanlightError(f"the action {action.path} has no parameter {', '.join(map(str, missing))} for its path")
