"""Colours told briefly: what a terminal shows is the same, byte for byte fewer."""

from __future__ import annotations

import random
import re

import pytest

from fanlight.faces.tui.ink import Ink, turn

STYLES = (
    "38;2;1;2;3;48;2;9;9;9", "1;38;2;1;2;3;48;2;9;9;9", "38;2;4;5;6;48;2;9;9;9", "7;38;2;4;5;6;48;2;9;9;9", "2", "1",
    "2;4", "34", "1;34", "38;5;12;48;5;0", "38;5;12", "97;100", "1;7",
)  # fmt: skip

Cell = tuple[str, frozenset[str], str, str]


def shown(data: str) -> list[Cell]:
    """What a terminal makes of it: each character and each move, with the colours it comes in."""
    attributes, text, ground, cells = set[str](), "", "", list[Cell]()
    for codes, move, character in re.findall(r"\x1b\[([\d;]*)m|(\x1b\[[\d;]*H)|(.|\n)", data):
        if move or character:
            cells.append((move or character, frozenset(attributes) if character else frozenset(), text, ground))
            if move or character == "\n":
                cells[-1] = (move or character, frozenset(), "", "")
            continue
        for code in re.findall(r"[34]8;2;\d+;\d+;\d+|[34]8;5;\d+|\d+", codes):
            number = int(code.partition(";")[0])
            if number == 0:
                attributes, text, ground = set(), "", ""
            elif number in (39, 49):
                text, ground = ("", ground) if number == 39 else (text, "")
            elif 30 <= number <= 38 or 90 <= number <= 97:
                text = code
            elif 40 <= number <= 48 or 100 <= number <= 107:
                ground = code
            else:
                attributes.add(code)
    return cells


def written(chance: random.Random) -> str:
    """Pieces as Textual writes them: each with all of its colours, or none, and a reset; moves in between."""
    pieces = []
    for _ in range(chance.randrange(1, 30)):
        style, text = chance.choice((*STYLES, "")), chance.choice(("a", "bc ", "  "))
        pieces.append(f"\x1b[{style}m{text}\x1b[0m" if style else text)
        pieces.append(chance.choice(("", "", "", "\x1b[3;4H", "\n\x1b[12;1H")))
    return "".join(pieces)


@pytest.mark.parametrize("seed", range(20))
def test_the_screen_is_the_same(seed: int) -> None:
    """TTY-4: every character has the colours it would have had, over many frames on one terminal, in fewer bytes."""
    chance, ink = random.Random(seed), Ink()
    frames = [written(chance) for _ in range(20)]
    thinned = [ink.thinned(each) for each in frames]
    assert shown("".join(thinned)) == shown("".join(frames))
    assert len("".join(thinned)) < len("".join(frames))


def test_what_stays_is_not_said_again() -> None:
    """TTY-4: of two pieces on one ground only the other colour is told; of two alike nothing."""
    dark, muted = "\x1b[38;2;1;2;3;48;2;9;9;9m", "\x1b[38;2;4;5;6;48;2;9;9;9m"
    said = f"{dark}a\x1b[0m{muted}b\x1b[0m\x1b[5;1H{muted}c\x1b[0m"
    assert Ink().thinned(said) == f"{dark}a\x1b[38;2;4;5;6mb\x1b[5;1Hc\x1b[0m"
    assert turn("1;34", "34") == "\x1b[0;34m"
    assert turn("34;44", "1") == "\x1b[1;39;49m"


def test_other_sequences_pass_as_they_are() -> None:
    """TTY-2: what begins and ends the dashboard's screen is no colour."""
    said = "\x1b[?1049h\x1b[?25l\x1b[>25u\x1b[?2026h\x1b[2;3Hab\x1b[?2026l\x1b[<u\x1b[?1049l"
    assert Ink().thinned(said) == said
