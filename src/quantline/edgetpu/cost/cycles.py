"""The compiler's estimate of clock cycles, and what it leaves out, from the model alone.

The chip computes 4 by 4 pixels at once, in each of them 16 outputs from 4 inputs: 1,024
multiply-accumulates a cycle. The estimate in compiled files counts convolutions only, and for each
block of outputs no fewer than 16 cycles. The rule was found from files that hold the estimate and
gives it within 0.3 % (MobileNet v1 and v2, DeepLab v3, PoseNet, and chains of convolutions).
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from quantline.edgetpu.cost.kernel import kernel
from quantline.edgetpu.tensors import extent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.edgetpu.cost.kernel import Kernel
    from quantline.tflite.graph import Operator, Tensor

_TILE = 4  # pixels a side
_INPUTS = 4
_OUTPUTS = 16
_FEWEST = 16  # cycles for a block of outputs


def convolution_cycles(operator: Operator, tensors: Sequence[Tensor]) -> int:
    """Return the cycles that the compiler estimates for a CONV_2D; 0 for any other operator.

    On a single pixel the outputs are spread over all tiles and take next to none: 64 to 1,040
    cycles were left for the last layer of MobileNets.
    """
    found = kernel(operator, tensors) if operator.type == "CONV_2D" else None
    if found is None or prod(extent(found.result)[1:3]) == 1:
        return 0
    taps = found.height * found.width * -(-found.inputs // _INPUTS)
    return _tiles(found) * max(taps, _FEWEST) * -(-found.outputs // _OUTPUTS)


def depthwise_steps(operator: Operator, tensors: Sequence[Tensor]) -> int:
    """Return the taps of a DEPTHWISE_CONV_2D over tiles of 4x4 pixels and blocks of 16 channels.

    0 for any other operator. The compiler estimates no cycles for them; how long they take is
    fitted to published latencies, in :mod:`quantline.edgetpu.cost.latency`.
    """
    found = kernel(operator, tensors) if operator.type == "DEPTHWISE_CONV_2D" else None
    if found is None:
        return 0
    return _tiles(found) * found.height * found.width * -(-found.outputs // _OUTPUTS)


def _tiles(found: Kernel) -> int:
    _, height, width, _ = extent(found.result)
    return -(-height // _TILE) * -(-width // _TILE)
