"""The ``preflight`` stage."""

from quantline.pipelines.preflight.pipeline import create_pipeline

__all__ = ["create_pipeline"]
