"""The rows of a table of predictions: of one model, and of two on the same examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np


@dataclass(frozen=True, eq=False)
class Rows:
    """A model's results for examples, by the columns that its task has.

    Attributes:
        ids: The examples' ids, array of shape (n_examples,).
        columns: An array for each column, by name, of shape (n_examples,) or, where an example has
            several numbers, (n_examples, n_numbers).
    """

    ids: np.ndarray
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column."""
        return self.columns[name]

    def take(self, at: np.ndarray) -> Rows:
        """Return the rows at these positions, as a bootstrap draws them."""
        columns = {name: values[at] for name, values in self.columns.items()}
        return Rows(self.ids[at], columns)

    def right(self, within: int = 1) -> np.ndarray | None:
        """Return the examples that the model has right, as booleans; None if its task has no such.

        Args:
            within: For a classifier, how many of its first classes count.
        """
        if "label_rank" in self.columns:
            return self.columns["label_rank"] < within
        return self.columns["right"] > 0 if "right" in self.columns else None


@dataclass(frozen=True, eq=False)
class Pairs:
    """Results of a reference and a candidate for the same examples, in the same order.

    Attributes:
        reference: The rows of the reference.
        candidate: The rows of the candidate.
    """

    reference: Rows
    candidate: Rows

    def __len__(self) -> int:
        return len(self.reference)

    def lost(self, within: int = 1) -> np.ndarray:
        """Return the examples that only the reference has right, as booleans."""
        return self._only(self.reference, self.candidate, within)

    def won(self, within: int = 1) -> np.ndarray:
        """Return the examples that only the candidate has right, as booleans."""
        return self._only(self.candidate, self.reference, within)

    def _only(self, first: Rows, second: Rows, within: int) -> np.ndarray:
        import numpy as np

        right, other = first.right(within), second.right(within)
        if right is None or other is None:
            return np.zeros(len(self), bool)
        return np.asarray(right & ~other)
