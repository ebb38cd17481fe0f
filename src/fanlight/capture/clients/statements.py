"""SQL statements: their kind and first table, found without keeping any value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

KINDS: Final = frozenset(
    (
        "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "CREATE", "ALTER", "DROP", "TRUNCATE", "CALL",
        "PRAGMA", "SET", "SHOW", "EXPLAIN", "ANALYZE", "VACUUM", "COPY", "GRANT", "REVOKE", "BEGIN", "COMMIT",
        "ROLLBACK", "SAVEPOINT", "RELEASE", "LOCK", "VALUES", "REFRESH", "DECLARE", "FETCH", "EXEC",
    )
)  # fmt: skip
"""Kinds that are shown; others are "OTHER"."""

READ_LIMIT: Final = 4_000
"""Characters of a statement that are looked at."""

_BEFORE_TABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "SELECT": ("FROM",),
    "DELETE": ("FROM",),
    "INSERT": ("INTO",),
    "REPLACE": ("INTO",),
    "MERGE": ("INTO",),
    "UPDATE": ("UPDATE",),
    "CREATE": ("TABLE", "ON", "VIEW"),
    "ALTER": ("TABLE",),
    "DROP": ("TABLE", "VIEW"),
    "TRUNCATE": ("TABLE", "TRUNCATE"),
}
_PASSED_OVER: Final = frozenset(("ONLY", "IF", "NOT", "EXISTS", "OR", "IGNORE", "ROLLBACK", "ABORT", "FAIL", "REPLACE"))

_NAME: Final = r"""(?:[A-Za-z_][\w$]*|"[^"]{1,100}"|`[^`]{1,100}`|\[[A-Za-z_][^\]]{0,100}\])"""

_tokens = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*(?:'|\Z)"  # comments, and literals: never kept
    rf"|(?P<name>{_NAME}(?:\s{{0,3}}\.\s{{0,3}}{_NAME}){{0,3}})|(?P<sign>[()])",
    re.DOTALL,
).finditer


@lru_cache(maxsize=1_024)
def operation(statement: str) -> str:
    """The kind of a statement and its first table, "SELECT users"; the kind alone where no table is found."""
    kind = ""
    before: tuple[str, ...] = ()
    words = _words(statement[:READ_LIMIT])
    for name in words:
        word = name.upper()
        if not kind and word in KINDS:
            kind, before = word, _BEFORE_TABLE.get(word, ())
        if kind and word in before:
            table = next((each for each in words if each.upper() not in _PASSED_OVER), "")
            return f"{kind} {_bare(table)}".strip()
    return kind or "OTHER"


def _words(statement: str) -> Iterator[str]:
    """The names and keywords outside of any parentheses; "" where those begin."""
    depth = 0
    for match in _tokens(statement):
        if match["sign"]:
            if depth == 0:
                yield ""
            depth = max(depth + (1 if match["sign"] == "(" else -1), 0)
        elif match["name"] and depth == 0:
            yield match["name"]


def _bare(name: str) -> str:
    """A table's name without its schema and quotes."""
    return name.rpartition(".")[2].strip().strip('"`[]')
