"""The cause of a lost or noisy output: the layer whose error makes it, and its explanation.

The layer is found by measurement, see :mod:`.effects`: its error alone, in a model that is float
elsewhere, reproduces the loss. The explanation is then read from the graph around it and from the
ranges of the tensors there, across operators such as a RESHAPE.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quantline.quantization.causes_of_function import rounding, steep_function
from quantline.quantization.causes_of_range import channels, join, offset, outliers
from quantline.quantization.effects import Target, effects
from quantline.quantization.layer_pairs import layer_of
from quantline.quantization.output_noise import rounded
from quantline.quantization.surroundings import Found, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantline.quantization.effects import Effect
    from quantline.quantization.output_loss import Loss
    from quantline.quantization.output_noise import OutputNoise
    from quantline.quantization.output_parts import Parts
    from quantline.ranges import Values
    from quantline.tflite import Model

SAMPLES = 8
"""The number of samples on which a cause is looked for."""
_ENOUGH = 0.5  # the share of the loss that one layer's error has to make
_SOME = 0.25  # likewise, where a rule explains that error
_NEAR = 0.8  # of the largest effect: the first layer that has it is the cause


@dataclass(frozen=True)
class Cause:
    """The cause of an output's loss or noise.

    Attributes:
        kind: ``join``, ``mask``, ``constant``, ``channels``, ``steep``, ``rounding`` or
            ``outliers``; ``layer`` where one layer is at fault and nothing more is known, ``many``
            where none is.
        operator: The type of the operator that is named.
        tensor: Its output's index in the float model.
        name: That tensor's name.
        layer: The layer of the original model, read from the name; None where it has none.
        share: The share of the loss that this layer's error alone makes, from 0 to 1; measured.
        found: The cause, as the rest of a sentence.
        remedy: The remedy, as sentences.
    """

    kind: str
    operator: str
    tensor: int
    name: str
    layer: str | None
    share: float
    found: str
    remedy: str


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
        kind,
        "INPUT" if producer is None else producer.type,
        named,
        tensor.name,
        layer_of(tensor.name),
        rounded(shares[at]),
        found,
        remedy,
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
