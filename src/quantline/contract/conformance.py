"""Checks of operators against the specification, and of values that enter and leave bodies.

A control-flow operator copies integers into its bodies and out of them again.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from quantline.contract.constants import LEAST_STEPS, check_bias, check_weights, rescaling_steps
from quantline.contract.rules import broken, parameters
from quantline.contract.specification import (
    ACTIVATION,
    EXACT,
    PLAIN_INT16,
    RESCALED_UINT8,
    SPECIFICATION,
)
from quantline.tflite.graph import Quantization, is_integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline.contract.finding import Finding
    from quantline.contract.specification import Family, OperatorSpecification, TensorSpecification
    from quantline.tflite import Graph, Operator, Subgraph, Tensor

    Places = list[tuple[TensorSpecification, Tensor]]

# The amount by which the logarithm of an LSTM's cell scale may miss a whole number (CheckedLog2 in
# lstm.cc).
_LOGARITHM = 1e-3


def check_conformance(subgraph: Subgraph, families: Sequence[Family]) -> Iterator[Finding]:
    """Find violations by operators on activations of these families, each tensor once a rule."""
    seen: set[tuple[str, int | None]] = set()
    for finding in (*_unusable_scales(subgraph), *_operators(subgraph, families)):
        if (finding.rule, finding.tensor) not in seen:
            seen.add((finding.rule, finding.tensor))
            yield finding


def operators_of_family(subgraph: Subgraph, families: Sequence[Family]) -> list[Operator]:
    """Return the operators that compute on quantized activations of these families."""
    found = []
    for operator in subgraph.operators:
        if operator.type in SPECIFICATION and operator.type != "QUANTIZE":
            places = _places(subgraph, operator, SPECIFICATION[operator.type])
            if _family(places) in families and any(
                spec.role == "activation" and tensor.quantization for spec, tensor in places
            ):
                found.append(operator)
    return found


def _operators(subgraph: Subgraph, families: Sequence[Family]) -> Iterator[Finding]:
    for operator in subgraph.operators:
        if not operator.is_custom and operator.type in SPECIFICATION:
            yield from _check_operator(subgraph, operator, SPECIFICATION[operator.type], families)


def _unusable_scales(subgraph: Subgraph) -> Iterator[Finding]:
    """Find scales that operators compute with and that are not positive, or not finite."""
    for operator in subgraph.operators:
        known = None if operator.is_custom else SPECIFICATION.get(operator.type)
        tensors = (
            [tensor for _, tensor in _places(subgraph, operator, known)]
            if known is not None
            else [subgraph.tensors[index] for index in (*operator.inputs, *operator.outputs)
                  if index >= 0]
        )  # fmt: skip
        for tensor in tensors:
            scales = np.asarray(tensor.quantization.scales if tensor.quantization else ())
            wrong = ~((scales > 0) & np.isfinite(scales))
            if wrong.any() and is_integer(tensor.dtype) and not _is_zero(tensor, scales, wrong):
                found = f"a scale of {scales[wrong][0]}"
                yield broken("tensor.scale", subgraph, None, tensor, found)


def _is_zero(tensor: Tensor, scales: np.ndarray, wrong: np.ndarray) -> bool:
    """Return whether the scales in question are 0 and all that they scale are stored zeros."""
    if tensor.quantization is None or tensor.constant is None or tensor.is_sparse:
        return False
    if tensor.dtype not in ("int8", "int16", "int32", "int64") or scales[wrong].any():
        return False
    values = tensor.values()
    if len(scales) > 1:
        values = np.take(values, np.flatnonzero(wrong), axis=tensor.quantization.axis)
    return not values.any()


def _places(subgraph: Subgraph, operator: Operator, specification: OperatorSpecification) -> Places:
    """Return the specification of each input and output of an operator, with the tensor."""
    found = []
    for places, indices in (
        (specification.inputs, operator.inputs),
        (specification.outputs, operator.outputs),
    ):
        for position, index in enumerate(indices):
            spec = places[min(position, len(places) - 1)]
            if spec is None or index < 0:
                continue
            tensor = subgraph.tensors[index]
            if spec.role == "weights" and tensor.constant is None:
                spec = ACTIVATION  # a product of two activations
            found.append((spec, tensor))
    return found


def _family(places: Places) -> Family | None:
    """Return the family of an operator's activations; None where some are not of 8 or 16 bits."""
    dtypes = {tensor.dtype for spec, tensor in places if spec.role == "activation"}
    if not all(map(is_integer, dtypes)):
        return None
    if "uint8" in dtypes:
        return "uint8"
    if dtypes == {"int16"}:
        return "int16"
    return "int8" if dtypes & {"int8", "int16"} else None


