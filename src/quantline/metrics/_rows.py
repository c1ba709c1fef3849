"""The predictions of labelled examples: of one model, and of two on the same examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Rows:
    """A model's results for the labelled examples; arrays of shape (n_examples,).

    Attributes:
        ids: The examples' ids.
        labels: Their labels.
        predictions: The class with the highest score.
        ranks: The rank of the label among the scores; 0 where the prediction is right.
        confidences: The probability of the prediction.
        losses: The cross-entropy, natural logarithm.
    """

    ids: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray
    ranks: np.ndarray
    confidences: np.ndarray
    losses: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, at: np.ndarray) -> Rows:
        """Return the rows at these positions, as a bootstrap draws them."""
        return Rows(*(values[at] for values in vars(self).values()))


@dataclass(frozen=True, eq=False)
class Pairs:
    """Results of a reference and a candidate for the same labelled examples, in the same order.

    Attributes:
        reference: The rows of the reference.
        candidate: The rows of the candidate.
    """

    reference: Rows
    candidate: Rows

    def __len__(self) -> int:
        return len(self.reference)

    def lost(self, within: int = 1) -> np.ndarray:
        """Return which examples only the reference has among its first ``within`` classes."""
        return (self.reference.ranks < within) & (self.candidate.ranks >= within)

    def won(self, within: int = 1) -> np.ndarray:
        """Return which examples only the candidate has among its first ``within`` classes."""
        return (self.reference.ranks >= within) & (self.candidate.ranks < within)
