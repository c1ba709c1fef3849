"""Nodes of the ``calibration`` stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantline.progress import track
from quantline.ranges import record

if TYPE_CHECKING:
    import numpy as np


def record_ranges(
    float_model: bytes, calibration_set: dict[str, np.ndarray], manifest: dict[str, Any]
) -> dict[str, Any]:
    """Record the range of every activation over the calibration set."""
    samples = calibration_set["x"]
    ranges = record(
        float_model,
        track(samples, "calibration", total=len(samples)),
        samples_sha256=manifest["calibration"]["sha256"],
    )
    return ranges.to_dict()
