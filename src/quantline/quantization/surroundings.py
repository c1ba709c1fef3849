"""Questions about a float model around one of its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quantline.quantization.layer_pairs import layer_of
from quantline.quantization.output_parts import MOVES
from quantline.tflite import Runtime, with_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.quantization.shared_scale import Bounds
    from quantline.ranges import Values
    from quantline.tflite import Model, Operator

LINEAR = {
    "FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "BATCH_MATMUL", "SUM", "MEAN", "SQUARE",
    "SQUARED_DIFFERENCE", "AVERAGE_POOL_2D",
}  # fmt: skip
"""Operators that sum, and those that are sums of squares."""
BETWEEN = MOVES | {"ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "NEG", "ABS", "RELU", "RELU6"}
"""Operators that leave values as they are but for a shift, a factor or a limit."""

Found = tuple[str, int, str, str]
"""A cause: its kind, the tensor that is named, a description and a remedy."""


class Surroundings:
    """Questions about the float model around a layer.

    Attributes:
        graph: The float model.
        producers: The operator that writes each tensor, by its index.
        consumers: The operators that read each tensor, by its index.
    """

    def __init__(
        self, float_model: Model, quantized: Model, ranges: Bounds, samples: Sequence[Values]
    ) -> None:
        self.graph = float_model.graph
        self.producers = self.graph.main.producers
        self.consumers = self.graph.main.consumers
        self._model, self._ranges, self._samples = float_model.content, ranges, samples
        self.is_int16 = any(tensor.dtype == "int16" for tensor in quantized.graph.main.tensors)

    def name(self, index: int) -> str:
        """Return the name of a tensor for messages: that of its layer, where it is known."""
        name = self.graph.main.tensors[index].name
        return f"'{layer_of(name) or name.split(';')[0]}'"

    def range(self, index: int) -> tuple[float, float]:
        """Return the least and the largest value of a tensor, a constant or not."""
        tensor = self.graph.main.tensors[index]
        if index not in self._ranges:
            values = (
                [self.values(index)] if tensor.constant is None else [np.asarray(tensor.values())]
            )
            self._ranges[index] = (
                min(float(value.min(initial=np.inf)) for value in values),
                max(float(value.max(initial=-np.inf)) for value in values),
            )
        return self._ranges[index]

    def width(self, index: int) -> float:
        """Return how wide a tensor's range is, with the zero that it has to hold."""
        low, high = self.range(index)
        return max(high, 0.0) - min(low, 0.0)

    def values(self, index: int) -> np.ndarray:
        """Return a tensor's values over the samples, of shape (n_samples, ...)."""
        at = self.graph.main.inputs.index(index) if index in self.graph.main.inputs else None
        if at is not None:
            return np.stack([sample[at] for sample in self._samples])
        runtime = Runtime(with_outputs(self._model, [index]))
        return np.stack([runtime.run(sample)[0] for sample in self._samples])

    def is_float(self, index: int) -> bool:
        """Return True for a tensor of floats that is there."""
        return index >= 0 and self.graph.main.tensors[index].dtype == "float32"

    def ahead(self, index: int, wanted: set[str], through: set[str]) -> Operator | None:
        """Return the first operator of these types that a tensor reaches through others."""
        waiting = [index]
        for tensor in waiting:  # grows while it is walked
            for operator in self.consumers.get(tensor, ()):
                if operator.type in wanted and _takes(operator, tensor):
                    return operator
                if operator.type in through:
                    waiting += [output for output in operator.outputs if output not in waiting]
        return None


def _takes(operator: Operator, index: int) -> bool:
    """Return True if an operator's result is sensitive to a tensor; a numerator's is not."""
    return operator.type != "DIV" or operator.inputs[1] == index
