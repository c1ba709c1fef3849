"""Predictions as they are stored: a Parquet file, and what must hold of the table in it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from quantline.evaluation.predict import SCHEMA
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
    if len(table["id"].unique()) < len(table):
        raise origin.unreadable("rows with the same 'id'", "one row an example")
    for name in ("confidence", "loss"):
        values = table[name].drop_null().to_numpy()
        if not np.isfinite(values).all() or (np.abs(values) > 1e6).any():
            raise origin.unreadable(f"'{name}' that is not finite, or huge", "finite numbers")
    for name in ("prediction", "label_rank"):
        if (table[name].drop_null().to_numpy() < 0).any():
            raise origin.unreadable(f"'{name}' below 0", "numbers of classes")
    return table


def _columns(schema: pa.Schema) -> str:
    shown = [f"'{field.name[:60]}' ({field.type})" for field in schema][:10]
    return ", ".join(shown) or "none"
