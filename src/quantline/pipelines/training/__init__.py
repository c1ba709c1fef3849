"""The ``training`` stage."""

from quantline.pipelines.training.pipeline import create_pipeline

__all__ = ["create_pipeline"]
