"""A test for enough calibration examples: two halves of them give the same ranges.

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

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from quantline.errors import Finding
from quantline.ranges.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FEWEST_EXAMPLES = 20
LARGEST_MEAN_PCT = 8.0
LARGEST_WORST_PCT = 50.0


class _Range(Protocol):
    @property
    def index(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def min(self) -> float: ...
    @property
    def max(self) -> float: ...


class _Ranges(Protocol):
    @property
    def tensors(self) -> Sequence[_Range]: ...


@dataclass(frozen=True)
class Difference:
    """The distance between two range sets, over the tensors, in per cent of each range.

    Attributes:
        examples: Of how many examples the smaller set was recorded.
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
            f"the first {item.examples} by {item.median_pct:.1f} % (median) and "
            f"{item.worst_pct:.1f} % (worst)"
            for item in self.curve
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

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Extent:
    """The range of one tensor."""

    index: int
    name: str
    min: float
    max: float


@dataclass(frozen=True)
class Extents:
    """The ranges of a model."""

    tensors: tuple[Extent, ...]


def converge(
    first: _Ranges, second: _Ranges, prefixes: Mapping[int, _Ranges], *, examples: int
) -> Convergence:
    """Compare the ranges of two disjoint halves, and of growing prefixes with the whole.

    Args:
        first: The ranges of one half of the examples.
        second: Those of the other half.
        prefixes: The ranges of the first examples, by their number.
        examples: The number of examples in both halves.
    """
    whole = union(first, second)
    curve = tuple(difference(prefixes[count], whole, count) for count in sorted(prefixes))
    return Convergence(examples, difference(first, second, examples // 2), curve)


def measure_convergence(model: bytes, samples: Sequence[Any] | np.ndarray) -> Convergence:
    """Record the ranges of disjoint parts of the samples, and compare them.

    The samples are shuffled first, by a fixed seed: they may be sorted by class. Each is recorded
    once.

    Args:
        model: A float ``.tflite`` file's bytes.
        samples: As :func:`quantline.ranges.record` takes them, with a length.

    Raises:
        QuantlineError: The ranges cannot be recorded.
    """
    count = len(samples)
    if count < 2:
        return Convergence(count, None, ())
    order = np.random.default_rng(0).permutation(count)
    ends = sorted({max(1, count // 8), max(1, count // 4), count // 2, count})
    parts = [
        record(model, (samples[index] for index in order[start:end]))
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    prefixes: dict[int, _Ranges] = {
        end: union(*parts[: position + 1]) for position, end in enumerate(ends[:-1])
    }
    return converge(prefixes[count // 2], parts[-1], prefixes, examples=count)


def union(*sets: _Ranges) -> Extents:
    """Return the ranges that hold those of every set."""
    return Extents(
        tuple(
            Extent(
                same[0].index,
                same[0].name,
                min(array.min for array in same),
                max(array.max for array in same),
            )
            for same in zip(*(range_set.tensors for range_set in sets), strict=True)
        )
    )


def difference(some: _Ranges, others: _Ranges, examples: int) -> Difference:
    """Measure the distance between two range sets of the same tensors.

    Args:
        some: One set.
        others: The other.
        examples: Of how many examples the smaller one was recorded.
    """
    found: list[tuple[float, str]] = []
    for one, other in zip(some.tensors, others.tensors, strict=True):
        span = max(one.max, other.max) - min(one.min, other.min)
        if span > 0 and np.isfinite([one.min, one.max, other.min, other.max]).all():
            distance = max(abs(one.min - other.min), abs(one.max - other.max))
            found.append((100 * distance / span, one.name))
    if not found:
        return Difference(examples, 0.0, 0.0, 0.0, None)
    values = np.array([value for value, _ in found])
    worst, name = max(found, key=lambda item: item[0])
    name = name.split(";")[0]  # the converter joins the names of fused operators
    return Difference(examples, float(np.median(values)), float(values.mean()), worst, name)
