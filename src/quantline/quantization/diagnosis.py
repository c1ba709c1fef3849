"""The cause of a lost or noisy output: the layer whose error makes it, and its explanation.

The layer is found by measurement, see :mod:`.effects`: its error alone, in a model that is float
elsewhere, reproduces the loss. The explanation is then read from the graph around it and from the
ranges of the tensors there, across operators such as a RESHAPE.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from quantline.errors import first_few
from quantline.quantization.causes_of_range import channels, join, offset, outliers
from quantline.quantization.effects import Target, effects
from quantline.quantization.layer_pairs import BETWEEN, LINEAR, Found, Surroundings, layer_of
from quantline.quantization.output_noise import STEPS, rounded
from quantline.quantization.schemes import NEVER_LEFT_IN_FLOAT
from quantline.results.scores import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantline.quantization.effects import Effect
    from quantline.quantization.output_loss import Loss
    from quantline.quantization.output_noise import OutputNoise
    from quantline.quantization.output_parts import Parts
    from quantline.ranges import Values
    from quantline.tflite import Model, Operator


_STEEP = {"LOG", "RSQRT", "SQRT", "DIV", "POW"}
_STEPPED = {
    "FLOOR", "CEIL", "ROUND", "SIGN", "FLOOR_DIV", "FLOOR_MOD", "CAST", "ARG_MAX", "ARG_MIN",
    "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "EQUAL", "NOT_EQUAL",
}  # fmt: skip
_MOST_KEPT = 24  # of operators that are listed


def steep_function(look: Surroundings, suspect: int) -> Found | None:
    """Explain a function that magnifies the small values of its input."""
    producer = look.producers.get(suspect)
    steep = producer if producer is not None and producer.type in _STEEP else None
    steep = steep or look.ahead(suspect, _STEEP, BETWEEN | LINEAR)
    if steep is None:
        return None
    given = steep.inputs[1] if steep.type == "DIV" else steep.inputs[0]
    if not look.is_float(given):
        return None
    magnitudes = np.abs(look.values(given)).ravel()
    magnitudes = magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]
    if not magnitudes.size:
        return None
    step = look.width(given) / (65535 if look.is_int16 else 255)
    small = float(np.mean(magnitudes < STEPS / 2 * step))
    if small < 1 / 16:
        return None
    found = (
        f"the {steep.type} takes values from {magnitudes.min():.3g} to {magnitudes.max():.3g}, and "
        f"one step is {step:.3g}: {small:.0%} of them are below 8 steps, where a {steep.type} is "
        "steep"
    )
    remedy = (
        "Compute up to here outside the model, and give it the result, whose range is narrow; "
        f"or leave in float what leads to the {steep.type}: {_left_in_float(look, steep)}"
    )
    if steep.type == "LOG":
        remedy = f"Train with more added to the LOG's input, about {8 * step:.2g}. {remedy}"
    return "steep", steep.outputs[0], found, remedy


def rounding(look: Surroundings, suspect: int) -> Found | None:
    """Explain a function that turns a small error into a whole step."""
    producer = look.producers.get(suspect)
    stepped = producer if producer is not None and producer.type in _STEPPED else None
    stepped = stepped or look.ahead(suspect, _STEPPED, BETWEEN | LINEAR)
    if stepped is None:
        return None
    low, high = look.range(suspect)
    step = look.width(suspect) / 255
    found = (
        f"{look.name(suspect)} is in [{low:.4g}, {high:.4g}], one step is {step:.3g}, and the "
        f"{stepped.type} behind it turns an error of a step into a different result"
    )
    remedy = (
        f"Compute the {stepped.type}, and what leads to it, outside the model, or leave both in "
        f"float: {_left_in_float(look, stepped)}"
    )
    if suspect in look.graph.main.inputs:
        remedy += ", and `input_type='float32'`"
    return "rounding", suspect, found, remedy


def _left_in_float(look: Surroundings, last: Operator) -> str:
    """Return the settings that leave an operator, what leads to it and what moves it in float."""
    waiting = list(last.inputs)
    kept = {last.index: last}
    for index in waiting:  # grows while it is walked
        producer = look.producers.get(index)
        if producer is not None and producer.index not in kept:
            kept[producer.index] = producer
            waiting += producer.inputs
    waiting = list(last.outputs)
    for index in waiting:  # likewise
        for operator in look.consumers.get(index, ()):
            if operator.type in BETWEEN and operator.index not in kept:
                kept[operator.index] = operator
                waiting += operator.outputs
    others = {operator.type for operator in look.graph.main.operators if operator.index not in kept}
    some = [operator for operator in kept.values() if operator.type not in NEVER_LEFT_IN_FLOAT]
    types = sorted({operator.type for operator in some} - others)
    names = [
        re.escape(look.graph.main.tensors[operator.outputs[0]].name)
        for operator in some
        if operator.type in others
    ]
    listed = first_few([*types, *names], _MOST_KEPT)
    return f"`scheme='int8_float_fallback'` with `keep_float` for {listed}"


SAMPLES = 8
"""The number of samples on which a cause is looked for."""
_ENOUGH = 0.5  # the share of the loss that one layer's error has to make
_SOME = 0.25  # likewise, where a rule explains that error
_NEAR = 0.8  # of the largest effect: the first layer that has it is the cause


def diagnose(
    float_model: Model,
    quantized: Model,
    target: tuple[int, Parts, OutputNoise, Loss],
    samples: Sequence[Values],
) -> Cause | None:
    """Find the cause of a tensor's loss.

    Returns:
        The cause; None where the two models have no layer in common.
    """
    index, parts, noise, loss = target
    places = np.unique(np.linspace(0, len(samples) - 1, SAMPLES).round().astype(int))
    some = [samples[place] for place in places]
    measured = effects(float_model, quantized, [Target(index, parts)], some)
    if not measured:
        return None
    shares = [_share(effect, noise, loss) for effect in measured]
    largest = max(shares)
    at = next(place for place, share in enumerate(shares) if share >= _NEAR * largest)
    ranges = {effect.tensor: (effect.low, effect.high) for effect in measured}
    look = Surroundings(float_model, quantized, ranges, some)
    suspect = measured[at].tensor
    kind, named, found, remedy = _explain(look, suspect, largest)
    tensor = float_model.graph.main.tensors[named]
    producer = look.producers.get(named)
    return Cause(
        kind=kind,
        operator="INPUT" if producer is None else producer.type,
        tensor=named,
        name=tensor.name,
        layer=layer_of(tensor.name),
        share=rounded(shares[at]),
        found=found,
        remedy=remedy,
    )


def _share(effect: Effect, noise: OutputNoise, loss: Loss) -> float:
    """Return the share of the noise in the lost or noisy groups that one layer's error makes."""
    groups, whole = effect.groups[0], noise.groups
    bad = loss.bad(noise)
    per_value = whole.noise[bad] / np.maximum(whole.count[bad], 1)
    own = groups.noise[bad] / np.maximum(groups.count[bad], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where(per_value > 0, np.minimum(own / per_value, 1), 0)
    return float(shares.mean()) if shares.size else 0.0


def _explain(look: Surroundings, suspect: int, share: float) -> Found:
    rules: tuple[Callable[[Surroundings, int], Found | None], ...] = (
        join, offset, steep_function, rounding, channels, outliers,
    )  # fmt: skip
    for rule in rules if share >= _SOME else ():
        explained = rule(look, suspect)
        if explained is not None:
            return explained
    if share < _ENOUGH:
        found = (
            f"no single layer makes half of it; the largest part, {share:.0%}, comes from "
            f"{look.name(suspect)}"
        )
        return "many", suspect, found, _GENERAL
    return "layer", suspect, "its own quantization makes it, for an unknown reason", _GENERAL


_GENERAL = (
    "Try `method='auto'` or `scheme='int16x8'`, or leave that layer in float: "
    "`scheme='int8_float_fallback'` with `keep_float`"
)
