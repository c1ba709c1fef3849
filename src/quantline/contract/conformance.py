"""Holding operators to the specification."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from quantline.contract.constants import check_bias, check_weights
from quantline.contract.effect import LEAST_STEPS, rescaling_steps
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
    from quantline.contract.specification import (
        Family,
        OperatorSpecification,
        TensorSpecification,
    )
    from quantline.tflite import Operator, Subgraph, Tensor

    Places = list[tuple[TensorSpecification, Tensor]]

# By how much the logarithm of an LSTM's cell scale may miss a whole number (CheckedLog2 in
# lstm.cc).
_LOGARITHM = 1e-3


def check_conformance(subgraph: Subgraph, families: Sequence[Family]) -> Iterator[Finding]:
    """Find what breaks the specification in a subgraph, each tensor once for each rule.

    Args:
        subgraph: The subgraph.
        families: Those that are judged; operators on other activations are left aside.
    """
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
                said.role == "activation" and tensor.quantization for said, tensor in places
            ):
                found.append(operator)
    return found


def _operators(subgraph: Subgraph, families: Sequence[Family]) -> Iterator[Finding]:
    for operator in subgraph.operators:
        if not operator.is_custom and operator.type in SPECIFICATION:
            yield from _judge(subgraph, operator, SPECIFICATION[operator.type], families)


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


def _family(places: Places) -> Family | None:
    """Return the family of an operator's activations; None where some are not of 8 or 16 bits."""
    dtypes = {tensor.dtype for said, tensor in places if said.role == "activation"}
    if not all(map(is_integer, dtypes)):
        return None
    if "uint8" in dtypes:
        return "uint8"
    if dtypes == {"int16"}:
        return "int16"
    return "int8" if dtypes & {"int8", "int16"} else None


def _is_plain(operator: Operator, places: Places, family: Family) -> bool:
    """Return whether integers stand for themselves: without a scale, for a kernel that can."""
    if any(tensor.quantization is not None for said, tensor in places if said.role == "activation"):
        return False
    return SPECIFICATION[operator.type].same_scale or (
        family == "int16" and operator.type in PLAIN_INT16
    )


def _judge(
    subgraph: Subgraph,
    operator: Operator,
    specification: OperatorSpecification,
    families: Sequence[Family],
) -> Iterator[Finding]:
    places = _places(subgraph, operator, specification)
    family = _family(places)
    if family is not None and family not in families:
        return
    for said, tensor in places:
        if said.role == "weights":
            yield from check_weights(subgraph, operator, said, tensor, family)
    if family is None or _is_plain(operator, places, family):
        return  # plain integers; or floats, for which there are other rules
    activations = [tensor for said, tensor in places if said.role == "activation"]
    if family == "int16" and not specification.has_int16:
        yield broken("activation.int16", subgraph, operator, activations[-1], "int16 activations")
    for said, tensor in places:
        if said.role == "activation":
            yield from _judge_activation(subgraph, operator, said, tensor, family)
        elif said.role == "bias":
            yield from check_bias(subgraph, operator, said, tensor, family)
    if specification.same_scale and not (family == "uint8" and operator.type in RESCALED_UINT8):
        yield from _judge_same_scale(subgraph, operator, activations)
    elif specification.state is not None:
        state, output = operator.inputs[specification.state], operator.outputs[0]
        both = [subgraph.tensors[index] for index in (output, state) if index >= 0]
        yield from _judge_same_scale(subgraph, operator, both)


def _judge_activation(
    subgraph: Subgraph,
    operator: Operator,
    said: TensorSpecification,
    tensor: Tensor,
    family: Family,
) -> Iterator[Finding]:
    quantization = tensor.quantization
    allowed = said.dtypes(family)
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
    if said.power_of_two and quantization.scales[0] > 0:
        logarithm = np.log2(quantization.scales[0])
        if not abs(logarithm - round(logarithm)) < _LOGARITHM:
            found = parameters(quantization)
            yield broken("activation.power_of_two", subgraph, operator, tensor, found)
    fixed = said.fixed_in(family)
    if fixed is not None and fixed != (quantization.scales[0], point):  # all powers of two
        steps = rescaling_steps(tensor, Quantization((fixed[0],), (fixed[1],), 0))
        if steps >= LEAST_STEPS or (operator.type in EXACT and family != "int16"):
            yield broken(
                "activation.fixed", subgraph, operator, tensor, parameters(quantization),
                expected=f"scale {fixed[0]:.9g}, zero point {fixed[1]}", effect_steps=steps,
            )  # fmt: skip


def _judge_same_scale(
    subgraph: Subgraph, operator: Operator, activations: Sequence[Tensor]
) -> Iterator[Finding]:
    given = [tensor for tensor in activations if tensor.quantization is not None]
    # Of several inputs and outputs, those are wrong that differ from most; what is computed counts
    # before what is stored.
    computed = [tensor for tensor in given if tensor.constant is None] or given
    counts = Counter(tensor.quantization for tensor in computed)
    if not counts:
        return
    expected = counts.most_common(1)[0][0]
    for tensor in given:
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
