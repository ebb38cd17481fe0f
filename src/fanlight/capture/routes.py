"""Route templates: from what a framework leaves in the scope to one bounded label; used at fold time only."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

UNMATCHED: Final = "unmatched"
"""The template of what no route matched."""

BY_PATH: Final = object()
"""A fact's route when the scope names none and yet something answered: the path alone decides."""

TEMPLATE_LIMIT: Final = 200
"""Characters of a template; what is longer is cut."""

ENTRY_LIMIT: Final = 10_000
"""Routes an index holds."""

PATH_LIMIT: Final = 1_024
"""Paths an index remembers the template of."""

_DEPTH_LIMIT: Final = 16  # applications mounted in each other, middleware around each other
_SEGMENT_LIMIT: Final = 12
_PATIENCE_LIMIT: Final = 65_536
_MOUNT_REST: Final = "/{path}"


class Missed:
    """A fact's route when the answer was 404 although `endpoint` was chosen: perhaps only a mount matched."""

    __slots__ = ("endpoint",)

    def __init__(self, endpoint: Any) -> None:
        self.endpoint = endpoint


class Entry:
    """One place an application answers at: its full template, and how to tell whether a path leads there.

    `steps` are the routes (mounts first) whose `path_regex` a path must pass; `container`: there are routes below it.
    """

    __slots__ = ("container", "key", "steps", "template")

    def __init__(self, template: str, key: Any, steps: tuple[Any, ...], container: bool) -> None:
        self.template = tidy(template) or "/"
        self.key = key
        self.steps = steps
        self.container = container

    def leads(self, path: str) -> bool:
        """Whether a path inside the application ends here."""
        rest = path
        for step in self.steps:
            match = step.path_regex.match(rest)
            if match is None:
                return False
            if step is not self.steps[-1]:
                rest = "/" + match.groupdict().get("path", "")
        return True


class RouteIndex:
    """Gives the template of a request from its endpoint, or from its path where there is none.

    Starlette and FastAPI of every supported version leave the innermost `endpoint` in the scope; the index knows every
    endpoint of the application's tree of routes by identity. `describe` is for one thread at a time.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._templates: dict[int, str] = {}
        self._entries: dict[int, list[Entry]] = {}
        self._leaves: list[Entry] = []
        self._built = False
        self._misses = 0
        self._patience = 0
        self._paths: dict[str, str] = {}  # what paths were matched to; emptied when full

    def build(self) -> None:
        """Read the application's routes anew."""
        entries: dict[int, list[Entry]] = {}
        leaves: list[Entry] = []
        for entry in walk(self._app):
            entries.setdefault(id(entry.key), []).append(entry)
            if not entry.container:
                leaves.append(entry)
        self._entries, self._leaves, self._built = entries, leaves, True
        self._templates = {
            key: places[0].template
            for key, places in entries.items()
            if len({place.template for place in places}) == 1 and not places[0].container
        }
        self._paths = {}

    def by_path(self, route: Any) -> bool:
        """Whether a request's template depends on its path too, and not on its route alone."""
        return route is not None and id(route) not in self._templates and not isinstance(route, str)

    def describe(self, route: Any, root_path: str, path: str) -> str:
        """The template of a request, at most TEMPLATE_LIMIT characters: see `Recorder.resolve_routes`.

        `route` is an endpoint, a template, BY_PATH, a Missed or None; `root_path` is what precedes the application.
        """
        if route is BY_PATH:
            return self._match(inside(path, root_path) if root_path else path)
        template = self._templates.get(id(route))
        if template is not None:
            return template
        if route is None:
            return UNMATCHED
        if isinstance(route, str):
            return tidy(route)
        if isinstance(route, Missed):
            return self._describe_missed(route.endpoint, root_path, path)
        return self._describe_endpoint(route, inside(path, root_path))

    def _describe_endpoint(self, endpoint: Any, path: str) -> str:
        for entry in self._find(endpoint):
            if not entry.container and entry.leads(path):
                return entry.template
        return self._match(path)

    def _describe_missed(self, endpoint: Any, root_path: str, path: str) -> str:
        places = self._find(endpoint)
        if not places or places[0].container:
            return UNMATCHED
        return self.describe(endpoint, root_path, path)

    def _find(self, endpoint: Any) -> Sequence[Entry]:
        """The places of an endpoint. One not known may come from a route added late: look again, ever more seldom."""
        places = self._entries.get(id(endpoint))
        if places is not None:
            return places
        self._misses += 1
        if self._misses > self._patience:
            self._misses = 0
            self.build()
            places = self._entries.get(id(endpoint))
            self._patience = 0 if places else min(2 * self._patience + 1, _PATIENCE_LIMIT)
        return places or ()

    def _match(self, path: str) -> str:
        template = self._paths.get(path)
        if template is None:
            template = self._match_anew(path)
            if len(self._paths) >= PATH_LIMIT:
                self._paths.clear()
            self._paths[path] = template
        return template

    def _match_anew(self, path: str) -> str:
        if not self._built:
            self.build()
        if not self._entries:
            return collapse(path)
        other = path[:-1] if path.endswith("/") else path + "/"  # what Starlette redirects between
        for candidate in (path, other):
            for entry in self._leaves:
                if entry.leads(candidate):
                    return entry.template
        return UNMATCHED


