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

from quantline.quantization.bias_correction import names_before_conversion
from quantline.tflite import CONVERSIONS

if TYPE_CHECKING:
    from quantline.tflite import Graph, Operator, Tensor


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
