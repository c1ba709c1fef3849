"""The ``report`` stage."""

from quantline.pipelines.report.pipeline import create_pipeline

__all__ = ["create_pipeline"]
