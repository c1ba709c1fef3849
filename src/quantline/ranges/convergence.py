"""Distances between range sets; a test for enough calibration examples by those of two halves.

The rule. Two ranges of a tensor differ by their larger difference at either end, in per cent of
the range that both span. A set has not converged where

- it has fewer than 20 examples: of ``n`` exchangeable examples, the next one passes the largest
  value of the others with a probability of 1 / (n + 1), and the smallest likewise. Below 20 that
  is up to one example in ten for each tensor, and two halves of 10 may agree by chance;
- its halves differ by more than 8 per cent in the mean over all tensors;
- or some tensor's range differs by more than 50 per cent: a single example makes it twice as wide.

Measured: the mean difference of the halves of random sets (5th, 50th and 95th percentile of 1,000
draws; the largest), in per cent of the range. MobileNet v2 has untrained weights: it stands for
models whose activations rarely reach a bound, and sets the limit of 8. The two trained models stay
below 3 at 100 examples.

======================  ================  ================  ================  ================
examples                4                 10                20                100
======================  ================  ================  ================  ================
Fashion-MNIST model     3.5 6.6 12; 16    1.8 3.6 6.0; 11   1.0 2.3 4.0; 6.1  0.4 1.1 2.1; 2.9
MobileNet v1, ImageNet  0.5 1.3 2.9; 4.9  0.3 0.8 1.7; 3.0  0.2 0.6 1.3; 2.2  0.1 0.3 1.0; 1.4
MobileNet v2 untrained  4.3 9.4 22; 45    3.2 6.3 15; 21    2.6 4.7 11; 16    1.8 2.5 4.3; 6.9
======================  ================  ================  ================  ================

The worst tensor differs by 4 to 13 per cent at 100 examples (the largest: 31), by 17 to 30 at 4
(69). The activations of MobileNet v1 end at RELU6 for almost any photograph, so that its ranges
agree early: there, and for most sets of 4 Fashion-MNIST images, the number of examples alone
decides. From 8 examples on the median over tensors is 0 for both trained models: it would not
serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.errors import Finding, MismatchError
from quantline.ranges.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quantline.ranges.range_set import RangeSet


FEWEST_EXAMPLES = 20
LARGEST_MEAN_PCT = 8.0
LARGEST_WORST_PCT = 50.0


@dataclass(frozen=True)
class Difference:
    """The distance between two range sets, over the tensors, in per cent of each range.

    Attributes:
        examples: The number of examples from which the smaller set was recorded.
        median_pct: The median.
        mean_pct: The mean.
        worst_pct: The largest.
        worst_tensor: The name of that tensor; None where no tensor has a range.
    """

    examples: int
    median_pct: float
    mean_pct: float
    worst_pct: float
    worst_tensor: str | None


@dataclass(frozen=True)
class Convergence:
    """Evidence on whether more examples would change the ranges.

    Attributes:
        examples: Their number.
        halves: The distance between their two halves; None where there are no two.
        curve: The distance of the first of them from all of them, by growing number.
    """

    examples: int
    halves: Difference | None
    curve: tuple[Difference, ...]

    @property
    def finding(self) -> Finding | None:
        """A warning ``not_converged``, where the rule above finds it."""
        if (
            self.examples >= FEWEST_EXAMPLES
            and self.halves is not None
            and self.halves.mean_pct <= LARGEST_MEAN_PCT
            and self.halves.worst_pct <= LARGEST_WORST_PCT
        ):
            return None
        points = [
            f"the first {point.examples} by {point.median_pct:.1f} % (median) and "
            f"{point.worst_pct:.1f} % (worst)"
            for point in self.curve
        ]
        measured = (
            ""
            if self.halves is None
            else f"; its halves' ranges differ by {self.halves.mean_pct:.1f} % on average, by "
            f"{self.halves.worst_pct:.1f} % at worst ('{self.halves.worst_tensor}')"
        )
        curve = f"; from the ranges of all differ {', '.join(points)}" if points else ""
        return Finding(
            "not_converged",
            "warning",
            found=f"{self.examples} examples{measured}{curve}",
            expected=f"at least {FEWEST_EXAMPLES} examples whose halves differ by at most "
            f"{LARGEST_MEAN_PCT:g} % on average and {LARGEST_WORST_PCT:g} % at worst",
            remedy="Take more samples: "
            f"{100 if self.examples < FEWEST_EXAMPLES else 4 * self.examples} or so",
        )


@dataclass(frozen=True)
class Extents:
    """The ranges of a model's tensors.

    Attributes:
        names: The tensors' names.
        low: array of shape (n_tensors,): their least values.
        high: Likewise, their largest values.
    """

    names: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, ranges: RangeSet) -> Extents:
        """Return the extents of recorded ranges."""
        tensors = ranges.tensors
        low = np.array([tensor.min for tensor in tensors], np.float64)
        high = np.array([tensor.max for tensor in tensors], np.float64)
        return cls(tuple(tensor.name for tensor in tensors), low, high)


def converge(
    first: Extents, second: Extents, prefixes: Mapping[int, Extents], *, examples: int
) -> Convergence:
    """Compare the ranges of two disjoint halves, and of growing prefixes with the whole."""
    whole = union(first, second)
    curve = tuple(difference(prefixes[count], whole, count) for count in sorted(prefixes))
    return Convergence(examples, difference(first, second, examples // 2), curve)


def measure_convergence(model: bytes, samples: Sequence[Any] | np.ndarray) -> Convergence:
    """Record the ranges of disjoint parts of the samples, and compare them.

    The samples are shuffled first, by a fixed seed: they may be sorted by class. Each is recorded
    once.
    """
    count = len(samples)
    if count < 2:
        return Convergence(count, None, ())
    order = np.random.default_rng(0).permutation(count)
    ends = sorted({max(1, count // 8), max(1, count // 4), count // 2, count})
    parts = [
        Extents.of(record(model, (samples[index] for index in order[start:end])))
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    prefixes = {end: union(*parts[: position + 1]) for position, end in enumerate(ends[:-1])}
    return converge(prefixes[count // 2], parts[-1], prefixes, examples=count)


def union(*sets: Extents) -> Extents:
    """Return the extents that hold those of every set of the same tensors."""
    low = np.min([extents.low for extents in sets], axis=0)
    high = np.max([extents.high for extents in sets], axis=0)
    return Extents(sets[0].names, low, high)


def difference(some: Extents, others: Extents, examples: int) -> Difference:
    """Measure the distance between two sets of extents of the same tensors."""
    ends = np.array([some.low, some.high, others.low, others.high])
    with np.errstate(invalid="ignore"):  # of tensors without a range
        span = ends.max(axis=0) - ends.min(axis=0)
        distance = np.maximum(np.abs(some.low - others.low), np.abs(some.high - others.high))
        known = np.flatnonzero((span > 0) & np.isfinite(ends).all(axis=0))
        shares = 100 * distance[known] / span[known]
    if not len(shares):
        return Difference(examples, 0.0, 0.0, 0.0, None)
    worst = int(np.argmax(shares))
    name = some.names[known[worst]].split(";")[0]  # the converter joins names of fused operators
    return Difference(
        examples, float(np.median(shares)), float(shares.mean()), float(shares[worst]), name
    )


_STEPS = 255


@dataclass(frozen=True)
class Drift:
    """The difference of one tensor's ranges.

    Attributes:
        index: The tensor's index.
        name: Its name.
        min_steps: By how much the lower end moved, in int8 steps of the first range; below 0 is
            outwards.
        max_steps: By how much the upper end moved; above 0 is outwards.
    """

    index: int
    name: str
    min_steps: float
    max_steps: float

    @property
    def worst(self) -> float:
        """The larger of both, without its sign."""
        return max(abs(self.min_steps), abs(self.max_steps))


def drift(first: RangeSet, second: RangeSet) -> tuple[Drift, ...]:
    """Compare two range sets of models of one architecture, the largest difference first.

    The models need not be the same: after a retraining the same tensors have other ranges. A range
    includes zero, as the specification demands, before its steps are counted.
    """
    names = [
        [(tensor.index, tensor.name) for tensor in ranges.tensors] for ranges in (first, second)
    ]
    if names[0] != names[1]:
        raise MismatchError(
            "The two range sets are not of the same tensors",
            found=f"{len(names[0])} and {len(names[1])} tensors, not of the same names",
            expected="ranges of one model, or of one architecture trained twice",
            remedy="Record both from models of the same architecture",
        )
    found = []
    for one, other in zip(first.tensors, second.tensors, strict=True):
        low, high = min(one.min, 0.0), max(one.max, 0.0)
        step = (high - low) / _STEPS or 1.0
        down, up = min(other.min, 0.0) - low, max(other.max, 0.0) - high
        found.append(Drift(one.index, one.name, down / step, up / step))
    return tuple(sorted(found, key=lambda difference: -difference.worst))
