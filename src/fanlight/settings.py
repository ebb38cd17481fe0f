"""The one table of settings: every setting is a keyword, a FANLIGHT_* variable and a key of fanlight.toml.

The keyword wins over the variable, the variable over the file, the file over the default.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import msgspec

from fanlight.errors import SettingsError


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What one dashboard was told. Each field's meaning is in `DESCRIPTIONS`."""

    name: str
    prefix: str = "/dashboard"
    enabled: bool = True
    store: str = ""
    release: str = ""
    token: str = ""
    viewer_token: str = ""
    local_role: str = "viewer"
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    slow_seconds: float = 1.0
    very_slow_seconds: float = 5.0
    slow_routes: Mapping[str, float] = {}
    websocket_group_params: tuple[str, ...] = ("group", "group_id", "room", "room_id", "channel")
    websocket_user_params: tuple[str, ...] = ("user", "user_id", "client_id")
    log_level: str = "INFO"
    max_series: int = 500
    max_viewers: int = 64
    theme: str = "auto"
    sample_data: bool = False
    port: int = 0

    def slow_from(self, route: str) -> tuple[float, float]:
        """Seconds from which a request of a route is slow, and very slow: later where slow itself begins later."""
        own = self.slow_routes.get(route)
        if own is None:
            return self.slow_seconds, self.very_slow_seconds
        return own, max(self.very_slow_seconds, own * self.very_slow_seconds / self.slow_seconds)


DESCRIPTIONS: Final[Mapping[str, str]] = {
    "name": "The service's name; dashboards of one name and store show one service.",
    "prefix": "Where the dashboard is mounted.",
    "enabled": "Off makes everything a pass-through: nothing is recorded, nothing is served.",
    "store": "Where history outlives the process: memory://, sqlite:///path, redis://host:port/database, "
    "or nothing for a file of the user's own.",
    "release": "The release that runs, shown and marked on charts.",
    "token": "Lets an operator in from anywhere, as bearer token or by the login link.",
    "viewer_token": "Lets a viewer in from anywhere; sees all, changes nothing.",
    "local_role": "What the local machine may do while no token is set: viewer or operator.",
    "allowed_hosts": "Host names, besides loopback ones, under which the local machine is let in without a token.",
    "cors_origins": "Origins whose pages may read the JSON and Prometheus routes from a browser.",
    "exclude": "Paths left out of the service's numbers (counted apart); a trailing * matches any rest.",
    "streams": "Route templates whose responses are streams: judged by their first byte.",
    "slow_seconds": "From here on a request is slow.",
    "very_slow_seconds": "From here on a request is very slow.",
    "slow_routes": "The slow threshold in seconds of single routes, by template; the mean is judged without them.",
    "websocket_group_params": "Path parameters that name a WebSocket's group, the first found wins.",
    "websocket_user_params": "Path parameters that name a WebSocket's user, the first found wins.",
    "log_level": "The least level of log lines that are kept.",
    "max_series": "Series kept per family by each worker; what comes after them counts as `other`.",
    "max_viewers": "Live views at once; further viewers poll.",
    "theme": "The theme before a viewer chooses: auto, dark, light or terminal.",
    "sample_data": "Fill the charts with fifteen made-up minutes at start (memory store only).",
    "port": "Where on 127.0.0.1 the service has its dashboard served by a process beside it; 0 is nowhere.",
}

