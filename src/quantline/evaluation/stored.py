"""Predictions as they are stored: a Parquet file, and what must hold of the table in it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from quantline.evaluation.predict import SCHEMA, TASK, TYPES
from quantline.results import Origin

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

_REMEDY = "Run the pipeline with `from_nodes=predict_float,predict_int8`, which predicts the "
"examples anew"


def read_table(content: bytes, origin: Origin) -> pa.Table:
    """Read a Parquet file's bytes.

    Raises:
        QuantlineError: They are not a whole Parquet file.
    """
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(content))
        table.validate(full=True)  # reading alone takes text for UTF-8, and places for right
    except Exception as error:  # Arrow has several for a damaged file
        raise origin.damaged(error) from error
    return table


def read_predictions(content: bytes, origin: Origin | str | Path) -> pa.Table:
    """Read predictions, as :func:`quantline.evaluation.predict` gives them.

    Args:
        content: A Parquet file's bytes.
        origin: Where they come from, or the path of the stage's file.

    Raises:
        QuantlineError: They are something else; of a stage's file a ResultMissing.
    """
    if not isinstance(origin, Origin):
        origin = Origin.of_stage(origin, _REMEDY)
    return check_predictions(read_table(content, origin), origin)


def check_predictions(table: pa.Table, origin: Origin | str | Path) -> pa.Table:
    """Check that a table holds predictions: its columns, their types, and what they hold.

    Returns:
        The table as it is.

    Raises:
        QuantlineError: It does not.
    """
    if not isinstance(origin, Origin):
        origin = Origin.of_stage(origin, _REMEDY)
    if len(table["id"].unique() if "id" in table.column_names else ()) < len(table):
        raise origin.unreadable("rows with the same 'id', or none", "one row an example")
    if TASK.encode() in (table.schema.metadata or {}):
        return _check_task(table, origin)
    if not table.schema.equals(SCHEMA, check_metadata=False):
        raise origin.unreadable(f"the columns {_columns(table.schema)}", _columns(SCHEMA))
    for name in ("id", "prediction", "confidence"):
        if table[name].null_count:
            raise origin.unreadable(f"{table[name].null_count} rows without '{name}'", "none")
    unlabelled = table["label"].is_null()
    for name in ("label_rank", "loss"):
        if not table[name].is_null().equals(unlabelled):
            raise origin.unreadable(
                f"'{name}' without a 'label', or the other way round",
                f"'{name}' in each row that has a 'label'",
            )
    for name in ("confidence", "loss"):
        values = table[name].drop_null().to_numpy()
        if not np.isfinite(values).all() or (np.abs(values) > 1e6).any():
            raise origin.unreadable(f"'{name}' that is not finite, or huge", "finite numbers")
    for name in ("prediction", "label_rank"):
        if (table[name].drop_null().to_numpy() < 0).any():
            raise origin.unreadable(f"'{name}' below 0", "numbers of classes")
    return table


def _check_task(table: pa.Table, origin: Origin) -> pa.Table:
    """Check a table of another task: numbers, or as many of them in each row, all finite."""
    missing: list[pa.ChunkedArray] = []
    for field in table.schema:
        column = table[field.name]
        if field.name == "id":
            continue
        if field.type not in TYPES.values():
            raise origin.unreadable(f"'{field.name}' of type {field.type}", "columns of numbers")
        missing.append(column.is_null())
        if column.null_count and not missing[-1].equals(missing[0]):
            raise origin.unreadable(f"rows without '{field.name}'", "all columns of each row")
        if len(column.drop_null()) and len({len(row) for row in _lists(column)}) > 1:
            raise origin.unreadable(f"'{field.name}' of several lengths", "lists of one length")
        values = np.array(column.drop_null().to_pylist(), float)
        if not np.isfinite(values).all():
            raise origin.unreadable(f"'{field.name}' that is not finite", "finite numbers")
    return table


def _lists(column: pa.ChunkedArray) -> list[list[float]]:
    values = column.drop_null().to_pylist()
    return values if values and isinstance(values[0], list) else [values]


def _columns(schema: pa.Schema) -> str:
    shown = [f"'{field.name[:60]}' ({field.type})" for field in schema][:10]
    return ", ".join(shown) or "none"
