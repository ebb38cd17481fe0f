"""What --help says of a command is whole: an example, each default, each variable, in 80 columns."""

from __future__ import annotations

import os
import re
from typing import Any

import click
import pytest
from click.testing import CliRunner

from fanlight.cli import COMMANDS, main
from fanlight.cli.options import setting_options
from fanlight.settings import DESCRIPTIONS, Settings


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((80, 24)))


def told(*words: str) -> str:
    result = CliRunner().invoke(main, words, prog_name="fanlight", standalone_mode=True)
    return result.output


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_begins_with_lines_to_type(name: str, flag: str) -> None:
    """ORC-7: the help of each command has lines to type, and no line is wider than a terminal."""
    text = told(name, flag)
    assert re.search(rf"^ +fanlight {name}", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 80


def test_the_list_of_commands_is_cut_nowhere() -> None:
    """ORC-7: what each command is for stands in a line, whole."""
    assert "..." not in told("--help").partition("Commands:")[2]
    assert told("--help") == told()


def test_a_setting_says_its_variable_and_its_default() -> None:
    """X-8: an option for a setting names its variable and its default, and is nothing where it is not given."""
    given: dict[str, Any] = {}

    @click.command()
    @setting_options(*DESCRIPTIONS)
    def every(**options: Any) -> None:
        given.update(options)

    lines = {each.name: each.help or "" for each in every.params if isinstance(each, click.Option)}
    assert list(lines) == list(DESCRIPTIONS)
    assert all(f"[env var: FANLIGHT_{name.upper()}" in text for name, text in lines.items())
    assert f"default: {Settings(name='x').prefix}]" in lines["prefix"]
    every([], standalone_mode=False)
    assert set(given.values()) == {None}
