"""`fanlight run --reload`: changed files are noticed, and the service starts again without losing a number."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from fanlight.cli import reloading
from fanlight.cli.reloading import Changes
from fanlight.cli.supervisor import GRACE_SECONDS, Act, Child, Phase, deadline, due, ended, renewed, stopped

if TYPE_CHECKING:
    import pytest
    from tests.cli.conftest import Command

Eventually = Callable[[Callable[[], bool]], None]

APPLICATION = """
import os
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": f"EDITION {os.getpid()}".encode()})
"""


def touched(path: Path, seconds: int) -> None:
    """Give a file a time of its own, whatever the clock's grain."""
    os.utime(path, (seconds, seconds))


def test_changes_are_files_added_changed_and_removed(tmp_path: Path) -> None:
    """Issue 3: any Python file below the folder counts, and what has not changed does not."""
    (tmp_path / "shop").mkdir()
    source = tmp_path / "shop" / "views.py"
    source.write_text("one")
    touched(source, 1_000)
    changes = Changes(str(tmp_path))
    assert changes.look() == ""
    touched(source, 2_000)
    assert changes.look() == "shop/views.py"
    assert changes.look() == ""
    (tmp_path / "added.py").touch()
    assert changes.look() == "added.py"
    source.unlink()
    assert changes.look() == "shop/views.py"


def test_what_is_no_source_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 3: hidden folders, installed packages and other files are not watched, and the files looked at are
    bounded; a folder that is gone has none."""
    for folder in (".venv", "node_modules", "__pycache__", "data"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ("x.csv" if folder == "data" else "x.py")).touch()
    assert Changes(str(tmp_path)).look() == ""
    changes = Changes(str(tmp_path))
    (tmp_path / ".venv" / "y.py").touch()
    (tmp_path / "data" / "y.csv").touch()
    assert changes.look() == ""
    monkeypatch.setattr(reloading, "FILE_LIMIT", 1)
    bounded = Changes(str(tmp_path))
    (tmp_path / "a.py").touch()
    assert bounded.look() == "a.py"
    (tmp_path / "b.py").touch()
    assert bounded.look() == ""
    assert Changes(str(tmp_path / "nowhere")).look() == ""


def test_the_life_of_a_worker_that_is_renewed() -> None:
    """Issue 3: it is told to end, killed when it does not, and then there is a new one at once; a stop wins."""
    renewing = renewed(Child(Phase.RUNNING, 1.0), 2.0)
    assert renewing == Child(Phase.RENEWING, 2.0)
    assert due(renewing, 3.0, served=True) is None
    assert deadline(renewing) == 2.0 + GRACE_SECONDS
    assert due(renewing, 2.0 + GRACE_SECONDS, served=True) is Act.KILL
    assert due(ended(renewing, 3.0), 3.0, served=True) is Act.SPAWN
    assert due(renewed(Child(Phase.BACKOFF, 1.0, 10.0), 2.0), 2.0, served=True) is Act.SPAWN
    assert ended(stopped(renewing, 3.0), 4.0).phase is Phase.STOPPED
    for phase in (Phase.WAITING, Phase.STOPPING, Phase.STOPPED):
        assert renewed(Child(phase, 1.0), 2.0).phase is phase


def test_a_changed_application_is_served_and_totals_go_on(
    command: Command, eventually: Eventually, folder: Path
) -> None:
    """Issue 3, X-2: after an edit both workers serve the new code on the same port, a mistake waits for its mending,
    and every worker tells the total of all that was ever asked."""
    module = folder / "edited.py"
    module.write_text(APPLICATION.replace("EDITION", "one"))
    url = f"sqlite:///{folder}/kept.db"
    running = command(
        "run", "edited:app", "--port", "0", "--workers", "2", "--reload", "--store", url, "--name", "shop"
    )
    address = running.served()
    asked = 0

    def answers(edition: str, processes: int) -> Callable[[], bool]:
        seen: set[str] = set()

        def look() -> bool:
            nonlocal asked
            word, pid = running.get(address, "/")[1].split()
            asked += 1
            seen.add(pid) if word == edition else seen.clear()
            return len(seen) >= processes

        return look

    eventually(answers("one", 2))
    before = {child.pid for child in psutil.Process(running.popen.pid).children(recursive=True)}
    module.write_text("this is no Python")
    running.until("edited.py has changed; starting again")
    running.until("starting it again in")
    module.write_text(APPLICATION.replace("EDITION", "two"))
    eventually(answers("two", 2))
    assert not before & {child.pid for child in psutil.Process(running.popen.pid).children(recursive=True)}

    def exact() -> bool:
        told = json.loads(running.get(address, "/dashboard/api/data")[1])["performance"]["total_requests"]
        return bool(told == asked)

    for _ in range(4):
        eventually(exact)
    assert running.stop() == 0
