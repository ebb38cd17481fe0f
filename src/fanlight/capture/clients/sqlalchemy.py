"""SQLAlchemy: one call for each statement that is executed, by its kind and first table, never its values."""

from __future__ import annotations

from typing import Any, Final

from fanlight.capture.clients.library import ClientCall, Described, Library, Nobody, Undo
from fanlight.capture.clients.statements import operation

EXECUTION: Final = "_fanlight_execution"
"""Where SQLAlchemy's execution context keeps ours."""


def change(library: Library) -> Undo:
    """Have statements recorded: of every engine, sync and asyncio, by SQLAlchemy's own events."""
    from sqlalchemy import Engine, event

    def before(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if context is not None:
            setattr(context, EXECUTION, _Execution(library.begin(_described, connection, statement, many, parameters)))

    def after(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        _end(context, None)

    def failed(context: Any) -> None:
        _end(context.execution_context, context.original_exception)

    listeners = (("before_cursor_execute", before), ("after_cursor_execute", after), ("handle_error", failed))
    for name, listener in listeners:
        event.listen(Engine, name, listener)

    def undo() -> None:
        for name, listener in listeners:
            event.remove(Engine, name, listener)

    return undo


class _Execution:
    """The call of one execution. No event tells of one that is cancelled: it ends when nobody holds it any more."""

    def __init__(self, call: ClientCall | Nobody) -> None:
        self.call = call
        call.__enter__()
        call.outlive()

    def __del__(self) -> None:
        self.call.end(GeneratorExit())


def _end(context: Any, error: BaseException | None) -> None:
    """End the call of an execution if it is under way: an error may come before it began."""
    execution = getattr(context, EXECUTION, None)
    if execution is not None:
        execution.call.end(error)


def _described(connection: Any, statement: str, many: bool, parameters: Any) -> Described:
    url = connection.engine.url
    system = str(url.get_backend_name())
    database = str(url.database or "").replace("\\", "/").rpartition("/")[2]
    keys = (database, f"{url.host}:{url.port}", str(url.host))
    said = {"system": system} | ({"rows_sent": len(parameters)} if many else {})
    return Described(keys, _name(database) or system, operation(str(statement)), "database", said)


def _name(database: str) -> str:
    """A database's name fit to be a service's; "" for one in memory."""
    return "" if database in ("", ":memory:") else database
