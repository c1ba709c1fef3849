"""The pipeline ``retrain``: training, then the whole chain with the trained model."""

from quantline.pipelines.retrain.pipeline import create_pipeline

__all__ = ["create_pipeline"]
