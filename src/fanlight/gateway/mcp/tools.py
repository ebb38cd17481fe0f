"""Asking a server through its breaker, recorded; every way to it, MCP or plain HTTP, comes through here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from fanlight.errors import BreakerOpen
from fanlight.gateway.mcp.eras import OFFERED, PASSED, result_for
from fanlight.gateway.mcp.failure import INVALID_PARAMS, METHOD_NOT_FOUND, Failure
from fanlight.gateway.mcp.peer import Progress
from fanlight.gateway.mcp.status import ServerStatus
from fanlight.gateway.mcp.switchboard import Switchboard
from fanlight.gateway.schema import McpServer

if TYPE_CHECKING:
    from fanlight import Fanlight

UNLISTED: Final = "(unlisted)"
"""The name under which calls of tools are counted that the server does not list."""

JOINT: Final = "__"
"""Between a server's name and its tool's where all servers are one."""

PAGES: Final = 20
"""Pages of a list that are read for who takes it whole."""

BLAMED: Final = frozenset({"crashed", "timeout", "broken"})
"""Failures the server is blamed for; a refusal is the caller's."""

DOWN: Final = frozenset({"backoff", "crash-loop"})


class Tools:
    """The servers of a configuration, as clients may use them. Belongs to one event loop."""

    def __init__(self, dashboard: Fanlight, board: Switchboard, servers: Callable[[], Mapping[str, McpServer]]) -> None:
        self._dashboard = dashboard
        self._board = board
        self._servers = servers

    @property
    def names(self) -> tuple[str, ...]:
        """The servers there are."""
        return tuple(self._servers())

    def status(self, server: str) -> ServerStatus:
        """What is known of one of them."""
        return self._board.status(server) or ServerStatus(name=server)

    async def ask(
        self, server: str, method: str, params: Mapping[str, Any], progress: Progress | None = None, *,
        modern: bool = True,
    ) -> dict[str, Any]:  # fmt: skip
        """The result as a client of that era takes it; raises Failure. The call is recorded."""
        if method not in PASSED:
            raise Failure("refused", f"the gateway does not pass {method[:100]} on", code=METHOD_NOT_FOUND)
        tool = self._tool(server, params) if method == "tools/call" else ""
        failure: Failure | None = None
        with self._dashboard.call(server, tool or method, kind="mcp") as call:
            try:
                result = await self._guarded(server, method, dict(params), progress)
            except Failure as error:
                failure = error
                call.fail(str(error), type=error.type)
            else:
                if result.get("isError") is True:
                    call.fail(_said(result), type="tool_error")
            if tool and tool not in self.status(server).tools:  # known now, if it was still starting before
                call.operation = UNLISTED
        if failure is not None:
            raise failure
        if method == "tools/list":
            result = self._allowed(server, result)
        return result_for(method, result, modern=modern)

    async def _guarded(
        self, server: str, method: str, params: dict[str, Any], progress: Progress | None
    ) -> dict[str, Any]:
        """Ask through the server's breaker. One that is known to be down is not asked, and so cannot fail."""
        timeout = self._servers()[server].timeout_seconds
        if self.status(server).state in DOWN:
            return await self._board.request(server, method, params, timeout, progress)
        failed: Failure | None = None
        try:
            with self._dashboard.breaker(server).attempt() as guard:
                try:
                    return await self._board.request(server, method, params, timeout, progress)
                except Failure as failure:
                    failed = failure
                    if failure.kind in BLAMED:
                        guard.fail(str(failure), failure.kind)
        except BreakerOpen as refusal:
            raise Failure("open", str(refusal), retry_after=refusal.retry_after) from refusal
        assert failed is not None
        raise failed

    def _tool(self, server: str, params: Mapping[str, Any]) -> str:
        """The name of the tool that is called; raises Failure for one that may not be."""
        name = params.get("name")
        if not isinstance(name, str) or not name:
            raise Failure("refused", "a call of a tool needs its name", code=INVALID_PARAMS)
        allowed = self._servers()[server].tools
        if allowed and name not in allowed:
            said = f"the tool {name[:100]!r} of {server} may not be called; these may: {', '.join(allowed[:20])}"
            raise Failure("refused", said, code=INVALID_PARAMS)
        return name

    def _allowed(self, server: str, result: dict[str, Any]) -> dict[str, Any]:
        allowed, tools = self._servers()[server].tools, result.get("tools")
        if not allowed or not isinstance(tools, list):
            return result
        return {**result, "tools": [tool for tool in tools if isinstance(tool, dict) and tool.get("name") in allowed]}

    async def all_tools(self, server: str) -> list[dict[str, Any]]:
        """Every tool of a server that may be called; raises Failure."""
        tools: list[dict[str, Any]] = []
        cursor: Any = None
        for _ in range(PAGES):
            found = await self.ask(server, "tools/list", {"cursor": cursor} if cursor else {})
            tools += [tool for tool in found.get("tools") or () if isinstance(tool, dict)]
            cursor = found.get("nextCursor")
            if not cursor:
                break
        return tools

    def capabilities(self, server: str) -> dict[str, Any]:
        """What a server offers here; before it was ever up, everything that is passed on."""
        return {name: {} for name in self.status(server).capabilities or OFFERED}


def _said(result: Mapping[str, Any]) -> str:
    content = result.get("content")
    first = content[0] if isinstance(content, list) and content else None
    return str(first.get("text", "")) if isinstance(first, dict) else "the tool failed"