THEMES: Final = ("auto", "dark", "light", "terminal")
ROLES: Final = ("viewer", "operator")
MOST: Final = 100_000
"""Series and viewers that a dashboard may be told to have: each takes some 10 KB."""

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def load(
    name: str,
    keywords: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings of a dashboard from keywords, environment and fanlight.toml, validated.

    Raises SettingsError with one line that names the setting, its source, what was got and what was expected.
    """
    environ = os.environ if environ is None else environ
    merged = {**_from_file(folder or Path.cwd()), **_from_environment(environ), **_from_keywords(keywords)}
    values = {field: _convert(field, raw, source) for field, (raw, source) in merged.items()}
    settings = Settings(**{"name": _convert("name", name, "name"), **values})
    _validate(settings, {field: source for field, (_, source) in merged.items()})
    return settings


def given(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> frozenset[str]:
    """The names of the settings that the environment or fanlight.toml sets, whatever their values."""
    environ = os.environ if environ is None else environ
    return frozenset({**_from_file(folder or Path.cwd()), **_from_environment(environ)})


def _from_keywords(keywords: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    for key in keywords:
        if key not in DESCRIPTIONS:
            raise SettingsError(f"unknown setting {key[:100]}= (got as a keyword); {_expected(key)}")
    return {key: (value, f"{key}=") for key, value in keywords.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    known = {f"FANLIGHT_{key.upper()}": key for key in DESCRIPTIONS}
    for variable in environ:
        if variable.startswith("FANLIGHT_") and variable not in known:
            _refuse_misspelt(variable, known)
    return {key: (environ[variable], variable) for variable, key in known.items() if variable in environ}


def _refuse_misspelt(variable: str, known: Iterable[str]) -> None:
    """What is nearly a setting is one misspelt; other FANLIGHT_* variables are somebody else's.

    (Kubernetes sets FANLIGHT_SERVICE_HOST and its like beside a service of that name.)
    """
    meant = get_close_matches(variable[:100], known, n=1, cutoff=0.9)
    if meant:
        raise SettingsError(f"unknown variable {variable[:100]}; {meant[0]} was probably meant: rename or unset it")


def _from_file(folder: Path) -> dict[str, tuple[Any, str]]:
    path = folder / "fanlight.toml"
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"fanlight.toml cannot be read ({error}); mend or remove {path.name}") from error
    for key in table:
        if key not in DESCRIPTIONS:
            raise SettingsError(f"unknown key {key[:100]} in fanlight.toml; {_expected(key)}")
    return {key: (value, f"{key} in fanlight.toml") for key, value in table.items()}


def _expected(key: str) -> str:
    """What was probably meant by a key that is no setting, else all there are."""
    meant = get_close_matches(key[:100], DESCRIPTIONS, n=1, cutoff=0.75)
    if meant:
        return f"{meant[0]} was probably meant: rename it"
    return f"expected one of {', '.join(sorted(DESCRIPTIONS))}"


def _convert(field: str, raw: Any, source: str) -> Any:
    convert = _CONVERTERS[field]
    try:
        return convert(raw)
    except (TypeError, ValueError, OverflowError) as error:
        raise SettingsError(f"{source} is {_shown(field, raw)}; expected {_EXPECTED[convert]}") from error


def _shown(field: str, raw: Any) -> str:
    return "***" if "token" in field else repr(raw)[:80]


def _text(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError
    return raw.strip()


def _boolean(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    return {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }[_known_boolean(str(raw).strip().lower())]


def _known_boolean(text: str) -> str:
    if text not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        raise ValueError(text)
    return text


def _seconds(raw: Any) -> float:
    value = float(raw)
    if isinstance(raw, bool) or not 0 < value < 1e6:
        raise ValueError(raw)
    return value


def _whole(raw: Any) -> int:
    value = int(raw)
    if isinstance(raw, bool) or not 1 <= value <= MOST or value != float(raw):
        raise ValueError(raw)
    return value


def _port(raw: Any) -> int:
    if raw is None or (isinstance(raw, str) and raw.startswith(("tcp://", "udp://"))):
        return 0  # Kubernetes sets FANLIGHT_PORT=tcp://... beside a service called fanlight
    value = int(raw)
    if isinstance(raw, bool) or not 0 <= value <= 65_535 or value != float(raw):
        raise ValueError(raw)
    return value


def _texts(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, str):
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    return tuple(_text(part) for part in raw)


def _paths(raw: Any) -> tuple[str, ...]:
    return tuple(map(_path, _texts(raw)))


def _path(raw: Any) -> str:
    text = _text(raw).strip()
    if not text.startswith("/"):  # it would never be met, and nobody would be told
        raise ValueError(raw)
    return text


def _hosts(raw: Any) -> tuple[str, ...]:
    return tuple(map(_host, _texts(raw)))


def _host(text: str) -> str:
    if set(text) & set(" /*@?#"):  # it would never be met, either
        raise ValueError(text)
    return text


def _thresholds(raw: Any) -> dict[str, float]:
    if isinstance(raw, str):
        raw = dict(part.rsplit("=", 1) for part in raw.split(",") if part.strip())
    return {_path(route): _seconds(limit) for route, limit in dict(raw).items()}


_EXPECTED: Final[Mapping[Callable[[Any], Any], str]] = {
    _text: "text",
    _boolean: "true or false (1 or 0)",
    _seconds: "seconds, a number above 0",
    _whole: f"a whole number from 1 to {MOST}",
    _port: "the number of a port, 0 to 65535",
    _texts: "a list of texts (in a variable: separated by commas)",
    _paths: "a list of paths, each with its leading slash (in a variable: separated by commas)",
    _hosts: 'a list of names such as "shop.example": no https://, no * (in a variable: separated by commas)',
    _thresholds: 'routes and seconds, {"/reports/{id}": 3.0} (in a variable: /reports/{id}=3.0,...)',
}

_CONVERTERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(
        ("name", "prefix", "store", "release", "token", "viewer_token", "log_level", "theme", "local_role"),
        _text,
    ),
    **dict.fromkeys(("enabled", "sample_data"), _boolean),
    **dict.fromkeys(("slow_seconds", "very_slow_seconds"), _seconds),
    **dict.fromkeys(("max_series", "max_viewers"), _whole),
    **dict.fromkeys(("cors_origins", "websocket_group_params", "websocket_user_params"), _texts),
    "allowed_hosts": _hosts,
    **dict.fromkeys(("exclude", "streams"), _paths),
    "slow_routes": _thresholds,
    "port": _port,
}

_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-fA-F:]+\](:[0-9]{1,5})?")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{16,256}")


def _validate(settings: Settings, sources: Mapping[str, str]) -> None:
    def refuse(field: str, expected: str) -> None:
        source = sources.get(field, field)
        raise SettingsError(f"{source} is {_shown(field, getattr(settings, field))}; expected {expected}")

    if not settings.name or len(settings.name) > 100 or not settings.name.isprintable():
        refuse("name", "1 to 100 characters that can be printed")
    if not _PREFIX.fullmatch(settings.prefix) or any(not part.strip(".") for part in settings.prefix[1:].split("/")):
        refuse(
            "prefix",
            'a path such as "/dashboard": a leading slash, no trailing one, letters, digits and . _ ~ - only',
        )
    for field in ("token", "viewer_token"):
        if getattr(settings, field) and not _TOKEN.fullmatch(getattr(settings, field)):
            refuse(field, "16 to 256 characters out of letters, digits and . _ ~ + / = -")
    if not all(map(_ORIGIN.fullmatch, settings.cors_origins)):
        refuse("cors_origins", 'origins such as "https://board.example" or "http://localhost:3000", each by name: no *')
    if settings.token and settings.token == settings.viewer_token:
        refuse("viewer_token", "a token of its own: viewers with the operator's token would be operators")
    for field, choices in (("theme", THEMES), ("local_role", ROLES), ("log_level", LEVELS)):
        value = getattr(settings, field)
        if (value.upper() if choices is LEVELS else value) not in choices:
            refuse(field, " or ".join(choices))
    if settings.very_slow_seconds < settings.slow_seconds:
        refuse("very_slow_seconds", f"at least slow_seconds ({settings.slow_seconds})")
    if settings.sample_data and settings.store not in ("", "memory://"):
        refuse("sample_data", "to be off with a real store: made-up numbers never go where real ones are kept")
