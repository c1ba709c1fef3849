"""The pipeline ``retrain``: training, and the whole chain with what it gave."""

from quantline.pipelines.retrain.pipeline import create_pipeline

__all__ = ["create_pipeline"]
