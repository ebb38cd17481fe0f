"""Where a key of a TOML text is written, which the standard library's parser does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]?\]")
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")


def line_of(text: str, path: Sequence[str]) -> int:
    """The line, from 1, of a key, or of the nearest table around it that is written down; 1 when none is.

    A heuristic for messages: what looks like a key inside a multi-line text may be taken for one.
    """
    best, found = 0, 1
    for number, written in _written(text):
        depth = _shared(written, path)
        if depth == len(written) and depth > best:
            best, found = depth, number
    return found


def _written(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, path) of each header and each key of a text."""
    table: list[str] = []
    seen: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            if line.lstrip().startswith("[["):
                index = seen[tuple(table)] = seen.get(tuple(table), -1) + 1
                table = [*table, str(index)]
            yield number, table
        elif key := _KEY.match(line):
            yield number, [*table, *_parts(key[1])]


def _parts(dotted: str) -> list[str]:
    try:
        node: Any = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return [dotted]
    parts = []
    while isinstance(node, dict):
        (name, node), *_ = node.items()
        parts.append(name)
    return parts


def _shared(written: Sequence[str], path: Sequence[str]) -> int:
    count = 0
    for one, other in zip(written, path, strict=False):
        if one != other:
            break
        count += 1
    return count
