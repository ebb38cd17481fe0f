"""The book of runs: shared by workers, found by a restart, bounded."""

from __future__ import annotations

from pathlib import Path

from fanlight.gateway.runbook import KEPT, LOST, STALE_SECONDS, Run, Runbook


def test_runs_survive_and_the_lost_are_told(tmp_path: Path) -> None:
    """HUB-7, HUB-10, TTY-6: the book is read again after a restart, by every worker; a run whose worker is gone is over
    and keeps no other from beginning; so many are kept of each pipeline."""
    now = [1_000.0]
    path = tmp_path / "f.db.runs"
    book = Runbook(path, lambda: now[0])

    def run(number: int, name: str = "a") -> Run:
        return Run(run=f"{name}{number}", pipeline=name, cause="schedule", status="running", began=now[0])

    assert book.begin(run(0))
    assert not book.begin(run(1))
    book.keep(Run(run="a0", pipeline="a", cause="schedule", status="success", began=now[0], ended=now[0]))
    assert book.begin(run(1))
    now[0] += STALE_SECONDS + 1
    other = Runbook(path, lambda: now[0])
    assert [(each.run, each.status, each.result) for each in other.recent("a")] == [
        ("a1", "error", LOST), ("a0", "success", ""),
    ]  # fmt: skip
    assert other.scheduled("a") == 1_000.0
    for number in range(2, KEPT + 10):
        now[0] += STALE_SECONDS + 1
        assert other.begin(run(number))
    assert other.begin(run(0, "b"))
    assert len(book.recent("a", 1_000)) == KEPT
    assert book.find("b", "b0") is not None
    assert book.find("a", "b0") is None
    book.close()
    other.close()
