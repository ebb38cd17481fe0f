"""What Flask and Django know of a WSGI request: its route template, and the exception behind a 500.

Both answer a failure themselves, so that the exception never reaches the capture; they send a signal about it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from fanlight.capture.exchange import described
from fanlight.capture.routes import RouteIndex, tidy

KNOWN_LIMIT: Final = 4_096
"""Rules an index remembers the template of."""

ERROR: Final = "fanlight.error"
"""Where a request's environ holds the text of the exception that its framework answered with a 500."""


class WsgiRoutes(RouteIndex):
    """Gives the template of a request from its framework's rule, else from its path. For one thread at a time."""

    def __init__(self) -> None:
        super().__init__(None)
        self._known: dict[str, str] = {}

    def describe(self, route: Any, root_path: str, path: str) -> str:
        if not isinstance(route, str):
            return super().describe(route, root_path, path)
        known = self._known.get(route)
        if known is None:
            if len(self._known) >= KNOWN_LIMIT:
                self._known.clear()
            known = self._known[route] = tidy(template(route)) or "/"
        return known


def flask_rule(environ: Mapping[str, Any], root_path: str) -> str | None:
    """The rule that Werkzeug's request in the environ was matched to; asked when the response starts, for Flask takes
    the request away in the end. `root_path` is SCRIPT_NAME as it came; what was added since is a mount.
    """
    rule = getattr(getattr(environ.get("werkzeug.request"), "url_rule", None), "rule", None)
    return _below(environ, root_path, rule)


def django_rule(environ: Mapping[str, Any], root_path: str, body: Any) -> str | None:
    """The route Django resolved: its response closes the request, which knows; a file's wrapper closes the response."""
    response = getattr(getattr(body, "close", None), "__self__", None)
    for closer in getattr(response, "_resource_closers", ()):
        match = getattr(getattr(closer, "__self__", None), "resolver_match", None)
        if match is not None:
            return _below(environ, root_path, match.route)
    return None


def _below(environ: Mapping[str, Any], root_path: str, rule: Any) -> str | None:
    if not isinstance(rule, str):
        return None
    mount = environ.get("SCRIPT_NAME") or ""
    return f"{mount[len(root_path) :]}/{rule.lstrip('/')}"


def template(rule: str) -> str:
    """`/users/<int:id>` (Werkzeug, Django's `path`) or `/^users/(?P<id>[0-9]+)/$` (its `re_path`) as `/users/{id}`."""
    if "(?" in rule or ("<" not in rule and _SIGNS.search(rule)):
        rule = _without_groups(rule)
    return _CONVERTED.sub(r"{\1}", rule)


_CONVERTED: Final = re.compile(r"<(?:[^<>]*:)?(\w+)>")
_SIGNS: Final = re.compile(r"[(^$\\]")
_NAMED: Final = re.compile(r"\(\?P<(\w+)>")
_ANCHORS: Final = re.compile(r"\\[AZbB]|[\^$]|(?<=[/}])[?*+]|\\(?=[^\w])")


def _without_groups(rule: str) -> str:
    """A regular expression's text with each of its outermost groups as `{name}`, `{arg}` where it has none."""
    kept, depth = [], 0
    for number, character in enumerate(rule):
        escaped = number > 0 and rule[number - 1] == "\\"
        if character == "(" and not escaped:
            if not depth:
                named = _NAMED.match(rule, number)
                kept.append(f"{{{named[1] if named else 'arg'}}}")
            depth += 1
        elif character == ")" and not escaped:
            depth -= 1
        elif not depth:
            kept.append(character)
    return _ANCHORS.sub("", "".join(kept))


def listen_for_errors() -> None:
    """Have Flask and Django, where they are loaded, leave the exception behind a 500 in the request's environ."""
    if "flask" in sys.modules:
        sys.modules["flask"].got_request_exception.connect(_flask_failed)
    if "django.core.signals" in sys.modules:
        sys.modules["django.core.signals"].got_request_exception.connect(_django_failed, dispatch_uid=__name__)


def _flask_failed(sender: Any, exception: BaseException | None = None, **_: Any) -> None:
    sys.modules["flask"].request.environ[ERROR] = described(exception)


def _django_failed(sender: Any, request: Any = None, **_: Any) -> None:
    environ = getattr(request, "environ", None)
    if environ is not None:
        environ[ERROR] = described(sys.exc_info()[1])
