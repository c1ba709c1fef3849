"""Holding operators to the specification."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from quantline.contract.rules import broken
from quantline.contract.specification import ACTIVATION, SPECIFICATION
from quantline.tflite.graph import is_integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline.contract.finding import Finding
    from quantline.contract.specification import OperatorSpecification, TensorSpecification
    from quantline.tflite import Operator, Quantization, Subgraph, Tensor

    Places = list[tuple[TensorSpecification, Tensor]]

# The product of two float32 scales is rounded to float32. Kernels allow 2 % of the output's scale
# (kernel_util.cc), which lets a bias be wrong by any factor where the product is small beside it.
_ROUNDING = 1e-6


def not_conforming(subgraph: Subgraph) -> Iterator[Finding]:
    """Find what breaks the specification in a subgraph, each tensor once for each rule."""
    seen: set[tuple[str, int | None]] = set()
    for tensor in subgraph.tensors:
        scales = tensor.quantization.scales if tensor.quantization else ()
        if not all(0 < scale < np.inf for scale in scales):
            wrong = next(scale for scale in scales if not 0 < scale < np.inf)
            yield broken("tensor.scale", subgraph, None, tensor, f"a scale of {wrong}")
    for operator in subgraph.operators:
        if not operator.is_custom and operator.type in SPECIFICATION:
            for each in _judge(subgraph, operator, SPECIFICATION[operator.type]):
                if (each.rule, each.tensor) not in seen:
                    seen.add((each.rule, each.tensor))
                    yield each


def on_uint8(subgraph: Subgraph) -> list[Operator]:
    """Return the operators that compute on uint8 activations, as the former scheme had them."""
    return [
        operator
        for operator in subgraph.operators
        if operator.type != "QUANTIZE"
        and operator.type in SPECIFICATION
        and any(
            said.role == "activation" and tensor.dtype == "uint8" and tensor.quantization
            for said, tensor in _places(subgraph, operator, SPECIFICATION[operator.type])
        )
    ]


def parameters(quantization: Quantization | None) -> str:
    """Return scale and zero point as text; of per-axis ones, their number."""
    if quantization is None:
        return "no scale"
    if len(quantization.scales) > 1:
        return f"{len(quantization.scales)} scales along dimension {quantization.axis}"
    return f"scale {quantization.scales[0]:.9g}, zero point {quantization.zero_points[0]}"


def _places(subgraph: Subgraph, operator: Operator, specification: OperatorSpecification) -> Places:
    """Return what is said of each of the operator's inputs and outputs, with the tensor."""
    found = []
    for places, indices in (
        (specification.inputs, operator.inputs),
        (specification.outputs, operator.outputs),
    ):
        for position, index in enumerate(indices):
            said = places[min(position, len(places) - 1)]
            if said is None or index < 0:
                continue
            tensor = subgraph.tensors[index]
            if said.role == "weights" and tensor.constant is None:
                said = ACTIVATION  # a product of two activations
            found.append((said, tensor))
    return found


def _judge(
    subgraph: Subgraph, operator: Operator, specification: OperatorSpecification
) -> Iterator[Finding]:
    places = _places(subgraph, operator, specification)
    activations = [tensor for said, tensor in places if said.role == "activation"]
    dtypes = {tensor.dtype for tensor in activations}
    if "uint8" in dtypes:
        return  # the former scheme, of which the model is told once
    int16 = dtypes == {"int16"}
    for said, tensor in places:
        if said.role == "weights":
            allowed = said.int16 if int16 else said.int8
            yield from _judge_weights(subgraph, operator, said, tensor, allowed)
    if not dtypes & {"int8", "int16"} or not all(map(is_integer, dtypes)):
        return  # plain integers; or floats, for which there are other rules
    if int16 and not specification.has_int16:
        yield broken("activation.int16", subgraph, operator, activations[-1], "int16 activations")
    for said, tensor in places:
        if said.role == "activation":
            yield from _judge_activation(subgraph, operator, said, tensor, int16=int16)
        elif said.role == "bias":
            yield from _judge_bias(subgraph, operator, said, tensor, int16=int16)
    if specification.same_scale:
        yield from _judge_same_scale(subgraph, operator, activations)
    elif specification.state is not None:
        state, output = operator.inputs[specification.state], operator.outputs[0]
        both = [subgraph.tensors[index] for index in (output, state) if index >= 0]
        yield from _judge_same_scale(subgraph, operator, both)


def _judge_weights(
    subgraph: Subgraph,
    operator: Operator,
    said: TensorSpecification,
    tensor: Tensor,
    allowed: tuple[str, ...],
) -> Iterator[Finding]:
    if tensor.dtype.startswith("float"):
        return
    if tensor.dtype not in allowed:
        found, expected = f"{tensor.dtype} weights", " or ".join(allowed)
        yield broken("weights.type", subgraph, operator, tensor, found, expected=expected)
    elif tensor.dtype == "int8" and _smallest(tensor) < (said.low or -128):
        beyond = np.count_nonzero(tensor.values() < said.low)
        yield broken("weights.range", subgraph, operator, tensor, f"{beyond} weights of -128")
    quantization = tensor.quantization
    if quantization is None:
        yield broken("weights.axis", subgraph, operator, tensor, "no scale")
        return
    if any(quantization.zero_points):
        wrong = next(point for point in quantization.zero_points if point)
        yield broken("weights.zero_point", subgraph, operator, tensor, f"a zero point of {wrong}")
    axis, count = quantization.axis, len(quantization.scales)
    if count == 1:
        return
    if said.axis is None:
        expected = "one scale"
    elif axis != said.axis or tensor.shape[axis] != count:
        expected = f"one scale, or one for each index along dimension {said.axis}"
    else:
        return
    found = parameters(quantization)
    yield broken("weights.axis", subgraph, operator, tensor, found, expected=expected)


