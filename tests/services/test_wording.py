"""Texts of the application as they are shown."""

from __future__ import annotations

from fanlight.services.wording import presentable


def test_what_was_cut_says_so() -> None:
    """HUB-7, X-6: an outcome that is too long ends with a mark; secrets go before the cut."""
    assert presentable("done: greeting ran", 18) == "done: greeting ran"
    assert presentable("done: greeting ran 3 steps", 18) == "done: greeting ra…"
    assert presentable("a\x00b", 300).isprintable()
    assert "hunter2" not in presentable(f"password=hunter2 {'x' * 400}", 300)
    assert len(presentable("é" * 400, 300)) == 300
