"""Calls that client libraries make: recorded by what stands around the library, with no change where it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from types import TracebackType
from typing import Any, Final, Protocol

from fanlight.core.context import call as current
from fanlight.core.facts import Fact, error_type
from fanlight.services.calls import Call, Sink
from fanlight.services.outcomes import RATE_LIMIT
from fanlight.services.registry import Registry

Failed = Callable[[str, Exception], None]
"""Counts a failure of Fanlight's own: (where, error)."""


QUOTING: Final = ("database", "cache")
"""Kinds of services whose error messages quote the values they were sent: only the name of the error is kept."""


class Described(Protocol):
    """What an adapter says of a call; see `capture.clients.library.Described`."""

    @property
    def keys(self) -> tuple[str, ...]: ...
    @property
    def service(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def attributes(self) -> dict[str, Any]: ...


class ClientCall(Call):
    """A call of a client library. It may outlive the function that began it, as a stream does, and then has an `end`.

    `learn` never raises: what an adapter cannot read is counted as a failure of Fanlight's own.
    """

    failed: Failed | None = None
    context: Context | None = None

    def learn(self, read: Callable[..., object], *given: Any) -> None:
        """Let `read(call, *given)` say more of the call."""
        try:
            read(self, *given)
        except Exception as error:
            if self.failed is not None:
                self.failed("clients", error)

    def answered(self, status: int) -> None:
        """It was answered with this HTTP status; from 400 on it failed, up to 499 by the caller's fault."""
        self.set(status=status)
        if status >= 400:
            self.fail(f"status {status}", RATE_LIMIT if status == 429 else error_type(status))

    def outlive(self) -> None:
        """Go on when the `with` ends, until `end`; what follows in the caller's context is no child of it."""
        if self.token is not None and self.context is None:
            current.reset(self.token)
            self.context = copy_context()

    def end(self, error: BaseException | None = None) -> None:
        """End a call that outlived its function, in the context it began in; ending twice is ending once."""
        context, self.context = self.context, None
        if context is not None:
            context.run(self.__exit__, type(error) if error is not None else None, error, None)

    def _judged(self, error: BaseException | None) -> tuple[str, str | None]:
        outcome, said = Call._judged(self, error)
        if error is not None and self.kind in QUOTING:
            said = type(error).__name__
        return outcome, said

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.context is None:
            Call.__exit__(self, kind, error, trace)
        elif error is not None:
            self.end(error)


class Several:
    """The first of several sinks, whose calls are copied to the others."""

    def __init__(self, first: Sink, others: tuple[Sink, ...]) -> None:
        self._first = first
        self._others = others
        self.next_seq: Callable[[], int] = first.next_seq
        self.now_ns: Callable[[], int] = first.now_ns
        self.begin: Callable[[Any], None] = first.begin
        self.append: Callable[[Fact], None] = self._append

    def _append(self, fact: Fact) -> None:
        call = fact[4]
        for sink in self._others:  # each folds a call of its own: folding numbers it and rewrites its attributes
            copy = Call(sink, call.service, call.operation, call.kind, dict(call.attributes))
            sink.append((fact[0], sink.next_seq(), sink.now_ns(), fact[3], copy, None, *fact[6:]))
        self._first.append(fact)


class Watcher:
    """Who watches a client library: one dashboard. Thread-safe."""

    def __init__(self, sink: Sink, names: Mapping[str, str], registry: Registry, failed: Failed) -> None:
        self.sink = sink
        self.failed = failed
        self._names = dict(names)
        self._registry = registry

    def begin(self, described: Described, others: tuple[Watcher, ...] = ()) -> ClientCall | None:
        """The call, not entered; None inside a call of the same service by another library: that one counts it.

        Its service is what `names` says for one of its keys, else what the adapter calls it.
        """
        names = self._names
        service = next((names[key] for key in described.keys if key in names), described.service)
        around = current.get()
        if type(around) is ClientCall and around.service == service:
            return None
        declared = self._registry.declared.get(service)
        kind = declared.kind if declared is not None and described.kind != "llm" else described.kind
        sink = self.sink if not others else Several(self.sink, tuple(each.sink for each in others))
        return ClientCall(sink, service, described.operation, kind, described.attributes, failed=self.failed)
