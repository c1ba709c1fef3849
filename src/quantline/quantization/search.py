"""``method: auto``: ranges and bias correction that lose less than ``minmax``, without labels."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from quantline.errors import DataError, PinDoesNotFit
from quantline.files import plain
from quantline.quantization.backends import run_backend
from quantline.quantization.bias_correction import correct_biases, mean_inputs
from quantline.quantization.fixed_ranges import as_trained, pin, pinned_tensors, trained_ranges
from quantline.quantization.judging import CLASSES, EQUAL, VALUES, Judge, Losses
from quantline.quantization.paired import compare, standard_errors_needed
from quantline.quantization.shared_scale import Choice
from quantline.range_methods import DEFAULT, METHODS
from quantline.ranges import SampleAdapter, choose, record
from quantline.ranges.choose import given
from quantline.tflite import Runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline import recipe
    from quantline.range_methods import ChosenMethod
    from quantline.ranges import RangeSet, Sample, Values
    from quantline.tflite import Graph, Model


FEWEST = 16
"""The fewest samples of which half can judge: fewer differences do not show their own error."""

WIDEST, CONVERTER = "widest", "converter"


@dataclass(frozen=True)
class Way:
    """One way to make a model.

    Attributes:
        method: The method by which ranges are chosen.
        shared: The range of tensors whose common scale clips some: ``widest``, the union of their
            ranges, or ``converter``, what the quantizer makes of it.
        bias_correction: True if biases are corrected.
    """

    method: ChosenMethod
    shared: str = WIDEST
    bias_correction: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, the method and its parameters among them."""
        found = plain(self)
        return {**found.pop("method"), **found}


