"""Two models' predictions of the same examples, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.evaluation.paired import require_same_examples

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Pairs:
    """What a reference and a candidate give for the labelled examples; arrays of one length.

    Attributes:
        ids: The examples' ids.
        labels: Their labels.
        reference_ranks: The rank of the label in the reference's scores; 0 where it is right.
        candidate_ranks: The same of the candidate.
        loss_change: The candidate's loss minus the reference's.
        confidence_change: The candidate's confidence in its prediction minus the reference's.
    """

    ids: np.ndarray
    labels: np.ndarray
    reference_ranks: np.ndarray
    candidate_ranks: np.ndarray
    loss_change: np.ndarray
    confidence_change: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def lost(self, within: int = 1) -> np.ndarray:
        """Return which examples only the reference has among its first ``within`` classes."""
        return (self.reference_ranks < within) & (self.candidate_ranks >= within)

    def won(self, within: int = 1) -> np.ndarray:
        """Return which examples only the candidate has among its first ``within`` classes."""
        return (self.reference_ranks >= within) & (self.candidate_ranks < within)


def pair(reference: pa.Table, candidate: pa.Table) -> Pairs:
    """Put two tables of predictions side by side.

    Args:
        reference: What :func:`quantline.evaluation.predict` gave for the one model.
        candidate: The same of the other.

    Raises:
        ResultMissing: The two tables are not of the same examples.
    """
    require_same_examples(reference, candidate)
    labelled = reference["label"].is_valid()
    first, second = reference.filter(labelled), candidate.filter(labelled)
    return Pairs(
        ids=first["id"].to_numpy(),
        labels=first["label"].to_numpy(),
        reference_ranks=first["label_rank"].to_numpy(),
        candidate_ranks=second["label_rank"].to_numpy(),
        loss_change=second["loss"].to_numpy() - first["loss"].to_numpy(),
        confidence_change=second["confidence"].to_numpy() - first["confidence"].to_numpy(),
    )
