"""The ranges of the ways in which a model can be made, and the search for the best of them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from quantline.errors import DataError, PinDoesNotFit
from quantline.quantization.backends import run_backend
from quantline.quantization.fixed_ranges import as_trained, pin, pinned_tensors, trained_ranges
from quantline.quantization.search import WIDEST, Way, search
from quantline.quantization.shared_scale import Choice
from quantline.ranges import SampleAdapter, choose, record
from quantline.ranges.choose import given
from quantline.tflite import Runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline import recipe
    from quantline.quantization.search import Search
    from quantline.ranges import RangeSet, Sample, Values
    from quantline.tflite import Graph, Model


def search_halves(
    model: Model, conversion: recipe.Conversion, samples: Sequence[Sample]
) -> tuple[list[Values], Search]:
    """Return the samples as the model takes them, and what trying on halves of them gave."""
    if not len(samples):
        raise DataError(
            "The method 'auto' and bias correction need calibration samples",
            found="none",
            expected="the samples that the ranges were recorded from; about 100 suffice",
            remedy="Give them, or use `method='minmax'` and `bias_correction=False`",
        )
    graph = model.graph
    values = list(SampleAdapter(graph, Runtime(model.content, 1).inputs).prepare(samples))

    def choice(fitted: RangeSet, way: Way) -> Choice:
        return choice_of(graph, fitted, conversion, way)

    def trial(choices: Sequence[Choice]) -> Sequence[Model]:
        return run_backend(model, choices, conversion).models

    # Every second sample: what comes sorted, by class for instance, is split alike.
    fitted = record(model.content, [samples[at] for at in range(0, len(samples), 2)])
    return values, search(model, fitted, conversion, values[::2], values[1::2], choice, trial)


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
