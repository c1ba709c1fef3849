"""The ``conversion`` stage."""

from quantline.pipelines.conversion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
