"""From a TOML file to a checked configuration, or one line that says what to mend and where."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from keyword import iskeyword
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from fanlight.errors import FanlightError
from fanlight.gateway.places import line_of
from fanlight.gateway.schema import KEY_ENV, NAMED, SINGLE, Config, McpServer, Provider, Section, action_name

MAX_BYTES: Final = 1 << 20
"""The largest configuration file that is read."""

RESERVED: Final = frozenset({"v1", "api", "mcp", "ollama", "health", "metrics", "dashboard", "pipelines"})
"""Names a provider cannot have, as `/{provider}/...` would hide the gateway's own paths; `ollama` may be one of kind
ollama."""

BASE_URLS: Final = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "ollama": "http://127.0.0.1:11434",
    "simulated": "",
}
SPEAKS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": ("openai",),
    "anthropic": ("anthropic",),
    "ollama": ("ollama", "openai"),
    "simulated": ("openai", "anthropic", "ollama"),
}

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_INPUT: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ORIGIN: Final = re.compile(r"https?://[A-Za-z0-9.\[\]:-]{1,250}")
_SECRET_FIELDS: Final = ("key", "api_key", "apikey", "token", "secret", "password")
_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "retries": (0, 5),
    "connect_seconds": (0.05, 600),
    "first_byte_seconds": (0.05, 3_600),
    "idle_seconds": (0.05, 3_600),
    "timeout_seconds": (0.05, 3_600),
    "speed": (0.01, 1_000),
    "failures": (0, 1),
    "max_body_megabytes": (1, 1_024),
    "max_in_flight": (1, 100_000),
    "max_megabytes": (1, 65_536),
    "max_age_seconds": (1, 1e9),
    "every_seconds": (0, 1e9),
    "amount": (0.000_001, 1e9),
    "warn": (0, 1),
    **dict.fromkeys(("input", "output", "cached", "cache_write"), (0, 1e6)),
}


class ConfigError(FanlightError):
    """A configuration that cannot be used; the file, the line and the key are in its text."""


class Problem(Exception):
    """What is wrong at a path of the configuration, not yet placed in its file."""

    def __init__(self, path: Sequence[str], said: str) -> None:
        super().__init__(said)
        self.path = tuple(path)


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in a file, checked whole, the environment variables it names included.

    Raises ConfigError with one line: file, line, key, what was got, what was expected. Values are shown only where
    they cannot be secrets.
    """
    text = _read(path)
    try:
        return parse(text, os.environ if environ is None else environ)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_decoding(path, text, str(error))) from error
    except Problem as problem:
        where = f"{path}:{line_of(text, problem.path)}"
        raise ConfigError(f"{where}: {'.'.join(problem.path)} {problem}".rstrip()) from problem


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); name another file with --config") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES >> 20} MiB; expected a configuration in TOML")
    try:
        return data.decode("utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: a byte there is not UTF-8; save the file as UTF-8") from error


def _decoding(path: Path, text: str, said: str) -> str:
    """What tomllib said, with its place where that of every other refusal is."""
    what, _, where = said.rpartition(" (at ")
    line = re.match(r"line (\d+)", where)
    number = int(line[1]) if line else len(text.rstrip().splitlines()) or 1
    return f"{path}:{number}: {what or said}; mend the TOML there"


def parse(text: str, environ: Mapping[str, str]) -> Config:
    """The configuration in a text; raises Problem, or tomllib's error."""
    document = tomllib.loads(text)
    known = (*NAMED, *SINGLE)
    for name in document:
        if name not in known:
            raise Problem((name,), f"is no section; expected {_one_of(name, known)}")
    named: dict[str, Any] = {section: dict(_named(document, section, struct)) for section, struct in NAMED.items()}
    single = {section: _converted((section,), document.get(section, {}), struct) for section, struct in SINGLE.items()}
    config = Config(**named, **single)
    _check(config, environ)
    return config


def _named(document: Mapping[str, Any], section: str, struct: type[Section]) -> Iterator[tuple[str, Section]]:
    table = document.get(section, {})
    if not isinstance(table, dict):
        raise Problem((section,), f"is {_shown(table)}; expected tables, such as [{section}.name]")
    allowed = _MODEL if section == "models" else _NAME
    for name, value in table.items():
        if not allowed.fullmatch(name):
            raise Problem(
                (section, name), "is no usable name; expected letters, digits and . _ - (in models : / @ + too)"
            )
        yield name, _converted((section, name), value, struct)


def _converted(path: Sequence[str], value: Any, struct: type[Section]) -> Any:
    try:
        made = msgspec.convert(value, struct)
    except msgspec.ValidationError as error:
        raise _problem(path, str(error), value, struct) from error
    _check_ranges(path, made)
    return made


