"""The ``validation`` stage."""

from quantline.pipelines.validation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
