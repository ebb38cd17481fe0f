"""What the processes of one command tell each other."""

from __future__ import annotations

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to serve and how; everything a worker has to be told besides the FANLIGHT_* variables.

    Without a target it is the dashboard alone.
    `api_at_root`: the dashboard's JSON is answered at `/api/...` of the root too, where the application has nothing.
    `passes`: signals that a supervisor hands on to its workers instead of stopping. `reload`: it starts them again when
    a file below `app_dir` has changed. `joins`: an answer's head leaves with its first bytes (see `joining`), and a
    request's is limited.
    """

    target: str
    name: str
    app_dir: str = "."
    factory: bool = False
    host: str = "127.0.0.1"
    log_level: str = "info"
    access_log: bool = True
    root_path: str = ""
    colors: bool = False
    debug: bool = False
    api_at_root: bool = False
    passes: tuple[int, ...] = ()
    reload: bool = False
    joins: bool = False


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker that serves says about its dashboard."""

    enabled: bool
    prefix: str
    token: str


class Orders(msgspec.Struct, frozen=True):
    """What a worker finds on its command line: the plan, and the descriptors and the parent it has."""

    plan: Plan
    sockets: tuple[int, ...]
    lifeline: int
    parent: int
