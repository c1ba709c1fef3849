"""Numbers: one or several an example, and labels of as many."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from quantline.metrics._statistic import estimated
from quantline.tasks._checks import choose_output, numbers, refuse_output
from quantline.tasks._parameters import OUTPUT
from quantline.tasks._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from quantline.metrics import Rows
    from quantline.tasks._task import Output, Seen

_MOST = 1024  # numbers an example: each is kept in the table of predictions
_WORST = 0.01
_EXAMPLES = 1000  # ten of them are the worst 1 %


@dataclass(frozen=True)
class RegressionScorer:
    """Rows of the labels and the predictions.

    Attributes:
        index: The index of the output.
        count: The number of its values.
    """

    index: int
    count: int

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns of a row."""
        return {"label": "floats", "value": "floats"}

    @property
    def about(self) -> Mapping[str, Any]:
        """The number of values that are predicted."""
        return {"values": self.count}

    def row(self, seen: Seen) -> dict[str, Any]:
        """Return the row of one example."""
        label = None if seen.label is None else numbers(seen, self.count)
        return {"label": label, "value": seen.outputs[self.index].ravel().astype(float)}


def _bind(values: Mapping[str, Any], outputs: Sequence[Output]) -> RegressionScorer:
    index = choose_output(outputs, values["output"])
    count = prod(outputs[index].shape)
    if not 0 < count <= _MOST:
        raise refuse_output("regression", outputs[index], f"1 to {_MOST} numbers an example")
    return RegressionScorer(index, count)


def _errors(rows: Rows) -> np.ndarray:
    difference: np.ndarray = rows["value"] - rows["label"]
    return difference


def _mean_absolute_error(rows: Rows) -> Callable[[np.ndarray], float]:
    import numpy as np

    errors = np.abs(_errors(rows)).mean(axis=1)
    return lambda weights: float(weights @ errors / weights.sum())


def _root_mean_squared_error(rows: Rows) -> Callable[[np.ndarray], float]:
    import numpy as np

    squares = _errors(rows) ** 2
    return lambda weights: float(np.sqrt(weights @ squares / weights.sum()).mean())


def _r2(rows: Rows) -> Callable[[np.ndarray], float]:

    labels = rows["label"] - rows["label"].mean(axis=0)  # about zero: sums of squares stay exact
    squares = _errors(rows) ** 2

    def statistic(weights: np.ndarray) -> float:
        total = weights @ labels**2 - (weights @ labels) ** 2 / weights.sum()
        if not (total > 0).all():
            return float("nan")
        return float((1 - weights @ squares / total).mean())

    return statistic


def _worst(rows: Rows) -> Callable[[np.ndarray], float]:
    """Prepare the mean of the largest errors; a quantile's bounds would be far too narrow."""
    import numpy as np

    errors = -np.sort(-np.abs(_errors(rows)).max(axis=1))
    order = np.argsort(-np.abs(_errors(rows)).max(axis=1))

    def statistic(weights: np.ndarray) -> float:
        drawn = weights[order]
        most = max(_WORST * drawn.sum(), 1.0)
        # The examples before the last one of the share count whole, and that one in part.
        counted = np.diff(np.minimum(np.cumsum(drawn), most), prepend=0.0)
        return float(counted @ errors / most)

    return statistic


def _too_few(rows: Rows) -> str | None:
    if len(rows) >= _EXAMPLES:
        return None
    return f"there are {len(rows):,} examples, and {_EXAMPLES:,} are needed to know the worst 1 %"


_METRICS = (
    estimated("mae", "MAE", "the mean absolute error", _mean_absolute_error,
              lower_is_better=True, is_share=False),
    estimated("rmse", "RMSE", "the root of the mean squared error; the mean over several outputs",
              _root_mean_squared_error, lower_is_better=True, is_share=False),
    estimated("r2", "R2", "the share of the labels' variance that is explained; the mean over "
              "several outputs", _r2, is_share=False),
    estimated("worst_error", "worst 1 %", "the mean absolute error of the worst 1 % of the "
              "examples", _worst, lower_is_better=True, is_share=False, too_few=_too_few),
)  # fmt: skip


def _details(rows: Rows) -> dict[str, Any]:
    import numpy as np

    errors = _errors(rows)
    return {
        "mae_per_output": np.abs(errors).mean(axis=0).tolist(),
        "bias_per_output": errors.mean(axis=0).tolist(),
    }


TASK = Task(
    name="regression",
    summary="numbers",
    outputs=f"up to {_MOST} numbers",
    labels="as many numbers",
    bind=_bind,
    metrics=lambda *_: _METRICS,
    parameters=(OUTPUT,),
    details=_details,
    order=40,
)
