"""The tensors at which outputs are compared, and those that their values come from.

Joins, reshapes, slices and the like move values without changing them. Behind any number of them,
each value of an output is one value of a tensor that an operator has computed. A run of the model
on marks in place of these tensors' values shows which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quantline.quantization.output_noise import NOWHERE
from quantline.tflite import CONVERSIONS, Runtime, with_outputs
from quantline.tflite.edit import with_isolated_operators

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline.ranges import Values
    from quantline.tflite import Graph, Model, Operator


MOVES = {
    "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "EXPAND_DIMS", "GATHER",
    "GATHER_ND", "MIRROR_PAD", "PACK", "PAD", "PADV2", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR",
    "REVERSE_V2", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQUEEZE",
    "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK",
}  # fmt: skip
"""Operators whose outputs hold values of their inputs, unchanged."""
PICKS = {
    "ARG_MAX", "ARG_MIN", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5",
    "TFLite_Detection_PostProcess", "TOPK_V2", "UNIQUE", "WHERE",
}  # fmt: skip
"""Operators that pick or rank: of two values that are nearly equal, a step decides."""
_JOINS = {"CONCATENATION", "PACK"}
_DATA = {"SPLIT": (1,)}  # which operands hold the values; elsewhere the first
# Exact in float32, none that a model is likely to hold, and 0 once it is cast to an index.
_MARK = -1.0 / 1024


@dataclass(frozen=True)
class Parts:
    """The tensors that the values of a tensor come from.

    Attributes:
        sources: Tensors that operators have computed, or inputs of the model.
        places: array of the tensor's shape, int: the position in ``sources`` that each value comes
            from; -1 for a constant, such as padding.
    """

    sources: tuple[int, ...]
    places: np.ndarray


def moved(operator: Operator) -> tuple[int, ...]:
    """Return the tensors whose values an operator moves; none if it computes something."""
    if operator.type not in MOVES:
        return ()
    if operator.type in _JOINS:
        return operator.inputs
    return tuple(operator.inputs[at] for at in _DATA.get(operator.type, (0,)))


def picked(graph: Graph) -> set[int]:
    """Return the tensors that come after an operator that picks or ranks.

    A small error makes such an operator exchange values that are nearly equal, which shows as a
    large one at both places.
    """
    found: set[int] = set()
    for operator in graph.main.operators:
        if operator.type in PICKS or found & set(operator.inputs):
            found |= set(operator.outputs)
    return found


def sources_of(graph: Graph, index: int) -> list[int]:
    """Return the tensors that a tensor's values come from, unchanged; constants are left out."""
    waiting, found = [index], []
    for source in waiting:  # grows while it is walked
        producer = graph.main.producers.get(source)
        moved_from = () if producer is None else moved(producer)
        if moved_from:
            waiting += [origin for origin in moved_from if origin not in waiting]
        elif graph.main.tensors[source].constant is None:
            found.append(source)
    return found


def parts_of(model: Model, tensors: Sequence[int], sample: Values) -> dict[int, Parts]:
    """Return the sources of the values of some tensors."""
    graph = model.graph
    found: dict[int, Parts] = {}
    for index in tensors:
        sources = sources_of(graph, index)
        if len(sources) < 2 or any(
            graph.main.tensors[source].dtype != "float32" for source in sources
        ):
            found[index] = Parts(tuple(sources), np.zeros((), int))
            continue
        runtime = Runtime(with_isolated_operators(model.content, sources, [index]))
        marks = [
            np.full(port.shape, (place + 1) * _MARK, np.float32)
            for place, port in enumerate(runtime.inputs[len(sample) :])
        ]
        runtime.set(*sample, *marks)
        runtime.invoke()
        places = np.rint(runtime.get()[0] / _MARK).astype(int) - 1
        known = (places >= 0) & (places < len(sources))
        exact = runtime.get()[0] == ((places + 1) * _MARK).astype(np.float32)
        found[index] = Parts(tuple(sources), np.where(known & exact, places, NOWHERE))
    return found


# Functions whose output scale the specification fixes, and so coarse that their input is compared:
# the width of the output range, of 256 steps, and the steepest slope.
_SQUASHING = {
    "SOFTMAX": (1.0, 0.25), "LOG_SOFTMAX": (16.0, 1.0), "LOGISTIC": (1.0, 0.25), "TANH": (2.0, 1.0),
}  # fmt: skip


def comparison_outputs(graph: Graph) -> list[int]:
    """Return the tensors to compare: the outputs, or the input of a final softmax or the like."""

    def logits(index: int) -> int:
        producer = graph.main.producers.get(index)
        if producer is not None and producer.type in CONVERSIONS:
            return logits(producer.inputs[0])
        is_squashed = producer is not None and producer.type in _SQUASHING
        return producer.inputs[0] if producer is not None and is_squashed else index

    return [logits(index) for index in graph.main.outputs]


def fixed_step(graph: Graph, index: int) -> float:
    """Return the int8 step that the specification fixes for a tensor, or the change that is one.

    Behind a squashing function it is the step of its scale; before one, where the tensor is one of
    :func:`comparison_outputs`, the least change that may move its output by a step. It is 0
    elsewhere.
    """
    main, producers = graph.main, graph.main.producers
    if index in producers and producers[index].type in _SQUASHING:
        return _SQUASHING[producers[index].type][0] / 256
    for output, before in zip(main.outputs, comparison_outputs(graph), strict=True):
        if before == index and output != index and producers[output].type in _SQUASHING:
            width, slope = _SQUASHING[producers[output].type]
            return width / 256 / slope
    return 0.0


def run(model: bytes, tensors: Sequence[int], samples: Sequence[Values]) -> list[np.ndarray]:
    """Run real-valued samples and return tensors' real values, float32, stacked over samples."""
    return [np.stack(group) for group in zip(*run_each(model, tensors, samples), strict=True)]


def run_each(
    model: bytes, tensors: Sequence[int], samples: Sequence[Values]
) -> Iterator[list[np.ndarray]]:
    """Run as :func:`run` does, and give one sample's values at a time."""
    runtime = Runtime(with_outputs(model, tensors))
    for sample in samples:
        yield runtime.run(sample)
