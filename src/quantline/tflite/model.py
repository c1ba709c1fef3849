"""A ``.tflite`` file in memory, which is parsed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from quantline.files import sha256
from quantline.tflite.graph import read

if TYPE_CHECKING:
    from quantline.tflite.graph import Graph


@dataclass(frozen=True)
class Model:
    """A ``.tflite`` file in memory.

    Attributes:
        content: The file's bytes.
        name: Its name in errors.
    """

    content: bytes = field(repr=False)
    name: str = field(default="the model", compare=False)

    @cached_property
    def graph(self) -> Graph:
        """The file's content as a graph.

        Raises:
            ModelError: There are no bytes.
            ModelUnreadable: The bytes are not a whole ``.tflite`` file.
        """
        return read(self.content, self.name)

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the bytes, in hexadecimal digits."""
        return sha256(self.content)

    def __reduce__(self) -> tuple[type[Model], tuple[bytes, str]]:
        """Pickle the bytes alone: another process parses them itself."""
        return Model, (self.content, self.name)
