"""The templates' filters: states by their words, code within prose."""

from __future__ import annotations

import pytest

from fanlight.faces.web.words import marked_state, pieces, state_of, status_state
from fanlight.pages import alerts
from fanlight.panels import State


def test_calls_in_texts_are_shown_as_code() -> None:
    """LOOK: the line of code that fills a panel stands out, also when it is written plainly."""
    assert pieces('None yet: @dashboard.panel("x", f(1)) adds `one`.') == [
        ("None yet: ", False),
        ('@dashboard.panel("x", f(1))', True),
        (" adds ", False),
        ("one", True),
        (".", False),
    ]


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (200, "ok"),
        (101, "ok"),
        (302, ""),
        (404, "warn"),
        (503, "error"),
        (1000, "ok"),
        (1011, "error"),
        (4001, "error"),
        ("reset", "error"),
        (float("inf"), "error"),
    ],
)
def test_statuses_are_coloured_by_meaning(code: object, state: str) -> None:
    """HUB-6: errors stand out; WebSocket close codes are judged as such."""
    assert status_state(code) == state


@pytest.mark.parametrize(
    ("code", "mark", "state"),
    [(200, "error", "error"), (4401, "warn", "warn"), (404, "", "warn"), (200, "ok", "ok"), (1011, "idle", "error")],
)
def test_a_status_has_the_colour_of_its_mark(code: int, mark: str, state: str) -> None:
    """LOOK: a colour says one thing; a refused token is the caller's fault, an answer that broke off is no 200."""
    assert marked_state(code, mark) == state


def test_code_includes_the_with_around_a_call() -> None:
    """X-5: an empty panel says what to write, and what is to be written stands apart from the sentence."""
    said = 'None yet. with dashboard.breaker("name"): ... or dashboard.service("name", breaker=True) adds one.'
    assert pieces(said) == [
        ("None yet. ", False),
        ('with dashboard.breaker("name"): ...', True),
        (" or ", False),
        ('dashboard.service("name", breaker=True)', True),
        (" adds one.", False),
    ]


@pytest.mark.parametrize("state", ["ok", "warn", "error", "idle"])
def test_what_the_alerts_say_of_a_rule_stands_for_its_state(state: State) -> None:
    """X-5: the words the page has for the states of its rules are known to every face."""
    assert state_of(alerts.WORDS[state]) == state
