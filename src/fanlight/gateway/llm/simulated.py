"""The simulated provider as an upstream, in this process."""

from __future__ import annotations

from collections.abc import Sequence

from fanlight.gateway.llm.upstream import UpstreamError
from fanlight.gateway.schema import Provider
from fanlight.gateway.simulate import Answer, Asked, ConnectionLost, Simulator


class SimulatedUpstream:
    """A simulator behind the interface of a provider."""

    def __init__(self, name: str, provider: Provider, models: tuple[str, ...]) -> None:
        self._name = name
        self._simulator = Simulator(seed=provider.seed, speed=provider.speed, failures=provider.failures, models=models)

    async def ask(
        self, method: str, path: str, headers: Sequence[tuple[bytes, bytes]], body: bytes | None
    ) -> SimulatedReply:
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        try:
            answer = await self._simulator.answer(Asked(method, path.partition("?")[0], named, body or b""))
        except ConnectionLost as error:
            raise _broken(self._name) from error
        return SimulatedReply(answer, self._name)

    async def close(self) -> None:
        """Nothing is kept open."""


class SimulatedReply:
    """An answer of the simulator."""

    def __init__(self, answer: Answer, name: str) -> None:
        self._chunks = answer.chunks
        self._name = name
        self.status = answer.status
        self.headers: Sequence[tuple[bytes, bytes]] = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()
        ]
        self._left = int(answer.headers.get("content-length", -1))

    @property
    def ended(self) -> bool:
        return self._left == 0

    async def chunk(self) -> bytes:
        try:
            chunk = await anext(self._chunks, b"")
            self._left -= len(chunk)
            return chunk
        except ConnectionLost as error:
            raise _broken(self._name) from error

    def close(self) -> None:
        """What is not read is never made."""


def _broken(name: str) -> UpstreamError:
    return UpstreamError(f"{name} closed the connection before its answer was whole", kind="reset")
