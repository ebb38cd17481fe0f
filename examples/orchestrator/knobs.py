"""Knobs: how each wrapper behaves, turned by hand, by a client, or from the dashboard."""

from __future__ import annotations

import asyncio
from typing import Final, Literal, get_args

Wrapper = Literal["routellm", "poml", "knowledge", "models"]
Mood = Literal["fine", "slow", "fail", "hang"]

WRAPPERS: Final[tuple[Wrapper, ...]] = get_args(Wrapper)
MOODS: Final[tuple[Mood, ...]] = get_args(Mood)
SLOW_SECONDS: Final = 0.7
HANG_SECONDS: Final = 20.0
"""How long a wrapper that hangs keeps its caller at most."""


class WrapperError(Exception):
    """A wrapper gave no result; `status_code` is what the caller should see."""

    def __init__(self, status_code: int, reason: str) -> None:
        super().__init__(reason)
        self.status_code = status_code


class Knobs:
    """The mood of every wrapper. For one event loop, except `mood`, which any thread may ask for."""

    def __init__(self) -> None:
        self._moods: dict[str, Mood] = dict.fromkeys(WRAPPERS, "fine")
        self._turned = asyncio.Event()

    def mood(self, wrapper: str) -> Mood:
        """How this wrapper behaves now."""
        return self._moods[wrapper]

    def all(self) -> dict[str, Mood]:
        """Every wrapper and its mood."""
        return dict(self._moods)

    def turn(self, wrapper: Wrapper, mood: Mood) -> None:
        """Have a wrapper behave so from now on; whoever hangs in it goes on when it is turned."""
        self._moods[wrapper] = mood
        self._turned.set()
        self._turned = asyncio.Event()

    async def suffer(self, wrapper: Wrapper) -> None:
        """What the mood of a wrapper does to a call of it; raises WrapperError."""
        mood = self._moods[wrapper]
        if mood == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        elif mood == "fail":
            raise WrapperError(503, f"{wrapper} is overloaded")
        elif mood == "hang":
            await self._hang(wrapper)

    async def _hang(self, wrapper: Wrapper) -> None:
        try:
            await asyncio.wait_for(self._turned.wait(), HANG_SECONDS)
        except TimeoutError as error:
            raise WrapperError(504, f"{wrapper} did not answer in {HANG_SECONDS:g} s") from error
