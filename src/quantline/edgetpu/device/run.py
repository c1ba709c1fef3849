"""The results of a run on an Edge TPU: outputs, latency, and their differences from the CPU.

The Edge TPU computes with integers too, but need not round as the CPU's kernels do; these
differ among themselves too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.edgetpu.vocabulary import Evidence
from quantline.files import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quantline.tflite import Subgraph
    from quantline.tflite.runtime import Kernels
    from quantline.tflite.tensor_io import TensorIO

_PERCENTILES = (10, 50, 90)


@dataclass(frozen=True)
class Agreement:
    """The difference between two runs at one output."""

    output: str
    # one quantization step in real numbers; None for plain integers, such as the numbers of classes
    step: float | None
    equal_share: float  # the share of values that are equal, from 0 to 1
    steps_mean: float  # the mean difference, steps
    steps_max: int  # the largest difference, steps
    histogram: Mapping[int, int]  # the number of values by the steps they differ by
    # the share of samples whose largest value is at the same place, the first of equals; None for
    # an output that is no row of scores
    top1_agreement: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the agreement as plain JSON values."""
        histogram = {str(steps): count for steps, count in self.histogram.items()}
        return plain(self, evidence=Evidence.MEASURED, histogram=histogram)


@dataclass(frozen=True)
class DeviceLatency:
    """The duration of single invocations, ms, with the operators on the CPU and all transfers."""

    first: float  # the very first, which loads the parameters onto the chip
    p10: float  # of the timed ones after it, the 10th percentile
    p50: float  # their median
    p90: float  # their 90th percentile
    minimum: float
    runs: int

    @classmethod
    def of(cls, first_ms: float, times_ms: Sequence[float]) -> DeviceLatency:
        """Return the percentiles of at least one time, ms."""
        p10, p50, p90 = (float(value) for value in np.percentile(times_ms, _PERCENTILES))
        return cls(first_ms, p10, p50, p90, min(times_ms), len(times_ms))

    def to_dict(self) -> dict[str, Any]:
        """Return the latency as plain JSON values."""
        return {
            "evidence": Evidence.MEASURED.value,
            "latency_ms_first": self.first,
            "latency_ms_p10": self.p10,
            "latency_ms_p50": self.p50,
            "latency_ms_p90": self.p90,
            "latency_ms_min": self.minimum,
            "runs": self.runs,
        }


@dataclass(frozen=True, eq=False)
class DeviceRun:
    """The results of a run on one device."""

    device: str  # the device that was asked for
    library: str  # the runtime library
    library_version: str | None  # its own words about its version; None without any
    kernels: Kernels  # the kernels that ran what was not compiled
    # those of the model that the outputs are compared with; None without one
    cpu_kernels: Kernels | None
    outputs_io: tuple[TensorIO, ...]  # the model's outputs: names, scales and zero points
    # for each, array of shape (n_samples, 1, ...), as the model stores it
    outputs: tuple[np.ndarray, ...]
    latency: DeviceLatency
    # for each output, how far it is from the CPU's; None where there is nothing to compare with, or
    # it is of real numbers of which no step is known
    agreements: tuple[Agreement | None, ...]

    def real_outputs(self) -> tuple[np.ndarray, ...]:
        """Return the outputs as the real numbers they stand for, float32."""
        return tuple(
            output.dequantize(values)
            for output, values in zip(self.outputs_io, self.outputs, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all but the outputs as plain JSON values."""
        return {
            "evidence": Evidence.MEASURED.value,
            "device": self.device,
            "library": self.library,
            "library_version": self.library_version,
            "kernels": self.kernels,
            "cpu_kernels": self.cpu_kernels,
            "samples": len(self.outputs[0]),
            "latency": self.latency.to_dict(),
            "agreements": [
                agreement.to_dict() for agreement in self.agreements if agreement is not None
            ],
        }


def step_of(subgraph: Subgraph, index: int) -> float | None:
    """Return one quantization step of an output in real numbers; None where it is not quantized.

    Of a float output that a DEQUANTIZE gives it is the step of what that reads.
    """
    producer = subgraph.producers.get(index)
    if producer is not None and producer.type == "DEQUANTIZE":
        index = producer.inputs[0]
    quantization = subgraph.tensors[index].quantization
    return quantization.scales[0] if quantization is not None else None


def compare_outputs(
    output: str, step: float | None, device: np.ndarray, cpu: np.ndarray
) -> Agreement | None:
    """Compare two runs over the same samples at one output, arrays of shape (n_samples, 1, ...).

    The result is None for real numbers of which no step is known.
    """
    differences = np.abs(device.astype(np.float64) - cpu.astype(np.float64))
    if device.dtype.kind not in "iu":
        if step is None:
            return None
        differences /= step
    steps = np.rint(differences).astype(np.int64)
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
