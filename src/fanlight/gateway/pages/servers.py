"""The page of the MCP servers: how each is, what can be done to it, and its tools."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec
import psutil

from fanlight.gateway.mcp.status import ServerStatus
from fanlight.gateway.servers import Servers
from fanlight.panels import Actions, Column, Panel, Row, Slot, State, Table, View
from fanlight.snapshot import Operation, Snapshot

if TYPE_CHECKING:
    from fanlight import Fanlight

EVERY_SECONDS: Final = 2.0
"""How often the memory of the processes is read while somebody looks."""

TOOLS_SHOWN: Final = 50
STATES: Final[Mapping[str, State]] = {"ready": "ok", "starting": "warn", "backoff": "warn", "stopped": "error"}
NONE: Final = "The configuration has no MCP server."

COLUMNS: Final = (
    Column(name="server", title="Server", sort=False),
    Column(name="state", title="State", unit="state", sort=False),
    Column(name="pid", title="pid", sort=False),
    Column(name="uptime", title="Up for", unit="seconds", sort=False),
    Column(name="restarts", title="Restarts", unit="integer", sort=False),
    Column(name="tools", title="Tools", unit="integer", sort=False),
    Column(name="memory", title="Memory", unit="bytes", sort=False),
    Column(name="version", title="MCP", sort=False),
    Column(name="retry", title="Starts again", unit="time", sort=False),
    Column(name="failed", title="Last failed", unit="time", sort=False),
    Column(name="error", title="Last error", wide=True, sort=False),
)
TOOL_COLUMNS: Final = (
    Column(name="server", title="Server", sort=False),
    Column(name="tool", title="Tool", unit="code", wide=True, sort=False),
    Column(name="calls", title="Calls", unit="integer", sort=False),
    Column(name="errors", title="Errors", unit="ratio", sort=False),
    Column(name="mean", title="Mean", unit="seconds", sort=False),
    Column(name="p50", title="p50", unit="seconds", sort=False),
    Column(name="p95", title="p95", unit="bar", sort=False),
    Column(name="p99", title="p99", unit="seconds", sort=False),
    Column(name="total", title="In all", unit="integer", sort=False),
)


def declare(dashboard: Fanlight, servers: Servers) -> None:
    """Add the page."""
    dashboard.page("MCP servers", name="mcp", every=EVERY_SECONDS)(ServersPage(dashboard, servers).slots)


class ServersPage:
    """The panels of the page; what they say of states is live, memory is read now and then."""

    def __init__(self, dashboard: Fanlight, servers: Servers) -> None:
        self._dashboard = dashboard
        self._servers = servers

    async def slots(self) -> Sequence[Slot]:
        """The page."""
        memory = await asyncio.to_thread(memory_of, self._servers.board.statuses())
        return [
            Slot(name="mcp-servers", build=lambda snapshot, view: self._states(memory, snapshot)),
            Slot(name="mcp-actions", build=self._restarts),
            Slot(name="mcp-tools", build=lambda snapshot, view: self._tools(snapshot)),
            Slot(name="mcp-failed", build=self._failed),
            self._dashboard.slot("slowest-operations", span=12),
        ]

    def _states(self, memory: Mapping[int, int], snapshot: Snapshot) -> Panel:
        return servers_table(self._servers.board.statuses(), memory, snapshot.at)

    def _tools(self, snapshot: Snapshot) -> Panel:
        return tools_table(snapshot, self._servers.board.statuses())

    def _restarts(self, snapshot: Snapshot, view: View) -> Panel:
        """Those of the quick actions that restart a server, with what became of them."""
        offered = self._dashboard.slot("actions").build(snapshot, view)
        names = {f"actions/restart/{quote(name, safe='')}" for name in self._servers.tools.names}
        buttons = tuple(button for button in getattr(offered, "buttons", ()) if button.action in names)
        return Actions(title="Actions", buttons=buttons, empty=NONE)

    def _failed(self, snapshot: Snapshot, view: View) -> Panel:
        """The last failed calls of tools."""
        every = self._dashboard.slot("failed-calls").build(snapshot, view)
        if not isinstance(every, Table):
            return every
        mine = {record.id for record in snapshot.failed_calls if record.data["kind"] == "mcp"}
        rows = tuple(row for row in every.rows if row.key in mine)
        return msgspec.structs.replace(every, rows=rows, empty="No tool failed in the last 15 minutes.")


def servers_table(statuses: Sequence[ServerStatus], memory: Mapping[int, int], now: float) -> Table:
    """Every server as it is; `memory` by pid."""
    rows = tuple(_server(status, memory, now) for status in statuses)
    return Table(title="MCP servers", columns=COLUMNS, rows=rows, empty=NONE)


def _server(status: ServerStatus, memory: Mapping[int, int], now: float) -> Row:
    values = (
        status.name,
        status.state,
        str(status.pid) if status.pid else "remote" if status.remote else None,
        max(now - status.since, 0.0) if status.state == "ready" else None,
        status.restarts,
        len(status.tools),
        memory.get(status.pid),
        status.version or None,
        status.retry_at,
        status.last_error_at,
        status.last_error or None,
    )
    return Row(key=status.name, values=values, href=_href(status.name), state=STATES.get(status.state, "error"))


def _href(server: str) -> str:
    return f"services/{quote(server, safe='')}"


def tools_table(snapshot: Snapshot, statuses: Sequence[ServerStatus]) -> Table:
    """Every tool of every server, called or not, and whatever else its servers were asked; the busiest first."""
    called = {(each.service, each.operation): each for each in snapshot.operations}
    names = {status.name for status in statuses}
    keys = {key: None for key in called if key[0] in names}
    keys |= {(status.name, tool): None for status in statuses for tool in status.tools}
    rows = tuple(_tool(server, tool, called.get((server, tool))) for server, tool in tuple(keys)[:TOOLS_SHOWN])
    return Table(
        title="Tools",
        note="last 15 min",
        columns=TOOL_COLUMNS,
        rows=rows,
        more=max(len(keys) - TOOLS_SHOWN, 0),
        empty="No server has told its tools yet.",
    )


def _tool(server: str, tool: str, called: Operation | None) -> Row:
    figures = called.figures if called is not None and called.figures.count else None
    values = (
        server,
        tool,
        figures.count if figures else 0,
        figures.errors / figures.count if figures else None,
        figures.mean if figures else None,
        figures.p50 if figures else None,
        figures.p95 if figures else None,
        figures.p99 if figures else None,
        called.total.count if called is not None else 0,
    )
    state: State = "warn" if figures and figures.errors * 20 > figures.count else ""
    return Row(key=f"{server} {tool}", values=values, href=_href(server), state=state)


def memory_of(statuses: Sequence[ServerStatus]) -> dict[int, int]:
    """Bytes of each server's processes by its pid; those that are gone are left out."""
    found = {status.pid: memory(status.pid) for status in statuses if status.pid}
    return {pid: size for pid, size in found.items() if size is not None}


def memory(pid: int) -> int | None:
    """Bytes of a process and its children, None without one."""
    try:
        process = psutil.Process(pid)
        return sum(int(each.memory_info().rss) for each in (process, *process.children(recursive=True)))
    except psutil.Error:
        return None
