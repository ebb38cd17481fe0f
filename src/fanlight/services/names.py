"""Names of what an application declares: from `name=`, or else from the function's name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from fanlight.core.records import text
from fanlight.errors import FanlightError

NAME_LIMIT: Final = 60
"""Characters of a path name."""

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_PATH: Final = re.compile(rf"{_NAME.pattern}(/{_NAME.pattern})?")
"""An action may stand below a heading of its own: pipelines/nightly."""


def path_name(what: str, function: Callable[..., Any], name: str | None) -> str:
    """The path name of a declaration; raises FanlightError for one that is no path."""
    chosen = name or getattr(function, "__name__", "").strip("_").lower().replace("_", "-")
    if len(chosen) > NAME_LIMIT or not (_PATH if what == "action" else _NAME).fullmatch(chosen):
        raise FanlightError(
            f"the {what} {text(function, 100)} has the path name {chosen[:80]!r}; expected lower-case letters, digits "
            f'and single "-", at most {NAME_LIMIT} characters: give one with name="..."'
        )
    return chosen


def heading(what: str, title: Any) -> str:
    """The title of a declaration; raises FanlightError for one that is none, as of a decorator without arguments."""
    if not isinstance(title, str) or not title.strip():
        call = f'@dashboard.{what}("...")'
        raise FanlightError(f"the first argument of @dashboard.{what} is {text(title, 80)}; expected its title: {call}")
    return text(title.strip(), 120)
