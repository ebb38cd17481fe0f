"""The filters of the templates: values as text by `fanlight.formats`, and states as the words and classes the style
sheet knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from fanlight import formats

STATE_WORDS: Final[Mapping[str, str]] = {"ok": "ok", "warn": "warning", "error": "error", "idle": "idle"}
"""What a state is called where only its mark is seen."""

STATES_BY_WORD: Final[Mapping[str, str]] = {
    **dict.fromkeys(("ok", "fine", "closed", "healthy", "up", "ready", "running", "success", "connected"), "ok"),
    **dict.fromkeys(("warn", "warning", "half-open", "half_open", "degraded", "starting", "backoff", "slow"), "warn"),
    **dict.fromkeys(("error", "open", "down", "failed", "critical", "stopped", "crash-loop", "unhealthy"), "error"),
}
"""States a service or breaker can be in, by what they mean for the operator; any other word is idle."""

_LEVELS: Final[Mapping[str, str]] = {
    "WARNING": "warn",
    "WARN": "warn",
    "ERROR": "error",
    "CRITICAL": "error",
    "FATAL": "error",
}

_CODE: Final = re.compile(r"`([^`]*)`|((?:with )?@?dashboard\.\w+\((?:[^()]|\([^()]*\))*\)(?:: \.\.\.)?)")

_SEGMENT: Final = re.compile(r"/?[^/]+|/")

_SPACE: Final = re.compile(r"\s+")


def state_of(word: Any) -> str:
    """The state a word stands for."""
    return STATES_BY_WORD.get(str(word).lower(), "idle")


def status_state(code: Any) -> str:
    """What an HTTP status or WebSocket close code means: ok, warn (the caller's fault), error, or "" for redirects and
    the unknown."""
    try:
        number = int(code)
    except (TypeError, ValueError, OverflowError):
        return "error" if code else ""
    if number >= 1000:
        return "ok" if number in (1000, 1001, 1005) else "error"
    return {2: "ok", 1: "ok", 4: "warn", 5: "error"}.get(number // 100, "")


def marked_state(code: Any, state: str) -> str:
    """The state of a status in what is marked: the mark's own, as what broke off may have begun with 200."""
    return state if state in ("warn", "error") else status_state(code)


def level_state(level: str) -> str:
    """A log level as a state; "" for info, "idle" for debug."""
    return _LEVELS.get(level, "idle" if level in ("DEBUG", "TRACE") else "")


def dom_id(key: str) -> str:
    """A row's key as the last part of an element id, which may hold no white space."""
    return _SPACE.sub("_", key)


def segments(path: Any) -> list[str]:
    """A path in the pieces between which it may break: "/api", "/chat", "/{id}"."""
    return _SEGMENT.findall(str(path))


def pieces(text: str) -> list[tuple[str, bool]]:
    """A text split into prose and code: (piece, whether it is code). Code stands between backticks or is a call on
    the dashboard, the `with` around it included."""
    parts = _CODE.split(text)
    return [(part, bool(place % 3)) for place, part in enumerate(parts) if part]


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "phrase": formats.phrase,
    "moment": formats.moment,
    "clock": formats.date_and_time,
    "span": formats.span,
    "state_of": state_of,
    "state_word": lambda state: STATE_WORDS.get(state, ""),
    "marked_state": marked_state,
    "level_state": level_state,
    "dom_id": dom_id,
    "pieces": pieces,
    "fields": lambda fields: msgspec.json.encode(fields).decode(),
}
"""The filters by name."""
