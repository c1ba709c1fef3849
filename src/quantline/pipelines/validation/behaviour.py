"""Nodes of the ``validation`` stage that run the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.contract import golden
from quantline.contract.kernels import compare_kernels
from quantline.contract.layers import compare_layers
from quantline.contract.vectors import Golden

if TYPE_CHECKING:
    import numpy as np

_SAMPLES = 32  # enough to rank layers by; the calibration set may be of thousands


def check_golden(int8_model: bytes, golden_vectors: dict[str, np.ndarray]) -> dict[str, Any]:
    """Stop where the quantized model does not give the outputs that were kept with it."""
    kept = Golden.from_arrays(golden_vectors)
    golden.enforce(kept, golden.check(int8_model, kept))
    return {
        "evidence": "measured",
        "vectors": [vector.source for vector in kept.vectors],
        "kernels": kept.kernels,
        "tolerance": kept.tolerance,
    }


def measure_kernels(int8_model: bytes, calibration_set: dict[str, np.ndarray]) -> dict[str, Any]:
    """Run the quantized model on each set of kernels and compare what they give."""
    return compare_kernels(int8_model, list(calibration_set["x"][:_SAMPLES])).to_dict()


def measure_layers(
    float_model: bytes, int8_model: bytes, calibration_set: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Compare the float and the quantized model layer by layer, the worst first."""
    samples = list(calibration_set["x"][:_SAMPLES])
    errors = compare_layers(float_model, int8_model, samples)
    return {
        "evidence": "measured",
        "samples": len(samples),
        "layers": [error.to_dict() for error in errors],
    }