def _is_plain(operator: Operator, places: Places, family: Family) -> bool:
    """Return whether integers stand for themselves: without a scale, for a kernel that can."""
    if any(tensor.quantization is not None for spec, tensor in places if spec.role == "activation"):
        return False
    return SPECIFICATION[operator.type].same_scale or (
        family == "int16" and operator.type in PLAIN_INT16
    )


def _check_operator(
    subgraph: Subgraph,
    operator: Operator,
    specification: OperatorSpecification,
    families: Sequence[Family],
) -> Iterator[Finding]:
    places = _places(subgraph, operator, specification)
    family = _family(places)
    if family is not None and family not in families:
        return
    for spec, tensor in places:
        if spec.role == "weights":
            yield from check_weights(subgraph, operator, spec, tensor, family)
    if family is None or _is_plain(operator, places, family):
        return  # plain integers; or floats, for which there are other rules
    activations = [tensor for spec, tensor in places if spec.role == "activation"]
    if family == "int16" and not specification.has_int16:
        yield broken("activation.int16", subgraph, operator, activations[-1], "int16 activations")
    for spec, tensor in places:
        if spec.role == "activation":
            yield from _check_activation(subgraph, operator, spec, tensor, family)
        elif spec.role == "bias":
            yield from check_bias(subgraph, operator, spec, tensor, family)
    if specification.same_scale and not (family == "uint8" and operator.type in RESCALED_UINT8):
        yield from _check_same_scale(subgraph, operator, activations)
    elif specification.state is not None:
        state, output = operator.inputs[specification.state], operator.outputs[0]
        both = [subgraph.tensors[index] for index in (output, state) if index >= 0]
        yield from _check_same_scale(subgraph, operator, both)


def _check_activation(
    subgraph: Subgraph,
    operator: Operator,
    spec: TensorSpecification,
    tensor: Tensor,
    family: Family,
) -> Iterator[Finding]:
    quantization = tensor.quantization
    allowed = spec.dtypes(family)
    if tensor.dtype not in allowed:
        found, expected = tensor.dtype, " or ".join(allowed)
        yield broken("activation.type", subgraph, operator, tensor, found, expected=expected)
        return
    if quantization is None or len(quantization.scales) > 1:
        yield broken("activation.scale", subgraph, operator, tensor, parameters(quantization))
        return
    point = quantization.zero_points[0]
    limits = np.iinfo(tensor.dtype)
    symmetric = spec.symmetric or tensor.dtype == "int16"
    if point if symmetric else not limits.min <= point <= limits.max:
        found = f"a zero point of {point} for {tensor.dtype}"
        yield broken("activation.zero_point", subgraph, operator, tensor, found)
    if spec.power_of_two and quantization.scales[0] > 0:
        logarithm = np.log2(quantization.scales[0])
        if not abs(logarithm - round(logarithm)) < _LOGARITHM:
            found = parameters(quantization)
            yield broken("activation.power_of_two", subgraph, operator, tensor, found)
    fixed = spec.fixed_in(family)
    if fixed is not None and fixed != (quantization.scales[0], point):  # all powers of two
        steps = rescaling_steps(tensor, Quantization((fixed[0],), (fixed[1],), 0))
        if steps >= LEAST_STEPS or (operator.type in EXACT and family != "int16"):
            yield broken(
                "activation.fixed", subgraph, operator, tensor, parameters(quantization),
                expected=f"scale {fixed[0]:.9g}, zero point {fixed[1]}", effect_steps=steps,
            )  # fmt: skip


