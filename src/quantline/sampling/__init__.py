"""Datasets, the transform to model input, the draw and its manifest, the lint."""

from quantline.sampling.calibration_set import CalibrationSet
from quantline.sampling.distribution import Distribution
from quantline.sampling.lint import UNRECORDABLE, lint, lint_together
from quantline.sampling.manifest import draw
from quantline.sampling.output_bounds import Bounds, output_bounds
from quantline.sampling.sources import Example, Source
from quantline.sampling.stream import (
    open_source,
    preview,
    refuse_other_shape,
    stored_dtype,
    stream,
    to_input,
)
from quantline.sampling.transform import Transform, build_transform

__all__ = [
    "UNRECORDABLE",
    "Bounds",
    "CalibrationSet",
    "Distribution",
    "Example",
    "Source",
    "Transform",
    "build_transform",
    "draw",
    "lint",
    "lint_together",
    "open_source",
    "output_bounds",
    "preview",
    "refuse_other_shape",
    "stored_dtype",
    "stream",
    "to_input",
]
