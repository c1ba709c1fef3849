"""The ``baseline`` stage."""

from quantline.pipelines.baseline.pipeline import create_pipeline

__all__ = ["create_pipeline"]
