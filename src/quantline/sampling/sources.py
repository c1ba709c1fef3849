"""The interface of a source of examples, and the splits of those that are files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from quantline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    import numpy as np


class Entry(NamedTuple):
    """One example of a split, before it is chosen.

    Attributes:
        id: Its TFDS id, file name, or row.
        label: Its class index; None where the split is unlabelled or its labels are no classes.
    """

    id: str
    label: int | None


@dataclass(frozen=True)
class Example:
    """One chosen example as the source stores it.

    Attributes:
        id: Its TFDS id, file name, or row.
        label: Its class index, an array of any other kind, or None.
        value: The decoded array; images are (height, width, channels) uint8. For a model of several
            inputs such an array for each, by name.
        sha256: The hash of its stored bytes, and of those of a label that is no class index.
    """

    id: str
    label: int | np.ndarray | None
    value: Any  # an array, or a mapping of arrays
    sha256: str


class Source(Protocol):
    """A dataset whose splits can be listed and streamed."""

    @property
    def name(self) -> str:
        """The dataset's name."""
        ...

    @property
    def version(self) -> str | None:
        """The dataset's version, where it has one."""
        ...

    def entries(self, split: str) -> Iterator[Entry]:
        """Yield every example's id and label, in a fixed order."""
        ...

    def examples(self, split: str, ids: Set[str]) -> Iterator[Example]:
        """Yield the examples of these ids, one at a time, in the order of :meth:`entries`."""
        ...


_SLICE = re.compile(r"^(?P<file>.+?)(?:\[(?P<start>\d+%?)?:(?P<stop>\d+%?)?\])?$")


class FileSplit(NamedTuple):
    """A split of a file source: ``name``, or ``name[from:to]`` in rows or per cent."""

    file: str
    start: str | None
    stop: str | None

    @classmethod
    def parse(cls, split: str) -> FileSplit:
        """Read a split expression.

        Raises:
            DataError: The expression is not of that form.
        """
        match = _SLICE.match(split)
        if match is None or (split.endswith("]") and match["file"] == split):
            raise DataError(
                f"The split '{split}' cannot be read",
                found=f"'{split}'",
                expected="a file name, with an optional slice such as [:80%] or [1000:2000]",
                remedy="Correct `calibration_split` or `evaluation_split`",
            )
        return cls(match["file"], match["start"], match["stop"])

    def rows(self, count: int) -> range:
        """Return the rows of the slice in a file of ``count`` rows."""

        def bound(text: str | None, default: int) -> int:
            if text is None:
                return default
            if text.endswith("%"):
                return min(count, round(count * int(text[:-1]) / 100))
            return min(count, int(text))

        return range(bound(self.start, 0), bound(self.stop, count))
