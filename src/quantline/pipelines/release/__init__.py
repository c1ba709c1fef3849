"""The ``release`` stage."""

from quantline.pipelines.release.pipeline import create_pipeline

__all__ = ["create_pipeline"]
