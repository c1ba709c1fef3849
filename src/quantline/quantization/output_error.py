"""How far a quantized model's outputs are from the float model's: without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.tflite import Runtime, with_outputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline.ranges import Values
    from quantline.tflite import Graph

# Their output scale is fixed by the specification, and coarse: what they are given tells more.
# The widths of their outputs, of 256 steps, and the steepest that they are.
_SQUASHING = {
    "SOFTMAX": (1.0, 0.25), "LOG_SOFTMAX": (16.0, 1.0), "LOGISTIC": (1.0, 0.25), "TANH": (2.0, 1.0),
}  # fmt: skip
_EDGES = {"QUANTIZE", "DEQUANTIZE"}


def comparison_outputs(graph: Graph) -> list[int]:
    """Return the tensors in which a difference shows best.

    They are the model's outputs, or the logits where a softmax or another squashing function
    gives the output.
    """
    main = graph.main
    makers = {index: operator for operator in main.operators for index in operator.outputs}

    def telling(index: int) -> int:
        maker = makers.get(index)
        if maker is not None and maker.type in _EDGES:
            return telling(maker.inputs[0])
        return maker.inputs[0] if maker is not None and maker.type in _SQUASHING else index

    return [telling(index) for index in main.outputs]


def fixed_step(graph: Graph, index: int) -> float:
    """Return the int8 step that the specification fixes for a tensor, or the change that is one.

    Behind a squashing function it is the step of its scale; before one, where the tensor is one of
    :func:`comparison_outputs`, the least change that may move its output by a step. It is 0
    elsewhere.
    """
    main = graph.main
    makers = {index: operator for operator in main.operators for index in operator.outputs}
    if index in makers and makers[index].type in _SQUASHING:
        return _SQUASHING[makers[index].type][0] / 256
    for output, before in zip(main.outputs, comparison_outputs(graph), strict=True):
        if before == index and output != index and makers[output].type in _SQUASHING:
            width, slope = _SQUASHING[makers[output].type]
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
        pairs = zip(runtime.inputs, sample, strict=True)
        runtime.set(*(port.quantize(value) for port, value in pairs))
        runtime.invoke()
        pairs = zip(runtime.outputs, runtime.get(), strict=True)
        yield [port.dequantize(value) for port, value in pairs]
