"""Parameters: an action's signature is its form, and nothing unchecked reaches the function."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Literal

import pytest

from fanlight.errors import FanlightError
from fanlight.panels import Field
from fanlight.services.parameters import TEXT_LIMIT, Parameter, ParameterError, parameters_of, read


class Mode(Enum):
    """An enumeration of the application."""

    FAST = "fast"
    SURE = "sure"


def act(
    name: str,
    limit: int = 10,
    share: float = 0.5,
    force: bool = False,
    mode: Mode = Mode.FAST,
    level: Literal[1, 2] = 1,
    note: str | None = None,
) -> None:
    """Everything a form can give."""


PARAMETERS = parameters_of(act)


def test_a_signature_is_a_form() -> None:
    """HUB-7: each parameter is a typed field with its default and its choices."""
    assert [parameter.field for parameter in PARAMETERS] == [
        Field(name="name", title="Name", kind="text"),
        Field(name="limit", title="Limit", kind="integer", required=False, default=10),
        Field(name="share", title="Share", kind="number", required=False, default=0.5),
        Field(name="force", title="Force", kind="boolean", required=False, default=False),
        Field(name="mode", title="Mode", kind="choice", required=False, default="fast", choices=("fast", "sure")),
        Field(name="level", title="Level", kind="choice", required=False, default="1", choices=("1", "2")),
        Field(name="note", title="Note", kind="text", required=False, default=None),
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"name": "a", "limit": 3, "share": 1, "force": True, "mode": "sure", "level": 2, "note": None},
        {"name": "a", "limit": " 3", "share": "1.0", "force": "on", "mode": "sure", "level": "2", "note": ""},
    ],
)
def test_json_and_forms_give_the_same_values(given: dict[str, Any]) -> None:
    """HUB-7: what a browser sends as text arrives as what the function asks for."""
    assert read(PARAMETERS, given) == {
        "name": "a", "limit": 3, "share": 1.0, "force": True, "mode": Mode.SURE, "level": 2, "note": None,
    }  # fmt: skip


def test_what_is_not_given_is_left_to_the_default() -> None:
    """HUB-7: defaults are the function's own."""
    assert read(PARAMETERS, {"name": "a"}) == {"name": "a"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "name is missing; expected text"),
        ({"name": 3}, "name is '3'; expected text"),
        ({"name": "x" * (TEXT_LIMIT + 1)}, f"name is '{'x' * 80}'; expected text"),
        ({"name": "a", "limit": "many"}, "limit is 'many'; expected a whole number"),
        ({"name": "a", "limit": True}, "limit is 'True'; expected a whole number"),
        ({"name": "a", "limit": "9" * 40}, f"limit is '{'9' * 40}'; expected a whole number"),
        ({"name": "a", "share": "nan"}, "share is 'nan'; expected a number"),
        ({"name": "a", "share": [1]}, "share is '[1]'; expected a number"),
        ({"name": "a", "force": "maybe"}, "force is 'maybe'; expected true or false"),
        ({"name": "a", "mode": "slow"}, "mode is 'slow'; expected fast or sure"),
        ({"name": "a", "lmit": 3}, "unknown parameter 'lmit'; expected force, level, limit, mode, name, note, share"),
    ],
)
def test_what_is_wrong_says_what_was_got_and_expected(given: dict[str, Any], message: str) -> None:
    """HUB-7: a wrong value is refused before anything runs, and the message names it."""
    with pytest.raises(ParameterError) as refused:
        read(PARAMETERS, given)
    assert str(refused.value) == message


def everything(*names: str) -> None: ...
def listed(names: list[str]) -> None: ...
def unknown(name: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # the point of the test


@pytest.mark.parametrize(
    ("function", "message"),
    [(everything, r"takes \*names"), (listed, "expected str, int, float, bool"), (unknown, "types that exist")],
)
def test_what_no_form_can_give_is_refused_when_declared(function: Callable[..., Any], message: str) -> None:
    """HUB-7: a mistake in a declaration is an error at start, not at the first press."""
    with pytest.raises(FanlightError, match=message):
        parameters_of(function)


def test_a_checkbox_is_never_required() -> None:
    """HUB-7: an unticked box is an answer."""
    assert not Parameter("force", "boolean", required=True).field.required