def _problem(path: Sequence[str], said: str, value: Any, struct: type[Section]) -> Problem:
    """msgspec's message in the words of every other refusal here."""
    message, _, place = said.partition(" - at `$")
    inner = [part for part in re.split(r"[.\[\]`]+", place) if part]
    whole = [*path, *inner]
    fields = tuple(field.name for field in msgspec.structs.fields(struct))
    if unknown := re.search(r"unknown field `(.*)`", message):
        name = unknown[1]
        if name.lower() in _SECRET_FIELDS:
            return Problem([*whole, name], f"is not written here; put it into {KEY_ENV} and name that with key_env")
        known = fields if not inner else ()
        return Problem([*whole, name], f"is not known; expected {_one_of(name, known) if known else 'no such key'}")
    if missing := re.search(r"missing required field `(.*)`", message):
        return Problem(whole, f"has no {missing[1]}; expected one: add {missing[1]} = ...")
    got = _at(value, inner)
    return Problem(
        whole, f"is {_shown(got, secret=_maybe_secret(whole))}; expected {_expected(message, fields, whole, struct)}"
    )


def _at(value: Any, inner: Sequence[str]) -> Any:
    for part in inner:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
    return value


def _expected(message: str, fields: Sequence[str], path: Sequence[str], struct: type[Section]) -> str:
    kinds = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false",
             "array": "a list", "object": "a table"}  # fmt: skip
    if found := re.match(r"Expected `([\w| ]+)`", message):
        return " or ".join(
            kinds.get(each.strip(), each.strip()) for each in found[1].split("|") if each.strip() != "null"
        )
    if message.startswith("Invalid enum value") and path[-1] in fields:
        return _choices(struct, path[-1])
    if message.startswith("Invalid enum value"):
        return next((_choices(struct, part) for part in reversed(path) if part in fields), message)
    return message[:1].lower() + message[1:]


def _choices(struct: type[Section], name: str) -> str:
    kind = next(field.type for field in msgspec.inspect.type_info(struct).fields if field.name == name)  # type: ignore[attr-defined]  # a struct's info has fields
    kind = getattr(kind, "item_type", kind)
    return " or ".join(map(str, getattr(kind, "values", ("another value",))))


def _maybe_secret(path: Sequence[str]) -> bool:
    return "env" in path or any(word in path[-1].lower() for word in _SECRET_FIELDS)


def _shown(value: Any, *, secret: bool = False) -> str:
    return "a value that is not shown" if secret else repr(value)[:80]


def _one_of(got: str, known: Iterable[str]) -> str:
    names = sorted(known)
    meant = get_close_matches(got, names, n=1)
    some = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"one of {some}" + (f" ({meant[0]} was probably meant)" if meant else "")


def _check_ranges(path: Sequence[str], made: Section) -> None:
    for field in msgspec.structs.fields(made):
        value = getattr(made, field.name)
        if isinstance(value, Section):
            _check_ranges((*path, field.name), value)
        elif isinstance(value, int | float) and not isinstance(value, bool) and field.name in _RANGES:
            least, most = _RANGES[field.name]
            if not least <= value <= most:
                raise Problem((*path, field.name), f"is {value}; expected {least:g} to {most:g}")


def _check(config: Config, environ: Mapping[str, str]) -> None:
    """What no type can say: names that must exist, variables that must be set, either-or."""
    for name, provider in config.providers.items():
        _check_provider(name, provider, environ)
    for name in config.models:
        _check_model(name, config)
    _check_mcp(config, environ)
    if config.enhancement.model:
        _check_name(("enhancement", "model"), config.enhancement.model, config.models, "models")
    if config.enhancement.template and "{prompt}" not in config.enhancement.template:
        raise Problem(("enhancement", "template"), "has no {prompt}; expected it where the prompt is to stand")
    _check_pipelines(config)
    _check_keys(config, environ)
    _check_budgets(config)
    for index, origin in enumerate(config.gateway.origins):
        if not _ORIGIN.fullmatch(origin):
            raise Problem(
                ("gateway", "origins"), f"[{index}] is {origin!r:.80}; expected an origin: https://app.example.org"
            )


def _check_provider(name: str, provider: Provider, environ: Mapping[str, str]) -> None:
    path = ("providers", name)
    if name in RESERVED and not (name == "ollama" and provider.kind in ("ollama", "simulated")):
        raise Problem(
            path, f"is a name of the gateway's own paths; expected another than {', '.join(sorted(RESERVED))}"
        )
    if provider.kind == "simulated":
        if provider.base_url or provider.key_env:
            raise Problem(path, "is simulated; expected neither base_url nor key_env (or another kind)")
        return
    _check_url((*path, "base_url"), base_url(provider))
    if provider.key_env:
        variable((*path, "key_env"), provider.key_env, environ)


