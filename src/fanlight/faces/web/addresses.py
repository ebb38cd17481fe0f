"""Where the dashboard is: its root as the browser sees it, and a request's path below that root."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

PREFIX_LIMIT: Final = 200
"""Characters of an X-Forwarded-Prefix."""

_FORWARDED_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_PATH_CHARACTERS: Final = "/~-._!$&()*+=:@"  # no comma and semicolon: they end a cookie's path


def root_of(scope: Mapping[str, Any], headers: Mapping[str, str], prefix: str) -> str:
    """The dashboard's root for the browser: what a proxy cut off, what the application is mounted at, the prefix.

    Only ever a path of this origin: one leading slash, escaped, no slash at its end.
    """
    proxied = forwarded_prefix(headers.get("x-forwarded-prefix", ""))
    mounted = _clean(scope.get("root_path", ""))
    if proxied and (mounted == proxied or mounted.startswith(proxied + "/")):
        proxied = ""  # the server was told the same prefix as root_path
    return f"{proxied}{mounted}{prefix}"


def forwarded_prefix(text: str) -> str:
    """A proxy's prefix, "" for anything that is not a plain path; of proxies behind each other theirs in turn.

    Each adds its own behind a comma, or in a further header: the outermost stands first.
    """
    paths = [part.strip().rstrip("/") for part in text.split(",")]
    path = "".join(paths)
    plain = len(text) <= PREFIX_LIMIT and all(map(_FORWARDED_PREFIX.fullmatch, paths))
    return path if plain and not {".", ".."} & set(path.split("/")) else ""


def path_below(scope: Mapping[str, Any], prefix: str) -> str:
    """A request's path below the dashboard's root: "/" for the root itself, never a slash at its end."""
    path, mounted = str(scope["path"]), str(scope.get("root_path", ""))
    if mounted and (path == mounted or path.startswith(mounted.rstrip("/") + "/")):
        path = path[len(mounted.rstrip("/")) :]
    return path.removeprefix(prefix).rstrip("/") or "/"


def _clean(root_path: str) -> str:
    inner = root_path.strip("/")
    return "/" + quote(inner, safe=_PATH_CHARACTERS) if inner else ""
