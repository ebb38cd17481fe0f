"""Prompts rewritten by a model, each only once."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import sqlite3
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fanlight.gateway.access import Caller
from fanlight.gateway.llm.inside import Unanswered, complete
from fanlight.gateway.llm.runtime import Runtime
from fanlight.gateway.shelf import Shelf
from fanlight.gateway.turns import Turns

if TYPE_CHECKING:
    from fanlight import Fanlight

PATH: Final = "/ollama/enhance"
VERSION: Final = 1
"""Of the usual template and of how keys are made; another one forgets what was kept."""

TEMPLATE: Final = (
    "Rewrite the prompt below so that a language model answers it better. Style: {style}. Keep its meaning and its "
    "language. Answer with the rewritten prompt and nothing else.\n\n{prompt}"
)
PROMPT_LIMIT: Final = 100_000
"""Characters of a prompt."""

TURN_SECONDS: Final = 0.05
"""How often is looked whether another worker has the answer to an equal question."""

COUNT_SECONDS: Final = 2.0
"""How often the entries are counted."""


class Wish(msgspec.Struct, kw_only=True):
    """What a client asks for."""

    prompt: str
    model: str = ""
    style: str = ""


class Enhanced(msgspec.Struct, frozen=True):
    """A prompt that was rewritten; `cached`: nobody was asked for it."""

    prompt: str
    model: str
    style: str
    cached: bool


class Enhancement:
    """Rewrites prompts. Belongs to one event loop.

    What was answered is kept by the whole of the question: prompt, model and where it comes from, style, template and
    the name of the key that asked, so that no client sees what was made for another. Equal questions at once ask the
    model once, whichever workers they reach.
    """

    def __init__(self, dashboard: Fanlight) -> None:
        self._dashboard = dashboard
        self._shelf: Shelf | None = None
        self._turns = Turns(None)
        self._asking: dict[bytes, asyncio.Task[str]] = {}
        self._counting: asyncio.Task[None] | None = None
        self._cache = dashboard.cache("enhancement", clear=self._clear)

    async def begin(self, owns: Any) -> None:
        """Open the file; `owns` says whether this worker is the one that tells how many entries there are."""
        from fanlight.clock import SystemClock

        clock = SystemClock()
        path = await asyncio.to_thread(self._dashboard.file, "prompts")
        self._shelf = await asyncio.to_thread(Shelf, path, lambda: clock.time_ns() / 1e9)
        self._turns = Turns(await asyncio.to_thread(self._dashboard.file, "prompts-turns"))
        alone = path is None
        self._counting = asyncio.get_running_loop().create_task(self._count(lambda: alone or owns()))

    async def close(self) -> None:
        """Close the file."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)
        if self._shelf is not None:
            await asyncio.to_thread(self._shelf.close)
        self._turns.close()

    async def enhance(self, runtime: Runtime, caller: Caller, wish: Wish) -> Enhanced:
        """The prompt rewritten; raises Unanswered."""
        settings, cache = runtime.config.enhancement, runtime.config.cache
        model, style = wish.model or settings.model, wish.style or settings.style
        if not model:
            raise Unanswered(400, "no model was named; name one, or set `model` in [enhancement]")
        if not wish.prompt.strip() or len(wish.prompt) > PROMPT_LIMIT or len(style) > 200:
            raise Unanswered(400, f"expected a prompt of 1 to {PROMPT_LIMIT} characters, and a style of at most 200")
        if caller.models and model not in caller.models:
            raise Unanswered(403, f"this key may not ask for {model[:100]!r}")
        template = settings.template or TEMPLATE
        listed = runtime.config.models.get(model)
        source = [listed.provider, listed.upstream] if listed is not None else []
        question = [VERSION, template, model, source, style, wish.prompt, caller.name]
        key = hashlib.sha256(msgspec.json.encode(question)).digest()
        kept = await self._kept(key, cache.max_age_seconds) if cache.enabled else None
        if kept is not None:
            self._cache.hit()
            return Enhanced(kept, model, style, cached=True)
        if cache.enabled:
            self._cache.miss()
        task = self._asking.get(key)
        if task is None:
            text = _filled(template, style, wish.prompt)
            task = asyncio.get_running_loop().create_task(self._made(key, runtime, caller, model, text))
            self._asking[key] = task
            task.add_done_callback(lambda done: self._asking.pop(key, None))
        return Enhanced(await asyncio.shield(task), model, style, cached=False)

    async def _made(self, key: bytes, runtime: Runtime, caller: Caller, model: str, text: str) -> str:
        config = runtime.config
        try:
            async with asyncio.timeout(config.enhancement.timeout_seconds):
                if not config.cache.enabled:
                    return await self._asked(runtime, caller, model, text)
                return await self._asked_once(key, runtime, caller, model, text)
        except TimeoutError:
            raise Unanswered(504, f"{model} took longer than {config.enhancement.timeout_seconds:g} s") from None

    async def _asked_once(self, key: bytes, runtime: Runtime, caller: Caller, model: str, text: str) -> str:
        """What the model answers this worker or, if that is asking already, another one."""
        cache = runtime.config.cache
        while not self._turns.take(key):  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(TURN_SECONDS)
        try:
            kept = await self._kept(key, cache.max_age_seconds)
            if kept is not None:
                return kept
            made = await self._asked(runtime, caller, model, text)
            await self._keep(key, made, cache.max_megabytes << 20, cache.max_age_seconds)
            return made
        finally:
            self._turns.give_back(key)

    async def _asked(self, runtime: Runtime, caller: Caller, model: str, text: str) -> str:
        return (await complete(self._dashboard, runtime, caller, model, text)).strip()

    async def _keep(self, key: bytes, made: str, max_bytes: int, max_age: float) -> None:
        if self._shelf is not None:
            with contextlib.suppress(sqlite3.Error):  # what is not kept is made again
                self._cache.evict(await asyncio.to_thread(self._shelf.put, key, made, max_bytes, max_age))

    async def _kept(self, key: bytes, max_age: float) -> str | None:
        if self._shelf is None:
            return None
        try:
            return await asyncio.to_thread(self._shelf.get, key, max_age)
        except sqlite3.Error:
            return None

    def _clear(self) -> None:
        if self._shelf is not None:
            self._shelf.clear()

    async def _count(self, tells: Any) -> None:
        while self._shelf is not None:
            with contextlib.suppress(sqlite3.Error):
                self._cache.size(await asyncio.to_thread(self._shelf.count) if tells() else 0)
            await asyncio.sleep(COUNT_SECONDS)


def _filled(template: str, style: str, prompt: str) -> str:
    """The template with its two blanks filled in one pass, so that a prompt cannot fill any."""
    values = {"{style}": style, "{prompt}": prompt}
    return re.sub(r"\{style\}|\{prompt\}", lambda found: values[found[0]], template)
