"""Names that are valid in a TensorFlow graph, for those of users that are not."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_PLAIN = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")  # tf.name_scope's rule


def is_graph_name(name: str) -> bool:
    """Return True if a name is valid: ASCII letters and digits, and a few marks."""
    return bool(_PLAIN.fullmatch(name))


def graph_name(name: str, used: Collection[str]) -> str:
    """Return a valid name near this one that is not in use."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    near = re.sub(r"[^A-Za-z0-9_.]", "_", letters).lstrip("_") or "name"
    number, found = 1, near
    while found in used:
        number, found = number + 1, f"{near}_{number}"
    return found


def graph_names(names: Collection[str]) -> dict[str, str]:
    """Return a valid name by each of these; its own where that is valid."""
    found = {name: name for name in names if is_graph_name(name)}
    for name in names:
        if name not in found:
            found[name] = graph_name(name, found.values())
    return found
