"""The ``compare`` pipeline: float and every scheme, from one recording."""

from quantline.pipelines.compare.pipeline import create_pipeline, create_report

__all__ = ["create_pipeline", "create_report"]
