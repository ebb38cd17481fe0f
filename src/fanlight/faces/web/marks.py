"""Marks: the smallest pieces of HTML, of which a page has hundreds: states, times, values and paths.

Functions and not macros of a template, which take three times as long. Every text is escaped here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from html import escape
from typing import Any, Final

from markupsafe import Markup

from fanlight import formats
from fanlight.faces.web.words import STATE_WORDS, segments

REMEMBERED: Final = 1_024
"""States and paths whose HTML is remembered: they come again in most rows."""


@lru_cache(REMEMBERED)
def mark(state: str) -> Markup:
    """A state as a shape for the eye and a word for the ear; nothing for none."""
    if not state:
        return Markup("")
    word = escape(STATE_WORDS.get(state, ""))
    return Markup(f'<i class="mark {escape(state)}" aria-hidden="true"></i><span class="unseen">{word} </span>')  # noqa: S704


def moment(at: float) -> Markup:
    """Unix seconds as UTC; a script turns it into the viewer's time."""
    exact = formats.moment(at)
    shown = exact.replace("T", " ").replace("Z", " UTC")
    return Markup(f'<time datetime="{exact}">{shown}</time>')  # noqa: S704


def value(raw: Any, unit: str) -> Markup:
    """A value with its unit apart."""
    text, suffix = formats.value(raw, unit)
    shown = escape(text)
    if suffix:
        shown += f"<small>{suffix}</small>" if suffix.startswith("/") else f"<small> {suffix}</small>"
    return Markup(shown)  # noqa: S704


def breaking(path: Any) -> Markup:
    """A path that breaks at its slashes only, and copies as it was."""
    return _breaking(str(path))


@lru_cache(REMEMBERED)
def _breaking(path: str) -> Markup:
    return Markup("".join(f"{escape(segment)}<wbr>" for segment in segments(path)))  # noqa: S704


MARKS: Final[Mapping[str, Callable[..., Markup]]] = {
    "mark": mark,
    "moment": moment,
    "value": value,
    "breaking": breaking,
}
"""The functions by the names templates know them by."""
