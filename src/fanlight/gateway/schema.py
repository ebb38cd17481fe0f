"""What a gateway's configuration may say, as typed structs; each field's meaning is in `DESCRIPTIONS`.

`docs/gateway.md` has a line for every field, and a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

ProviderKind = Literal["openai", "anthropic", "ollama", "simulated"]
Protocol = Literal["openai", "anthropic", "ollama"]
Role = Literal["user", "operator"]

KEY_ENV = "the name of an environment variable"


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration; what it does not know is refused."""


class Provider(Section, frozen=True, kw_only=True):
    """Where models are served."""

    kind: ProviderKind
    base_url: str = ""
    key_env: str = ""
    speaks: tuple[Protocol, ...] = ()
    retries: int = 1
    connect_seconds: float = 5.0
    first_byte_seconds: float = 300.0
    idle_seconds: float = 60.0
    ask_usage: bool = True
    seed: int = 7
    speed: float = 1.0
    failures: float = 0.0


class Prices(Section, frozen=True, kw_only=True):
    """What a model costs, in US dollars per million tokens."""

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None
    cache_write: float | None = None


class Model(Section, frozen=True, kw_only=True):
    """A model under the name that clients ask for."""

    provider: str
    upstream: str = ""
    fallbacks: tuple[str, ...] = ()
    prices: Prices | None = None


class McpServer(Section, frozen=True, kw_only=True):
    """An MCP server: a command that speaks over stdio, or an address."""

    command: str = ""
    args: tuple[str, ...] = ()
    url: str = ""
    key_env: str = ""
    env: Mapping[str, str] = {}
    pass_env: tuple[str, ...] = ()
    cwd: str = ""
    tools: tuple[str, ...] = ()
    timeout_seconds: float = 60.0


class Enhancement(Section, frozen=True, kw_only=True):
    """How prompts are rewritten."""

    model: str = ""
    style: str = "clear"
    template: str = ""
    timeout_seconds: float = 60.0


class Cache(Section, frozen=True, kw_only=True):
    """What the enhancement remembers."""

    enabled: bool = True
    max_megabytes: int = 64
    max_age_seconds: float = 604_800.0


class Step(Section, frozen=True, kw_only=True):
    """One step of a pipeline: exactly one of `tool`, `enhance` and `complete`."""

    name: str = ""
    tool: str = ""
    enhance: str = ""
    complete: str = ""
    model: str = ""
    arguments: Mapping[str, Any] = {}


class Pipeline(Section, frozen=True, kw_only=True):
    """Steps that run one after the other."""

    steps: tuple[Step, ...]
    input: Mapping[str, str] = {}
    every_seconds: float = 0.0
    confirm: str = ""


class Budget(Section, frozen=True, kw_only=True):
    """What may be spent in a day or a month, on everything or on what it names."""

    amount: float
    per: Literal["day", "month"] = "month"
    model: str = ""
    provider: str = ""
    key: str = ""
    warn: float = 0.8
    stop: bool = False


class Key(Section, frozen=True, kw_only=True):
    """Who may use the gateway's API."""

    key_env: str
    role: Role = "user"
    models: tuple[str, ...] = ()


class Limits(Section, frozen=True, kw_only=True):
    """What the gateway takes on, and from whom."""

    max_body_megabytes: int = 32
    max_in_flight: int = 512
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole configuration."""

    providers: Mapping[str, Provider] = {}
    models: Mapping[str, Model] = {}
    mcp: Mapping[str, McpServer] = {}
    enhancement: Enhancement = Enhancement()
    cache: Cache = Cache()
    pipelines: Mapping[str, Pipeline] = {}
    budgets: Mapping[str, Budget] = {}
    keys: Mapping[str, Key] = {}
    gateway: Limits = Limits()


NAMED: Final[Mapping[str, type[Section]]] = {
    "providers": Provider,
    "models": Model,
    "mcp": McpServer,
    "pipelines": Pipeline,
    "budgets": Budget,
    "keys": Key,
}
"""Sections that hold tables under names of the user's."""

SINGLE: Final[Mapping[str, type[Section]]] = {"enhancement": Enhancement, "cache": Cache, "gateway": Limits}
"""Sections that are one table."""

DESCRIPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "providers.NAME": {
        "kind": "`openai` (or anything compatible with it), `anthropic`, `ollama` or `simulated`.",
        "base_url": "Where it is: for `openai` with the version path, as its SDK takes it; each kind has a usual one.",
        "key_env": "The environment variable that holds its key.",
        "speaks": "The protocols it understands: `openai`, `anthropic`, `ollama`; each kind has its usual ones.",
        "retries": "How often one model is asked again when it fails before its first byte, 0 to 5.",
        "connect_seconds": "How long a connection may take.",
        "first_byte_seconds": "How long the first byte of an answer may take.",
        "idle_seconds": "How long an answer that has begun may pause.",
        "ask_usage": "Whether a stream's tokens are asked for where the client does not; it does not see them.",
        "seed": "Simulated only: the same seed gives the same answers.",
        "speed": "Simulated only: times the usual speed.",
        "failures": "Simulated only: the share of requests that fail, 0 to 1.",
    },
    "models.NAME": {
        "provider": "The provider that serves it.",
        "upstream": "The name the provider knows it by; without it, the same name.",
        "fallbacks": "Models that are asked, in this order, when it fails before its first byte.",
        "prices": "What it costs: a table.",
    },
    "models.NAME.prices": {
        "input": "Dollars for a million tokens in.",
        "output": "Dollars for a million tokens out, reasoning among them.",
        "cached": "Dollars for a million tokens in that were read from its cache; without it, as `input`.",
        "cache_write": "Dollars for a million tokens in that were written to its cache; without it, as `input`.",
    },
    "mcp.NAME": {
        "command": "The program of a server that speaks over stdio.",
        "args": "Its arguments.",
        "url": "The address of a server that speaks streamable HTTP, instead of `command`.",
        "key_env": "The environment variable that holds the bearer token of a `url`.",
        "env": "Environment variables the program is given; their values are never shown.",
        "pass_env": "Names of the gateway's own environment variables the program is given too.",
        "cwd": "The program's working directory.",
        "tools": "The tools that may be called; without it, all.",
        "timeout_seconds": "How long a call of a tool may take.",
    },
    "enhancement": {
        "model": "The model that rewrites prompts.",
        "style": "The style where a request names none.",
        "template": "The instruction to the model; `{style}` and `{prompt}` stand for what they say.",
        "timeout_seconds": "How long rewriting may take.",
    },
    "cache": {
        "enabled": "Whether enhanced prompts are remembered.",
        "max_megabytes": "How much is remembered.",
        "max_age_seconds": "How long a prompt is remembered.",
    },
    "pipelines.NAME": {
        "steps": "The steps: a list of tables.",
        "input": "What a run is told: names, and what each is unless told; steps use them as `{name}`.",
        "every_seconds": "How often it runs by itself; 0 is never.",
        "confirm": "The question the dashboard asks before it runs.",
    },
    "pipelines.NAME.steps": {
        "name": "The name later steps know its result by; without it, its number from 1.",
        "tool": "A tool to call, as `server/tool`.",
        "enhance": "A prompt to rewrite.",
        "complete": "A prompt to answer.",
        "model": "The model of `enhance` or `complete`.",
        "arguments": "The arguments of `tool`.",
    },
    "budgets.NAME": {
        "amount": "What may be spent, in US dollars as the prices.",
        "per": "`day` or `month`, of UTC.",
        "model": "The model it is for, under the name clients ask for; without it, all.",
        "provider": "The provider it is for; without it, all.",
        "key": "The gateway key it is for; without it, all.",
        "warn": "The share from which the dashboard warns, 0 to 1.",
        "stop": "Whether requests are refused when it is spent.",
    },
    "keys.NAME": {
        "key_env": "The environment variable that holds the key, at least 16 characters.",
        "role": "`user`, who may use the API, or `operator`, who may change things through it too.",
        "models": "The models it may ask; without it, all.",
    },
    "gateway": {
        "max_body_megabytes": "The largest request body.",
        "max_in_flight": "Requests at once; further ones are told to come again.",
        "hosts": "Host names, besides loopback ones, that the gateway answers to; with keys and without `hosts`, any.",
        "origins": "Origins, besides the gateway's own, whose pages may use the API: `https://app.example.org`.",
    },
}


def sections() -> dict[str, type[Section]]:
    """Every table of the schema by its heading in the documentation."""
    named = {f"{name}.NAME": struct for name, struct in NAMED.items()}
    return {**named, "models.NAME.prices": Prices, "pipelines.NAME.steps": Step, **SINGLE}


def action_name(pipeline: str) -> str:
    """The path name of a pipeline's action."""
    return "pipelines/" + re.sub(r"[^a-z0-9]+", "-", pipeline.lower()).strip("-")


def summary(found: Config) -> str:
    """What a configuration has, in a line."""
    counts = {
        "provider": found.providers, "model": found.models, "MCP server": found.mcp, "pipeline": found.pipelines,
        "budget": found.budgets, "key": found.keys,
    }  # fmt: skip
    said = [f"{len(each)} {name}{'' if len(each) == 1 else 's'}" for name, each in counts.items() if each]
    return ", ".join(said) or "empty"
