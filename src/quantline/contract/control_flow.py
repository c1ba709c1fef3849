"""Values that go into control-flow bodies and come out again: their integers are copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.contract.conformance import parameters
from quantline.contract.rules import broken

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
CONTROL_FLOW = frozenset({*_BODIES, "CALL_ONCE"})


def miscalled(graph: Graph) -> Iterator[Finding]:
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
        if _meaning(given) != _meaning(taken):
            expected = f"{_meaning(taken)}, as tensor {number} of subgraph {body.index} has"
            yield broken(
                "call.same_scale", subgraph, operator, given, _meaning(given), expected=expected
            )


def _meaning(tensor: Tensor) -> str:
    if tensor.quantization is None:
        return tensor.dtype
    return f"{tensor.dtype}, {parameters(tensor.quantization)}"
