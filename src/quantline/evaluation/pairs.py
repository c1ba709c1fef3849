"""Tables of predictions as the rows that metrics take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.evaluation.paired import require_same_examples
from quantline.metrics import Pairs, Rows

if TYPE_CHECKING:
    import pyarrow as pa


def rows_of(predictions: pa.Table) -> Rows:
    """Return the rows of the labelled examples.

    Args:
        predictions: What :func:`quantline.evaluation.predict` gave.
    """
    labelled = predictions.filter(predictions["label"].is_valid())
    columns = ("id", "label", "prediction", "label_rank", "confidence", "loss")
    return Rows(*(labelled[name].to_numpy() for name in columns))


def pair(reference: pa.Table, candidate: pa.Table) -> Pairs:
    """Put two tables of predictions side by side.

    Args:
        reference: What :func:`quantline.evaluation.predict` gave for the one model.
        candidate: The same of the other.

    Raises:
        ResultMissing: The two tables are not of the same examples.
    """
    require_same_examples(reference, candidate)
    return Pairs(rows_of(reference), rows_of(candidate))
