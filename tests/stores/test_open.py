"""open_store: which URL gives which store, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanlight import Fanlight
from fanlight.errors import StoreError
from fanlight.stores import MemoryStore, open_default, open_store
from fanlight.stores.base import InstanceInfo
from fanlight.stores.opening import can_be_made, default_path, state_directory
from fanlight.stores.redis import RedisStore
from fanlight.stores.sqlite import SqliteStore


def test_memory() -> None:
    """X-2: memory:// is a store of its own each time."""
    store = open_store("memory://")
    assert isinstance(store, MemoryStore)
    assert store.url == "memory://"


def test_an_absolute_path(tmp_path: Path) -> None:
    """X-2: four slashes name an absolute file, whose URL opens it again."""
    store = open_store(f"sqlite:///{tmp_path / 'x.db'}")
    assert isinstance(store, SqliteStore)
    assert store.url == f"sqlite:///{tmp_path}/x.db"
    assert store.url.startswith("sqlite:////")
    store.close()
    again = open_store(store.url)
    assert again.url == store.url
    again.close()


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-2: three slashes name a file beside where the process was started, even if it moves later."""
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///sub/x.db")
    assert store.url == f"sqlite:///{tmp_path}/sub/x.db"
    store.close()
    assert (tmp_path / "sub" / "x.db").is_file()


def test_a_redis() -> None:
    """X-2: redis:// and rediss:// name a server that may come later; the URL shown holds no user and no password."""
    for url, shown in (
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://user:secret@cache.example.org:7000/3", "redis://cache.example.org:7000/3"),
        ("rediss://:secret@[::1]/1?ssl_cert_reqs=none", "rediss://[::1]:6379/1"),
    ):
        store = open_store(url)
        assert isinstance(store, RedisStore)
        assert store.url == shown
        store.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "'' is not the URL of a store; expected memory://"),
        ("store.db", "'store.db' is not the URL of a store; expected .*sqlite:///file.db"),
        ("memory://shared", "write memory://"),
        ("sqlite://", "names no file; expected"),
        ("sqlite:///", "names no file; expected"),
        ("sqlite://store.db", "names no file; expected"),
        ("sqlite:///directory/", "names no file; expected"),
        ("sqlite:///:memory:", "write memory://"),
        ("sqlite:///x.db?mode=ro", "write the path alone"),
        ("sqlite:///~nobody-of-this-name/x.db", "write an absolute path"),
        ("sqlite:///x\0.db", "write the path alone"),
        ("postgres://host/db", "no store is called 'postgres://'; there are memory://"),
    ],
)
def test_a_wrong_url_says_what_was_expected(url: str, message: str) -> None:
    """X-2: the error names what was got, what was expected and what to write."""
    with pytest.raises(StoreError, match=message):
        open_store(url)


def test_a_password_is_never_repeated() -> None:
    """X-6: the error about a store that does not exist keeps what follows the scheme to itself."""
    with pytest.raises(StoreError, match="no store is called 'postgres://'") as raised:
        open_store("postgres://:secret@example.org/0")
    assert "secret" not in str(raised.value)


def test_the_default_file_is_the_users_own(tmp_path: Path) -> None:
    """X-3: one file for each service and project, in the state directory, whatever the name holds."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    path = default_path("chat/../api", environ, tmp_path / "project")
    assert path.parent == tmp_path / "fanlight"
    assert path.name.startswith("chat-..-api-")
    others = {
        default_path(name, environ, tmp_path / folder)
        for name in ("chat api", "chat-api", "..")
        for folder in ("a", "b")
    }
    assert len(others | {path}) == 7
    assert all(other.parent == path.parent and other.suffix == ".db" for other in others)


@pytest.mark.parametrize(
    ("store", "name"),
    [
        ("", "{default}.prompts"),
        ("redis://127.0.0.1:1/0", "{default}.prompts"),
        ("sqlite:///{folder}/sub/f.db", "{folder}/sub/f.db.prompts"),
        ("memory://", None),
    ],
)
def test_a_file_beside_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, name: str | None) -> None:
    """HUB-10, X-6: whatever the store, an application finds a private place of its own; none where nothing is kept."""
    monkeypatch.delenv("FANLIGHT_STORE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = Fanlight("hub", store=store.format(folder=tmp_path)).file("prompts")
    if name is None:
        assert found is None
        return
    assert found == Path(name.format(default=default_path("hub"), folder=tmp_path))
    assert (found.stat().st_mode & 0o777, found.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert Fanlight("hub", store=f"sqlite:///{tmp_path}/file/f.db").file("prompts") is None
    assert Fanlight("hub").file("prompts") is None


def test_a_relative_state_directory_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """X-3: by the specification a relative $XDG_STATE_HOME is none; then it is below the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path in state_directory({"XDG_STATE_HOME": "relative"}).parents
    assert state_directory({}) == state_directory({"XDG_STATE_HOME": ""})


def test_where_nothing_can_be_written_it_is_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-3: without a place to write, history is kept in memory, with a warning that names the place and the setting."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    store, warning = open_default("chat")
    assert store.url == "memory://"
    assert str(tmp_path / "file" / "fanlight") in warning
    assert "set store" in warning
    assert not can_be_made(tmp_path / "file" / "fanlight")
    assert can_be_made(tmp_path / "made" / "fanlight")


def test_a_default_store_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HUB-10: the same service in the same folder opens the same file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    first, warning = open_default("chat")
    first.write(InstanceInfo("chat", "a", "h", 1, "", 0.0, 0.0), [], b"totals")
    first.close()
    second, _ = open_default("chat")
    assert (second.totals("chat"), warning) == ({"a": b"totals"}, "")
    second.close()
