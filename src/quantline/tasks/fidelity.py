"""Any outputs, without labels: their distance from the float model's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from quantline.metrics._statistic import estimated
from quantline.tasks._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from quantline.metrics import Rows
    from quantline.tasks._task import Output, Seen


@dataclass(frozen=True)
class FidelityScorer:
    """Rows of each output's squared error, squared signal, and cosine to the float model's.

    Attributes:
        outputs: The model's outputs.
    """

    outputs: tuple[Output, ...]

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns of a row; ``agrees`` is that of outputs with several values."""
        names = ("squared_error", "squared_signal", "cosine", "agrees")
        return dict.fromkeys(names, "floats")

    @property
    def about(self) -> Mapping[str, Any]:
        """The outputs' names."""
        return {"outputs": [output.name for output in self.outputs]}

    def row(self, seen: Seen) -> dict[str, Any]:
        """Return the row of one example."""
        import numpy as np

        assert seen.reference is not None  # noqa: S101 - the task says that it needs it
        columns: dict[str, list[float]] = {name: [] for name in self.columns}
        for found, wanted in zip(seen.outputs, seen.reference, strict=True):
            first, second = found.ravel().astype(float), wanted.ravel().astype(float)
            norms = float(np.linalg.norm(first) * np.linalg.norm(second))
            same = bool(np.array_equal(first, second))
            columns["squared_error"].append(float(((first - second) ** 2).mean()))
            columns["squared_signal"].append(float((second**2).mean()))
            columns["cosine"].append(float(first @ second) / norms if norms else float(same))
            same_place = np.atleast_1d(found.argmax(-1) == wanted.argmax(-1))
            columns["agrees"].append(float(same_place.mean()))
        return dict(columns)


def _bind(values: Mapping[str, Any], outputs: Sequence[Output]) -> FidelityScorer:
    return FidelityScorer(tuple(outputs))


def _relative_error(rows: Rows) -> Callable[[np.ndarray], float]:
    import numpy as np

    errors, signals = rows["squared_error"], rows["squared_signal"]

    def statistic(weights: np.ndarray) -> float:
        error, signal = weights @ errors, weights @ signals
        ratio = np.where(signal > 0, error / np.where(signal > 0, signal, 1), error > 0)
        return float(np.sqrt(ratio).max())

    return statistic


def _worst_mean(column: str, rows: Rows) -> Callable[[np.ndarray], float]:
    values = rows[column]
    return lambda weights: float((weights @ values / weights.sum()).min())


# Ten per cent of the values, a signal to noise ratio of 20 dB.
_MARGIN = 0.1
_METRICS = (
    estimated("relative_error", "error to float", "the root of the mean squared error over that of "
              "the float model's values, of the worst output", _relative_error,
              lower_is_better=True, margin=_MARGIN),
    estimated("cosine", "cosine to float", "the mean cosine similarity to the float model's "
              "values, of the worst output", partial(_worst_mean, "cosine"), is_share=False),
    estimated("same_largest", "same largest", "how often the largest value along the last axis is "
              "at the same place, of the worst output; it means something for class scores",
              partial(_worst_mean, "agrees")),
)  # fmt: skip


def _details(rows: Rows) -> dict[str, Any]:
    import numpy as np

    error, signal = rows["squared_error"].mean(axis=0), rows["squared_signal"].mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = 10 * np.log10(signal / error)
    return {
        "signal_to_noise_db_per_output": [
            float(ratio) if np.isfinite(ratio) else None for ratio in ratios
        ],
        "cosine_per_output": rows["cosine"].mean(axis=0).tolist(),
    }


TASK = Task(
    name="fidelity",
    summary="any model, without labels: the distance from float",
    outputs="any, all of them",
    labels="none",
    bind=_bind,
    metrics=lambda *_: _METRICS,
    needs_labels=False,
    needs_reference=True,
    details=_details,
    order=90,
)
