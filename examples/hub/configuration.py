"""What the demo's gateway works by: `hub.toml`, and besides it an MCP server over a Git repository of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

HUB: Final = Path(__file__).parents[1] / "hub.toml"
SELDOM, OFTEN = "every_seconds = 300", "every_seconds = 30"
"""How often its pipeline runs, and runs in a demonstration that is looked at for some minutes."""

COMMITS: Final = ("Open the door", "Put a window over it", "Let the light in", "Clean the glass")
GIT: Final = """
[mcp.git]
command = "mcp-server-git"
args = ["--repository", {folder}]
cwd = {folder}
tools = ["git_status", "git_log", "git_show", "git_branch"]
"""


@contextmanager
def private_hub() -> Iterator[Path]:
    """The path of a configuration that is gone after this, with the repository it names."""
    with tempfile.TemporaryDirectory(prefix="hub-", ignore_cleanup_errors=True) as place:
        path = Path(place, "hub.toml")
        text = HUB.read_text(encoding="utf-8").replace(SELDOM, OFTEN)
        if find_spec("mcp_server_git") and shutil.which("git"):
            text += GIT.format(folder=json.dumps(str(_repository(Path(place, "repository")))))
        path.write_text(text, encoding="utf-8")
        yield path


def _repository(folder: Path) -> Path:
    """A small repository, made without the user's settings of Git."""
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    environ = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | own
    folder.mkdir()

    def git(*words: str) -> None:
        command = ["git", "-c", "user.name=Fanlight", "-c", "user.email=fanlight@example.org", *words]
        subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)  # noqa: S603 - our own words

    git("init", "--quiet")
    for number, message in enumerate(COMMITS):
        (folder / "door.txt").write_text("".join(f"{each}\n" for each in COMMITS[: number + 1]))
        git("add", "door.txt")
        git("commit", "--quiet", "--message", message)
    return folder
