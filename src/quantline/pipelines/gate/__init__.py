"""The ``gate`` stage."""

from quantline.pipelines.gate.pipeline import create_pipeline

__all__ = ["create_pipeline"]
