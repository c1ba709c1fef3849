"""The number of independent compiled models in which a kind of operator came as predicted.

Files of one family count as one. ``python -m benchmarks.edgetpu_rules FOLDER ...`` counts again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantline.edgetpu.vocabulary import Placement, Status, at, extent, integers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.tflite.graph import Operator, Tensor

_SEEN_IN_MODELS: dict[str, int] = {
    "ADD: MAPPED": 8, "ARG_MAX: DTYPE": 1, "AVERAGE_POOL_2D: MAPPED": 6,
    "CONCATENATION: MAPPED": 6, "CONV_2D dilated along one dimension: MAPPED": 1,
    "CONV_2D: MAPPED": 20, "DEPTHWISE_CONV_2D: MAPPED": 10, "DEQUANTIZE: DTYPE": 2,
    "FULLY_CONNECTED: MAPPED": 9, "LOGISTIC: MAPPED": 3, "MAX_POOL_2D: MAPPED": 5,
    "MEAN: MAPPED": 1, "MUL: MAPPED": 3, "PAD of channels: MAPPED": 1, "PAD: MAPPED": 7,
    "PosenetDecoderOp: DTYPE": 2, "QUANTIZE: MAPPED": 10, "QUANTIZE: UNSPECIFIED": 4,
    "RESHAPE: MAPPED": 12, "RESIZE_BILINEAR: UNSPECIFIED": 1,
    "RESIZE_NEAREST_NEIGHBOR: MAPPED": 1, "SOFTMAX: MAPPED": 8, "SPLIT into one: MAPPED": 1,
    "TRANSPOSE: MAPPED": 1, "TRANSPOSE: UNSPECIFIED": 1,
}  # fmt: skip

# Kinds that are known from compiled models only, up to this runtime; the table says otherwise.
_NOT_DOCUMENTED = {"PAD of channels": 12, "SPLIT into one": 14} | {
    f"{kind} dilated along one dimension": 14 for kind in ("CONV_2D", "DEPTHWISE_CONV_2D")
}

# What decides these is the graph, or another operator.
_OF_THE_GRAPH = frozenset(
    {Status.ONE_SUBGRAPH, Status.DEPENDS, Status.REFUSED, Status.COMPILED, Status.UNREACHABLE}
)


def seen_in_models(kind: str, status: Status) -> int | None:
    """Return the number of models in which operators of a kind got a status, as predicted.

    It is None where the operator itself does not decide.
    """
    return None if status in _OF_THE_GRAPH else _SEEN_IN_MODELS.get(f"{kind}: {status.name}", 0)


def is_documented(kind: str, runtime_version: int) -> bool:
    """Return whether the table of operators says that a kind is mapped for a runtime version."""
    return runtime_version > _NOT_DOCUMENTED.get(kind, 0)


def kind(operator: Operator, tensors: Sequence[Tensor], target: Placement) -> str:
    """Return an operator's type, with what distinguishes it from others that are mapped.

    On the CPU, the type alone says enough.
    """
    if target is Placement.EDGETPU:
        special = _special(operator, tensors)
        return f"{operator.type} {special}" if special else operator.type
    return operator.type


def _special(operator: Operator, tensors: Sequence[Tensor]) -> str:
    if operator.type in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        dilations = [operator.options.get(f"dilation{side}Factor", 1) for side in "HW"]
        return "dilated along one dimension" if dilations[0] != dilations[1] else ""
    if operator.type == "PAD":
        amounts = integers(at(operator, 1, tensors)) or ()
        return "of channels" if any(amounts[-2:]) else ""
    if operator.type == "SPLIT":
        return "into one" if len(operator.outputs) == 1 else ""
    if operator.type == "MEAN":
        rank = len(extent(tensors[operator.inputs[0]]))
        reduced = integers(at(operator, 1, tensors)) or ()
        return "over channels" if rank and rank - 1 in {axis % rank for axis in reduced} else ""
    return ""
