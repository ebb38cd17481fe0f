"""Decoration: a function each of whose runs is inside a context manager, whatever kind of function it is."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, TypeVar, cast

from fanlight.core.context import call as current

F = TypeVar("F", bound=Callable[..., Any])

Around = Callable[[], AbstractContextManager[Any]]
"""Makes the context manager of one run."""


def decorated(function: F, around: Around) -> F:
    """The function, each run inside a new `around()`; a generator is inside from its first step to its last.

    Between two steps a generator leaves nothing in the context of whoever reads it.
    """
    if inspect.isasyncgenfunction(function):
        made: Callable[..., Any] = _async_generator(function, around)
    elif inspect.iscoroutinefunction(function):
        made = _coroutine(function, around)
    elif inspect.isgeneratorfunction(function):
        made = _generator(function, around)
    else:
        made = _plain(function, around)
    return cast(F, wraps(function)(made))


def _plain(function: Callable[..., Any], around: Around) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        with around():
            return function(*args, **kwargs)

    return run


def _coroutine(function: Callable[..., Any], around: Around) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> Any:
        with around():
            return await function(*args, **kwargs)

    return run


def _generator(function: Callable[..., Any], around: Around) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        outside = current.get()
        with around():
            inside, steps = current.get(), function(*args, **kwargs)
            step, value = steps.send, None
            while True:
                try:
                    item = step(value)
                except StopIteration as end:
                    return end.value
                finally:
                    current.set(outside)
                try:
                    value, step = (yield item), steps.send
                except GeneratorExit:
                    steps.close()
                    raise
                except BaseException as error:
                    value, step = error, steps.throw
                outside = current.get()
                current.set(inside)

    return run


def _async_generator(function: Callable[..., Any], around: Around) -> Callable[..., Any]:
    async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        outside = current.get()
        with around():
            inside, steps = current.get(), function(*args, **kwargs)
            step, value = steps.asend, None
            while True:
                try:
                    item = await step(value)
                except StopAsyncIteration:
                    return
                finally:
                    current.set(outside)
                try:
                    value, step = (yield item), steps.asend
                except GeneratorExit:
                    await steps.aclose()
                    raise
                except BaseException as error:
                    value, step = error, steps.athrow
                outside = current.get()
                current.set(inside)

    return run