def _check_url(path: Sequence[str], url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise Problem(path, "is no address; expected one such as https://api.example.org/v1") from None
    if parts.username is not None or parts.password is not None:
        raise Problem(path, f"holds a user or password; put the key into {KEY_ENV} and name that with key_env")
    plain = url.isascii() and url.isprintable() and " " not in url
    if not usable or not plain or parts.query or parts.fragment:
        raise Problem(
            path,
            f"is {url[:80]!r}; expected an http or https address in ASCII, without blanks and query, such as https://host/v1",
        )


def variable(path: Sequence[str], name: str, environ: Mapping[str, str]) -> str:
    """The value of an environment variable the configuration names; raises Problem when it is not set."""
    if not _VARIABLE.fullmatch(name):
        raise Problem(path, f"is a value that is not shown; expected {KEY_ENV}, such as OPENAI_API_KEY")
    value = environ.get(name, "").strip()
    if not value:
        raise Problem(path, f"names the variable {name}, which is not set; set it, or remove what needs it")
    if not value.isascii() or not value.isprintable():
        raise Problem(path, f"names the variable {name}, whose value holds characters no header takes; set it anew")
    return value


def _check_model(name: str, config: Config) -> None:
    model, path = config.models[name], ("models", name)
    _check_name((*path, "provider"), model.provider, config.providers, "providers")
    for fallback in model.fallbacks:
        _check_name((*path, "fallbacks"), fallback, config.models, "models")
        if fallback == name:
            raise Problem((*path, "fallbacks"), "holds the model itself; expected other models")


def _check_name(path: Sequence[str], got: str, known: Iterable[str], section: str) -> None:
    if got not in known:
        raise Problem(path, f"is {got!r:.80}; expected {_name_in(got, known, section)}")


def _name_in(got: str, known: Iterable[str], section: str) -> str:
    return f"{_one_of(got, known)} of [{section}]" if any(known) else f"what a section [{section}.NAME] is called"


def _check_mcp(config: Config, environ: Mapping[str, str]) -> None:
    for name, server in config.mcp.items():
        path = ("mcp", name)
        if name in config.providers:
            raise Problem(path, "is also a provider's name; expected another, as each has a breaker of its name")
        if bool(server.command) == bool(server.url):
            both = "both command and url" if server.command else "neither command nor url"
            raise Problem(path, f"has {both}; expected one of the two")
        if server.url:
            _check_url((*path, "url"), server.url)
        if server.key_env:
            variable((*path, "key_env"), server.key_env, environ)
        for each in server.pass_env:
            variable((*path, "pass_env"), each, environ)


def _check_pipelines(config: Config) -> None:
    taken: dict[str, str] = {}
    for name, pipeline in config.pipelines.items():
        other = taken.setdefault(action_name(name), name)
        if other != name:
            raise Problem(("pipelines", name), f"is too like {other}; expected another: both are {action_name(name)}")
        if not pipeline.steps:
            raise Problem(("pipelines", name, "steps"), "is empty; expected at least one step")
        for each in pipeline.input:
            if not _INPUT.fullmatch(each) or iskeyword(each):
                raise Problem(
                    ("pipelines", name, "input", each), "is no usable name; expected small letters, digits and _"
                )
        for index, step in enumerate(pipeline.steps):
            path = ("pipelines", name, "steps", str(index))
            if sum(map(bool, (step.tool, step.enhance, step.complete))) != 1:
                raise Problem(path, "expected exactly one of tool, enhance and complete")
            if step.tool:
                _check_tool((*path, "tool"), step.tool, config.mcp)
            if step.model:
                _check_name((*path, "model"), step.model, config.models, "models")
            if step.complete and not step.model:
                raise Problem(path, "has no model; expected the one that answers `complete`")
            if step.enhance and not (step.model or config.enhancement.model):
                raise Problem(path, "has no model, nor has [enhancement]; expected the one that rewrites `enhance`")


def _check_tool(path: Sequence[str], tool: str, servers: Mapping[str, McpServer]) -> None:
    server, _, name = tool.partition("/")
    if server not in servers or not name:
        raise Problem(path, f"is {tool!r:.80}; expected server/tool, the server {_name_in(server, servers, 'mcp')}")
    if servers[server].tools and name not in servers[server].tools:
        raise Problem(path, f"is {tool!r:.80}; expected {_one_of(name, servers[server].tools)} of mcp.{server}.tools")


def _check_budgets(config: Config) -> None:
    for name, budget in config.budgets.items():
        named = {"model": config.models, "provider": config.providers, "key": config.keys}
        for field, known in named.items():
            if getattr(budget, field):
                _check_name(("budgets", name, field), getattr(budget, field), known, f"{field}s")


def _check_keys(config: Config, environ: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for name, key in config.keys.items():
        path = ("keys", name, "key_env")
        value = variable(path, key.key_env, environ)
        if len(value) < 16:
            raise Problem(
                path, f"names the variable {key.key_env}, which holds {len(value)} characters; expected 16 or more"
            )
        if value in seen:
            raise Problem(path, f"holds the same key as keys.{seen[value]}; expected a key of its own for each name")
        seen[value] = name
        for model in key.models:
            _check_name(("keys", name, "models"), model, config.models, "models")


def base_url(provider: Provider) -> str:
    """Where a provider is, without a slash at the end."""
    return (provider.base_url or BASE_URLS[provider.kind]).rstrip("/")


def speaks(provider: Provider) -> tuple[str, ...]:
    """The protocols a provider understands."""
    return provider.speaks or SPEAKS[provider.kind]
