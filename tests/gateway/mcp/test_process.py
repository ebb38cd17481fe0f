"""What a server's process is given."""

from __future__ import annotations

import sysconfig

from fanlight.gateway.mcp.process import environment
from fanlight.gateway.schema import McpServer


def test_variables_are_few_and_named() -> None:
    """X-6, HUB-9: keys of the gateway are not passed on unless named; a server's own variables win."""
    gateway = {"PATH": "/usr/bin", "HOME": "/home/ann", "OPENAI_API_KEY": "secret", "WANTED": "yes"}
    given = environment(McpServer(command="x", pass_env=("WANTED", "ABSENT"), env={"HOME": "/srv"}), gateway)
    assert given.keys() == {"PATH", "HOME", "WANTED", "COLUMNS"}
    assert (given["HOME"], given["WANTED"]) == ("/srv", "yes")


def test_servers_log_in_long_lines() -> None:
    """HUB-9: what they wrap at 80 columns is four entries of the log; a width of the configuration's own wins."""
    assert environment(McpServer(command="x"), {"COLUMNS": "80"})["COLUMNS"] == "200"
    assert environment(McpServer(command="x", env={"COLUMNS": "120"}), {})["COLUMNS"] == "120"
    assert environment(McpServer(command="x", pass_env=("COLUMNS",)), {"COLUMNS": "80"})["COLUMNS"] == "80"


def test_programs_beside_fanlight_are_found_last() -> None:
    """HUB-9, X-8: `pip install mcp-server-time` is enough, in an environment nobody activated; PATH goes first."""
    beside = sysconfig.get_path("scripts")
    assert environment(McpServer(command="x"), {"PATH": "/opt/bin:/bin"})["PATH"] == f"/opt/bin:/bin:{beside}"
    assert environment(McpServer(command="x"), {})["PATH"].endswith(f"bin:{beside}")
    assert environment(McpServer(command="x", env={"PATH": "/own"}), {"PATH": "/bin"})["PATH"] == "/own"
