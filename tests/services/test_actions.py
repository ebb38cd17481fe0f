"""Actions: declared once, found by their paths."""

from __future__ import annotations

from typing import Any

import pytest

from fanlight.errors import FanlightError
from fanlight.panels import ActionButton, Field
from fanlight.services.actions import ACTION_LIMIT, Action, Actions, UnknownAction


def reindex(limit: int = 10) -> None: ...
def restart(service: str, hard: bool = False) -> None: ...


@pytest.fixture
def actions() -> Actions:
    made = Actions()
    made.register(Action("reindex", "Re-index", reindex, confirm="All of it?"))
    made.register(Action("restart/{service}", "Restart", restart))
    return made


def test_an_action_is_a_button_with_fields(actions: Actions) -> None:
    """HUB-7, X-5: what is declared is shown as data; what needs a name in its path stands beside the thing named."""
    limit = Field(name="limit", title="Limit", kind="integer", required=False, default=10)
    expected = ActionButton(title="Re-index", action="actions/reindex", confirm="All of it?", fields=(limit,))
    assert actions.buttons() == (expected,)


def test_a_path_finds_its_action_and_values(actions: Actions) -> None:
    """HUB-7: `restart/ollama` is the restart of ollama; a path of its own goes first."""
    found, values = actions.find("restart/ollama")
    assert (found.title, values) == ("Restart", {"service": "ollama"})
    actions.register(Action("restart/ollama", "Restart Ollama", reindex))
    assert actions.find("restart/ollama")[0].title == "Restart Ollama"


@pytest.mark.parametrize(
    ("path", "asked", "values"),
    [
        ("restart/{service}", "restart/org/a/b", {"service": "org/a/b"}),
        ("breakers/{name}/{change}", "breakers/mcp/time/trip", {"name": "mcp/time", "change": "trip"}),
        ("breakers/{name}/{change}", "breakers/time", None),
        ("reindex", "reindex/all", None),
    ],
)
def test_names_with_slashes_are_found(path: str, asked: str, values: dict[str, str] | None) -> None:
    """HUB-3, HUB-8: servers decode %2F before anybody routes, so a name may span several parts of a path."""
    assert Action(path, "Change", lambda service="", name="", change="": None).match(asked) == values


@pytest.mark.parametrize("path", ["nope", "restart", "reindex/a", "restart/{service}", ""])
def test_an_unknown_path_names_what_there_is(actions: Actions, path: str) -> None:
    """HUB-8: unknown names are told as such."""
    with pytest.raises(UnknownAction) as unknown:
        actions.find(path)
    assert set(unknown.value.known) == {"reindex", "restart/{service}"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "reindex"}, "declared twice"),
        ({"path": "a b"}, "expected segments of letters"),
        ({"role": "admin"}, "expected 'viewer' or 'operator'"),
        ({"runs": "twice"}, "expected 'once' or 'everywhere'"),
        ({"timeout": 0}, "expected seconds, at most 900"),
        ({"timeout": 3600.0}, "expected seconds, at most 900"),
        ({"path": "stop/{service}"}, "no parameter service for its path"),
    ],
)
def test_a_declaration_without_sense_is_refused(actions: Actions, changes: dict[str, Any], message: str) -> None:
    """HUB-7: a mistake in a declaration is an error at start that says what to change."""
    with pytest.raises(FanlightError, match=message):
        actions.register(Action(**{"path": "other", "title": "Other", "function": reindex, **changes}))


def test_the_number_of_actions_is_bounded() -> None:
    """TTY-6: a loop that declares actions is stopped."""
    actions = Actions()
    for number in range(ACTION_LIMIT):
        actions.register(Action(f"a{number}", "A", reindex))
    with pytest.raises(FanlightError, match="expected no more"):
        actions.register(Action("more", "More", reindex))
