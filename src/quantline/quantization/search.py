"""``method: auto``: ranges and bias correction by the least output error, without labels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from quantline.errors import PinDoesNotFit, TooFewExamples
from quantline.quantization.bias_correction import correct_biases, mean_inputs
from quantline.quantization.output_error import relative_error, run, telling_outputs
from quantline.ranges import RangeSet, choose
from quantline.tflite import read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantline import recipe
    from quantline.ranges import Values

_CANDIDATES: tuple[dict[str, Any], ...] = (
    {"method": "minmax"},
    {"method": "moving_average"},
    {"method": "percentile", "percentile": 99.9},
    {"method": "percentile", "percentile": 99.99},
    {"method": "percentile", "percentile": 99.999},
    {"method": "mse"},
    {"method": "entropy"},
)
_FEWEST = 8

Bounds = dict[int, tuple[float, float]]


@dataclass(frozen=True)
class Trial:
    """One way that was tried.

    Attributes:
        method: How ranges were chosen.
        percentile: For the method ``percentile``, which; else None.
        bias_correction: Whether biases were corrected.
        output_error: The relative error of the outputs, or logits, against float, on calibration
            samples that neither the ranges nor the correction had seen; measured.
    """

    method: str
    percentile: float | None
    bias_correction: bool
    output_error: float


@dataclass(frozen=True)
class Search:
    """What was tried, and what was best.

    Attributes:
        trials: Every trial, the best first.
        fitted_on: How many samples ranges and means came from.
        judged_on: How many other samples the outputs were compared on.
    """

    trials: tuple[Trial, ...]
    fitted_on: int
    judged_on: int

    @property
    def best(self) -> Trial:
        """The trial with the least output error; of equal ones, the first tried."""
        return self.trials[0]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"evidence": "measured", **asdict(self)}


def search(
    model: bytes,
    fitted: RangeSet,
    conversion: recipe.Conversion,
    fit: Sequence[Values],
    held_back: Sequence[Values],
    pin: Callable[[Bounds], Bounds],
    make: Callable[[Sequence[Bounds]], Sequence[bytes]],
) -> Search:
    """Try the methods that the conversion leaves open, each with and without bias correction.

    Args:
        model: The float ``.tflite`` file's bytes.
        fitted: Ranges recorded from the samples to fit.
        conversion: ``ranges.method`` is tried alone unless it is ``auto``; ``bias_correction`` is
            tried where it is set, and with ``auto`` always.
        fit: Samples for the means.
        held_back: Other samples, to compare outputs on.
        pin: Puts pinned inputs and outputs into chosen ranges; ranges that do not fit are not tried
            where others do.
        make: Quantizes the model with each of several choices of ranges.

    Raises:
        TooFewExamples: There are too few samples to hold any back.
        PinDoesNotFit: No chosen range fits the pins.
    """
    if min(len(fit), len(held_back)) < _FEWEST // 2:
        raise TooFewExamples(
            "There are too few calibration samples to hold some back",
            found=f"{len(fit) + len(held_back)}",
            expected=f"at least {_FEWEST}; about 100 suffice",
            remedy="Give more samples, or set 'conversion.ranges.method: minmax' and "
            "'conversion.bias_correction: false'",
        )
    chosen = conversion.ranges
    candidates = (
        [chosen.model_copy(update=each) for each in _CANDIDATES]
        if chosen.method == "auto"
        else [chosen]
    )
    fitting, refused = [], None
    for candidate in candidates:
        try:
            fitting.append((candidate, pin(choose(fitted, candidate))))
        except PinDoesNotFit as misfit:
            refused = misfit
    if refused is not None and not fitting:
        raise refused
    made = make([bounds for _, bounds in fitting])
    expected = run(model, telling_outputs(read(model)), held_back)
    means = mean_inputs(model, fit)
    trials = []
    for (candidate, _), content in zip(fitting, made, strict=True):
        corrected, _ = correct_biases(model, content, means)
        for is_corrected, each in ((False, content), (True, corrected)):
            got = run(each, telling_outputs(read(each)), held_back)
            percentile = candidate.percentile if candidate.method == "percentile" else None
            error = relative_error(expected, got)
            trials.append(Trial(candidate.method, percentile, is_corrected, error))
    trials.sort(key=lambda each: each.output_error)
    return Search(tuple(trials), len(fit), len(held_back))
