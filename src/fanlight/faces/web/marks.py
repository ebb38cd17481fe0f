"""Marks: the smallest pieces of HTML, of which a page has hundreds: states, times, values and paths.

Functions and not macros of a template, which take three times as long. Every text is escaped here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from markupsafe import Markup, escape

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
    shown = formats.date_and_time(at)
    return Markup(f'<time datetime="{formats.moment(at)}" data-ts="{escape(at)}">{shown} UTC</time>')  # noqa: S704


def value(raw: Any, unit: str) -> Markup:
    """A value with its unit apart."""
    text, suffix = formats.value(raw, unit)
    if not suffix:
        return escape(text)
    gap = "" if suffix.startswith("/") else " "
    return Markup(f"{escape(text)}<small>{gap}{escape(suffix)}</small>")  # noqa: S704


def breaking(path: Any) -> Markup:
    """A path that breaks at its slashes only, and copies as it was."""
    return _breaking(str(path))


@lru_cache(REMEMBERED)
def _breaking(path: str) -> Markup:
    return Markup("").join(escape(segment) + Markup("<wbr>") for segment in segments(path))


MARKS: Final[Mapping[str, Callable[..., Markup]]] = {
    "mark": mark,
    "moment": moment,
    "value": value,
    "breaking": breaking,
}
"""The functions by the names templates know them by."""
