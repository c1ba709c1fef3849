"""A vector an example, compared by its direction."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

from quantline.metrics._statistic import estimated, mean_of
from quantline.registry import Parameter
from quantline.tasks._checks import choose_output, refuse_label, refuse_output
from quantline.tasks._parameters import MARGIN, OUTPUT
from quantline.tasks._ranking import area_under_curve
from quantline.tasks._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from quantline.metrics import Metric, Rows
    from quantline.tasks._task import Output, Seen

NEIGHBOURS = Parameter(
    "neighbours", default=1, type=int, at_least=1,
    meaning="how many of the nearest other examples may be the one that has the same label",
)  # fmt: skip
_MOST = 4096  # numbers a vector
_PAIRED = 400  # examples whose pairs are compared: 79,800 pairs


class EmbeddingScorer:
    """Rows of the vector, of length 1, its cosine to the float model's, and the label."""

    def __init__(self, index: int, size: int) -> None:
        self._index, self._size = index, size
        self._is_labelled: bool | None = None

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns of a row; there is a label if the examples have any."""
        label = {"label": "int"} if self._is_labelled else {}
        return {**label, "vector": "floats", "cosine": "float"}

    @property
    def about(self) -> Mapping[str, Any]:
        """The size of the vector."""
        return {"values": self._size}

    def row(self, seen: Seen) -> dict[str, Any]:
        """Return the row of one example."""
        import numpy as np

        if self._is_labelled is None:
            self._is_labelled = seen.label is not None
        if self._is_labelled is not (seen.label is not None):
            raise refuse_label(seen, "a label for each example, or for none")
        label = {} if seen.label is None else {"label": self._label(seen)}
        assert seen.reference is not None  # noqa: S101 - the task says that it needs it
        own, other = (
            _unit(outputs[self._index].ravel().astype(float))
            for outputs in (seen.outputs, seen.reference)
        )
        return {**label, "vector": own, "cosine": float(np.clip(own @ other, -1, 1))}

    def _label(self, seen: Seen) -> int:
        import numpy as np

        label = np.asarray(seen.label)
        if label.size != 1 or label.dtype.kind not in "iu":
            raise refuse_label(seen, "a whole number that is the same for examples that belong "
                               "together")  # fmt: skip
        return int(label.ravel()[0])


def _unit(vector: np.ndarray) -> np.ndarray:
    import numpy as np

    vector = np.nan_to_num(vector)
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector


def _bind(values: Mapping[str, Any], outputs: Sequence[Output]) -> EmbeddingScorer:
    index = choose_output(outputs, values["output"])
    size = prod(outputs[index].shape)
    if not 1 < size <= _MOST:
        raise refuse_output("embedding", outputs[index], f"2 to {_MOST} numbers an example")
    return EmbeddingScorer(index, size)


def _recall(rows: Rows, *, neighbours: int) -> Callable[[np.ndarray], float]:
    """Prepare the share of examples that have one of their own among their neighbours.

    Examples that are alone with their label cannot have any, and do not count.
    """
    import numpy as np

    labels, vectors = rows["label"], rows["vector"]
    right = np.zeros(len(labels))
    counts = np.zeros(len(labels))
    for start in range(0, len(labels), 512):  # rows of the matrix of similarities at a time
        part = np.arange(start, min(start + 512, len(labels)))
        similar = vectors[part] @ vectors.T
        similar[np.arange(len(part)), part] = -np.inf
        most = min(neighbours, len(labels) - 1)
        nearest = np.argpartition(-similar, most - 1, axis=1)[:, :most] if most else part[:, None]
        right[part] = (labels[nearest] == labels[part, None]).any(axis=1) if most else 0
        counts[part] = (labels[None, :] == labels[part, None]).sum(axis=1) > 1

    def statistic(weights: np.ndarray) -> float:
        total = weights @ counts
        return float(weights @ (right * counts) / total) if total else float("nan")

    return statistic


def _verification(rows: Rows) -> Callable[[np.ndarray], float]:
    """Prepare the area under the ROC curve of pairs: of one label, or of two."""
    import numpy as np

    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _PAIRED)).astype(int))
    vectors, labels = rows["vector"][chosen], rows["label"][chosen]
    first, second = np.triu_indices(len(chosen), 1)
    same = (labels[first] == labels[second]).astype(int)
    area = area_under_curve(same, (vectors @ vectors.T)[first, second])
    return lambda weights: area(weights[chosen[first]] * weights[chosen[second]])


def _metrics(values: Mapping[str, Any], columns: Sequence[str]) -> tuple[Metric, ...]:
    cosine = estimated(
        "cosine", "cosine to float", "the mean cosine similarity to the float model's vectors",
        mean_of("cosine"), is_share=False, margin=MARGIN,
    )  # fmt: skip
    if columns and "label" not in columns:
        return (cosine,)
    neighbours = values[NEIGHBOURS.name]
    return (
        cosine,
        estimated("recall", "recall", "the share of examples with another one of their label among "
                  "the nearest", partial(_recall, neighbours=neighbours)),
        estimated("verification_auc", "AUC of pairs", "the area under the ROC curve of the "
                  f"similarity of pairs, of up to {_PAIRED} examples", _verification),
    )  # fmt: skip


TASK = Task(
    name="embedding",
    summary="a vector, compared by its direction",
    outputs=f"2 to {_MOST} numbers",
    labels="none, or a number for examples that belong together",
    bind=_bind,
    metrics=_metrics,
    parameters=(OUTPUT, NEIGHBOURS),
    needs_labels=False,
    needs_reference=True,
    order=80,
)
