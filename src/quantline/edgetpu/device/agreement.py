"""How far what a device gave is from what the CPU gave, in quantization steps.

The Edge TPU computes with integers too, but nobody promises that it rounds as the CPU's kernels
do; these do not among themselves either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.edgetpu.vocabulary import Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quantline.tflite import Subgraph


@dataclass(frozen=True)
class Agreement:
    """How far apart two runs are at one output.

    Attributes:
        output: The output's tensor name.
        step: What one quantization step is in real numbers; None of integers that stand for
            themselves, such as the numbers of classes.
        equal_share: The share of values that are equal, from 0 to 1.
        steps_mean: The mean difference, steps.
        steps_max: The largest difference, steps.
        histogram: How many values differ by how many steps.
        top1_agreement: The share of samples whose largest value is at the same place, the first
            of equals; None for an output that is no row of scores.
    """

    output: str
    step: float | None
    equal_share: float
    steps_mean: float
    steps_max: int
    histogram: Mapping[int, int]
    top1_agreement: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the agreement as plain JSON values."""
        return {
            "evidence": Evidence.MEASURED.value,
            "output": self.output,
            "step": self.step,
            "equal_share": self.equal_share,
            "steps_mean": self.steps_mean,
            "steps_max": self.steps_max,
            "histogram": {str(steps): count for steps, count in self.histogram.items()},
            "top1_agreement": self.top1_agreement,
        }


def step_of(subgraph: Subgraph, index: int) -> float | None:
    """Return what one quantization step of an output is in real numbers.

    Of a float output that a DEQUANTIZE gives it is the step of what that reads.

    Args:
        subgraph: The main subgraph.
        index: The output's tensor.

    Returns:
        The step; None where the output is not quantized.
    """
    maker = next((operator for operator in subgraph.operators if index in operator.outputs), None)
    if maker is not None and maker.type == "DEQUANTIZE":
        index = maker.inputs[0]
    quantization = subgraph.tensors[index].quantization
    return quantization.scales[0] if quantization is not None else None


def agree(output: str, step: float | None, device: np.ndarray, cpu: np.ndarray) -> Agreement | None:
    """Compare two runs over the same samples at one output.

    Args:
        output: The output's tensor name.
        step: What one quantization step is in real numbers; None where it has none.
        device: array of shape (n_samples, 1, ...), as the device's interpreter gave it.
        cpu: The same of the CPU's.

    Returns:
        How far they are apart; None for real numbers of which no step is known.
    """
    apart = np.abs(device.astype(np.float64) - cpu.astype(np.float64))
    if device.dtype.kind not in "iu":
        if step is None:
            return None
        apart /= step
    steps = np.rint(apart).astype(np.int64)
    values, counts = np.unique(steps, return_counts=True)
    is_scores = device.ndim > 2 and device.shape[-1] > 1 and device[0].size == device.shape[-1]
    return Agreement(
        output,
        step,
        float((steps == 0).mean()),
        float(steps.mean()),
        int(steps.max()),
        dict(zip(values.tolist(), counts.tolist(), strict=True)),
        float((device.argmax(-1) == cpu.argmax(-1)).mean()) if is_scores else None,
    )
