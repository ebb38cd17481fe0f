"""`fanlight export`: figures out of a store, with no server."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fanlight import Fanlight
from fanlight.core.facts import REQUEST

Refused = Callable[..., str]


@pytest.fixture
def url(folder: Path) -> str:
    """A store with what one instance of `shop` did a moment ago: twenty requests, four of them failed."""
    address = f"sqlite:///{folder}/shared.db"
    dashboard = Fanlight("shop", store=address)
    dashboard.start()
    recorder = dashboard.recorder
    for number in range(20):
        status = 503 if number % 5 == 0 else 200
        head = (REQUEST, recorder.next_seq(), recorder.clock.monotonic_ns(), 3_000_000, 3_000_000)
        recorder.append((*head, "GET", "=items()", "", status, 0, "/items", "", None))
    dashboard.close()
    return address


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FANLIGHT_")}
    words = (sys.executable, "-m", "fanlight", "export", *words)
    return subprocess.run(words, cwd=folder, env=environ, capture_output=True, timeout=60, check=False)


def rows(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


def test_endpoints_as_csv(folder: Path, url: str) -> None:
    """ORC-3: a row for each endpoint, exact, and text that a spreadsheet would run is marked as text."""
    done = run(folder, "--store", url, "--range", "15m")
    assert (done.returncode, done.stderr) == (0, b"")
    [row] = rows(done.stdout)
    assert (row["route"], row["window_count"], row["window_errors"]) == ("'=items()", "20", "4")


def test_a_timeline_into_a_file(folder: Path, url: str) -> None:
    """ORC-3: steps of time into a file, which is whole or not there."""
    done = run(folder, "--store", url, "--range", "15m", "--table", "timeline", "-o", "week.csv")
    assert (done.returncode, done.stdout) == (0, b"")
    found = rows((folder / "week.csv").read_bytes())
    assert sum(int(row["requests"]) for row in found) == 20
    assert [path.name for path in folder.glob("week*")] == ["week.csv"]


def test_json_holds_both(folder: Path, url: str) -> None:
    """ORC-3: the same document as the dashboard's JSON route."""
    document = json.loads(run(folder, "--store", url, "--range", "15m", "--format", "json").stdout)
    assert document["service"] == "shop"
    assert document["requests"]["count"] == 20
    assert sum(step["requests"] for step in document["timeline"]) == 20
    assert document["by_status"] == {"200": 16, "503": 4}


def test_nothing_is_left_in_the_store(folder: Path, url: str) -> None:
    """X-8: exporting makes no instance of the service."""
    before = json.loads(run(folder, "--store", url, "--format", "json").stdout)
    after = json.loads(run(folder, "--store", url, "--format", "json").stdout)
    assert before["requests"] == after["requests"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--range", "1y"), "'1y' is not one of"),
        (("--from", "yesterday", "--to", "2026-11-21T00:00:00Z"), 'from is "yesterday"'),
        (("--from", "1700000000"), "both from and to"),
        (("-o", "/proc/nothing/week.csv"), "cannot be written"),
        (("--name", "ship"), "holds no service 'ship'; say which with --name: 'shop'"),
    ],
)
def test_what_makes_no_sense_is_refused(refused: Refused, url: str, words: tuple[str, ...], said: str) -> None:
    """ORC-3: a wrong word on the line is refused with what was got and what was expected; the status is 2."""
    assert said in refused("export", "--store", url, *words)


def test_a_store_is_needed(refused: Refused) -> None:
    """X-8: without a store it says what to give."""
    assert "--store" in refused("export", FANLIGHT_STORE="memory://")


def test_a_file_that_is_not_there_is_not_made(refused: Refused, folder: Path) -> None:
    """X-8: a mistyped name of a file is refused and leaves nothing behind."""
    for words in ((), ("--name", "shop")):
        line = refused("export", "--store", f"sqlite:///{folder}/shard.db", *words)
        assert line.endswith("start the service with this store first (without one: from this folder)")
    assert not list(folder.glob("shard*"))
