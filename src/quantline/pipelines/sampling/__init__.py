"""The ``sampling`` stage."""

from quantline.pipelines.sampling.pipeline import create_pipeline

__all__ = ["create_pipeline"]
