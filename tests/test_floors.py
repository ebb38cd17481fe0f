"""The house keeps its floors: a module imports only from its own floor or those below it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "fanlight"

FLOORS = {
    "errors": 0, "clock": 0, "settings": 0, "formats": 0, "hosts": 0, "version": 0,
    "core": 1, "panels": 1,
    "stores": 2, "capture": 2, "services": 2, "pages": 2,
    "faces": 3,
    "dashboard": 4,
    "declared": 4,
    "declaring": 4,
    "engine": 4,
    "presence": 4,
    "sidecar": 4,
    "readings": 4,
    "probes": 4,
    "snapshot": 4,
    "sample": 4, "gateway": 4, "": 4,
    "cli": 5, "__main__": 5,
}  # fmt: skip
"""The floor of each module or package under `fanlight`; "" is the package itself, its public names."""

PUBLIC = {"", "clock", "errors", "formats", "hosts", "panels", "probes", "snapshot"}
"""What an application may import; the gateway is one. "" is the package itself."""

APART = {"stores", "capture", "services", "pages"}
"""Packages of one floor that do not know each other."""

TYPES_ONLY = {("fanlight.panels", "fanlight.core.snapshot")}
"""(importer, imported): the only pair that may look up, and for types alone."""

COMES_WITH = {
    "markupsafe": "jinja2", "anyio": "starlette", "pydantic": "fastapi", "fpdf": "fpdf2", "rich": "textual",
}  # fmt: skip
"""Modules that a declared library brings along as part of its own interface, or under another name."""


class Import(NamedTuple):
    """One imported module, where it is imported, and whether for type checkers only."""

    importer: str
    line: int
    name: str
    typing: bool


def imports_of(module: str, text: str, known: frozenset[str]) -> list[Import]:
    """Every import of a module's source, those inside functions and relative ones included."""
    tree = ast.parse(text)
    typing = {id(inner) for block in ast.walk(tree) if _is_type_checking(block) for inner in ast.walk(block)}
    found = []
    for node in ast.walk(tree):
        found += [Import(module, node.lineno, name, id(node) in typing) for name in _names(node, module, known)]  # type: ignore[attr-defined]  # an import has a line
    return found


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _names(node: ast.AST, module: str, known: frozenset[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = module.split(".")
            up = parts[: len(parts) - node.level + (f"{module}.__init__" in known)]
            base = ".".join([*up, base] if base else up)
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            yield inner if inner in known or f"{inner}.__init__" in known else base


def room(module: str) -> str:
    """The part of the house a module is in: `fanlight.core.cell` is in core."""
    return module.partition(".")[2].partition(".")[0]


def broken_rules(imports: list[Import]) -> list[str]:
    """What the imports break, each in a sentence."""
    return [fault for each in imports if each.name.split(".")[0] == "fanlight" if (fault := _fault(each))]


def _fault(each: Import) -> str:
    here, there = room(each.importer), room(each.name)
    place = f"{each.importer}:{each.line} imports {each.name}"
    for name in (here, there):
        if name not in FLOORS:
            return f"{place}: `{name}` is on no floor; give it one in FLOORS"
    if FLOORS[there] > FLOORS[here]:
        if each.typing and (each.importer, each.name) in TYPES_ONLY:
            return ""
        return f"{place}: floor {FLOORS[here]} looks up to floor {FLOORS[there]}; import from the same floor or below"
    if here != there and here in APART and there in APART:
        return f"{place}: {', '.join(sorted(APART))} do not know each other; join them in dashboard.py"
    return ""


def module_name(path: Path) -> str:
    """The dotted name of a source file; a package's is that of its `__init__`, without it."""
    parts = ["fanlight", *path.relative_to(SOURCE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def all_imports() -> list[Import]:
    """Every import of the package."""
    paths = sorted(SOURCE.rglob("*.py"))
    known = frozenset(
        name
        for path in paths
        for name in (module_name(path), *([f"{module_name(path)}.__init__"] if path.stem == "__init__" else []))
    )
    return [each for path in paths for each in imports_of(module_name(path), path.read_text(encoding="utf-8"), known)]


def declared() -> tuple[set[str], set[str]]:
    """The names of the base dependencies and of all the extras' dependencies, as pyproject.toml has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [each for group in project["optional-dependencies"].values() for each in group]
    return {_distribution(each) for each in project["dependencies"]}, {_distribution(each) for each in extras}


def _distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0].lower().replace("-", "_")


def outside(imports: list[Import]) -> dict[str, set[str]]:
    """The outside libraries that are imported, and by which modules."""
    libraries: dict[str, set[str]] = {}
    for each in imports:
        top = each.name.split(".")[0]
        if top not in sys.stdlib_module_names and top != "fanlight":
            libraries.setdefault(COMES_WITH.get(top, top).lower(), set()).add(each.importer)
    return libraries


def test_every_module_imports_from_its_own_floor_or_below() -> None:
    """X-1: the model knows no face, and nothing reaches up; imports inside functions count."""
    faults = broken_rules(all_imports())
    assert not faults, "\n".join(["the floors are broken:", *faults])


def test_the_gateway_and_the_examples_use_the_public_modules_alone() -> None:
    """X-1: whatever an application needs is public; what the gateway cannot do with that, nobody can."""
    examples = [
        each
        for path in sorted((ROOT / "examples").rglob("*.py"))
        for each in imports_of(path.stem, path.read_text(encoding="utf-8"), PUBLIC_NAMES)
    ]
    imports = [*examples, *(each for each in all_imports() if room(each.importer) == "gateway")]
    deep = [
        f"{each.importer}:{each.line} imports {each.name}"
        for each in imports
        if each.name.split(".")[0] == "fanlight" and room(each.name) not in PUBLIC | {"gateway"}
    ]
    assert not deep, "\n".join(["import these from a public module:", *deep])


def test_every_outside_library_is_declared() -> None:
    """X-8: what the package imports is in pyproject.toml, so that an install brings it."""
    base, extras = declared()
    undeclared = {name: modules for name, modules in outside(all_imports()).items() if name not in base | extras}
    assert not undeclared, f"declare these in pyproject.toml: {undeclared}"


def test_optional_libraries_have_one_adapter_each() -> None:
    """X-8: a library of an extra is imported in one file for each purpose (Fanlight uses it; its calls are recorded),
    so that its absence is handled in one place."""
    base, _ = declared()
    spread = {
        name: sorted(modules)
        for name, modules in outside(all_imports()).items()
        if name not in base and max(Counter(map(_purpose, modules)).values()) > 1
    }
    assert not spread, f"imported in more than one file: {spread}"


def _purpose(module: str) -> str:
    return "recorded" if module.startswith("fanlight.capture.clients.") else "used"


PUBLIC_NAMES = frozenset(f"fanlight.{name}" for name in PUBLIC if name)

KNOWN = frozenset(
    {"fanlight.core.snapshot", "fanlight.panels", "fanlight.stores.base", "fanlight.stores.__init__", "fanlight.stores"}
)


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("fanlight.core.cell", "import fanlight.faces.api", "floor 1 looks up to floor 3"),
        ("fanlight.core.cell", "def f():\n    from fanlight import Fanlight", "floor 1 looks up to floor 4"),
        ("fanlight.stores.sqlite", "from fanlight.capture.asgi import Capture", "do not know each other"),
        (
            "fanlight.core.cell",
            "from fanlight import panels\nfrom ..stores import base",
            "fanlight.core.cell:2 imports fanlight.stores",
        ),
        ("fanlight.attic", "import fanlight.core", "is on no floor"),
        (
            "fanlight.core.query",
            "if TYPE_CHECKING:\n    from fanlight.pages import PAGES",
            "floor 1 looks up to floor 2",
        ),
        ("fanlight.errors", "if TYPE_CHECKING:\n    from fanlight.core.snapshot import Snapshot", "floor 0 looks up"),
    ],
)
def test_a_broken_floor_is_found(module: str, source: str, fault: str) -> None:
    """X-1: the check itself sees each way of breaking the rule."""
    faults = broken_rules(imports_of(module, source, KNOWN))
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("fanlight.panels", "if TYPE_CHECKING:\n    from fanlight.core.snapshot import Snapshot"),
        ("fanlight.stores.sqlite", "from .base import Store\nfrom fanlight.errors import StoreError"),
        ("fanlight.cli.run", "from fanlight.dashboard import Fanlight"),
        ("fanlight.core.cell", "from fanlight import panels"),
    ],
)
def test_a_kept_floor_is_passed(module: str, source: str) -> None:
    """X-1: the check lets through what the design allows."""
    assert broken_rules(imports_of(module, source, KNOWN)) == []
