"""A small fake of a MongoDB server that speaks its wire protocol (OP_MSG), for the real pymongo client.

It keeps documents in memory and knows the few operators and stages of an aggregation that the tests and examples use.
No MongoDB server is free to be installed everywhere; what a real one does beyond this is not tested.
"""

from __future__ import annotations

import operator
import re
import socket
import struct
import threading
from typing import Any

import bson

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013

HELLO = {
    "helloOk": True, "ismaster": True, "isWritablePrimary": True, "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "minWireVersion": 0, "maxWireVersion": 21,
    "ok": 1.0,
}  # fmt: skip


class MongoServer:
    """The fake, on a port of its own, in threads; `hang` lets commands wait until `close`."""

    def __init__(self) -> None:
        self.collections: dict[str, list[dict[str, Any]]] = {}
        self.hangs = False
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where a client connects to."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def close(self) -> None:
        """Close every connection."""
        self._closed.set()
        self._listener.close()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while header := stream.read(16):
                    size, request, _, code = struct.unpack("<iiii", header)
                    connection.sendall(self._answer(request, code, stream.read(size - 16)))
        except OSError:
            return

    def _answer(self, request: int, code: int, body: bytes) -> bytes:
        if code == OP_QUERY:  # the first greeting of a client
            data = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(HELLO)
            return struct.pack("<iiii", 16 + len(data), 1, request, OP_REPLY) + data
        data = b"\0\0\0\0\0" + bson.encode(self.reply(_command(body)))
        return struct.pack("<iiii", 16 + len(data), 1, request, OP_MSG) + data

    def reply(self, command: dict[str, Any]) -> dict[str, Any]:
        """What is answered to a command."""
        name = next(iter(command))
        if name in ("hello", "ismaster", "isMaster"):
            return HELLO
        if self.hangs:
            self._closed.wait()
        known = getattr(self, f"_{name}", None)
        if known is None:
            return {"ok": 0.0, "errmsg": f"no such command: {name}", "code": 59, "codeName": "CommandNotFound"}
        answer: dict[str, Any] = {"ok": 1.0} | known(command)
        return answer

    def _ping(self, command: dict[str, Any]) -> dict[str, Any]:
        return {}

    _endSessions = _ping  # noqa: N815  # named as the command is

    def _insert(self, command: dict[str, Any]) -> dict[str, Any]:
        kept = self.collections.setdefault(command["insert"], [])
        if any(one.get("_id") == other["_id"] for one in kept for other in command["documents"]):
            return {"ok": 0.0, "code": 11000, "codeName": "DuplicateKey", "errmsg": "dup key: {email: 'value-secret'}"}
        kept.extend(command["documents"])
        return {"n": len(command["documents"])}

    def _find(self, command: dict[str, Any]) -> dict[str, Any]:
        found = self._matching(command["find"], command.get("filter", {}))
        for field, order in reversed(list(command.get("sort", {}).items())):
            found.sort(key=lambda row: row[field], reverse=order < 0)
        first, many = command.get("skip", 0), command.get("limit", 0)
        return _cursor(command["find"], found[first : first + many if many else None])

    def _matching(self, collection: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
        return [each for each in self.collections.get(collection, []) if _matches(each, wanted)]

    def _createIndexes(self, command: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # named as the command is
        return {}

    def _findAndModify(self, command: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # named as the command is
        kept = self.collections.setdefault(command["findAndModify"], [])
        found = self._matching(command["findAndModify"], command["query"])
        if not found and command.get("upsert"):
            found = [dict(command["query"])]
            kept += found
        _change(found[0], command["update"])
        return {"value": found[0]}

    def _update(self, command: dict[str, Any]) -> dict[str, Any]:
        (how,) = command["updates"]
        found = self._matching(command["update"], how["q"])[:1]
        for each in found:
            _change(each, how["u"])
        return {"n": len(found), "nModified": len(found)}

    def _delete(self, command: dict[str, Any]) -> dict[str, Any]:
        (how,) = command["deletes"]
        gone = self._matching(command["delete"], how["q"])
        kept = self.collections.get(command["delete"], [])
        self.collections[command["delete"]] = [each for each in kept if each not in gone]
        return {"n": len(gone)}

    def _count(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"n": len(self.collections.get(command["count"], []))}

    def _serverStatus(self, command: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  # named as the command is
        return {"version": "7.0.0", "uptime": 60.0, "connections": {"current": 3, "available": 97}}

    def _aggregate(self, command: dict[str, Any]) -> dict[str, Any]:
        rows = list(self.collections.get(command["aggregate"], []))
        for stage in command["pipeline"]:
            ((name, how),) = stage.items()
            rows = _staged(rows, name, how)
        return _cursor(command["aggregate"], rows)


def _command(body: bytes) -> dict[str, Any]:
    """The command in the sections of an OP_MSG; documents may come in a section of their own."""
    command: dict[str, Any] = {}
    at = 4
    while at < len(body):
        kind, at = body[at], at + 1
        (size,) = struct.unpack_from("<i", body, at)
        if kind == 0:
            command = bson.decode(body[at : at + size]) | command
        else:
            name, _, documents = body[at + 4 : at + size].partition(b"\0")
            command[name.decode()] = bson.decode_all(documents)
        at += size
    return command


def _cursor(collection: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"cursor": {"id": 0, "ns": f"test.{collection}", "firstBatch": rows}}


def _matches(document: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(name in document and _fits(document[name], value) for name, value in wanted.items())


def _fits(found: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(found == wanted)
    if "$regex" in wanted:
        return re.search(wanted["$regex"], found, re.IGNORECASE if "i" in wanted.get("$options", "") else 0) is not None
    compare = {"$gte": operator.ge, "$gt": operator.gt, "$lt": operator.lt, "$lte": operator.le}
    return all(compare[how](found, limit) for how, limit in wanted.items())


def _change(document: dict[str, Any], how: dict[str, Any]) -> None:
    document.update(how.get("$set", {}))
    for name, amount in how.get("$inc", {}).items():
        document[name] = document.get(name, 0) + amount


def _staged(rows: list[dict[str, Any]], name: str, how: Any) -> list[dict[str, Any]]:
    if name == "$match":
        return [row for row in rows if _matches(row, how)]
    if name == "$group":
        return _grouped(rows, how)
    if name == "$sort":
        for field, order in reversed(list(how.items())):
            rows = sorted(rows, key=lambda row: row[field], reverse=order < 0)
        return rows
    assert name == "$limit", f"the fake knows no {name}"
    return rows[:how]


def _grouped(rows: list[dict[str, Any]], how: dict[str, Any]) -> list[dict[str, Any]]:
    field = how["_id"]
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row.get(field[1:]) if isinstance(field, str) else field, []).append(row)
    return [
        {"_id": value, **{name: _summed(found, rule) for name, rule in how.items() if name != "_id"}}
        for value, found in groups.items()
    ]


def _summed(rows: list[dict[str, Any]], rule: dict[str, Any]) -> Any:
    if rule == {"$sum": 1}:
        return len(rows)
    return max(row[rule["$max"][1:]] for row in rows)
