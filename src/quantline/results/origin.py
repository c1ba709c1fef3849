"""The place that a result was read from, and the one error of every result that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.errors import QuantlineError, RegistryError, ResultMissing

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """The source of a result, as its error names it.

    Attributes:
        name: What it is called at the beginning of a sentence, such as ``The result 'x.json'``.
        expected: Who writes it.
        remedy: How to get it anew, as a sentence.
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
        """Return the error.

        Args:
            found: What was found in the file, or instead of it.
            expected: What would have been right there; by default who writes the file.
        """
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
