"""tests.reports: a failure with hostile text is reported by a worker like any other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FAILING = r"""
import logging

def test_message():
    raise RuntimeError("said \udcff")

def test_log():
    logging.getLogger("hostile").warning("logged \udcff")
    assert False
"""


def test_a_failure_that_speaks_of_surrogates_is_reported(tmp_path: Path) -> None:
    """TTY-6: the text of neither message nor log breaks the runner off; both are read, with escapes."""
    (tmp_path / "test_it.py").write_text(FAILING)
    words = ["-m", "pytest", "-p", "tests.reports", "-p", "no:cacheprovider", "-n", "1", str(tmp_path)]
    ran = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert "2 failed" in ran.stdout, ran.stdout
    assert r"said \udcff" in ran.stdout
    assert r"logged \udcff" in ran.stdout
