"""Registry: the services an application declared, and what this instance says of all it depends on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from fanlight.clock import Clock
from fanlight.core.dependencies import REQUIRED, RESTARTABLE, TOLD
from fanlight.core.recorder import Sample
from fanlight.core.records import LABEL_LIMIT, text
from fanlight.core.sections import SEPARATOR
from fanlight.errors import FanlightError
from fanlight.services.breaker import Breaker, GuardedCall
from fanlight.services.calls import Call, Sink
from fanlight.services.probe import INTERVAL_SECONDS, THRESHOLD, TIMEOUT_SECONDS, Probe, Told, Watch

SERVICE_LIMIT: Final = 100
"""Services an application can declare."""

RESTART: Final = "restart"
"""The action that restarts a service."""

RESTART_SECONDS: Final = 30.0
"""How long a service's own restart function may take."""

OPEN_SHOWN: Final = 100
"""Services whose calls under way are told, those with the oldest first."""


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A service as it was declared. Times in seconds."""

    name: str
    kind: str = "wrapper"
    required: bool = False
    probe: Probe | Told | None = None
    interval: float = INTERVAL_SECONDS
    timeout: float = TIMEOUT_SECONDS
    threshold: int = THRESHOLD
    restart: Callable[[], Any] | None = None
    breaker: Breaker | None = None


class Registry:
    """What one application depends on, as one instance of it knows. Declaring is thread-safe."""

    def __init__(self) -> None:
        self.declared: dict[str, Declared] = {}
        self._busy: list[str] = []

    def declare(self, service: Declared) -> None:
        """Add a service, or declare it anew; raises FanlightError for one that cannot be."""
        _check(service)
        if service.name not in self.declared and len(self.declared) >= SERVICE_LIMIT:
            raise FanlightError(f"{SERVICE_LIMIT} services are declared already; expected fewer, each one depended on")
        self.declared[service.name] = service

    def withdraw(self, name: str) -> None:
        """Know it no more, if it was declared."""
        self.declared.pop(name, None)

    def samples(self) -> Iterator[Sample]:
        """Who is declared as what."""
        for service in tuple(self.declared.values()):
            label = f"{service.name}{SEPARATOR}{service.kind}"
            level = REQUIRED * service.required + RESTARTABLE * (service.restart is not None)
            level += TOLD * isinstance(service.probe, Told)
            yield Sample("service.declared", label, level, "max", "instance")

    def under_way(self, open_calls: Mapping[Any, None], now_ns: int) -> Iterator[Sample]:
        """How many calls of each service are under way, and for how long the oldest; for one thread.

        After the last call of a service none is told once: a reading counts for some seconds where no newer one comes.
        """
        counts: dict[str, int] = {}
        oldest: dict[str, int] = {}
        for call in list(open_calls):
            name = call.service
            counts[name] = counts.get(name, 0) + 1
            oldest.setdefault(name, call.began_ns)  # begun first, listed first
        shown = list(counts)[:OPEN_SHOWN]
        for name in dict.fromkeys([*shown, *self._busy]):
            label = text(name, LABEL_LIMIT)
            yield Sample("service.in_flight", label, counts.get(name, 0), "sum", "instance")
            yield Sample("service.oldest", label, max(now_ns - oldest.get(name, now_ns), 0) / 1e9, "max", "instance")
        self._busy = shown


def _check(service: Declared) -> None:
    if not service.name.strip() or len(service.name) > LABEL_LIMIT or not service.name.isprintable():
        raise FanlightError(
            f"a service's name is {service.name[:100]!r}; expected 1 to {LABEL_LIMIT} printable characters"
        )
    for field in ("probe", "restart"):
        value = getattr(service, field)
        if value is not None and not callable(value) and not (field == "probe" and isinstance(value, Told)):
            raise FanlightError(f"{field}= of service {service.name!r} is {value!r}; expected a function")
    for field, least in (("interval", 0.5), ("timeout", 0.05), ("threshold", 1)):
        value = getattr(service, field)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= 3_600:
            raise FanlightError(f"{field}= of service {service.name!r} is {value!r}; expected {least} to 3600")


class Prober:
    """The probes of the declared services on this instance. For the pulse's thread.

    `hurry` may be called by any: there is news that should not wait for the next turn.
    """

    def __init__(self, clock: Clock, hurry: Callable[[], None]) -> None:
        self._clock = clock
        self.hurry = hurry
        self._watches: dict[str, tuple[Declared, Watch]] = {}

    def turn(self, declared: Mapping[str, Declared], loop: asyncio.AbstractEventLoop | None) -> Iterator[Sample]:
        """Let each probe go on, and say what it knows."""
        for gone in [name for name in self._watches if name not in declared]:
            del self._watches[gone]
        for service in tuple(declared.values()):
            if isinstance(service.probe, Told):
                service.probe.heed(self)
                yield from service.probe.samples(service.name, self._clock.time_ns() / 1e9)
            elif service.probe is not None:
                watch = self._watch(service, service.probe)
                watch.turn(loop)
                yield from watch.samples()

    def _watch(self, service: Declared, probe: Probe) -> Watch:
        known = self._watches.get(service.name)
        if known is not None and known[0] is service:
            return known[1]
        made = Watch(service.name, probe, service.interval, service.timeout, service.threshold, self._clock)
        self._watches[service.name] = (service, made)
        return made


def called(sink: Sink, service: Declared, operation: str, kind: str, attributes: dict[str, Any]) -> Call:
    """A call of a declared service: of its kind unless another is said, and through its breaker."""
    kind = service.kind if kind == "wrapper" else kind
    if service.breaker is None:
        return Call(sink, service.name, operation, kind, attributes)
    return GuardedCall(sink, service.name, operation, kind, attributes, breaker=service.breaker)
