"""The configuration of a gateway from its file, and what a worker works by that starts while the file is wrong."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from fanlight.gateway import config
from fanlight.gateway.config import ConfigError
from fanlight.gateway.schema import Config


def loaded(path: Path, environ: Mapping[str, str], *, public: bool) -> Config:
    """A configuration fit for where the gateway listens; raises ConfigError."""
    found = config.load(path, environ)
    if public and not found.keys:
        raise ConfigError(
            f"{path}: listening elsewhere than on loopback needs keys, and there are none; "
            "add [keys.NAME] with key_env, or leave --host away"
        )
    return found


def keep(path: Path, kept: Path, environ: Mapping[str, str]) -> None:
    """Keep a private copy of a configuration that was right; one that has become wrong meanwhile is not kept."""
    fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
    with contextlib.suppress(OSError, ConfigError):
        fresh.touch(0o600)
        fresh.write_bytes(path.read_bytes())
        config.load(fresh, environ)
        fresh.replace(kept)
    fresh.unlink(missing_ok=True)
