"""Small tables of predictions."""

from __future__ import annotations

import pyarrow as pa

from quantline.evaluation.predict import SCHEMA


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
