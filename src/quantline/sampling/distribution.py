"""The distribution of model inputs in a few robust numbers, and a test whether two sets differ.

The rule. An example is reduced to its smallest, its largest and its mean value, a set to the
medians of these three over its examples: ``low``, ``high`` and ``mean``. Single odd examples do
not move them, and they do not grow with the number of examples, as the extremes of a set would.
The distance of two sets is the largest difference of ``low`` or ``high``, in units of the
evaluation set's spread (the 1st to the 99th percentile of its values).

- Above 0.4 it is an error, above 0.15 a warning; a difference of ``mean`` above 0.3 is a warning.
- Of ``n`` examples in the smaller set, each limit is 1 + 4 / n times as large: the medians of a
  few examples are not yet those of the data.

Measured (distance; mean), calibration against evaluation examples:

- 100 Fashion-MNIST images of train against 200 of test: 0.000; at most 0.09 in 100 draws. 10 of
  them: 0.000; 0.13. 100 images of a single class: 0.000; 0.17.
- 100 ImageNet photographs against 200 others: 0.002; 0.02. 10 of them: 0.02; 0.07.
- ImageNet given as [0, 255] for [-1, 1]: 127; as [0, 1] for [-1, 1]: 0.50; as [0, 255] for [0, 1]:
  255; as [-1, 1] for [0, 255]: 1.0; as [0, 1] for normalized by mean and deviation: 0.47; as
  normalized for [-1, 1]: 0.82; as [-0.5, 0.5] for [-1, 1]: 0.25, a warning.

The order of the channels changes none of these numbers: the rule does not see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

EVALUATION_EXAMPLES = 200
VALUES_PER_EXAMPLE = 4096

_ERROR, _WARNING, _MEAN_WARNING = 0.4, 0.15, 0.3
_SLACK = 4.0

# What takes one usual scale to another.
_RESCALINGS: dict[str, Callable[[float], float]] = {
    "x / 255": lambda x: x / 255,
    "x / 127.5 - 1": lambda x: x / 127.5 - 1,
    "2 * x - 1": lambda x: 2 * x - 1,
    "(x + 1) / 2": lambda x: (x + 1) / 2,
    "255 * x": lambda x: 255 * x,
    "127.5 * (x + 1)": lambda x: 127.5 * (x + 1),
}


@dataclass(frozen=True)
class Distribution:
    """The distribution of a set of model inputs; only finite values count.

    Attributes:
        examples: How many examples were seen.
        low: The median of the examples' smallest values.
        high: The median of their largest values.
        mean: The median of their means.
        min: The smallest value of all.
        max: The largest value of all.
        spread: From the 1st to the 99th percentile of the values, of which 4096 an example count.
    """

    examples: int
    low: float
    high: float
    mean: float
    min: float
    max: float
    spread: float

    @classmethod
    def of(cls, samples: Iterable[np.ndarray]) -> Distribution | None:
        """Measure up to 200 examples; of an array or a list they are evenly spread over it.

        Args:
            samples: Model inputs; an iterator is read up to the 200th example and no further.

        Returns:
            None where there is no finite value.
        """
        rows, pooled = [], []
        for sample in _choose(samples):
            values = np.asarray(sample).ravel()
            if values.dtype == bool:
                values = values.view(np.uint8)  # of truth values there are no percentiles
            values = values[np.isfinite(values)]
            if values.size:
                rows.append((values.min(), values.max(), values.mean(dtype=np.float64)))
                pooled.append(_thin(values))
        if not rows:
            return None
        table = np.array(rows, np.float64)
        first, last = np.percentile(np.concatenate(pooled), [1, 99])
        low, high, mean = (float(value) for value in np.median(table, axis=0))
        lowest, highest = float(table[:, 0].min()), float(table[:, 1].max())
        spread = float(last - first) or highest - lowest
        return cls(len(rows), low, high, mean, lowest, highest, spread)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def compare(calibration: Distribution, evaluation: Distribution) -> Finding | None:
    """Return a finding ``distribution_shift`` where the two are too far apart: see the rule above.

    A constant evaluation set has no scale to compare with.
    """
    if not evaluation.spread:
        return None
    slack = 1 + _SLACK / min(calibration.examples, evaluation.examples)
    ends = max(abs(calibration.low - evaluation.low), abs(calibration.high - evaluation.high))
    distance = ends / evaluation.spread
    shift = abs(calibration.mean - evaluation.mean) / evaluation.spread
    if distance <= _WARNING * slack and shift <= _MEAN_WARNING * slack:
        return None
    return Finding(
        "distribution_shift",
        "error" if distance > _ERROR * slack else "warning",
        found=f"a typical example has values from {calibration.low:.3g} to {calibration.high:.3g}, "
        f"{calibration.mean:.3g} on average; in the evaluation set from {evaluation.low:.3g} to "
        f"{evaluation.high:.3g}, {evaluation.mean:.3g} on average (ends {distance:.2f} and means "
        f"{shift:.2f} of its spread apart)",
        expected=f"ends at most {_WARNING * slack:.2f} and means at most "
        f"{_MEAN_WARNING * slack:.2f} of the spread apart",
        remedy=_remedy(calibration, evaluation, slack),
    )


def _remedy(calibration: Distribution, evaluation: Distribution, slack: float) -> str:
    limit = _WARNING * slack * evaluation.spread

    def fits(rescale: Callable[[float], float]) -> bool:
        ends = ((calibration.low, evaluation.low), (calibration.high, evaluation.high))
        return all(abs(rescale(mine) - theirs) <= limit for mine, theirs in ends)

    for text, rescale in _RESCALINGS.items():
        if fits(rescale):
            return (
                f"Prepare both sets alike: {text} takes the calibration values to "
                "the scale of the evaluation set"
            )
    return "Prepare both sets alike, and draw the calibration set from the data the model will meet"


def _choose(samples: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
    if isinstance(samples, (np.ndarray, Sequence)):
        count = min(len(samples), EVALUATION_EXAMPLES)
        return (samples[index * len(samples) // count] for index in range(count))
    return islice(samples, EVALUATION_EXAMPLES)


def _thin(values: np.ndarray) -> np.ndarray:
    """Return some of the values; a stride could meet one channel only, so they are drawn."""
    if values.size <= VALUES_PER_EXAMPLE:
        return values
    chosen = np.random.default_rng(0).integers(values.size, size=VALUES_PER_EXAMPLE)
    thinned: np.ndarray = values[chosen]
    return thinned
