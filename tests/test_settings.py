"""Every setting from every source, and one clear line for each that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fanlight.errors import SettingsError
from fanlight.settings import DESCRIPTIONS, Settings, given, load

SECRET = "s3cret-s3cret-s3cret"

VALUES: dict[str, tuple[Any, str, str]] = {
    "name": ("hub", "hub", '"hub"'),
    "prefix": ("/ops/panel", "/ops/panel", '"/ops/panel"'),
    "enabled": (False, "off", "false"),
    "store": ("sqlite:///a.db", "sqlite:///a.db", '"sqlite:///a.db"'),
    "release": ("1.4.2", " 1.4.2 ", '"1.4.2"'),
    "token": (SECRET, SECRET, f'"{SECRET}"'),
    "viewer_token": (SECRET, SECRET, f'"{SECRET}"'),
    "local_role": ("operator", "operator", '"operator"'),
    "allowed_hosts": (("a.example", "b"), "a.example, b", '["a.example", "b"]'),
    "cors_origins": (("https://a.example",), "https://a.example", '["https://a.example"]'),
    "exclude": (("/healthz",), "/healthz,", '["/healthz"]'),
    "streams": (("/feed",), "/feed", '["/feed"]'),
    "slow_seconds": (0.25, "0.25", "0.25"),
    "very_slow_seconds": (9.0, "9", "9"),
    "slow_routes": ({"/a": 3.0}, "/a=3", '{"/a" = 3}'),
    "websocket_group_params": (("room",), "room", '["room"]'),
    "websocket_user_params": (("who",), "who", '["who"]'),
    "log_level": ("WARNING", "WARNING", '"WARNING"'),
    "max_series": (50, "50", "50"),
    "max_viewers": (3, "3", "3"),
    "theme": ("terminal", "terminal", '"terminal"'),
    "sample_data": (True, "1", "true"),
    "port": (9090, "9090", "9090"),
}
"""For each setting: the value meant, its text in a variable, and in fanlight.toml."""


def test_every_setting_is_described_and_tried_here() -> None:
    """Settings: the table, the descriptions and this test know the same settings."""
    assert set(DESCRIPTIONS) == set(VALUES) == set(Settings.__struct_fields__)


@pytest.mark.parametrize("field", VALUES)
def test_each_source_says_the_same(field: str, tmp_path: Path) -> None:
    """Settings: every one is a keyword, a FANLIGHT_* variable and a key of fanlight.toml."""
    meant, variable, line = VALUES[field]
    (tmp_path / "fanlight.toml").write_text(f"{field} = {line}\n")
    nowhere = tmp_path / "empty"
    if field != "name":
        assert getattr(load("s", {field: meant}, {}, nowhere), field) == meant
    assert getattr(load("s", {}, {f"FANLIGHT_{field.upper()}": variable}, nowhere), field) == meant
    assert getattr(load("s", {}, {}, tmp_path), field) == meant


def test_the_keyword_wins_over_the_variable_and_the_variable_over_the_file(tmp_path: Path) -> None:
    """Settings: the nearer source wins, the default comes last."""
    (tmp_path / "fanlight.toml").write_text('release = "file"\ntheme = "dark"\nmax_viewers = 5\n')
    environ = {"FANLIGHT_RELEASE": "variable", "FANLIGHT_THEME": "light"}
    settings = load("s", {"release": "keyword"}, environ, tmp_path)
    assert (settings.release, settings.theme, settings.max_viewers) == ("keyword", "light", 5)
    assert settings.prefix == "/dashboard"
    assert given(environ, tmp_path) == {"release", "theme", "max_viewers"}


WRONG: list[tuple[str, Any, str]] = [
    ("name", "", "1 to 100 characters"), ("name", "x" * 101, "1 to 100 characters"), ("name", 7, "text"),
    ("name", "a\nb", "that can be printed"),
    ("prefix", "dashboard", "a leading slash"), ("prefix", "/a/", "no trailing one"), ("prefix", "/", "a path such as"),
    ("prefix", "/a/../b", "a path such as"), ("prefix", "/./a", "a path such as"), ("prefix", "/a b", "a path such as"),
    ("enabled", "perhaps", "true or false"), ("store", 7, "text"), ("token", "short", "16 to 256 characters"),
    ("token", 5, "text"), ("viewer_token", "with space in it all", "16 to 256 characters"),
    ("local_role", "root", "viewer or operator"), ("allowed_hosts", 7, "a list of names"),
    ("allowed_hosts", ("https://shop.example",), "no https://"), ("allowed_hosts", ("*.shop.example",), "no *"),
    ("allowed_hosts", ("a b",), 'names such as "shop.example"'), ("cors_origins", 7, "a list of texts"),
    ("cors_origins", ("*",), "origins such as"), ("cors_origins", ("https://a.example/x",), "origins such as"),
    ("exclude", [7], "a list of paths"), ("exclude", "healthz", "leading slash"), ("streams", ["*"], "leading slash"),
    ("slow_routes", {"reports": 3.0}, "routes and seconds"), ("allowed_hosts", [7], "a list of names"),
    ("slow_seconds", 0, "above 0"), ("slow_seconds", "soon", "above 0"),
    ("slow_seconds", float("nan"), "above 0"), ("slow_seconds", True, "above 0"),
    ("very_slow_seconds", 0.5, "at least slow_seconds (1.0)"), ("slow_routes", "/a", "routes and seconds"),
    ("slow_routes", {"/a": -1}, "routes and seconds"), ("slow_routes", 7, "routes and seconds"),
    ("log_level", "LOUD", "DEBUG or INFO"), ("max_series", 0, "from 1 to 100000"),
    ("max_series", 100_001, "from 1 to 100000"),
    ("max_series", 2.5, "from 1 to 100000"), ("max_series", float("inf"), "from 1 to 100000"),
    ("max_series", 10**400, "from 1 to 100000"), ("max_viewers", "many", "from 1 to 100000"),
    ("theme", "pink", "auto or dark or light or terminal"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "expected"), WRONG, ids=lambda value: str(value)[:20])
def test_a_wrong_value_is_refused_in_one_line(field: str, value: Any, expected: str, tmp_path: Path) -> None:
    """Issue 2: a wrong setting ends with one line: which source, what was got, what was expected."""
    name, keywords = (value, {}) if field == "name" else ("s", {field: value})
    with pytest.raises(SettingsError) as caught:
        load(name, keywords, {}, tmp_path)
    text = str(caught.value)
    assert text.startswith(field)
    assert f"expected {expected}" in text or expected in text.partition("expected")[2]
    assert "\n" not in text
    assert ("***" if "token" in field else repr(value)[:20]) in text


@pytest.mark.parametrize(("variable", "text"), [("FANLIGHT_THEME", "pink"), ("FANLIGHT_MAX_SERIES", "few")])
def test_a_wrong_variable_is_named(variable: str, text: str, tmp_path: Path) -> None:
    """Issue 2: the line names the variable a value came from."""
    with pytest.raises(SettingsError, match=f"^{variable} is '{text}'; expected"):
        load("s", {}, {variable: text}, tmp_path)


def test_a_wrong_line_of_the_file_is_named(tmp_path: Path) -> None:
    """Issue 2: the line names the key and the file; a file that is no TOML says what to do."""
    (tmp_path / "fanlight.toml").write_text('theme = "pink"\n')
    with pytest.raises(SettingsError, match=r"^theme in fanlight.toml is 'pink'; expected"):
        load("s", {}, {}, tmp_path)
    (tmp_path / "fanlight.toml").write_text("theme = \n")
    with pytest.raises(SettingsError, match=r"fanlight.toml cannot be read .* mend or remove"):
        load("s", {}, {}, tmp_path)


def test_what_is_unknown_is_refused_with_what_is_known(tmp_path: Path) -> None:
    """Issue 2: an unknown keyword or key names itself and the setting it is nearly, else every setting there is."""
    with pytest.raises(SettingsError, match=r"unknown setting title= .*expected one of .*prefix"):
        load("s", {"title": "/a"}, {}, tmp_path)
    with pytest.raises(SettingsError, match=r"unknown setting prefx= .*; prefix was probably meant: rename it$"):
        load("s", {"prefx": "/a"}, {}, tmp_path)
    (tmp_path / "fanlight.toml").write_text('prefx = "/a"\n')
    with pytest.raises(SettingsError, match=r"unknown key prefx in fanlight.toml; prefix was probably meant"):
        load("s", {}, {}, tmp_path)


@pytest.mark.parametrize("variable", ["FANLIGHT_PREFX", "FANLIGHT_TOKN", "FANLIGHT_EXLUDE", "FANLIGHT_SLOW_SECOND"])
def test_a_misspelt_variable_is_refused(variable: str, tmp_path: Path) -> None:
    """Issue 2: what is nearly a setting's variable says which was probably meant, and never its value."""
    with pytest.raises(
        SettingsError, match=f"unknown variable {variable}; FANLIGHT_[A-Z_]+ was probably meant"
    ) as caught:
        load("s", {}, {variable: SECRET}, tmp_path)
    assert SECRET not in str(caught.value)


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    """Issue 2: Kubernetes sets such variables beside a service called fanlight."""
    others = (
        "FANLIGHT_SERVICE_HOST",
        "FANLIGHT_SERVICE_PORT",
        "FANLIGHT_PORT_80_TCP_ADDR",
        "FANLIGHT_HOME",
    )
    environ = dict.fromkeys(others, "1") | {"FANLIGHT_PORT": "tcp://10.0.0.7:80"}
    assert load("s", {}, environ, tmp_path) == Settings(name="s")


def test_tokens_are_never_shown(tmp_path: Path) -> None:
    """Issue 2, item 7: no message holds a token, and both roles never share one."""
    with pytest.raises(SettingsError) as caught:
        load("s", {"token": SECRET, "viewer_token": SECRET}, {}, tmp_path)
    assert "a token of its own" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_sample_data_never_meets_a_real_store(tmp_path: Path) -> None:
    """Issue 2, item 8: made-up numbers never go where real ones are kept."""
    with pytest.raises(SettingsError, match="made-up numbers"):
        load("s", {"sample_data": True, "store": "sqlite:///a.db"}, {}, tmp_path)


def test_settings_are_frozen() -> None:
    """Design: settings do not change once made."""
    with pytest.raises(AttributeError):
        Settings(name="s").name = "t"  # type: ignore[misc]  # the point of the test
    assert msgspec.structs.asdict(Settings(name="s"))["store"] == ""
