"""What a server's process is given."""

from __future__ import annotations

import sysconfig

from fanlight.gateway.mcp.process import environment
from fanlight.gateway.schema import McpServer


def test_variables_are_few_and_named() -> None:
    """X-6, HUB-9: keys of the gateway are not passed on unless named; a server's own variables win."""
    gateway = {"PATH": "/usr/bin", "HOME": "/home/ann", "OPENAI_API_KEY": "secret", "WANTED": "yes"}
    given = environment(McpServer(command="x", pass_env=("WANTED", "ABSENT"), env={"HOME": "/srv"}), gateway)
    assert given.keys() == {"PATH", "HOME", "WANTED"}
    assert (given["HOME"], given["WANTED"]) == ("/srv", "yes")


def test_programs_beside_fanlight_are_found_last() -> None:
    """HUB-9, X-8: `pip install mcp-server-time` is enough, in an environment nobody activated; PATH goes first."""
    beside = sysconfig.get_path("scripts")
    assert environment(McpServer(command="x"), {"PATH": "/opt/bin:/bin"})["PATH"] == f"/opt/bin:/bin:{beside}"
    assert environment(McpServer(command="x"), {})["PATH"].endswith(f"bin:{beside}")
    assert environment(McpServer(command="x", env={"PATH": "/own"}), {"PATH": "/bin"})["PATH"] == "/own"
