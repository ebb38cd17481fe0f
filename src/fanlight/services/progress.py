"""Progress: how far an action has come, said by the code that runs it and read by who follows it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

import msgspec

from fanlight.services.wording import presentable

TEXT_LIMIT: Final = 300
"""Characters of a progress text."""


class Progress(msgspec.Struct, frozen=True):
    """How far: `done` of `total` (None: not known), and what is being done."""

    done: float = 0.0
    total: float | None = None
    text: str = ""

    @property
    def sentence(self) -> str:
        """In words, "" before anything was said."""
        known = f"{self.done:g} of {self.total:g}" if self.total is not None else ""
        return ": ".join(filter(None, (known or (f"{self.done:g}" if self.done else ""), self.text)))


class Teller:
    """Where one run's progress is kept: only the newest. Thread-safe."""

    def __init__(self) -> None:
        self.latest = Progress()


current: Final[ContextVar[Teller | None]] = ContextVar("fanlight_action", default=None)
"""Whose progress the code being run tells, None outside of an action."""


def progress(done: float, total: float | None = None, text: str = "") -> None:
    """Say how far the running action has come; does nothing outside of one. Costs no I/O: the newest word counts."""
    teller = current.get()
    if teller is not None:
        teller.latest = Progress(float(done), None if total is None else float(total), presentable(text, TEXT_LIMIT))
