"""The dashboard's page of the MCP servers, and the slowest operations of all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import psutil

from fanlight.core.snapshot import Snapshot
from fanlight.gateway.mcp.status import ServerStatus
from fanlight.gateway.servers import Servers
from fanlight.panels import Column, Panel, Row, Slot, Table, View

if TYPE_CHECKING:
    from fanlight import Fanlight

EVERY_SECONDS: Final = 2.0
SLOWEST: Final = 20
STATES: Final[dict[str, Any]] = {"ready": "ok", "starting": "warn", "backoff": "warn", "stopped": "warn"}

COLUMNS: Final = (
    Column(name="server", title="Server"),
    Column(name="state", title="State"),
    Column(name="pid", title="pid"),
    Column(name="uptime", title="Up for", unit="seconds"),
    Column(name="restarts", title="Restarts", unit="integer"),
    Column(name="tools", title="Tools", unit="integer"),
    Column(name="memory", title="Memory", unit="bytes"),
    Column(name="version", title="MCP"),
    Column(name="last_error", title="Last error"),
)
SLOWEST_COLUMNS: Final = (
    Column(name="service", title="Service"),
    Column(name="operation", title="Operation"),
    Column(name="calls", title="Calls", unit="integer"),
    Column(name="p95", title="p95", unit="seconds"),
    Column(name="longest", title="Longest", unit="seconds"),
)


def declare(dashboard: Fanlight, servers: Servers) -> None:
    """Add the page."""

    async def mcp_servers() -> Sequence[Any]:
        statuses = servers.board.statuses()
        table = await asyncio.to_thread(servers_table, statuses, time.time())
        return [
            Slot(name="mcp-servers", build=lambda snapshot, view: table, span=12),
            Slot(name="slowest-operations", build=slowest, span=12),
        ]

    dashboard.page("MCP servers", name="mcp", every=EVERY_SECONDS)(mcp_servers)


def servers_table(statuses: Sequence[ServerStatus], now: float) -> Table:
    """Every server as it is; reads the memory of their processes."""
    rows = tuple(_row(status, now) for status in statuses)
    return Table(title="MCP servers", columns=COLUMNS, rows=rows, empty="The configuration has no MCP server.")


def _row(status: ServerStatus, now: float) -> Row:
    uptime = now - status.since if status.state == "ready" else None
    values = (
        status.name, status.state, str(status.pid or "—"), uptime, status.restarts, len(status.tools),
        memory(status.pid), status.version, status.last_error,
    )  # fmt: skip
    state = STATES.get(status.state, "error")
    return Row(key=status.name, values=values, href=f"services/{status.name}", state=state)


def slowest(snapshot: Snapshot, view: View) -> Panel:
    """The operations of all services that took longest, by their 95th percentile."""
    called = [each for each in snapshot.operations if each.figures.count]
    called.sort(key=lambda each: each.figures.p95, reverse=True)
    rows = tuple(
        Row(
            key=f"{each.service} {each.operation}",
            values=(each.service, each.operation, each.figures.count, each.figures.p95, each.figures.maximum),
            href=f"services/{each.service}",
        )
        for each in called[:SLOWEST]
    )
    return Table(title="Slowest operations", columns=SLOWEST_COLUMNS, rows=rows, empty="Nothing was called yet.")


def memory(pid: int) -> int | None:
    """Bytes of a process and its children, None without one."""
    if not pid:
        return None
    try:
        process = psutil.Process(pid)
        return sum(int(each.memory_info().rss) for each in (process, *process.children(recursive=True)))
    except psutil.Error:
        return None
