"""Small tables of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from quantline.evaluation.predict import SCHEMA
from quantline.tasks.classification import ranked

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np


def predictions(labels: list[int | None], ranks: list[int | None]) -> pa.Table:
    count = len(labels)
    losses = [None if rank is None else float(rank) for rank in ranks]
    columns = {
        "id": [f"example {row}" for row in range(count)],
        "label": labels,
        "prediction": [0] * count,
        "label_rank": ranks,
        "confidence": [0.5] * count,
        "loss": losses,
    }
    return pa.table(columns, schema=SCHEMA)


def tabulate(predicted: Iterable[tuple[str, int | None, np.ndarray]]) -> pa.Table:
    """Return predictions from the id, the label and the log-probabilities of each example."""
    rows = [
        {"id": example, **ranked(example, label, scores)} for example, label, scores in predicted
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
