"""Names that TensorFlow takes for what it builds a graph of, in place of those that it does not."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_PLAIN = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")  # tf.name_scope's rule


def is_plain(name: str) -> bool:
    """Return True if TensorFlow takes a name: ASCII letters and digits, and a few marks."""
    return bool(_PLAIN.fullmatch(name))


def plain(name: str, used: Collection[str]) -> str:
    """Return a name near this one that TensorFlow takes and that is not in use.

    Args:
        name: Any name.
        used: The names in use.
    """
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    near = re.sub(r"[^A-Za-z0-9_.]", "_", letters).lstrip("_") or "name"
    number, found = 1, near
    while found in used:
        number, found = number + 1, f"{near}_{number}"
    return found


def plain_names(names: Collection[str]) -> dict[str, str]:
    """Return a name that TensorFlow takes by each of these; its own where it does already."""
    found = {name: name for name in names if is_plain(name)}
    for name in names:
        if name not in found:
            found[name] = plain(name, found.values())
    return found
