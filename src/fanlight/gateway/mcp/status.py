"""What is known of an MCP server, in every worker."""

from __future__ import annotations

import msgspec

from fanlight.gateway.mcp.states import State

TOOL_LIMIT = 500
"""Tools of one server that are known by name."""


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One server as its owner knows it; times are Unix seconds. `resets` counts how often an operator restarted it,
    `looping` is whether it ended so often in a row that its next start means little."""

    name: str
    remote: bool = False
    state: State = "starting"
    since: float = 0.0
    pid: int = 0
    restarts: int = 0
    resets: int = 0
    looping: bool = False
    retry_at: float | None = None
    last_error: str = ""
    last_error_at: float | None = None
    tools: tuple[str, ...] = ()
    version: str = ""
    title: str = ""
    capabilities: tuple[str, ...] = ()
    instructions: str = ""

    @property
    def reason(self) -> str:
        """Why it cannot be asked, in words."""
        why = f": {self.last_error}" if self.last_error and self.state != "starting" else ""
        return f"{self.name} is {'' if self.state != 'backoff' else 'in '}{self.state}{why}"
