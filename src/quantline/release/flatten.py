"""Nested values as pairs of a dotted key and a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def flatten(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested mappings and lists as (dotted key, value), such as ``dataset.source``."""
    if isinstance(values, Mapping):
        items: Any = values.items()
    elif isinstance(values, (list, tuple)) and any(isinstance(value, Mapping) for value in values):
        items = enumerate(values)
    else:
        yield prefix, values
        return
    for key, value in items:
        yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
