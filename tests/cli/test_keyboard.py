"""What a terminal's bytes mean."""

from __future__ import annotations

import pytest

from fanlight.cli.keyboard import ESCAPE, Keys


@pytest.mark.parametrize(
    ("chunks", "pressed"),
    [
        ([b"d"], ["d"]),
        ([b"d", b"q"], ["d", "q"]),
        ([b"dd"], ["d"]),
        ([b"delete q"], []),
        ([b"\x1b[A"], []),
        ([b"\x1bOB"], []),
        ([b"\x1b[5~"], []),
        ([b"\x1b[1;5C"], []),
        ([b"\x1b", b"[A"], []),
        ([b"\x1b[", b"A", b"q"], ["q"]),
        ([b"\x1bd"], []),
        ([b"q\x1b"], ["q", ESCAPE]),
        ([b"\x1b"], [ESCAPE]),
        ([b"\x1b\x1b"], []),
        ([b"\x1b[200~d\x1b[201~"], ["d"]),
        ([b"\xc3\xa9"], []),
    ],
)
def test_keys_are_told_from_sequences_and_pastes(chunks: list[bytes], pressed: list[str]) -> None:
    """TTY-2: arrows, whole or in pieces, are no Esc; several keys at once are a paste; a lone escape is Esc."""
    keys = Keys()
    found = [key for chunk in chunks for key in keys.feed(chunk)]
    if keys.waiting:
        found += keys.settle()
    assert found == pressed
    assert not keys.waiting
