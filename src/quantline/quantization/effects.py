"""The effect of each layer's own quantization error on the outputs of a model.

One layer at a time: the float model is run on, from a layer's output, with the values that the
quantized layer gives for the float model's inputs to it, and everything else stays float. What the
outputs' error is then that layer's effect alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from quantline.quantization.layer_pairs import pair_layers
from quantline.quantization.output_noise import Groups, OutputNoise
from quantline.tflite import Runtime, with_outputs
from quantline.tflite.edit import with_isolated_operators
from quantline.tflite.tensor_io import TensorIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline.quantization.layer_pairs import LayerPair
    from quantline.quantization.output_parts import Parts
    from quantline.ranges import Values
    from quantline.tflite import Graph, Model

_AT_ONCE_BYTES = 1 << 28  # of float activations that are held at a time
_NOTHING = 1e-10  # of the squares: float32's own rounding
_REAL = TensorIO(0, "", (), np.dtype(np.float32), 0.0, 0)
# A tensor of the float model, and for each sample its values in float and of its layer alone.
_Own = tuple[int, list[tuple[np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class Target:
    """A tensor whose error is of interest.

    Attributes:
        tensor: Its index in the float model's main subgraph.
        parts: The tensors that its values come from.
    """

    tensor: int
    parts: Parts


@dataclass(frozen=True)
class Effect:
    """The effect of one layer's error on the targets.

    Attributes:
        tensor: The layer's output, or an input of the model: its index in the float model.
        groups: The noise at each target, by its parts and channels.
        low: The least float value of the layer's output.
        high: The largest.
    """

    tensor: int
    groups: tuple[Groups, ...]
    low: float
    high: float

    @property
    def size(self) -> float | None:
        """The root mean over channels of noise relative to variance; None without any."""
        shares = [
            group.noise[varies] / group.variance[varies]
            for group in self.groups
            if (varies := group.variance > _NOTHING * group.signal).any()
        ]
        return float(np.sqrt(np.concatenate(shares).mean())) if shares else None


def effects(
    float_model: Model, quantized: Model, targets: Sequence[Target], samples: Sequence[Values]
) -> list[Effect]:
    """Measure the effect of every layer that both models have, and of each quantized input."""
    pairs = pair_layers(float_model.graph, quantized.graph)
    original = Runtime(with_outputs(float_model.content, [target.tensor for target in targets]))
    expected = [original.run(values) for values in samples]
    some_at_once = batches(pairs, 2 * max(len(samples), 1))
    each_own = chain(
        _inputs(float_model, quantized, samples),
        *(_own_values(float_model, quantized, pairs, some, samples) for some in some_at_once),
    )
    return [_run_on(float_model, *own, targets, samples, expected) for own in each_own]


def _own_values(
    float_model: Model,
    quantized: Model,
    pairs: Sequence[LayerPair],
    some: Sequence[LayerPair],
    samples: Sequence[Values],
) -> Iterator[_Own]:
    """Yield layers' outputs, with their values in float and of the quantized layer alone."""
    fed = linked_inputs(some, pairs, quantized.graph)
    seen = list({pair.before.index: pair for pair in (*some, *fed)}.values())
    original = Runtime(with_outputs(float_model.content, [pair.before.index for pair in seen]))
    outputs = [pair.after.index for pair in some]
    alone = Runtime(
        with_isolated_operators(quantized.content, [pair.after.index for pair in fed], outputs)
    )
    rows: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in some]
    for values in samples:
        real = dict(zip((pair.before.index for pair in seen), original.run(values), strict=True))
        own = alone.run((*values, *(real[pair.before.index] for pair in fed)))
        for row, pair, value in zip(rows, some, own, strict=True):
            row.append((real[pair.before.index], value))
    for pair, row in zip(some, rows, strict=True):
        yield pair.before.index, row


def _inputs(float_model: Model, quantized: Model, samples: Sequence[Values]) -> Iterator[_Own]:
    """Yield the quantized inputs, with their values as integers can hold them."""
    ports = Runtime(quantized.content).inputs
    for at, (index, port) in enumerate(zip(float_model.graph.main.inputs, ports, strict=True)):
        if port.scale:
            yield (
                index,
                [(sample[at], port.dequantize(port.quantize(sample[at]))) for sample in samples],
            )


def _run_on(
    float_model: Model,
    index: int,
    rows: Sequence[tuple[np.ndarray, np.ndarray]],
    targets: Sequence[Target],
    samples: Sequence[Values],
    expected: Sequence[Sequence[np.ndarray]],
) -> Effect:
    """Run the float model on from one tensor, on the values that its quantized layer gives."""
    behind = [target.tensor for target in targets if target.tensor != index]
    runtime = (
        Runtime(with_isolated_operators(float_model.content, [index], behind)) if behind else None
    )
    sums = [
        OutputNoise(_REAL, value.shape, target.parts.places, is_vector=True)
        for value, target in zip(expected[0], targets, strict=True)
    ]
    for values, (_, own), wanted in zip(samples, rows, expected, strict=True):
        found = iter([] if runtime is None else runtime.run((*values, own)))
        for total, target, want in zip(sums, targets, wanted, strict=True):
            total.add(want, own if target.tensor == index else next(found))
    return Effect(
        index,
        tuple(total.groups for total in sums),
        min(float(real.min(initial=np.inf)) for real, _ in rows),
        max(float(real.max(initial=-np.inf)) for real, _ in rows),
    )


def linked_inputs(
    some: Sequence[LayerPair], pairs: Sequence[LayerPair], after: Graph
) -> list[LayerPair]:
    """Return the linked tensors that layers read, be it through operators that are not linked."""
    linked = {pair.after.index: pair for pair in pairs}
    producers = after.main.producers
    found: dict[int, LayerPair] = {}
    waiting = [pair.operator for pair in some]
    for operator in waiting:  # grows while it is walked
        for index in operator.inputs:
            if index in linked:
                found[index] = linked[index]
            elif index in producers:
                waiting.append(producers[index])
    return [found[index] for index in sorted(found)]


def batches(pairs: Sequence[LayerPair], copies: int = 1) -> Iterator[list[LayerPair]]:
    """Split layers into runs of neighbours whose float outputs are together not too large."""
    some: list[LayerPair] = []
    most = _AT_ONCE_BYTES // copies
    room = most
    for pair in pairs:
        size = pair.before.size * 4
        if some and size > room:
            yield some
            some, room = [], most
        some.append(pair)
        room -= size
    if some:
        yield some
