"""All servers as one: their tools under names that begin with the server's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from fanlight.gateway.mcp.eras import result_for
from fanlight.gateway.mcp.failure import INVALID_PARAMS, METHOD_NOT_FOUND, Failure
from fanlight.gateway.mcp.peer import Progress
from fanlight.gateway.mcp.tools import JOINT, Tools

LIST_SECONDS: Final = 10.0
"""How long a server may take to list its tools until the others' are told without them; one that starts takes some."""


class Joined:
    """Every server's tools; a server that is down, or does not answer, is left out and named."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def ask(
        self, method: str, params: Mapping[str, Any], progress: Progress | None, *, modern: bool
    ) -> dict[str, Any]:
        """The result; raises Failure."""
        if method == "tools/list":
            return result_for(method, await self._list(), modern=modern)
        if method != "tools/call":
            raise Failure("refused", f"all servers together have tools only, not {method[:80]}", code=METHOD_NOT_FOUND)
        server, tool = self._split(params.get("name"))
        return await self._tools.ask(server, method, {**params, "name": tool}, progress, modern=modern)

    async def _list(self) -> dict[str, Any]:
        names = self._tools.names
        found = await asyncio.gather(*map(self._tools_of, names), return_exceptions=True)
        tools: list[dict[str, Any]] = []
        down: dict[str, str] = {}
        for name, each in zip(names, found, strict=True):
            if isinstance(each, Failure):
                down[name] = str(each)
            elif isinstance(each, BaseException):
                raise each
            else:
                tools += [{**tool, "name": f"{name}{JOINT}{tool.get('name')}"} for tool in each]
        return {"tools": tools, **({"_meta": {"fanlight/unavailable": down}} if down else {})}

    async def _tools_of(self, name: str) -> list[dict[str, Any]]:
        try:
            async with asyncio.timeout(LIST_SECONDS):
                return await self._tools.all_tools(name)
        except TimeoutError:
            raise Failure("timeout", f"{name} did not list its tools within {LIST_SECONDS:g} s") from None

    def _split(self, name: Any) -> tuple[str, str]:
        """The server and its own name of a tool; where names of servers begin alike, the longest counts."""
        if isinstance(name, str):
            for server in sorted(self._tools.names, key=len, reverse=True):
                if name.startswith(server + JOINT):
                    return server, name[len(server) + len(JOINT) :]
        expected = f"expected SERVER{JOINT}TOOL, SERVER one of {', '.join(self._tools.names) or '(none)'}"
        raise Failure("refused", f"no server has the tool {name!r:.100}; {expected}", code=INVALID_PARAMS)