@dataclass(frozen=True)
class Trial:
    """One way that was tried, on samples that neither the ranges nor the correction had seen.

    Attributes:
        way: The way.
        divergence: Of outputs that are or may be classes, the mean Kullback-Leibler divergence of
            the softmax from float to quantized, in nats; measured; None without any.
        noise: Of outputs judged as values, the mean share of noise in their channels; likewise.
        unequal: Of integer outputs, the share that differs; likewise.
        agreement: The share of samples with float's largest class; likewise.
        improvement: By what share less is lost than with the baseline.
        standard_error: Of the improvement.
        gain: The same sample by sample: see :class:`quantline.quantization.paired.Comparison`.
        gain_error: The standard error of the gain.
        is_better: True if less is lost than with the baseline, and than in the same way without
            bias correction, or with the baseline's ranges, by more than the noise, and neither an
            output nor the agreement falls.
    """

    way: Way
    divergence: float | None
    noise: float | None
    unequal: float | None
    agreement: float | None
    improvement: float
    standard_error: float
    gain: float
    gain_error: float
    is_better: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, those of the way among them."""
        found = plain(self)
        return {**found.pop("way"), **found}


@dataclass(frozen=True)
class Search:
    """The ways that were tried, and the one that was taken.

    Attributes:
        trials: Every trial: the one taken, then the others, those that lose least first.
        baseline: The way that every trial was compared with, which stays if none is better.
        fitted_on: The number of samples for ranges and means.
        judged_on: The number of other samples, on which the outputs were compared.
        needed: The least gain that counts, in standard errors of its own; None without trials.
        overruled: A way that was better on the samples held back, but whose model from the ranges
            of all samples was not, so that the baseline stays.
        little_to_gain: True if the baseline stays since it loses too little for any gain to show in
            decisions: see :attr:`quantline.quantization.judging.Losses.is_little`.
    """

    trials: tuple[Trial, ...]
    baseline: Way
    fitted_on: int
    judged_on: int
    needed: float | None
    overruled: Way | None = None
    little_to_gain: bool = False

    @property
    def best(self) -> Way:
        """The way taken."""
        return self.trials[0].way if self.trials else self.baseline

    def overrule(self) -> Search:
        """Return the search with its baseline taken in place of the way that was better."""
        first = [trial for trial in self.trials if trial.way == self.baseline]
        others = [trial for trial in self.trials if trial.way != self.baseline]
        return replace(self, trials=(*first, *others), overruled=self.best)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return plain(self, evidence="measured")


def search_halves(
    model: Model, conversion: recipe.Conversion, samples: Sequence[Sample]
) -> tuple[list[Values], Search]:
    """Try the ways that the conversion leaves open, and take the best that is better than none.

    What is compared with is the first way: ``minmax``, or the method that is given, without bias
    correction. Among many ways the luckiest looks good on few samples: a gain counts where it
    exceeds its own standard error by a factor that grows with the number of comparisons, so that
    with a chance of 95 % none of the ways that count as better gains nothing on other samples.

    Args:
        model: The float model.
        conversion: ``ranges.method`` is tried alone unless it is ``auto``; ``bias_correction`` is
            tried where it is set, and with ``auto`` always. Ways that do not fit pinned inputs and
            outputs are not tried where others do.
        samples: A half gives ranges and means, the outputs are compared on the other.

    Returns:
        The samples as the model takes them, and what was found.

    Raises:
        PinDoesNotFit: No chosen range fits the pins.
    """
    if not len(samples):
        raise DataError(
            "The method 'auto' and bias correction need calibration samples",
            found="none",
            expected="the samples that the ranges were recorded from; about 100 suffice",
            remedy="Give them, or use `method='minmax'` and `bias_correction=False`",
        )
    values = list(SampleAdapter(model.graph, Runtime(model.content, 1).inputs).prepare(samples))
    # Every second sample: what comes sorted, by class for instance, is split alike.
    fit, held_back = values[::2], values[1::2]
    ways = search_ways(conversion)
    if len(values) < FEWEST:
        return values, Search((), ways[0], len(fit), len(held_back), None)
    fitted = record(model.content, [samples[at] for at in range(0, len(samples), 2)])
    made = _made(model, fitted, ways, conversion)
    baseline = next(iter(made))
    judge = Judge(model, made[baseline], held_back)
    means = mean_inputs(model, fit)
    losses: dict[Way, Losses] = {}
    for way, content in made.items():
        losses[way] = judge.losses(content)
        corrected, layers = correct_biases(model, content, means)
        if layers:
            losses[replace(way, bias_correction=True)] = judge.losses(corrected)
    rivals = {way: _rivals(way, baseline) & losses.keys() for way in losses}
    needed = standard_errors_needed(len(held_back), sum(map(len, rivals.values())) or 1)
    trials = [_trial(losses, way, baseline, rivals[way], needed) for way in losses]
    little = losses[baseline].is_little
    better = (trial for trial in trials if trial.is_better and not little)
    best = max(better, key=_improvement, default=trials[0])
    others = sorted((trial for trial in trials if trial != best), key=_improvement, reverse=True)
    return values, Search(
        (best, *others), baseline, len(fit), len(held_back), needed, little_to_gain=little
    )


def confirm(model: Model, baseline: Model, best: Model, samples: Sequence[Values]) -> bool:
    """Return whether a model from the ranges of all samples is no worse than the baseline's.

    It is the model that is delivered, where the search compared models made from half of the
    samples. That all of them have set the ranges favours ``minmax``, which cuts none of them.
    """
    judge = Judge(model, baseline, samples)
    return compare(judge.losses(baseline), judge.losses(best)).is_no_worse


def search_ways(conversion: recipe.Conversion) -> list[Way]:
    """Return the ways that a conversion leaves open, the one to compare with first."""
    chosen = conversion.ranges
    if chosen.method == "auto":
        methods = dict.fromkeys((DEFAULT, *METHODS.values()))  # the baseline is the first
        return [Way(item.with_values(values)) for item in methods for values in item.candidates]
    return [Way(chosen.chosen_method())]


def _made(
    model: Model, fitted: RangeSet, ways: Sequence[Way], conversion: recipe.Conversion
) -> dict[Way, Model]:
    """Make a model in each way that fits the pins, and without widening where that differs."""
    choices: dict[Way, Choice] = {}
    refused = None
    for way in ways:
        try:
            choices[way] = choice_of(model.graph, fitted, conversion, way)
        except PinDoesNotFit as misfit:
            refused = misfit
    if refused is not None and not choices:
        raise refused
    if len(ways) > 1:
        choices |= {replace(way, shared=CONVERTER): replace(choice, widens=False)
                    for way, choice in choices.items()}  # fmt: skip
    models = run_backend(model, list(choices.values()), conversion).models
    made = dict(zip(choices, models, strict=True))
    return {way: content for way, content in made.items()
            if way.shared == WIDEST or content != made[replace(way, shared=WIDEST)]}  # fmt: skip


def _rivals(way: Way, baseline: Way) -> set[Way]:
    """Return what a way has to be better than: the baseline, and itself without any one part.

    Else a range that does harm would ride on the gain of a bias correction.
    """
    parts: list[dict[str, Any]] = [
        {"bias_correction": False},
        {"method": baseline.method},
        {"shared": baseline.shared},
    ]
    return {baseline, *(replace(way, **part) for part in parts)} - {way}


def _trial(
    losses: dict[Way, Losses], way: Way, baseline: Way, rivals: set[Way], needed: float
) -> Trial:
    found = losses[way]
    against = compare(losses[baseline], found)
    return Trial(
        way=way,
        divergence=found.mean(CLASSES),
        noise=found.mean(VALUES),
        unequal=found.mean(EQUAL),
        agreement=found.mean_agreement,
        improvement=against.improvement,
        standard_error=against.standard_error,
        gain=against.gain,
        gain_error=against.gain_error,
        is_better=bool(rivals)
        and all(compare(losses[rival], found).is_better(needed) for rival in rivals),
    )


def _improvement(trial: Trial) -> float:
    return trial.improvement


def choice_of(graph: Graph, ranges: RangeSet, conversion: recipe.Conversion, way: Way) -> Choice:
    """Return the ranges of one way to make the model, pins and overrides among them."""
    chosen = conversion.ranges.with_method(way.method)
    bounds = pin(graph, as_trained(graph, choose(ranges, chosen)), conversion)
    fixed = given(ranges, chosen) | pinned_tensors(graph, conversion) | {*trained_ranges(graph)}
    return Choice(bounds, fixed, widens=way.shared == WIDEST)


def choices_of(
    graph: Graph, ranges: RangeSet, conversion: recipe.Conversion, ways: Sequence[Way]
) -> list[tuple[Way, Choice]]:
    """Return the ranges of the way taken, and of the one to compare it with, if that fits pins."""
    first, *others = ways
    choices = [(first, choice_of(graph, ranges, conversion, first))]
    with suppress(PinDoesNotFit):
        choices += [(way, choice_of(graph, ranges, conversion, way)) for way in others]
    return choices
