"""The bytes of an operator's parameters on the Edge TPU, in the compiler's layout.

Each number is a sum of parts, each by a rule of :mod:`quantline.edgetpu.cost.rules` and with its
bounds: a rule that was seen in few models widens them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.edgetpu.cost.rearrangements import RESHAPES, rearrangement, spread_outputs
from quantline.edgetpu.cost.rules import exactly
from quantline.edgetpu.cost.weights import lstm, weights
from quantline.edgetpu.cost.work import layer_weights

if TYPE_CHECKING:
    from collections.abc import Collection

    from quantline.edgetpu.cost.rules import Part
    from quantline.tflite.graph import Operator, Subgraph


def parameter_parts(
    subgraph: Subgraph, chosen: Collection[int], runtime_version: int
) -> dict[int, list[Part]]:
    """Return the parts of the parameters of each chosen operator, by its index."""
    host = _from_host(subgraph)
    spread = _spread(subgraph, chosen)
    found = {}
    for operator in subgraph.operators:
        if operator.index not in chosen:
            continue
        if operator.index in spread.values():
            # The convolution before does it.
            found[operator.index] = [exactly("outputs spread for a RESHAPE", 0)]
        else:
            reader = spread.get(operator.index)
            after = None if reader is None else subgraph.operators[reader]
            reads_host = bool(host.intersection(operator.inputs))
            found[operator.index] = _parts(operator, subgraph, runtime_version, reads_host, after)
    return found


def _parts(
    operator: Operator,
    subgraph: Subgraph,
    runtime_version: int,
    reads_host: bool,
    after: Operator | None,
) -> list[Part]:
    tensors = subgraph.tensors
    found = layer_weights(operator, tensors)
    if found is not None:
        outputs = spread_outputs(after, tensors) if after else None
        return weights(operator, found, tensors, runtime_version, outputs or found.outputs)
    if operator.type in ("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM"):
        return lstm(operator, tensors)
    return rearrangement(operator, tensors, runtime_version, reads_host)


def _spread(subgraph: Subgraph, chosen: Collection[int]) -> dict[int, int]:
    """Return the RESHAPE for which each convolution spreads its outputs, by their indices."""
    found = {}
    for operator in subgraph.operators:
        if operator.type == "CONV_2D" and operator.index in chosen:
            (result,) = operator.outputs
            reading = [] if result in subgraph.outputs else subgraph.consumers.get(result, [])
            if len(reading) == 1 and reading[0].index in chosen:
                if spread_outputs(reading[0], subgraph.tensors):
                    found[operator.index] = reading[0].index
    return found


def _from_host(subgraph: Subgraph) -> set[int]:
    # The host sends an input in any order that the program wants: no need to rearrange it.
    found = set(subgraph.inputs)
    for operator in subgraph.operators:
        kept = operator.type == "QUANTIZE" or operator.type in RESHAPES
        if kept and found.intersection(operator.inputs):
            found.update(operator.outputs)
    return found
