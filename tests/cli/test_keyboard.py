"""What a terminal's bytes mean."""

from __future__ import annotations

import pytest

from fanlight.cli.keyboard import ESCAPE, INTERRUPT, SUSPEND, Keys


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
        ([b"\x1b[100u"], ["d"]),
        ([b"\x1b[100;;100u"], ["d"]),
        ([b"\x1b[113;1:1;113u"], ["q"]),
        ([b"\x1b[27u"], [ESCAPE]),
        ([b"\x1b[99;5u"], [INTERRUPT]),
        ([b"\x1b[122;5u"], [SUSPEND]),
        ([b"\x1b[113;3u"], []),
        ([b"\x1b[200;5u"], []),
        ([b"\x1b[233;;233u"], []),
        ([b"\x1b[57441;2u"], []),
    ],
)
def test_keys_are_told_from_sequences_and_pastes(chunks: list[bytes], pressed: list[str]) -> None:
    """TTY-2: arrows, whole or in pieces, are no Esc; several keys at once are a paste; a lone escape is Esc;
    a key that the dashboard asked for in kitty's protocol is the same key."""
    keys = Keys()
    found = [key for chunk in chunks for key in keys.feed(chunk)]
    if keys.waiting:
        found += keys.settle()
    assert found == pressed
    assert not keys.waiting
