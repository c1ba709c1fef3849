"""Tables of predictions as the rows that metrics take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import ResultMissing
from quantline.metrics import Pairs, Rows

if TYPE_CHECKING:
    import pyarrow as pa


def rows_of(predictions: pa.Table) -> Rows:
    """Return the rows of the labelled examples; all rows of a task without labels.

    Args:
        predictions: A table from :func:`quantline.evaluation.predict.run_task`.
    """
    labels = label_columns(predictions)
    if labels:
        predictions = predictions.filter(predictions[labels[0]].is_valid())
    columns = {name: _array(predictions[name]) for name in predictions.column_names}
    return Rows(columns.pop("id"), columns)


def pair(reference: pa.Table, candidate: pa.Table) -> Pairs:
    """Put two tables of predictions side by side.

    Args:
        reference: A table from :func:`quantline.evaluation.predict.run_task` for the one model.
        candidate: The same of the other.

    Raises:
        ResultMissing: The two tables are not of the same examples.
    """
    require_same_examples(reference, candidate)
    return Pairs(rows_of(reference), rows_of(candidate))


def label_columns(predictions: pa.Table) -> list[str]:
    """Return the columns that come from the labels alone."""
    return [name for name in predictions.column_names if name.partition("_")[0] == "label"
            and name != "label_rank"]  # fmt: skip


def require_same_examples(first: pa.Table, second: pa.Table) -> None:
    """Check that two tables of predictions are of the same examples with the same labels.

    Raises:
        ResultMissing: They are not.
    """
    same = first.column_names == second.column_names
    if same and all(first[name].equals(second[name]) for name in ("id", *label_columns(first))):
        return
    raise ResultMissing(
        "The two models were not evaluated on the same examples",
        found=f"{len(first)} and {len(second)} predictions, of other examples or labels"
        if same
        else f"predictions with the columns {', '.join(first.column_names)}, and with "
        f"{', '.join(second.column_names)}",
        expected="the same examples with the same labels in the same order",
        remedy="Evaluate both on the examples of one manifest; in the pipeline, run 'baseline' "
        "again, and what follows it",
    )


def _array(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column as an array; one of lists as an array of two dimensions."""
    import pyarrow as pa

    if not pa.types.is_list(column.type):
        return np.asarray(column.to_numpy())
    values = column.to_pylist()
    if len({len(value) for value in values}) > 1:
        raise ResultMissing(
            "The predictions are not all of one size",
            found="lists of different lengths in one column",
            expected="as many numbers for one example as for another",
            remedy="Run the pipeline with `from_nodes=predict_float,predict_int8`",
        )
    return np.array(values)
