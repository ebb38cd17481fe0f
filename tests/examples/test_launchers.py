"""Each example is started by one command, from wherever that is given."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.cli.conftest import Running, environ, folder
from tests.examples.conftest import ask, until
from tests.servers.conftest import free_port

__all__ = ["environ", "folder"]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("example", ["orchestrator", "uploads", "chat_api"])
def test_a_taken_port_is_said_at_once(example: str, folder: Path, environ: dict[str, str]) -> None:
    """ORC-7: an example whose port is taken says so and ends, before it speaks of a dashboard."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = Running([str(EXAMPLES / example), "--port", str(port)], folder, environ, module="")
        assert running.end() == 1
    assert running.lines[-1].startswith(f"port {port} on 127.0.0.1 cannot be listened on")
    assert not any("dashboard at" in line for line in running.lines)


@pytest.mark.parametrize(("example", "more"), [("orchestrator", ["--sample-data"]), ("uploads", []), ("chat_api", [])])
def test_an_example_is_one_command(example: str, more: list[str], folder: Path, environ: dict[str, str]) -> None:
    """Issue 5, ORC-7: `python examples/NAME` says where its dashboard is, serves, and is in use."""
    port = free_port()
    running = Running([str(EXAMPLES / example), "--port", str(port), *more], folder, environ, module="")
    try:
        running.until(f"{example}: dashboard at http://127.0.0.1:{port}/dashboard")
        until(lambda: _answers(port))
        place = f"http://127.0.0.1:{port}"
        until(lambda: ask(place, "GET", "/dashboard/api/data").json["performance"]["total_requests"] > 3)
    finally:
        running.stop()
    assert not any("Traceback" in line for line in running.lines), "\n".join(running.lines)


def _answers(port: int) -> bool:
    try:
        return ask(f"http://127.0.0.1:{port}", "GET", "/dashboard/health").status == 200
    except OSError:
        return False
