"""pymongo: one call for each command, by its name and collection, sync and asyncio, by its own command monitoring.

pymongo tells only clients that are made after `watch`. Documents and filters are never read.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, Final

from fanlight.capture.clients.library import ClientCall, Described, Library, Nobody, Undo

PENDING_LIMIT: Final = 4_096
"""Commands under way whose end is waited for; beyond it those begun first are given up."""

QUIET: Final = frozenset(("hello", "ismaster", "isMaster", "endSessions", "saslStart", "saslContinue", "getnonce"))
"""What a client says on its own account."""


def change(library: Library) -> Undo:
    """Have commands of pymongo recorded."""
    from pymongo import monitoring

    pending = _Pending()

    class Listener(monitoring.CommandListener):
        """What pymongo tells of its commands."""

        def started(self, event: Any) -> None:
            call = library.begin(_described, event)
            call.__enter__()
            call.outlive()
            pending.add(_key(event), call)

        def succeeded(self, event: Any) -> None:
            pending.end(_key(event), None)

        def failed(self, event: Any) -> None:
            pending.end(_key(event), event.failure)

    listener = Listener()
    monitoring.register(listener)

    def undo() -> None:
        # pymongo has no way to take a listener back; clients that know it already find nobody watching.
        listeners = monitoring._LISTENERS.command_listeners
        if listener in listeners:
            listeners.remove(listener)

    return undo


class _Pending:
    """Commands under way. Thread-safe."""

    def __init__(self) -> None:
        self._calls: dict[Any, ClientCall | Nobody] = {}
        self._lock = Lock()

    def add(self, key: Any, call: ClientCall | Nobody) -> None:
        if isinstance(call, Nobody):
            return
        with self._lock:
            oldest = self._calls.pop(next(iter(self._calls))) if len(self._calls) >= PENDING_LIMIT else None
            self._calls[key] = call
        if oldest is not None:
            oldest.end(GeneratorExit())

    def end(self, key: Any, failure: Any) -> None:
        with self._lock:
            call = self._calls.pop(key, None)
        if call is None:
            return
        if failure is not None:
            call.learn(_failed, failure)
        call.end()


def _failed(call: ClientCall, failure: Any) -> None:
    """A failure is the server's reply, or what was raised; its message may quote documents: its name is kept."""
    name = str(failure.get("codeName") or failure.get("errtype") or "failed")[:80]
    call.fail(name, "timeout" if "timeout" in name.lower() else name)


def _key(event: Any) -> Any:
    return event.connection_id, event.request_id, event.command_name


def _described(event: Any) -> Described | None:
    name = event.command_name
    if name in QUIET:
        return None
    target = event.command.get("collection" if name == "getMore" else name)
    operation = f"{name} {target}" if isinstance(target, str) else name
    host, port = event.connection_id if isinstance(event.connection_id, tuple) else (event.connection_id, None)
    keys = (event.database_name, f"{host}:{port}", str(host))
    return Described(keys, event.database_name, operation, "database", {"system": "mongodb"})
