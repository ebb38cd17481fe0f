"""A script without HTTP: what it records is written when it ends, however it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import PATIENCE, environ, folder

from fanlight.core.frame import Frame
from fanlight.stores import open_store

__all__ = ["environ", "folder"]

SCRIPT = """
import threading
from fanlight import Fanlight

dashboard = Fanlight("job")
dashboard.start()
for number in range(300):
    dashboard.event("step", number=number)
"""

ENDS = {
    "at its last line": ("", 0),
    "by sys.exit": ("import sys\nsys.exit(3)", 3),
    "by an exception": ("raise RuntimeError('failed')", 1),
    "in threads of its own": ("threading.Thread(target=lambda: dashboard.event('step')).start()", 0),
    "closed before": ("dashboard.close()", 0),
    "in the child of a fork": (
        "import os\npid = os.fork()\n"
        "if not pid:\n    dashboard.event('step')\n    raise SystemExit\n"
        "assert os.waitpid(pid, 0)[1] == 0",
        0,
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_last_second_is_written(end: str, folder: Path, environ: dict[str, str]) -> None:
    """X-8, X-3: a script that records and ends leaves nothing unwritten and does not hang; each process is one
    instance that said goodbye.
    """
    text, status = ENDS[end]
    url = f"sqlite:///{folder}/job.db"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT + text],
        cwd=folder,
        env={**environ, "FANLIGHT_STORE": url},
        timeout=PATIENCE,
        capture_output=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    store = open_store(url)
    instances, frames = store.instances("job"), [Frame.decode(blob) for blob in store.totals("job").values()]
    store.close()
    extra = 1 if "fork" in end or "threads" in end else 0
    assert sum(frame.counters.get("events.step", 0) for frame in frames) == 300 + extra, [f.counters for f in frames]
    assert [info.closed for info in instances] == [True] * (2 if "fork" in end else 1)