def _smallest(tensor: Tensor) -> int:
    """Return the smallest stored value; 0 where none can be read."""
    if tensor.is_sparse or tensor.constant is None or not tensor.constant.size:
        return 0
    return int(tensor.values().min())


def _judge_activation(
    subgraph: Subgraph,
    operator: Operator,
    said: TensorSpecification,
    tensor: Tensor,
    *,
    int16: bool,
) -> Iterator[Finding]:
    quantization = tensor.quantization
    allowed = said.int16 if int16 else said.int8
    if tensor.dtype not in allowed:
        found, expected = tensor.dtype, " or ".join(allowed)
        yield broken("activation.type", subgraph, operator, tensor, found, expected=expected)
        return
    if quantization is None or len(quantization.scales) > 1:
        yield broken("activation.scale", subgraph, operator, tensor, parameters(quantization))
        return
    point = quantization.zero_points[0]
    limits = np.iinfo(tensor.dtype)
    symmetric = said.symmetric or tensor.dtype == "int16"
    if point if symmetric else not limits.min <= point <= limits.max:
        found = f"a zero point of {point} for {tensor.dtype}"
        yield broken("activation.zero_point", subgraph, operator, tensor, found)
    if said.power_of_two and np.frexp(quantization.scales[0])[0] != 0.5:
        found = parameters(quantization)
        yield broken("activation.power_of_two", subgraph, operator, tensor, found)
    fixed = said.fixed_int16 if int16 else said.fixed
    if fixed is not None and fixed != (quantization.scales[0], point):  # all powers of two
        expected = f"scale {fixed[0]:.9g}, zero point {fixed[1]}"
        found = parameters(quantization)
        yield broken("activation.fixed", subgraph, operator, tensor, found, expected=expected)


def _judge_bias(
    subgraph: Subgraph,
    operator: Operator,
    said: TensorSpecification,
    tensor: Tensor,
    *,
    int16: bool,
) -> Iterator[Finding]:
    allowed = said.int16 if int16 else said.int8
    if tensor.dtype not in allowed:
        found, expected = tensor.dtype, " or ".join(allowed)
        yield broken("bias.type", subgraph, operator, tensor, found, expected=expected)
        return
    if tensor.quantization is None:
        yield broken("bias.scale", subgraph, operator, tensor, "no scale")
        return
    if any(tensor.quantization.zero_points):
        wrong = next(point for point in tensor.quantization.zero_points if point)
        yield broken("bias.zero_point", subgraph, operator, tensor, f"a zero point of {wrong}")
    if (
        operator.type == "UNIDIRECTIONAL_SEQUENCE_LSTM"
        and max(operator.inputs[20:24], default=-1) >= 0
    ):
        return  # layer normalization: the bias has the scale of its coefficients
    indices = [operator.inputs[position] for position in said.product]
    factors = [subgraph.tensors[index].quantization for index in indices if index >= 0]
    lengths = {1, *(len(each.scales) for each in factors if each)}
    if len(factors) < len(indices) or None in factors or len(lengths) > 2:
        return  # said of the input or the weights
    product = np.prod(np.broadcast_arrays(*(each.scales for each in factors if each)), axis=0)
    scales = np.asarray(tensor.quantization.scales)
    if len(product) not in (1, tensor.size) or not np.all((product > 0) & np.isfinite(product)):
        return  # said of the input or the weights
    if scales.shape != product.shape:
        found = f"{len(scales)} scales for {len(product)} of the weights"
        yield broken("bias.scale", subgraph, operator, tensor, found)
        return
    ratios = scales / product
    worst = int(np.argmax(np.abs(ratios - 1)))
    if not abs(ratios[worst] - 1) <= _ROUNDING:
        channel = f" in channel {worst}" if len(scales) > 1 else ""
        found = f"scale {scales[worst]:.9g}{channel}"
        expected = f"input scale times weight scale, {product[worst]:.9g}"
        yield broken("bias.scale", subgraph, operator, tensor, found, expected=expected)


def _judge_same_scale(
    subgraph: Subgraph, operator: Operator, activations: Sequence[Tensor]
) -> Iterator[Finding]:
    given = [tensor for tensor in activations if tensor.quantization is not None]
    # Of several inputs and outputs, those are wrong that differ from most.
    counts = Counter(parameters(tensor.quantization) for tensor in given)
    expected = counts.most_common(1)[0][0] if counts else ""
    for tensor in given:
        found = parameters(tensor.quantization)
        if found != expected:
            wanted = f"{expected}, as {operator.type}'s other inputs and outputs have"
            yield broken(
                "activation.same_scale", subgraph, operator, tensor, found, expected=wanted
            )
