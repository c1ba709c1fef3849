"""A limit on the size that references ``${key}`` in configuration files expand to.

A key that names another ten times, which does so in turn, is a long text after a few lines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LARGEST = 1_000_000

_REFERENCE = re.compile(r"\$\{\s*(\.*)([\w\-]+(?:[.\[\]]+[\w\-]+)*)\]?\s*\}")
Path = tuple[str, ...]


def expanded_size(files: Iterable[Mapping[str, Any]]) -> int:
    """Return an upper bound of the characters and values that all files stand for together.

    Counting ends where the bound passes a million.
    """
    values: dict[Path, list[Any]] = {}
    children: dict[Path, set[Path]] = {}
    for file in files:
        for path, value in _flat(file, ()):
            values.setdefault(path, []).append(value)
            children.setdefault(path[:-1], set()).add(path)
    sizes: dict[Path, int] = {}

    def size(path: Path) -> int:
        if path not in sizes:
            sizes[path] = 0  # a loop ends here, and is refused by what resolves it
            total = 1
            for value in values.get(path, ()):
                total += _own_size(value) + sum(map(size, _references(path, value)))
            total += sum(map(size, children.get(path, ())))
            sizes[path] = min(total, LARGEST + 1)
        return sizes[path]

    try:
        return size(())
    except RecursionError:
        return LARGEST + 1


def _flat(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flat(inner, (*path, str(index)))


def _own_size(value: Any) -> int:
    return len(value) if isinstance(value, str) else 1


def _references(path: Path, value: Any) -> Iterator[Path]:
    """Yield what a text refers to; one dot before a key stands for the level of the text's own."""
    if not isinstance(value, str):
        return
    for dots, name in _REFERENCE.findall(value):
        base = path[: -len(dots)] if dots else ()
        yield (*base, *(part for part in re.split(r"[.\[\]]+", name) if part))
