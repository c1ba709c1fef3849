"""Checks of operators against the specification, and of values that enter and leave bodies.

A control-flow operator copies integers into its bodies and out of them again.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from quantline.contract.constants import LEAST_STEPS, check_bias, check_weights, rescaling_steps
from quantline.contract.rules import Site, broken, parameters
from quantline.contract.specification import (
    ACTIVATION,
    EXACT,
    PLAIN_INT16,
    RESCALED_UINT8,
    SPECIFICATION,
    Family,
    OperatorSpecification,
    TensorSpecification,
)
from quantline.tflite.graph import Graph, Operator, Quantization, Subgraph, Tensor, is_integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline.contract.finding import Finding

    Places = list[tuple[TensorSpecification, Tensor]]

# The amount by which the logarithm of an LSTM's cell scale may miss a whole number (CheckedLog2 in
# lstm.cc).
_LOGARITHM = 1e-3


def check_conformance(subgraph: Subgraph, families: Sequence[Family]) -> Iterator[Finding]:
    """Find violations by operators on activations of these families, each tensor once a rule."""
    seen: set[tuple[str, int | None]] = set()
    operators = (
        _check_operator(Site(subgraph, operator), SPECIFICATION[operator.type], families)
        for operator in subgraph.operators
        if not operator.is_custom and operator.type in SPECIFICATION
    )
    for finding in chain(_unusable_scales(subgraph), *operators):
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
                tensor.quantization for tensor in _activations(places)
            ):
                found.append(operator)
    return found


def _unusable_scales(subgraph: Subgraph) -> Iterator[Finding]:
    """Find scales that operators compute with and that are not positive, or not finite."""
    for operator in subgraph.operators:
        tensors = subgraph.tensors_at((*operator.inputs, *operator.outputs))
        known = None if operator.is_custom else SPECIFICATION.get(operator.type)
        if known is not None:
            tensors = [tensor for _, tensor in _places(subgraph, operator, known)]
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
    sides = ((specification.inputs, operator.inputs), (specification.outputs, operator.outputs))
    for places, indices in sides:
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
    dtypes = {tensor.dtype for tensor in _activations(places)}
    if not all(map(is_integer, dtypes)):
        return None
    if "uint8" in dtypes:
        return "uint8"
    if dtypes == {"int16"}:
        return "int16"
    return "int8" if dtypes & {"int8", "int16"} else None


def _activations(places: Places) -> list[Tensor]:
    return [tensor for spec, tensor in places if spec.role == "activation"]


def _is_plain(operator: Operator, places: Places, family: Family) -> bool:
    """Return whether integers stand for themselves: without a scale, for a kernel that can."""
    if any(tensor.quantization is not None for tensor in _activations(places)):
        return False
    can_int16 = family == "int16" and operator.type in PLAIN_INT16
    return SPECIFICATION[operator.type].same_scale or can_int16


def _check_operator(
    site: Site, specification: OperatorSpecification, families: Sequence[Family]
) -> Iterator[Finding]:
    subgraph, operator = site.subgraph, site.operator
    places = _places(subgraph, operator, specification)
    family = _family(places)
    if family is not None and family not in families:
        return
    for spec, tensor in places:
        if spec.role == "weights":
            yield from check_weights(site, spec, tensor, family)
    if family is None or _is_plain(operator, places, family):
        return  # plain integers; or floats, for which there are other rules
    activations = _activations(places)
    if family == "int16" and not specification.has_int16:
        yield site.broken("activation.int16", activations[-1], "int16 activations")
    for spec, tensor in places:
        if spec.role == "activation":
            yield from _check_activation(site, spec, tensor, family)
        elif spec.role == "bias":
            yield from check_bias(site, spec, tensor, family)
    if specification.same_scale and not (family == "uint8" and operator.type in RESCALED_UINT8):
        yield from _check_same_scale(site, activations)
    elif specification.state is not None:
        both = (operator.outputs[0], operator.inputs[specification.state])
        yield from _check_same_scale(site, subgraph.tensors_at(both))


def _check_activation(
    site: Site, spec: TensorSpecification, tensor: Tensor, family: Family
) -> Iterator[Finding]:
    quantization = tensor.quantization
    allowed = spec.dtypes(family)
    if tensor.dtype not in allowed:
        yield site.broken("activation.type", tensor, tensor.dtype, " or ".join(allowed))
        return
    if quantization is None or len(quantization.scales) > 1:
        yield site.broken("activation.scale", tensor, parameters(quantization))
        return
    scale, point = quantization.scales[0], quantization.zero_points[0]
    limits = np.iinfo(tensor.dtype)
    symmetric = spec.symmetric or tensor.dtype == "int16"
    if point if symmetric else not limits.min <= point <= limits.max:
        found = f"a zero point of {point} for {tensor.dtype}"
        yield site.broken("activation.zero_point", tensor, found)
    if spec.power_of_two and scale > 0:
        logarithm = np.log2(scale)
        if not abs(logarithm - round(logarithm)) < _LOGARITHM:
            yield site.broken("activation.power_of_two", tensor, parameters(quantization))
    fixed = spec.fixed_in(family)
    if fixed is not None and fixed != (scale, point):  # all powers of two
        steps = rescaling_steps(tensor, Quantization((fixed[0],), (fixed[1],), 0))
        if steps >= LEAST_STEPS or (site.operator.type in EXACT and family != "int16"):
            expected = f"scale {fixed[0]:.9g}, zero point {fixed[1]}"
            found = parameters(quantization)
            yield site.broken("activation.fixed", tensor, found, expected, steps)


def _check_same_scale(site: Site, activations: Sequence[Tensor]) -> Iterator[Finding]:
    quantized = [tensor for tensor in activations if tensor.quantization is not None]
    # Of several inputs and outputs, those are wrong that differ from most; what is computed counts
    # before what is stored.
    computed = [tensor for tensor in quantized if tensor.constant is None] or quantized
    counts = Counter(tensor.quantization for tensor in computed)
    most = counts.most_common(1)[0][0] if counts else None
    for tensor in quantized:
        if tensor.quantization == most or most is None:
            continue
        steps = rescaling_steps(tensor, most)
        if not steps < LEAST_STEPS:
            found = f"{parameters(tensor.quantization)}: off by up to {steps:.3g} steps"
            others = f"{site.operator.type}'s other inputs and outputs"
            expected = f"{parameters(most)}, as {others} have"
            yield site.broken("activation.same_scale", tensor, found, expected, steps)


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
                sides = [(operator.inputs[first:], body.inputs)]
                sides += [(operator.outputs, body.outputs)] if has_outputs else []
                for outside, inside in sides:
                    yield from _compare_values(Site(subgraph, operator), outside, body, inside)


def _compare_values(
    site: Site, outside: Sequence[int], body: Subgraph, inside: Sequence[int]
) -> Iterator[Finding]:
    for index, number in zip(outside, inside, strict=False):
        if index < 0 or number < 0:
            continue
        given, taken = site.subgraph.tensors[index], body.tensors[number]
        steps = _steps_off(given, taken)
        if not steps < LEAST_STEPS:
            expected = f"{_meaning(taken)}, as tensor {number} of subgraph {body.index} has"
            yield site.broken("call.same_scale", given, _meaning(given), expected, steps)


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
