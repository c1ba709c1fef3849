"""What goes over the bus at each inference: activations at the compiled part's edges, and code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantline.edgetpu.tensors import elements, extent

if TYPE_CHECKING:
    from collections.abc import Collection

    from quantline.tflite.graph import Subgraph

# Instructions in compiled files: about 2 KB an operator, and 2 bytes for each pixel of the largest
# map (45 KB for MobileNet v1 0.25 at 128 pixels a side, 130 KB for v2 at 224, 161 KB for DeepLab at
# 513, 0.8 to 1.0 MB for PoseNet at 721 by 1,281).
_INSTRUCTIONS = 2_000
_INSTRUCTIONS_PIXEL = 2
# The factor, either way, within which all of those compiled files are.
INSTRUCTIONS_SPREAD = 2.5


@dataclass(frozen=True)
class Traffic:
    """Bytes that go over the bus at each inference, streamed parameters apart.

    Attributes:
        input_bytes: Activations sent to the chip.
        output_bytes: Activations that come back.
        instruction_bytes: Instructions sent, within a factor of ``INSTRUCTIONS_SPREAD``.
    """

    input_bytes: int
    output_bytes: int
    instruction_bytes: int


def traffic(subgraph: Subgraph, chosen: Collection[int]) -> Traffic:
    """Work out what goes over the bus for the operators that are compiled for the Edge TPU.

    Args:
        subgraph: The main subgraph of the model before compilation.
        chosen: Indices of the operators that are compiled.
    """
    sent: set[int] = set()
    given: set[int] = set()
    wanted = set(subgraph.outputs)
    pixels = 0
    for operator in subgraph.operators:
        if operator.index not in chosen:
            wanted.update(operator.inputs)
            continue
        sent.update(index for index in operator.inputs if index >= 0)
        given.update(operator.outputs)
        for index in operator.outputs:
            shape = extent(subgraph.tensors[index])
            pixels = max(pixels, shape[1] * shape[2] if len(shape) == 4 else 1)
    return Traffic(
        input_bytes=_bytes(subgraph, sent - given),
        output_bytes=_bytes(subgraph, given & wanted),
        instruction_bytes=_INSTRUCTIONS * len(chosen) + _INSTRUCTIONS_PIXEL * pixels,
    )


def _bytes(subgraph: Subgraph, indices: Collection[int]) -> int:
    tensors = [subgraph.tensors[index] for index in indices]
    return sum(elements(tensor) for tensor in tensors if tensor.constant is None)
