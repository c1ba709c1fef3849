"""Values that go into control-flow bodies and come out again: their integers are copied."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from quantline.contract.effect import LEAST_STEPS, rescaling_steps
from quantline.contract.rules import broken, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quantline.contract.finding import Finding
    from quantline.tflite import Graph, Operator, Subgraph, Tensor

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
    """Find values that mean something else inside of a body than outside."""
    for subgraph in graph.subgraphs:
        for operator in subgraph.operators:
            for field, first, has_outputs in _BODIES.get(operator.type, ()):
                number = operator.options.get(field, -1)
                if not 0 <= number < len(graph.subgraphs):
                    continue
                body = graph.subgraphs[number]
                yield from _compare(subgraph, operator, operator.inputs[first:], body, body.inputs)
                if has_outputs:
                    yield from _compare(subgraph, operator, operator.outputs, body, body.outputs)


def _compare(
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
        steps = _steps(given, taken)
        if not steps < LEAST_STEPS:
            expected = f"{_meaning(taken)}, as tensor {number} of subgraph {body.index} has"
            yield broken(
                "call.same_scale", subgraph, operator, given, _meaning(given),
                expected=expected, effect_steps=steps,
            )  # fmt: skip


def _steps(given: Tensor, taken: Tensor) -> float:
    """Return by how many steps a value is off inside; infinite where it is no number there."""
    if given.dtype != taken.dtype:
        return inf
    if given.quantization == taken.quantization or given.dtype not in _QUANTIZED:
        return 0.0
    return inf if taken.quantization is None else rescaling_steps(given, taken.quantization)


def _meaning(tensor: Tensor) -> str:
    if tensor.quantization is None:
        return tensor.dtype
    return f"{tensor.dtype}, {parameters(tensor.quantization)}"
