"""The ``champion`` stage."""

from quantline.pipelines.champion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
