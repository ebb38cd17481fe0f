"""The gateway's configuration: what is refused, where, in which words; and its documentation."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from fanlight.gateway import config, schema
from fanlight.gateway.places import line_of

ROOT = Path(__file__).resolve().parents[2]
SECRET = "sk-not-to-be-seen-anywhere"
MCP = '[mcp.time]\ncommand = "a"\ntools = ["now"]\n'
SIM = '[providers.sim]\nkind = "simulated"\n'


def loaded(folder: Path, text: str, **environ: str) -> schema.Config:
    path = folder / "hub.toml"
    path.write_text(text)
    return config.load(path, environ)


REFUSED = (
    ('[providers.x]\nkind = "opnai"\n', 2, "providers.x.kind is 'opnai'; expected anthropic or ollama or openai"),
    ('[providers.x]\n\nkindd = "openai"\n', 3, "providers.x.kindd is not known; expected one of"),
    ("[providers.x]\nretries = 2\n", 1, "providers.x has no kind; expected one: add kind = ..."),
    ('[providers.x]\nkind = "openai"\nretries = "two"\n', 3, "providers.x.retries is 'two'; expected a whole number"),
    ('[providers.x]\nkind = "openai"\nretries = 77\n', 3, "providers.x.retries is 77; expected 0 to 5"),
    ('[providers.x]\nkind = "openai"\nspeaks = ["opena"]\n', 3, "is 'opena'; expected anthropic or ollama or openai"),
    ('[providers.x]\nkind = "openai"\nkey_env = "UNSET"\n', 3, "names the variable UNSET, which is not set; set it"),
    ('[providers.x]\nkind = "openai"\nbase_url = "ftp://h/"\n', 3, "expected an http or https address"),
    ('[providers.x]\nkind = "simulated"\nkey_env = "A"\n', 1, "is simulated; expected neither base_url nor key_env"),
    ('[providers.v1]\nkind = "openai"\n', 1, "is a name of the gateway's own paths"),
    ('[providers."a b"]\nkind = "openai"\n', 1, "is no usable name; expected letters, digits"),
    (SIM + '[models."a:b"]\nprovider = "smi"\n', 4, "is 'smi'; expected one of sim (sim was probably meant)"),
    (SIM + '[models.a]\nprovider = "sim"\nfallbacks = ["b"]\n', 5, "models.a.fallbacks is 'b'; expected one of a of"),
    (SIM + '[models.a]\nprovider = "sim"\nfallbacks = ["a"]\n', 5, "holds the model itself"),
    (SIM + '[models.a]\nprovider = "sim"\nprices = { input = "x" }\n', 5, "models.a.prices.input is 'x'; expected a"),
    ('[mcp.x]\ncommand = "a"\nurl = "http://h/mcp"\n', 1, "has both command and url; expected one of the two"),
    ("[pipelines.x]\nsteps = []\n", 2, "is empty; expected at least one step"),
    (
        '[pipelines.x]\n[[pipelines.x.steps]]\ntool = "a/b"\n',
        3,
        "steps.0.tool is 'a/b'; expected server/tool, the server",
    ),
    (MCP + '[pipelines.x]\nsteps = [{ tool = "tme/now" }]\n', 5, "the server one of time (time was probably meant)"),
    (MCP + '[pipelines.x]\nsteps = [{ tool = "time" }]\n', 5, "steps.0.tool is 'time'; expected server/tool"),
    (
        MCP + '[pipelines.x]\nsteps = [{ tool = "time/nwo" }]\n',
        5,
        "expected one of now (now was probably meant)",
    ),
    ('[pipelines.x]\nsteps = [{ enhance = "a" }]\n', 2, "has no model, nor has [enhancement]; expected the one that"),
    (SIM + '[pipelines.x]\n[[pipelines.x.steps]]\ncomplete = "a"\n', 4, "has no model; expected the one that answers"),
    ('[enhancement]\nmodel = "no"\n', 2, "enhancement.model is 'no'; expected what a section [models"),
    ('[enhancement]\ntemplate = "Be {style}"\n', 2, "has no {prompt}; expected it where the prompt is to stand"),
    ("[providers.x\n", 1, "Expected ']' at the end of a table declaration; mend the TOML there"),
    ('[gateway]\nhosts = ["a"\n', 2, "Unclosed array; mend the TOML there"),
    ("[gateway]\nmax_in_flight = 0\n", 2, "gateway.max_in_flight is 0; expected 1 to 100000"),
    ('[gateway]\norigins = ["*"]\n', 2, "expected an origin: https://app.example.org"),
    ('[provider.x]\nkind = "openai"\n', 1, "provider is no section; expected one of"),
    ("providers = 3\n", 1, "providers is 3; expected tables, such as [providers.name]"),
    ('[keys.a]\nkey_env = "SHORT"\n', 2, "which holds 5 characters; expected 16 or more"),
)


@pytest.mark.parametrize(("text", "line", "said"), REFUSED, ids=[each[2][:40] for each in REFUSED])
def test_a_refusal_names_file_line_key_and_what_was_expected(tmp_path: Path, text: str, line: int, said: str) -> None:
    """HUB-9: whatever is wrong in a configuration is said in one line that leads to it."""
    with pytest.raises(config.ConfigError) as refusal:
        loaded(tmp_path, text, SHORT="12345")
    assert said in str(refusal.value)
    assert str(refusal.value).startswith(f"{tmp_path / 'hub.toml'}:{line}: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\udcff", "a byte there is not UTF-8"),
        ("#" * (config.MAX_BYTES + 1), "is larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """HUB-9: encoding and size are said as plainly as a wrong key."""
    (tmp_path / "hub.toml").write_text(text, errors="surrogateescape")
    with pytest.raises(config.ConfigError, match=r"hub\.toml") as refusal:
        config.load(tmp_path / "hub.toml", {})
    assert said in str(refusal.value)


def test_a_mark_before_the_text_is_no_part_of_it(tmp_path: Path) -> None:
    """HUB-9: some editors begin a file with a byte order mark; it is right all the same."""
    (tmp_path / "hub.toml").write_text(SIM, encoding="utf-8-sig")
    assert list(config.load(tmp_path / "hub.toml", {}).providers) == ["sim"]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """HUB-9: a file that is not there is said by its name."""
    with pytest.raises(config.ConfigError, match=r"none.toml cannot be read \(No such file"):
        config.load(tmp_path / "none.toml", {})


@pytest.mark.parametrize(
    "text",
    [
        f'[providers.x]\nkind = "openai"\nkey = "{SECRET}"\n',
        f'[providers.x]\nkind = "openai"\nkey_env = "{SECRET}"\n',
        f'[providers.x]\nkind = "openai"\nbase_url = "https://user:{SECRET}@h/v1"\n',
        f'[mcp.x]\ncommand = "a"\nenv = {{ TOKEN = ["{SECRET}"] }}\n',
        f'[mcp.x]\nurl = "https://{SECRET}@h/mcp"\n',
        '[keys.a]\nkey_env = "ONE"\n[keys.b]\nkey_env = "TWO"\n',
        '[keys.a]\nkey_env = "ONE"\nmodels = ["none"]\n',
    ],
)
def test_a_refusal_shows_no_secret(tmp_path: Path, text: str) -> None:
    """X-6: a key that was written where none belongs, or that is wrong, is not repeated."""
    with pytest.raises(config.ConfigError) as refusal:
        loaded(tmp_path, text, ONE=SECRET, TWO=SECRET)
    assert SECRET not in str(refusal.value)


def test_the_example_runs_as_it_is() -> None:
    """HUB-9: `examples/hub.toml` needs no key, and its commented half is right too."""
    plain = config.load(ROOT / "examples/hub.toml", {})
    assert plain.providers["sim"].kind == "simulated"
    assert set(plain.models) == {"gpt-sim", "claude-sim", "llama-sim", "embed-sim"}
    lines = (ROOT / "examples/hub.toml").read_text().splitlines()
    opened = "\n".join(line[2:] if line.startswith(("# [", "# k", "# p", "# f")) else line for line in lines)
    whole = config.parse(opened, {"OPENAI_API_KEY": "a" * 20, "ANTHROPIC_API_KEY": "b" * 20})
    assert {"openai", "claude", "ollama"} < set(whole.providers)
    assert whole.models["gpt-5"].fallbacks == ("claude-sonnet-5",)


def test_lines_of_keys_are_found() -> None:
    """HUB-9: dotted keys, quoted names, arrays of tables and inline tables are found, or the table around them."""
    text = '[a]\nb.c = 1\n["x.y".z]\nk = { deep = 1 }\n[[p.s]]\none = 1\n[[p.s]]\ntwo = 2\n'
    tomllib.loads(text)
    paths = {("a", "b", "c"): 2, ("x.y", "z", "k", "deep"): 4, ("p", "s", "1", "two"): 8, ("p", "s", "0"): 5, ("q",): 1}
    assert {path: line_of(text, path) for path in paths} == paths


def shown_default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if value is msgspec.NODEFAULT:
        return "required"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, int | float) else f"`{value}`" if value else "empty"


@pytest.mark.parametrize("heading", schema.sections())
def test_the_schema_is_documented_as_it_is(heading: str) -> None:
    """API-10, HUB-9: every key has a line with its default and its meaning, and no other has."""
    text = (ROOT / "docs/gateway.md").read_text()
    section = text[text.index(f"### [{heading}]\n") :].split("\n#", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if "| `" in line]
    fields = msgspec.structs.fields(schema.sections()[heading])
    says = schema.DESCRIPTIONS[heading]
    assert rows == [[f"`{field.name}`", shown_default(field), says[field.name]] for field in fields]
    assert set(says) == {field.name for field in fields}


def test_every_section_has_a_struct() -> None:
    """HUB-9: what the loader knows and what the documentation lists are the same sections."""
    assert {*schema.NAMED, *schema.SINGLE} == {field.name for field in msgspec.structs.fields(schema.Config)}
