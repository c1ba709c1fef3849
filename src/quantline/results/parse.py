"""Reading results as JSON with plain, finite values, or as numpy arrays, with one error for all."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import QuantlineError, RegistryError, ResultMissing
from quantline.reading import Arrays, ArraysUnreadable, Unreadable, read_file
from quantline.reading.regular import LARGEST_BYTES

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """The source of a result, as its error names it.

    Attributes:
        name: Its name at the beginning of a sentence, such as ``The result 'x.json'``.
        expected: The text on who writes it.
        remedy: The way to get it anew, as a sentence.
        error: The class of the error.
    """

    name: str
    expected: str = "what an earlier stage wrote"
    remedy: str = "Run the whole pipeline, or the stage that writes it"
    error: type[QuantlineError] = ResultMissing

    @classmethod
    def of_stage(cls, path: str | Path, remedy: str = "") -> Origin:
        """Return the origin of a file that a stage writes."""
        return cls(f"The result '{path}'", remedy=remedy or cls.remedy)

    @classmethod
    def of_champion(cls, name: str) -> Origin:
        """Return the origin of a file that was recorded with the registered champion."""
        return cls(
            f"The champion's file '{name}'",
            "what its release recorded",
            "Restore the run and its artifacts; or roll back, or delete the alias 'champion', to "
            "go on without this one",
            RegistryError,
        )

    def unreadable(self, found: str, expected: str = "") -> QuantlineError:
        """Return the error."""
        return self.error(
            f"{self.name} cannot be read",
            found=found,
            expected=expected or self.expected,
            remedy=self.remedy,
        )

    def damaged(self, error: BaseException) -> QuantlineError:
        """Return the error for a file of which another library says that it is damaged."""
        said = " ".join(str(error).split())[:300]
        return self.unreadable(f"a damaged file ({type(error).__name__}: {said})")


MOST_BYTES = 1 << 30  # a manifest of a million examples has a fifth of it
MOST_LEVELS = 64  # of lists and mappings inside each other; results have less than 10
_SHOWN = 60


def read_bytes(path: str | Path, origin: Origin, most: int = LARGEST_BYTES) -> bytes:
    """Read a file.

    Raises:
        QuantlineError: It is not there, is no file, cannot be read or is too large.
    """
    try:
        return read_file(path, most)
    except Unreadable as error:
        raise origin.unreadable(str(error)) from error


def parse_json(content: bytes, origin: Origin) -> Any:
    """Parse JSON that is UTF-8, names no key of a mapping twice, and holds finite numbers only.

    Raises:
        QuantlineError: It is something else, or nested too deeply.
    """
    try:
        # Some editors begin a file with a byte order mark.
        values = json.loads(
            content.decode("utf-8-sig"), object_pairs_hook=_unrepeated, parse_constant=float
        )
    except (ValueError, RecursionError, MemoryError) as error:
        raise origin.damaged(error) from error
    check_plain(values, origin)
    return values


def check_plain(values: Any, origin: Origin) -> None:
    """Refuse values that JSON can spell and that nothing can be done with.

    Infinite numbers, whole numbers larger than any float, text that is not Unicode or holds a null
    character, and values that are nested more than 64 levels deep.
    """
    levels: list[tuple[tuple[str | int, ...], Any]] = [((), values)]
    while levels:
        place, value = levels.pop()
        if isinstance(value, (dict, list, tuple)):
            if len(place) >= MOST_LEVELS:
                found = f"values nested more than {MOST_LEVELS} levels deep {at(place[:3])}"
                raise origin.unreadable(found)
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, inner in items:
                if isinstance(key, str) and _is_odd(key):
                    raise origin.unreadable(f"the key {shown(key)} {at(place)}", _TEXT)
                levels.append(((*place, key), inner))
        elif isinstance(value, str):
            if _is_odd(value):
                raise origin.unreadable(f"{shown(value)} {at(place)}", _TEXT)
        elif isinstance(value, (int, float)) and not _is_finite(value):
            raise origin.unreadable(f"{shown(value)} {at(place)}", "a finite number")


_TEXT = "Unicode text without null characters"


def at(place: tuple[str | int, ...]) -> str:
    """Return where in a file something is, as the end of a clause."""
    path = ".".join(str(part) for part in place)
    return f"at {shown(path)}" if path else "at the top level"


def shown(value: Any) -> str:
    """Return a value as it may stand in an error: short, and in characters that print."""
    if isinstance(value, (dict, list, tuple)):
        kind = "a mapping" if isinstance(value, dict) else "a list"
        return f"{kind} of {len(value)}"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, str):
        cut = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
        return f"'{cut.encode('unicode_escape').decode() if _is_odd(cut) else cut}'"
    return {None: "null", True: "true", False: "false"}[value] if (
        value is None or isinstance(value, bool)) else repr(value)  # fmt: skip


def _is_odd(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return True
    return "\0" in text


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {shown(twice)} twice in one mapping")
    return values


def read_arrays(content: bytes, origin: Origin) -> dict[str, np.ndarray]:
    """Read every array of an ``.npz`` archive; nothing in it is ever unpickled.

    Raises:
        QuantlineError: It is no such archive, or claims more than it holds.
    """
    try:
        with Arrays(content) as archive:
            return {name: archive.read(name) for name in archive.names}
    except ArraysUnreadable as error:
        raise origin.unreadable(f"a damaged file: {error}") from error


def check_finite(values: np.ndarray, name: str, origin: Origin) -> None:
    """Refuse an array that does not hold finite numbers only."""
    if values.dtype.kind not in "biuf":
        raise origin.unreadable(f"the array '{name}' of dtype {values.dtype}", "numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise origin.unreadable(f"the array '{name}' with NaN or infinite values", "finite numbers")
