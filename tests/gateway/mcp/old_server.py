"""A stdio server of the old era, without a library: it knows nothing of `server/discover`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

TOOLS = [
    {"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "hang", "fail", "steps", "spawn", "die")
]


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def call(number: Any, params: dict[str, Any]) -> None:
    name, given = params["name"], params.get("arguments", {})
    if name == "none":
        say({"id": number, "error": {"code": -32602, "message": "no tool of this name"}})
        return
    text = json.dumps({"given": given, "meta": params.get("_meta")})
    if name == "hang":
        return
    if name == "die":
        os._exit(3)
    if name == "steps":
        for step in range(3):
            progress = {"progressToken": params["_meta"]["progressToken"], "progress": step, "total": 3}
            say({"method": "notifications/progress", "params": progress})
            time.sleep(0.01)
    if name == "spawn":
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        text = str(child.pid)
    say({"id": number, "result": {"content": [{"type": "text", "text": text}], "isError": name == "fail"}})


def main() -> None:
    begun = False
    for line in sys.stdin:
        message = json.loads(line)
        method, number, params = message.get("method"), message.get("id"), message.get("params", {})
        if number is None:
            sys.stderr.write(f"was told {method}\n")
            sys.stderr.flush()
        elif method == "initialize":
            begun = True
            info = {"name": "old", "version": "1"}
            say({"id": number, "result": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                                          "serverInfo": info}})  # fmt: skip
        elif method == "tools/list" and begun:
            say({"id": number, "result": {"tools": TOOLS}})
        elif method == "tools/call" and begun:
            call(number, params)
        else:
            say({"id": number, "error": {"code": -32601, "message": f"no {method}"}})


main()
