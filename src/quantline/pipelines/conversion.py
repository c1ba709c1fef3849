"""The ``conversion`` stage: float model and ranges in, int8 model and recipe out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kedro.pipeline import Pipeline, node, pipeline

from quantline import recipe as parameters
from quantline.contract import golden
from quantline.quantization import quantize, source_of
from quantline.quantization.output_report import enforce_outputs
from quantline.ranges import RangeSet
from quantline.sampling import CalibrationSet

if TYPE_CHECKING:
    import numpy as np


def convert(
    float_model: bytes,
    float_import: dict[str, Any],
    ranges: dict[str, Any],
    calibration_set: dict[str, np.ndarray],
    conversion: dict[str, Any],
    model: dict[str, Any],
) -> tuple[bytes, dict[str, Any]]:
    """Quantize the float model; return the quantized model and the recipe it was made with."""
    made = quantize(
        float_model,
        RangeSet.from_dict(ranges),
        parameters.check(parameters.Conversion, conversion),
        CalibrationSet.of(calibration_set).samples(),
        source_of(float_import, parameters.check(parameters.Model, model)),
    )
    return made.content, made.recipe


def check_outputs(recipe: dict[str, Any], conversion: dict[str, Any]) -> None:
    """Stop where an output is lost; the model and its recipe are kept."""
    if parameters.check(parameters.Conversion, conversion).lost_outputs == "error":
        enforce_outputs(recipe["measured"])


def make_golden(int8_model: bytes, calibration_set: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Make the golden vectors that are kept with the quantized model."""
    return golden.make(int8_model, CalibrationSet.of(calibration_set).samples()).arrays()


def create_pipeline() -> Pipeline:
    """Build the pipeline."""
    return pipeline(
        [
            node(
                convert,
                [
                    "float_model",
                    "float_import",
                    "ranges",
                    "calibration_set",
                    "params:conversion",
                    "params:model",
                ],
                ["int8_model", "recipe"],
                name="convert",
            ),
            node(check_outputs, ["recipe", "params:conversion"], None, name="check_outputs"),
            node(
                make_golden,
                ["int8_model", "calibration_set"],
                "golden_vectors",
                name="make_golden",
            ),
        ],
        tags="conversion",
    )
