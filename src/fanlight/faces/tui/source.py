"""Where the terminal's data comes from, and what it may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from fanlight.errors import FanlightError
from fanlight.faces.context import ActionResult
from fanlight.faces.tui.document import PageDocument
from fanlight.panels import View


class SourceLost(FanlightError):
    """The dashboard cannot be reached now; the next try may succeed. The text says what happened, in a few words."""


class SourceRefused(FanlightError):
    """The dashboard answered that it will not; trying again changes nothing. The text says why."""


class WrongValue(SourceRefused):
    """An action was given a value that it does not take; `name` is the value's."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Source(Protocol):
    """A running dashboard as the terminal sees it; its coroutines run on the drawing loop and never block it."""

    @property
    def name(self) -> str:
        """What is looked at, as a person says it: an address."""

    async def page(self, view: View, after: float) -> PageDocument:
        """A page as it is now, with the log lines from shortly before `after` (Unix seconds) on.

        May give the very object it gave before when nothing has changed. Raises SourceLost and SourceRefused.
        """

    async def act(self, action: str, values: Mapping[str, Any]) -> ActionResult:
        """Run an action by its address relative to the root ("actions/clear-cache"); raises as `page` does, and
        WrongValue."""

    async def follow(self, run: str) -> ActionResult:
        """How a run stands that an action has begun; raises as `page` does."""
