"""Progress: said by the code that runs, kept as the newest word."""

from __future__ import annotations

from fanlight import progress
from fanlight.services.progress import TEXT_LIMIT, Progress, Teller, current


def test_outside_of_an_action_it_is_nothing() -> None:
    """HUB-7: a function that says how far it is can be called from anywhere."""
    progress(1, 2)
    assert current.get() is None


def test_the_newest_word_counts_and_is_fit_to_be_shown() -> None:
    """HUB-7, X-6: cut, without control characters and secrets."""
    teller = Teller()
    token = current.set(teller)
    progress(1, 4)
    progress(2, 4, "password=hunter2 \x1b[31m" + "x" * 1000)
    current.reset(token)
    assert (teller.latest.done, teller.latest.total) == (2.0, 4.0)
    assert "hunter2" not in teller.latest.text
    assert "\x1b" not in teller.latest.text
    assert len(teller.latest.text) <= TEXT_LIMIT


def test_it_reads_as_a_sentence() -> None:
    """HUB-7: what is known, and no more."""
    said = [Progress(), Progress(3), Progress(3, 10), Progress(3, 10, "lemmas"), Progress(text="lemmas")]
    assert [each.sentence for each in said] == ["", "3", "3 of 10", "3 of 10: lemmas", "lemmas"]