def inside(path: str, root_path: str) -> str:
    """The path as the application under `root_path` sees it; as in Starlette, a path may come with or without it."""
    root_path = root_path.rstrip("/")
    if not root_path or not path.startswith(root_path):
        return path
    rest = path[len(root_path) :]
    return rest if rest.startswith("/") or not rest else path


def walk(app: Any) -> Iterator[Entry]:
    """Every place an application answers at, in the order it tries them, at most ENTRY_LIMIT."""
    for number, entry in enumerate(_walk(_routes(app), "", (), 0)):
        if number >= ENTRY_LIMIT:
            return
        yield entry


def _walk(routes: Iterable[Any], prefix: str, steps: tuple[Any, ...], depth: int) -> Iterator[Entry]:
    if depth > _DEPTH_LIMIT:
        return
    for route in _flat(routes):
        if hasattr(route, "host_regex"):  # a Host consumes nothing of the path
            yield Entry(prefix, route.app, steps, container=True)
            yield from _walk(_routes(route.app), prefix, steps, depth + 1)
        elif getattr(route, "path_regex", None) is not None:
            yield from _walk_route(route, prefix, (*steps, route), depth)


def _walk_route(route: Any, prefix: str, steps: tuple[Any, ...], depth: int) -> Iterator[Entry]:
    template = prefix + route.path_format
    endpoint = getattr(route, "endpoint", None)
    if endpoint is not None:
        yield Entry(template, endpoint, steps, container=False)
        return
    inner = list(getattr(route, "routes", None) or _routes(route.app))
    yield Entry(template, route.app, steps, container=bool(inner))
    yield from _walk(inner, template.removesuffix(_MOUNT_REST), steps, depth + 1)


def _routes(app: Any) -> list[Any]:
    """The routes of an application, looked for through the middleware around it."""
    for _ in range(_DEPTH_LIMIT):
        routes = getattr(app, "routes", None)
        if isinstance(routes, list | tuple):
            return list(routes)
        app = getattr(app, "app", None)
        if app is None:
            break
    return []


def _flat(routes: Iterable[Any]) -> Iterable[Any]:
    """The routes with FastAPI's included routers resolved (newer versions keep them as branches)."""
    fastapi = sys.modules.get("fastapi.routing")
    resolve: Callable[[Sequence[Any]], Iterable[Any]] | None = getattr(fastapi, "iter_route_contexts", None)
    return routes if resolve is None else resolve(list(routes))


_NUMBERED = re.compile(
    r"\d+|[0-9a-fA-F]{8,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|.*@.*|.{41,}|(?=.*\d).{20,}"
).fullmatch


def collapse(path: str) -> str:
    """A template guessed from a path: numbers, UUIDs, hex of 8 or more, addresses and long tokens become `{id}`.

    At most 12 segments and TEMPLATE_LIMIT characters; what follows is `{path}`.
    """
    segments = path[:2048].split("/")
    kept = ["{id}" if _NUMBERED(segment) else segment for segment in segments[: _SEGMENT_LIMIT + 1]]
    if len(segments) > len(kept):
        kept.append("{path}")
    return tidy("/".join(kept)) or "/"


def tidy(template: str) -> str:
    """A template fit to be a label: printable and of bounded length."""
    if not template.isprintable():
        template = "".join(character if character.isprintable() else "?" for character in template)
    return template if len(template) <= TEMPLATE_LIMIT else template[: TEMPLATE_LIMIT - 1] + "…"
