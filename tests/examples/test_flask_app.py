"""The Flask example as its first lines say: under gunicorn, with its dashboard beside it."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Running, environ, eventually, folder
from tests.servers.conftest import connected, document, free_port, listening

__all__ = ["environ", "eventually", "folder"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def notes(folder: Path, environ: dict[str, str], port: int) -> Iterator[str]:
    """Where the example listens; with another folder and dashboard port than its own."""
    text = (EXAMPLES / "flask_app.py").read_text()
    command = re.search(r"^    gunicorn (.*)$", text, re.MULTILINE)
    assert command is not None
    (folder / "flask_app.py").write_text(text.replace("port=9090", f"port={port}"))
    words = [*command[1].replace("--chdir examples", f"--chdir {folder}").split(), "-b", "127.0.0.1:0"]
    running = Running(words, EXAMPLES.parent, {**environ, "NOTES": str(folder / "notes")}, "gunicorn")
    yield listening(running)
    assert running.stop() == 0


def ask(place: str, method: str, path: str, body: str | None = None) -> tuple[int, str]:
    connection = connected(place)
    connection.request(method, path, body)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def test_the_example_is_recorded_and_shown(notes: str, port: int, eventually: Any) -> None:
    """X-8: notes are written and read, hostile text is escaped, and the dashboard tells all of it by template."""
    status, body = ask(notes, "POST", "/notes", "<script>milk & eggs")
    assert status == 201
    name = json.loads(body)["note"]
    assert ask(notes, "GET", f"/notes/{name}") == (200, "<p>&lt;script&gt;milk &amp; eggs</p>")
    assert json.loads(ask(notes, "GET", "/notes")[1]) == {"notes": [name]}
    assert ask(notes, "POST", "/notes", "")[0] == 400
    assert ask(notes, "GET", "/notes/..%2f..%2fetc")[0] == 404
    place = f"127.0.0.1:{port}"

    def told() -> bool:
        viewer = connected(place)
        try:
            return bool(document(viewer, "/api/data")["performance"]["total_requests"] == 5)
        except (OSError, http.client.HTTPException):  # it is not up yet
            return False
        finally:
            viewer.close()

    eventually(told)
    viewer = connected(place)
    assert "/notes/{name}" in str(document(viewer, "/api/requests"))
    assert document(viewer, "/api/stats")["cache_misses_total"] >= 1
    viewer.close()