def _check_same_scale(
    subgraph: Subgraph, operator: Operator, activations: Sequence[Tensor]
) -> Iterator[Finding]:
    quantized = [tensor for tensor in activations if tensor.quantization is not None]
    # Of several inputs and outputs, those are wrong that differ from most; what is computed counts
    # before what is stored.
    computed = [tensor for tensor in quantized if tensor.constant is None] or quantized
    counts = Counter(tensor.quantization for tensor in computed)
    if not counts:
        return
    expected = counts.most_common(1)[0][0]
    for tensor in quantized:
        if tensor.quantization == expected or expected is None:
            continue
        steps = rescaling_steps(tensor, expected)
        if not steps < LEAST_STEPS:
            yield broken(
                "activation.same_scale", subgraph, operator, tensor,
                f"{parameters(tensor.quantization)}: off by up to {steps:.3g} steps",
                expected=f"{parameters(expected)}, as {operator.type}'s other inputs and outputs "
                "have",
                effect_steps=steps,
            )  # fmt: skip


# Which options name a body, where its arguments begin in the operator's inputs, and whether its
# outputs are the operator's (schema.fbs).
_BODIES: dict[str, tuple[tuple[str, int, bool], ...]] = {
    "IF": (("thenSubgraphIndex", 1, True), ("elseSubgraphIndex", 1, True)),
    "WHILE": (("condSubgraphIndex", 0, False), ("bodySubgraphIndex", 0, True)),
    "CALL": (("subgraph", 0, True),),
    "STABLEHLO_COMPOSITE": (("decompositionSubgraphIndex", 0, True),),
}
_QUANTIZED = ("int8", "int16", "uint8")  # of others a scale says nothing that kernels use
CONTROL_FLOW = frozenset({*_BODIES, "CALL_ONCE"})


def check_control_flow(graph: Graph) -> Iterator[Finding]:
    """Find values whose integers have another meaning inside a body than outside."""
    for subgraph in graph.subgraphs:
        for operator in subgraph.operators:
            for field, first, has_outputs in _BODIES.get(operator.type, ()):
                number = operator.options.get(field, -1)
                if not 0 <= number < len(graph.subgraphs):
                    continue
                body = graph.subgraphs[number]
                yield from _compare_values(
                    subgraph, operator, operator.inputs[first:], body, body.inputs
                )
                if has_outputs:
                    yield from _compare_values(
                        subgraph, operator, operator.outputs, body, body.outputs
                    )


def _compare_values(
    subgraph: Subgraph,
    operator: Operator,
    outside: Sequence[int],
    body: Subgraph,
    inside: Sequence[int],
) -> Iterator[Finding]:
    for index, number in zip(outside, inside, strict=False):
        if index < 0 or number < 0:
            continue
        given, taken = subgraph.tensors[index], body.tensors[number]
        steps = _steps_off(given, taken)
        if not steps < LEAST_STEPS:
            expected = f"{_meaning(taken)}, as tensor {number} of subgraph {body.index} has"
            yield broken(
                "call.same_scale", subgraph, operator, given, _meaning(given),
                expected=expected, effect_steps=steps,
            )  # fmt: skip


def _steps_off(given: Tensor, taken: Tensor) -> float:
    """Return the error of a value inside, in steps; infinite where it is no number there."""
    if given.dtype != taken.dtype:
        return inf
    if given.quantization == taken.quantization or given.dtype not in _QUANTIZED:
        return 0.0
    return inf if taken.quantization is None else rescaling_steps(given, taken.quantization)


def _meaning(tensor: Tensor) -> str:
    if tensor.quantization is None:
        return tensor.dtype
    return f"{tensor.dtype}, {parameters(tensor.quantization)}"
