"""What a run on one Edge TPU gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quantline.edgetpu.vocabulary import Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantline.edgetpu.device.agreement import Agreement
    from quantline.tflite.runtime import Kernels
    from quantline.tflite.tensor_io import TensorIO

_PERCENTILES = (10, 50, 90)


@dataclass(frozen=True)
class DeviceLatency:
    """How long single invocations took, ms: the operators on the CPU and all transfers included.

    Attributes:
        first: The very first, which loads the parameters onto the chip.
        p10: Of the timed ones after it, the 10th percentile.
        p50: Their median.
        p90: Their 90th percentile.
        minimum: The shortest of them.
        runs: How many they are.
    """

    first: float
    p10: float
    p50: float
    p90: float
    minimum: float
    runs: int

    @classmethod
    def of(cls, first_ms: float, times_ms: Sequence[float]) -> DeviceLatency:
        """Sum up what was timed; ``times_ms`` holds at least one."""
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
    """What a run on one device gave.

    Attributes:
        device: The device that was asked for.
        library: The runtime library.
        library_version: What it says of its version; None where it says nothing.
        kernels: Which kernels ran what was not compiled.
        cpu_kernels: Which ran the model that the outputs are compared with; None without one.
        ports: The model's outputs: names, scales and zero points.
        outputs: For each, array of shape (n_samples, 1, ...), as the model stores it.
        latency: How long it took.
        agreements: For each output, how far it is from the CPU's; None where there is nothing to
            compare with, or it is of real numbers of which no step is known.
    """

    device: str
    library: str
    library_version: str | None
    kernels: Kernels
    cpu_kernels: Kernels | None
    ports: tuple[TensorIO, ...]
    outputs: tuple[np.ndarray, ...]
    latency: DeviceLatency
    agreements: tuple[Agreement | None, ...]

    def real_outputs(self) -> tuple[np.ndarray, ...]:
        """Return the outputs as the real numbers they stand for, float32."""
        return tuple(
            port.dequantize(value) for port, value in zip(self.ports, self.outputs, strict=True)
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
