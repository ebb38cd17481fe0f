"""Forms: what an action asks for is put in by keys alone, checked by the rules it is read by, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from tests.faces.tui.documents import REINDEX

from fanlight.faces.tui.cells import line_width
from fanlight.faces.tui.dialogs import Order, Question, Step
from fanlight.faces.tui.forms import Form, Menu, begin
from fanlight.faces.tui.look import ASCII, Look
from fanlight.panels import ActionButton, Field


def typed(form: Form, *keys: str) -> Step:
    """Press keys one after the other, characters as they are; the step of the last."""
    step = Step(form)
    for key in keys:
        step = form.press({" ": "space"}.get(key, key), key if len(key) == 1 else None)
    return step


def shown(form: Form | Menu | Question, cells: int = 80, height: int = 24) -> str:
    return "\n".join("".join(text for text, _ in line) for line in form.lines(cells, height, Look()))


def asked(step: Step) -> Order:
    assert isinstance(step.dialog, Question)
    return step.dialog.order


def one(kind: Any, **options: Any) -> Form:
    """A form of one field."""
    return Form(
        ActionButton(title="Do", action="actions/do", fields=(Field(name="x", title="X", kind=kind, **options),))
    )


def test_every_kind_of_value_is_put_in_by_keys() -> None:
    """HUB-7: text, whole number, number, choice and flag; what is left empty is left to the action's default."""
    form = Form(REINDEX)
    step = typed(form, *"/srv/a b", "tab", "backspace", "5", "down", "down", "right", "tab", " ", "enter")
    assert asked(step).values == {"folder": "/srv/a b", "depth": "5", "mode": "thorough", "dry_run": False, "note": ""}
    assert asked(step).button is REINDEX


def test_text_is_edited_where_the_cursor_is() -> None:
    """HUB-7: arrows, Home, End, Backspace, Delete and Ctrl+U; keys that mean something elsewhere are letters here."""
    form = one("text")
    typed(form, *"quit", "home", *"don't ", "right", "delete", "end", "left", "backspace", "a")
    assert form.entries[0].text == "don't qat"
    typed(form, "home", "right", "right", "ctrl+u")
    assert form.entries[0].text == "n't qat"
    typed(form, "left", "left", "left", "backspace", "end", "right", "delete", "tab")
    assert form.entries[0].text == "n't qat"


def test_a_choice_is_made_by_arrows_or_its_first_letter() -> None:
    """HUB-7: round and round; an optional one may be left empty, one with a default begins there."""
    form = one("choice", choices=("fast", "thorough", "full"))
    typed(form, "left")
    assert form.entries[0].text == "full"
    typed(form, "T")
    assert form.entries[0].text == "thorough"
    typed(form, "f", "f", "f", "z")
    assert form.entries[0].text == "full"
    optional = one("choice", choices=("a", "b"), required=False)
    assert asked(typed(optional, "enter")).values == {}
    assert asked(typed(one("choice", choices=("a", "b"), required=False, default="b"), "enter")).values == {"x": "b"}


@pytest.mark.parametrize(
    ("kind", "keys", "said"),
    [
        ("integer", "3.5", "x is '3.5'; expected a whole number"),
        ("integer", "", "x is missing; expected a whole number"),
        ("number", "much", "x is 'much'; expected a number"),
        ("number", "nan", "x is 'nan'; expected a number"),
        ("text", "", "x is missing; expected text"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(kind: Any, keys: str, said: str) -> None:
    """HUB-7: before anything is asked or sent, in the words the dashboard itself would use; mending takes it away."""
    form = one(kind)
    assert typed(form, *keys, "enter").dialog is form
    assert said in shown(form)
    assert asked(typed(form, "ctrl+u", "7", "enter")).values == {"x": "7"}
    assert "expected" not in shown(form)


def test_the_first_wrong_field_is_gone_to_and_no_value_is_lost() -> None:
    """HUB-7: all errors are seen at once; no as the answer to the question leads back to the values."""
    form = Form(REINDEX)
    typed(form, "down", "x", "down", "y", "enter")
    assert form.here == 0
    assert [bool(entry.error) for entry in form.entries] == [True, True, True, False, False, False]
    typed(form, "z", "down", "backspace", "down", "backspace")
    question = typed(form, "enter").dialog
    assert isinstance(question, Question)
    assert "Re-index the folder?" in shown(question)
    assert "folder = z" in shown(question)
    assert question.press("enter", None) == Step(form)
    assert form.entries[0].text == "z"
    assert form.press("escape", None) == Step()


def test_a_long_form_scrolls_to_its_field() -> None:
    """TTY-4: at 60 x 15 the field one is at, and what is wrong with it, are in sight, and the keys below."""
    fields = tuple(Field(name=f"value_{n}", title=f"Value {n}", kind="integer", default=n) for n in range(20))
    form = Form(ActionButton(title="Much " * 30, action="actions/much", fields=fields))
    form.entries[17].text = "wrong"
    typed(form, "enter")
    for keys in ((), ("tab",), ("tab",) * 3, ("shift+tab",) * 3):
        typed(form, *keys)
        lines = form.lines(60, 15, Look())
        assert len(lines) == 15
        assert {line_width(line) for line in lines} == {58}
        assert f"Value {form.here} *" in shown(form, 60, 15)
        assert "Enter go on" in shown(form, 60, 15)
    assert form.here == 18
    typed(form, "up")
    assert "expected a whole number" in shown(form, 60, 15)


@pytest.mark.parametrize("cells", [20, 40, 80])
def test_what_is_put_in_never_breaks_the_box(cells: int) -> None:
    """TTY-6: pasted escape sequences, wide characters and 2,000 letters; the cursor stays in sight."""
    form = one("text")
    form.entries[0].text = "\x1b[2J日本語" * 400
    for place in (0, 7, len(form.entries[0].text)):
        form.entries[0].place = place
        lines = form.lines(cells, 24, Look())
        assert len({line_width(line) for line in lines}) == 1
        text = "".join(text for line in lines for text, _ in line)
        assert "\x1b" not in text
        assert "▏" in text
    typed(form, *"more")
    assert len(form.entries[0].text) == 2_800, "it takes no more than an action does"
    assert Look(glyphs=ASCII).glyphs.cursor in "".join(
        text for line in form.lines(cells, 24, Look(glyphs=ASCII)) for text, _ in line
    )


def test_the_menu_scrolls_to_what_is_picked() -> None:
    """TTY-4: with more actions than lines; the first nine have numbers, one without values is asked for at once."""
    buttons = [ActionButton(title=f"Action {n}", action=f"actions/{n}") for n in range(30)]
    menu = Menu(buttons)
    for _ in range(25):
        assert menu.press("down", None).dialog is menu
    assert "Action 25" in shown(menu, 60, 15)
    step = menu.press("enter", None)
    assert isinstance(step.dialog, Question)
    assert "Run Action 25?" in shown(step.dialog, 60, 15)
    assert step.dialog.press("escape", None) == Step()
    assert menu.press("escape", None) == Step()
    assert begin(ActionButton(title="No", action="a", disabled="it runs already")) == Step(say="No: it runs already")
