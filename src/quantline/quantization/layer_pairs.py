"""The layers of a quantized model, paired with those of the float model it was made from.

Converters keep the names of tensors, with two exceptions. Before a QUANTIZE or DEQUANTIZE at the
edge, which takes the output's name, the layer's own output gets another. And TensorFlow names
each output of an operator with several, such as SPLIT, after all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quantline.quantization.bias_correction import names_before_conversion
from quantline.quantization.output_parts import MOVES
from quantline.tflite import CONVERSIONS, Runtime, with_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.quantization.shared_scale import Bounds
    from quantline.ranges import Values
    from quantline.tflite import Graph, Model, Operator, Tensor


@dataclass(frozen=True)
class LayerPair:
    """One layer's output in both models' main subgraphs.

    Attributes:
        before: The tensor in the float model.
        after: The tensor in the quantized model; its dtype is float where the layer stayed float.
        operator: The operator that gives it in the quantized model.
    """

    before: Tensor
    after: Tensor
    operator: Operator


def layer_outputs(graph: Graph) -> list[Tensor]:
    """Return the float tensors that the main subgraph's operators give, in their order."""
    main = graph.main
    given = (main.tensors[index] for operator in main.operators for index in operator.outputs)
    return [tensor for tensor in given if tensor.dtype == "float32"]


def pair_layers(before: Graph, after: Graph) -> tuple[LayerPair, ...]:
    """Pair a float model's layers to those of a quantized one, in the float model's order.

    A layer is left out where the two models do not have it under one name that is its alone, or
    in different shapes.
    """
    renamed = names_before_conversion(before, after) | _outputs_of_several(before, after)
    outputs = layer_outputs(before)
    names = Counter(output.name for output in outputs)
    found: dict[str, list[tuple[Tensor, Operator]]] = {}
    for operator in after.main.operators:
        for index in operator.outputs if operator.type not in CONVERSIONS else ():
            tensor = after.main.tensors[index]
            found.setdefault(renamed.get(index, tensor.name), []).append((tensor, operator))
    return tuple(
        LayerPair(output, *found[output.name][0])
        for output in outputs
        if names[output.name] == len(found.get(output.name, ())) == 1
        and found[output.name][0][0].shape == output.shape
    )


def _outputs_of_several(before: Graph, after: Graph) -> dict[int, str]:
    """Return the float model's names for the outputs of operators that have several."""
    joined = {";".join(names): names for names in map(tuple, _names_of_several(before).values())}
    renamed: dict[int, str] = {}
    for indices, names in _names_of_several(after).items():
        originals = joined.get(names[0], ())
        if len(originals) == len(names):
            renamed.update(zip(indices, originals, strict=True))
    return renamed


def _names_of_several(graph: Graph) -> dict[tuple[int, ...], list[str]]:
    main = graph.main
    return {
        operator.outputs: [main.tensors[index].name for index in operator.outputs]
        for operator in main.operators
        if len(operator.outputs) > 1
    }


_PLUMBING = {
    "StatefulPartitionedCall", "PartitionedCall", "ReadVariableOp", "resource", "Identity",
}  # fmt: skip
_MODEL = re.compile(r"(model|functional|sequential)(_\d+)*")
_COMPOSITES = {"moments", "batchnorm", "Tensordot", "Cast"}


def layer_of(name: str) -> str | None:
    """Return the layer that a tensor's name belongs to, or None where it has none.

    TensorFlow names an operation ``model/layer/operation``, a layer within a layer adds a part,
    and so does an operation made of several, such as ``Tensordot``. The converter joins the names
    of fused operators with ``;``, so ``model/conv2d_3/Relu6;model/bn/FusedBatchNormV3`` is of the
    layer ``conv2d_3``. A number that Keras 3 adds to a scope, as in ``conv2d_3_1``, stays: a name
    does not distinguish it from a number of the layer's own.
    """
    for path in name.split(";"):
        parts = [part for part in path.split(":")[0].split("/") if part not in _PLUMBING]
        # Older models have no scope around their layers.
        scope = 1 if len(parts) > 2 or _MODEL.fullmatch(parts[0] if parts else "") else 0
        layer = parts[scope:-1]
        while len(layer) > 1 and layer[-1] in _COMPOSITES:
            layer.pop()
        if layer:
            return "/".join(layer)
    return None


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
