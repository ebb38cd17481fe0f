"""Installing around Starlette and FastAPI applications, and asking what they answer themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette

from fanlight.capture.exchange import Application
from fanlight.capture.routes import walk
from fanlight.errors import FanlightError

Wrap = Callable[[Application], Application]


def install(app: object, wrap: Wrap, owner: object = None) -> None:
    """Put `wrap(inner)` around everything a Starlette or FastAPI application does, its error middleware included.

    `add_middleware` works as before: what it adds is inside. A second call for the same `owner` (by default the same
    `wrap`) does nothing. Raises FanlightError for any other kind of application.
    """
    if not isinstance(app, Starlette):
        raise FanlightError(
            f"install() got {_kind(app)}; expected a Starlette or FastAPI application. "
            "Around any other ASGI application use app = dashboard.asgi(app)"
        )
    owners: list[object] = vars(app).setdefault("_fanlight_owners", [])
    owner = wrap if owner is None else owner
    if any(known is owner or known == owner for known in owners):
        return
    owners.append(owner)
    build = app.build_middleware_stack

    def build_wrapped() -> Any:
        return wrap(build())

    app.build_middleware_stack = build_wrapped  # type: ignore[method-assign]  # of this one application
    if app.middleware_stack is not None:  # it has served already
        app.middleware_stack = wrap(app.middleware_stack)


def owns(app: object, prefix: str) -> str | None:
    """The template of the application's own route at or under `prefix`; None when there is none.

    A route that takes any path, such as a mount at the root, owns nothing: the dashboard goes before it.
    """
    for entry in walk(app):
        if entry.template == prefix or entry.template.startswith(f"{prefix}/"):
            return entry.template
    return None


def _kind(app: object) -> str:
    kind = type(app)
    return f"{app.__name__} (a function)" if hasattr(app, "__name__") else f"a {kind.__module__}.{kind.__qualname__}"
