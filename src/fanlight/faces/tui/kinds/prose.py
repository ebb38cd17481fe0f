"""Words: properties, preformatted text, the verdict, headings, and what can be done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fanlight.faces.tui.cells import Line, clean, cut, fit, line_width, width, wrapped
from fanlight.faces.tui.kinds.base import GAP, LABEL, Kind, Label, labelled, message, message_lines, state_role
from fanlight.faces.tui.look import STATE_WORDS, Look
from fanlight.faces.web.words import state_of
from fanlight.panels import ActionButton, Actions, Fact, Section, Text, Verdict

MOST_PROSE: Final = 40
FACT: Final = 24
"""The least cells a property takes where several stand on a line."""

BESIDE: Final = 34
"""The same in a box."""

BRIEF_CODE: Final = 8


def _empty(panel: Text) -> bool:
    return not (panel.text or panel.facts or panel.code)


def text(panel: Text, cells: int, height: int, look: Look) -> list[Line]:
    """Prose, then properties, then preformatted lines."""
    instead = message(panel, cells, height, look, empty=_empty(panel))
    if instead is not None:
        return instead
    lines = wrapped(panel.text, cells, "text", MOST_PROSE) if panel.text else []
    lines += _packed(panel.facts, cells, look, BESIDE)
    lines += [((cut(clean(line), cells), "muted" if line.startswith("#") else "text"),) for line in _code(panel)]
    return lines[:height]


def _code(panel: Text) -> list[str]:
    return panel.code.splitlines()


def _fact(fact: Fact, cells: int, look: Look) -> Line:
    """A property: its name at the left, its value at the right."""
    value, role = fact_value(fact, look)
    shown = cut(value, max(cells - 6, 4))
    return ((fit(fact.name, max(cells - width(shown) - 1, 0)), "muted"), (" ", "text"), (shown, role))


def fact_value(fact: Fact, look: Look) -> tuple[str, str]:
    """A property's value as text, with its role; one that wants attention has its state's mark."""
    value = clean(look.phrase(fact.value, fact.unit))
    state = state_of(fact.value) if fact.unit == "state" else fact.state
    if state in ("warn", "error") or fact.unit == "state":
        return f"{look.mark(state)} {value}", state_role(state)
    return value, "text"


def ideal_text(panel: Text, cells: int) -> int:
    empty = message_lines(panel, cells, empty=_empty(panel))
    prose = len(wrapped(panel.text, cells, "text", MOST_PROSE)) if panel.text else 0
    facts = len(_packed(panel.facts, cells, Look(), BESIDE))
    return empty or prose + facts + len(_code(panel))


def brief_text(panel: Text, label: Label, cells: int, look: Look) -> list[Line]:
    """Properties side by side; prose and preformatted text below."""
    room = cells - LABEL - 1
    instead = message(panel, room, 2, look, empty=_empty(panel))
    if instead is not None:
        return labelled(label, instead)
    lines = wrapped(panel.text, room, "text", 4) if panel.text else []
    lines += _packed(panel.facts, room, look, FACT)
    lines += [((cut(clean(line), room), "muted"),) for line in _code(panel)[:BRIEF_CODE]]
    return labelled(label, lines)


def _packed(facts: tuple[Fact, ...], room: int, look: Look, least: int) -> list[Line]:
    """Properties in columns of at least so many cells; one that is too long for a column has a line of its own."""
    across = max((room + GAP) // (least + GAP), 1)
    each = (room - GAP * (across - 1)) // across
    long = [fact for fact in facts if width(fact_value(fact, look)[0]) + width(clean(fact.name)) >= each]
    short = [fact for fact in facts if fact not in long]
    lines: list[Line] = []
    for start in range(0, len(short), across):
        line: list[tuple[str, str]] = []
        for fact in short[start : start + across]:
            line += [*_fact(fact, each, look), (" " * GAP, "text")]
        lines.append(tuple(line[:-1]))
    return [*lines, *(_fact(fact, room, look) for fact in long)]


def verdict(panel: Verdict, cells: int, height: int, look: Look) -> list[Line]:
    """The state by shape and colour, the sentence, where to look."""
    sentence = clean(panel.sentence) or STATE_WORDS[panel.state]
    word, _, rest = sentence.partition(".")
    lines = wrapped(sentence, cells - 2, "text", height)
    role = state_role(panel.state)
    head = lines[0][0][0]
    first: Line = ((f"{look.mark(panel.state)} ", role),)
    if rest and head.startswith(f"{word}."):
        return [(*first, (f"{word}.", role), (head[len(word) + 1 :], "text")), *_indented(lines[1:])]
    return [(*first, *lines[0]), *_indented(lines[1:])]


def _indented(lines: list[Line]) -> list[Line]:
    return [(("  ", "text"), *line) for line in lines]


def _ideal_verdict(panel: Verdict, cells: int) -> int:
    return min(len(wrapped(panel.sentence, max(cells - 2, 1), "text", 3)), 3) or 1


def _brief_verdict(panel: Verdict, label: Label, cells: int, look: Look) -> list[Line]:
    return verdict(panel, cells, 2, look)


def section(panel: Section, cells: int, height: int, look: Look) -> list[Line]:
    """A heading with a line behind it."""
    title = cut(clean(panel.title), cells)
    note = f" {cut(clean(panel.note), max(cells - width(title) - 4, 0))}" if panel.note else ""
    rest = max(cells - width(title) - width(note) - 1, 0)
    return [((title, "title"), (note, "muted"), (" ", "text"), (look.glyphs.across * rest, "faint"))]


def _ideal_section(panel: Section, cells: int) -> int:
    return 1


def _brief_section(panel: Section, label: Label, cells: int, look: Look) -> list[Line]:
    return [(("  ", "text"), *section(panel, cells - 3, 1, look)[0])]


def actions(panel: Actions, cells: int, height: int, look: Look) -> list[Line]:
    """What can be done, side by side; one that cannot says why."""
    instead = message(panel, cells, height, look, empty=not panel.buttons)
    if instead is not None:
        return instead
    lines: list[list[tuple[str, str]]] = [[]]
    for button in panel.buttons:
        piece = _button(button, cells)
        if lines[-1] and line_width(tuple(lines[-1])) + line_width(piece) > cells:
            lines.append([])
        lines[-1] += [*piece, (" ", "text")]
    return [*(tuple(line[:-1]) for line in lines), *_outcomes(panel, cells, look)][:height]


def _outcomes(panel: Actions, cells: int, look: Look) -> Iterator[Line]:
    """What became of each last."""
    for button in panel.buttons:
        if button.note:
            yield (
                (f"{look.mark(button.state)} ", button.state or "muted"),
                (cut(clean(button.note), cells - 2), "muted"),
            )


def _button(button: ActionButton, cells: int) -> Line:
    title = f"[ {cut(clean(button.title), max(cells - 4, 1))} ]"
    if not button.disabled:
        return ((title, "accent"),)
    return ((title, "muted"), (f" {cut(clean(button.disabled), max(cells - width(title) - 1, 0))}", "muted"))


def _ideal_actions(panel: Actions, cells: int) -> int:
    empty = message_lines(panel, cells, empty=not panel.buttons)
    return empty or len(actions(panel, cells, MOST_PROSE, Look()))


def _brief_actions(panel: Actions, label: Label, cells: int, look: Look) -> list[Line]:
    return labelled(label, actions(panel, cells - LABEL - 1, 3, look))


TEXT = Kind(full=text, ideal=ideal_text, brief=brief_text, rank=7)
VERDICT = Kind(full=verdict, ideal=_ideal_verdict, brief=_brief_verdict, rank=0, enlarges=False)
SECTION = Kind(full=section, ideal=_ideal_section, brief=_brief_section, rank=0, enlarges=False)
ACTIONS = Kind(full=actions, ideal=_ideal_actions, brief=_brief_actions, rank=9, enlarges=False)
