"""The ``calibration`` stage."""

from quantline.pipelines.calibration.pipeline import create_pipeline

__all__ = ["create_pipeline"]
