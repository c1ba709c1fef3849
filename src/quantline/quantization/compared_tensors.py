"""The tensors at which two models' outputs are compared, and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.tflite import CONVERSIONS, Runtime, with_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline.ranges import Values
    from quantline.tflite import Graph

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
    """Run real-valued samples and return tensors' real values, float32, stacked over samples.

    Args:
        model: A ``.tflite`` file's bytes.
        tensors: Tensors of its main subgraph.
        samples: One tuple of arrays with a batch of 1 a sample, in the order of the inputs.
    """
    return [np.stack(group) for group in zip(*run_each(model, tensors, samples), strict=True)]


def run_each(
    model: bytes, tensors: Sequence[int], samples: Sequence[Values]
) -> Iterator[list[np.ndarray]]:
    """Run as :func:`run` does, and give one sample's values at a time."""
    runtime = Runtime(with_outputs(model, tensors))
    for sample in samples:
        yield runtime.run(sample)
