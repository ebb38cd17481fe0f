"""Turns among processes: one at a time, given back also by one that is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.gateway.mcp.servers import until

from fanlight.gateway.turns import Turns

KEY, OTHER = b"a" * 32, b"b" * 32
TAKER = """
import sys, time
from pathlib import Path
from fanlight.gateway.turns import Turns
turns = Turns(Path(sys.argv[1]))
print(turns.take(b"a" * 32), flush=True)
time.sleep(600)
"""


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """HUB-4, HUB-9: while another process has the turn it is not ours; other keys are; its end gives it back."""
    turns = Turns(tmp_path / "turns")
    assert turns.take(KEY)
    words = [sys.executable, "-c", TAKER, str(tmp_path / "turns")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as refused:
        assert refused.stdout is not None
        assert refused.stdout.readline() == "False\n"
        refused.kill()
    turns.give_back(KEY)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as taker:
        assert taker.stdout is not None
        assert taker.stdout.readline() == "True\n"
        assert [turns.take(KEY), turns.take(OTHER)] == [False, True]
        taker.kill()
    until(lambda: turns.take(KEY))
    turns.close()
    assert (tmp_path / "turns").stat().st_mode & 0o777 == 0o600


def test_alone(tmp_path: Path) -> None:
    """HUB-4: without a file to share, and after its end, it is always one's turn."""
    turns = Turns(None)
    assert turns.take(KEY)
    turns.give_back(KEY)
    turns = Turns(tmp_path / "turns")
    turns.close()
    turns.close()
    assert turns.take(KEY)
