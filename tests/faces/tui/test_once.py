"""One page as text: all of it, for pipes."""

from __future__ import annotations

from datetime import UTC

import msgspec
from tests.faces.service import ScriptedService
from tests.faces.tui.documents import NOW, document

from fanlight.faces.tui.cells import width
from fanlight.faces.tui.look import ASCII, Look
from fanlight.faces.tui.once import once
from fanlight.panels import View


def test_a_page_is_printed_whole(watched: ScriptedService) -> None:
    """TTY-3: header, every panel, the last lines; no line is wider than asked and none holds a command."""
    for cells in (60, 80, 120, 200):
        made = once(document(service=watched), cells, Look(zone=UTC, at=NOW), View())
        assert all(width(line) <= cells for line in made)
        text = "\n".join(made)
        for said in ("chat-api", "Healthy.", "Throughput", "Recent activity", "Quick actions", "routellm 503"):
            assert said in text
        assert "".join(made).isprintable()


def test_it_says_what_is_wrong_with_the_store(watched: ScriptedService) -> None:
    """TTY-3, X-2: below the verdict."""
    given = msgspec.structs.replace(document(service=watched), history="behind for 9 s")
    assert once(given, 80, Look(zone=UTC, at=NOW), View())[2] == " ▲ History: behind for 9 s"


def test_it_can_be_ascii_alone(watched: ScriptedService) -> None:
    """TTY-4: for pipes that take nothing else."""
    assert "".join(once(document(service=watched), 100, Look(glyphs=ASCII, zone=UTC, at=NOW), View())).isascii()
