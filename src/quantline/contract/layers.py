"""Comparison of a float and a quantized model, layer by layer: the error and its origin.

The measure is the signal to quantization noise ratio of :mod:`.noise`, and the rank that of a
layer's effect on the model's outputs, see :mod:`quantline.quantization.effects`. Samples are
streamed, and layers taken a few at a time where their outputs are large, so that memory does not
grow with them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.contract.noise import Noise, sqnr_db
from quantline.errors import MismatchError, first_few
from quantline.quantization.effects import Target, batches, effects, linked_inputs
from quantline.quantization.layer_pairs import LayerPair, layer_of, pair_layers
from quantline.quantization.output_parts import comparison_outputs, parts_of
from quantline.ranges import Sample, SampleAdapter
from quantline.tflite import Graph, Model, Runtime, with_outputs, with_static_batch
from quantline.tflite.edit import with_isolated_operators

if TYPE_CHECKING:
    from collections.abc import Sequence


_EFFECT_SAMPLES, _EFFECT_RUNS = 8, 200  # the model is run on from each layer on each sample


@dataclass(frozen=True)
class LayerError:
    """The error of a layer's output against the float model's, over all samples."""

    type: str  # the operator's type in the quantized model
    name: str  # the name of its output in the float model
    layer: str | None  # the layer of the original model in the name; None without one
    float_tensor: int  # the output's index in the float model
    tensor: int  # its index in the quantized model
    tensor_name: str  # its name there, mostly the same
    dtype: str  # its dtype there; a layer that stayed float has no quantized range
    sqnr_db: float  # signal to quantization noise, dB, of all layers up to here; infinite without
    own_sqnr_db: float  # of it alone, on the float model's values: the error that it adds
    # the change of the model's outputs, or of their SOFTMAX's inputs, by the layer's own error
    # alone, as a share of their variation: the root of the mean square over their channels. It is
    # measured on a few of the samples; None for outputs that do not vary
    effect: float | None
    channels: int  # the number of its channels: places on the last axis
    worst_channel: int | None  # channel with the most noise for its signal; None without a signal
    worst_channel_sqnr_db: float | None  # the ratio of that channel
    constant_channels: int  # channels that are one value here, and vary in the float model
    signal_rms: float  # the root of the mean square of the float output
    error_rms: float  # the root of the mean square of the error
    saturated_share: float  # of float values beyond the quantized range by over half a step
    float_min: float  # the least value of the float output
    float_max: float  # the largest
    # the least number that the quantized output can hold; None if it is float
    quantized_min: float | None
    quantized_max: float | None  # the largest

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; None in place of numbers that are not finite."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


def compare_layers(
    float_model: bytes, quantized: bytes, samples: Sequence[Sample]
) -> tuple[LayerError, ...]:
    """Compare the output of every layer that both models have, the one of most effect first.

    Args:
        float_model: The float ``.tflite`` file's bytes, known to be readable.
        quantized: The quantized model's bytes, likewise.
        samples: At least one, as :func:`quantline.ranges.record` takes them.

    Raises:
        MismatchError: The two models have no layer in common, or other inputs or outputs.
        DataError: The samples do not fit the float model's inputs.
    """
    models = (
        _with_batch(float_model, "the float model"),
        _with_batch(quantized, "the quantized model"),
    )
    before, after = (model.graph for model in models)
    pairs = pair_layers(before, after) if _shapes(before) == _shapes(after) else ()
    if not pairs:
        raise MismatchError(
            "The two models have no layer in common, or other inputs or outputs",
            found=f"layers such as {_first_layers(before)} in the float model and "
            f"{_first_layers(after)} in the quantized one",
            expected="a float model, and a quantized one that was made from it",
            remedy="Give the very file that the quantized model was made from: layers are linked "
            "by the names of their tensors, which another converter may choose otherwise",
        )
    effect = _effects(*models, len(pairs), samples)
    measured = (_measure(*models, pairs, batch, samples, effect) for batch in batches(pairs))
    found = chain.from_iterable(measured)
    return tuple(sorted(found, key=lambda layer: (-(layer.effect or 0.0), layer.sqnr_db)))


def _with_batch(content: bytes, name: str) -> Model:
    """Return a model with a batch of 1 where it takes any."""
    model = Model(content, name)
    if all(tensor.is_static for tensor in model.graph.main.tensors):
        return model
    return Model(with_static_batch(content), name)


def _effects(
    float_model: Model,
    quantized: Model,
    layers: int,
    samples: Sequence[Sample],
) -> dict[int, float | None]:
    """Return the effect of every layer, by its output's index in the float model."""
    before = float_model.graph
    count = min(max(_EFFECT_RUNS // layers, 1), _EFFECT_SAMPLES, len(samples))
    places = np.unique(np.linspace(0, len(samples) - 1, count).round().astype(int))
    feed = SampleAdapter(before, Runtime(float_model.content).inputs)
    some = list(feed.prepare(samples[place] for place in places))
    outputs = list(dict.fromkeys(comparison_outputs(before)))
    parts = parts_of(float_model, outputs, some[0])
    targets = [Target(index, parts[index]) for index in outputs]
    measured = effects(float_model, quantized, targets, some)
    return {target.tensor: target.size for target in measured}


def _measure(
    float_model: Model,
    quantized: Model,
    pairs: Sequence[LayerPair],
    some: Sequence[LayerPair],
    samples: Sequence[Sample],
    effect: dict[int, float | None],
) -> list[LayerError]:
    """Run both models and the isolated operators of the quantized one, and compare some layers."""
    fed = linked_inputs(some, pairs, quantized.graph)
    seen = list({pair.before.index: pair for pair in (*some, *fed)}.values())
    original = Runtime(with_outputs(float_model.content, [pair.before.index for pair in seen]))
    outputs = [pair.after.index for pair in some]
    whole = Runtime(with_outputs(quantized.content, outputs))
    given = [pair.after.index for pair in fed]
    isolated = with_isolated_operators(quantized.content, given, outputs)
    alone = Runtime(isolated)
    sums = [Noise(port) for port in whole.outputs]
    for values in SampleAdapter(float_model.graph, original.inputs).prepare(samples):
        real = dict(zip((pair.before.index for pair in seen), original.run(values), strict=True))
        read = [real[pair.before.index] for pair in fed]
        wanted = [real[pair.before.index] for pair in some]
        rows = zip(sums, wanted, whole.run(values), alone.run((*values, *read)), strict=True)
        for total, *row in rows:
            total.add(*row)
    both = zip(some, sums, strict=True)
    return [_error(pair, noise, effect.get(pair.before.index)) for pair, noise in both]


def _error(pair: LayerPair, sums: Noise, effect: float | None) -> LayerError:
    channels = sums.channels
    worst = channels.worst
    low, high = sums.ends or (None, None)
    count = max(sums.count, 1)  # a layer may give no value at all
    return LayerError(
        type=pair.operator.type,
        name=pair.before.name,
        layer=layer_of(pair.before.name),
        float_tensor=pair.before.index,
        tensor=pair.after.index,
        tensor_name=pair.after.name,
        dtype=pair.after.dtype,
        sqnr_db=sqnr_db(sums.signal, sums.noise),
        own_sqnr_db=sqnr_db(sums.signal, sums.own_noise),
        effect=effect,
        channels=len(channels.signal),
        worst_channel=worst,
        worst_channel_sqnr_db=None
        if worst is None
        else sqnr_db(float(channels.signal[worst]), float(channels.noise[worst])),
        constant_channels=channels.constant,
        signal_rms=math.sqrt(sums.signal / count),
        error_rms=math.sqrt(sums.noise / count),
        saturated_share=sums.beyond / count,
        float_min=sums.low,
        float_max=sums.high,
        quantized_min=low,
        quantized_max=high,
    )


def _shapes(graph: Graph) -> list[list[tuple[int, ...]]]:
    main = graph.main
    sides = map(main.tensors_at, (main.inputs, main.outputs))
    return [[tensor.shape for tensor in tensors] for tensors in sides]


def _first_layers(graph: Graph) -> str:
    given = [index for operator in graph.main.operators for index in operator.outputs]
    names = (graph.main.tensors[index].name for index in given[:2])
    return first_few([repr(name.split(";")[0]) for name in names]) or "none"
